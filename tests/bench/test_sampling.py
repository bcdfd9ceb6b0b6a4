import io
from collections.abc import Callable

import pytest

from bench.programs import BenchError
from bench.progress import Progress
from bench.record import Run
from bench.sampling import GIVE_UP_AFTER, Measured, Sampler
from tests.bench import runs


@pytest.fixture
def run() -> Run:
    return runs.run({})


@pytest.fixture
def take(run: Run) -> Callable[[Callable[[], Measured]], None]:
    sampler = Sampler(run, Progress(9, io.StringIO()))
    return lambda measure: sampler.take(len(run.samples), "row", "subject", measure)


def good() -> Measured:
    return Measured({"rate": 1.0}, {"raw": 2}, "a remark")


def bad() -> Measured:
    raise BenchError("broken")


def test_what_was_measured_is_kept(run: Run, take: Callable[[Callable[[], Measured]], None]) -> None:
    take(good)
    (sample,) = run.samples
    assert (sample.values, sample.raw, sample.note, sample.error) == (
        {"rate": 1.0},
        {"raw": 2},
        "a remark",
        None,
    )
    assert sample.load_average is not None


@pytest.mark.parametrize("error", [BenchError("broken"), OSError(24, "Too many open files")])
def test_what_fails_is_kept_and_stops_nothing(
    run: Run, take: Callable[[Callable[[], Measured]], None], error: Exception
) -> None:
    def fail() -> Measured:
        raise error

    take(fail)
    take(good)
    assert run.samples[0].error == str(error)
    assert run.samples[1].error is None


def test_what_fails_again_and_again_is_given_up(
    run: Run, take: Callable[[Callable[[], Measured]], None]
) -> None:
    for _ in range(GIVE_UP_AFTER + 3):
        take(bad)
    assert len(run.samples) == GIVE_UP_AFTER


def test_a_success_between_two_failures_keeps_it_in(
    run: Run, take: Callable[[Callable[[], Measured]], None]
) -> None:
    for measure in (bad, good, bad, good):
        take(measure)
    assert [sample.error for sample in run.samples] == ["broken", None, "broken", None]


def test_an_interrupt_is_no_sample(run: Run, take: Callable[[Callable[[], Measured]], None]) -> None:
    def interrupt() -> Measured:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(interrupt)
    assert not run.samples
