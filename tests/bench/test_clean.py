import contextlib
import io
import socket
from collections.abc import Callable, Iterator

import pytest

from bench import clean
from bench.clean import CleanPlan
from bench.programs import BenchError
from bench.progress import Progress
from bench.record import Run
from bench.rows import CLEAN_ROWS
from bench.sampling import Sampler
from bench.subjects import Direct, Lab, Relay, Running, Subject
from bench.subjects.base import start_at
from tests.bench import runs

Fault = Callable[[str], None]
RELAY = Relay("relay", "plain relay", threads=1)


class Broken(Subject):
    """Does not start."""

    key, title = "broken", "broken"

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        raise BenchError("no key fits")
        yield


class Mortal(Subject):
    """Ends by itself; counts its allocations, and says how much memory it holds."""

    key, title = "mortal", "mortal"
    counts_allocations = True

    def __init__(self, lifetime: str = "60") -> None:
        self._lifetime = lifetime

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        with start_at(
            lab, "server", "mortal", "sh", "-c", f"echo up; exec sleep {self._lifetime}"
        ) as program:
            program.wait_line("up")
            if self._lifetime == "0":
                program.wait_end(20)
            yield Running("direct", server=[program], engine_bytes=lambda: 12345)


class Forward(Subject):
    """Leads to the origin and nowhere else; what it stands for is a socket that nobody reads."""

    key, title = "forward", "forward"

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        self.origin = lab.origin
        with socket.create_server(("127.0.0.1", 0)) as self.entrance:
            yield Running("direct", forward=f"127.0.0.1:{self.entrance.getsockname()[1]}")
            self.entrance.setblocking(False)
            self.taken = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.entrance.accept()[0].close()
                    self.taken += 1


def measured(lab: Lab, subjects: list[Subject], rows: list[str], rounds: int = 1) -> Run:
    chosen = [row for row in CLEAN_ROWS if row.info.key in rows]
    run = runs.run({}, rows=[row.info for row in chosen])
    plan = CleanPlan(chosen, subjects, rounds, seconds=0.05)
    clean.measure_all(lab, plan, Sampler(run, Progress(1, io.StringIO())))
    return run


def test_everybody_is_measured_in_turns(lab: Lab) -> None:
    run = measured(lab, [Direct(), RELAY], ["down-1", "connect-32"], rounds=2)
    assert [(sample.round, sample.row, sample.subject) for sample in run.samples] == [
        (0, "down-1", "direct"),
        (0, "down-1", "relay"),
        (0, "connect-32", "direct"),
        (0, "connect-32", "relay"),
        (1, "down-1", "relay"),
        (1, "down-1", "direct"),
        (1, "connect-32", "relay"),
        (1, "connect-32", "direct"),
    ]
    assert not any(sample.error for sample in run.samples)
    direct, relay = run.samples[:2]
    assert direct.values.keys() == {"rate", "machine"}
    # Two processes with 0.01 s each, 1 MB.
    assert relay.values["cpu"] == pytest.approx(20.0)


def test_the_load_goes_to_a_forward_where_there_is_one(lab: Lab) -> None:
    forward = Forward()
    run = measured(lab, [forward], ["down-1", "idle-1000"])
    assert not any(sample.error for sample in run.samples)
    assert forward.origin is not None
    assert forward.taken == len(run.samples) == 2


def test_memory_comes_first_and_allocations_last() -> None:
    plan = CleanPlan(CLEAN_ROWS, [Direct(), RELAY, Mortal()], rounds=2, seconds=1)
    order = [(step.row.info.key, step.subject.key) for step in plan.steps()]
    assert order[:2] == [("idle-1000", "relay"), ("idle-1000", "mortal")]
    assert order[-2:] == [("allocations-request", "mortal"), ("allocations-connect", "mortal")]
    assert len(order) == 2 + 2 * 8 * 3 + 2


def test_memory_is_that_of_both_ends_and_what_each_connection_costs(lab: Lab) -> None:
    run = measured(lab, [RELAY, Mortal()], ["idle-1000"])
    relay, mortal = (sample.values for sample in run.samples)
    assert relay["both"] == relay["server"] + relay["client"]
    assert relay["each"] >= 0
    assert "engine" not in relay
    assert mortal["engine"] == 12345
    assert "client" not in mortal, "it has no such end"


def test_allocations_are_counted_where_they_can_be(lab: Lab) -> None:
    run = measured(lab, [RELAY, Mortal()], ["allocations-request"])
    (sample,) = run.samples
    assert (sample.subject, sample.values) == ("mortal", {"allocations": 3.5, "bytes": 2048})


def test_one_that_does_not_start_stops_nobody(lab: Lab) -> None:
    run = measured(lab, [Broken(), Direct()], ["down-1"])
    assert [sample.error for sample in run.samples] == ["did not start: no key fits", None]


def test_one_that_is_gone_is_told(lab: Lab) -> None:
    run = measured(lab, [Mortal("0"), Direct()], ["down-1"])
    assert "mortal is gone" in str(run.samples[0].error)
    assert run.samples[1].error is None


@pytest.mark.parametrize(
    ("wrong", "error"), [("nothing through", "nothing got through: 0 errors"), ("fail", "all has failed")]
)
def test_what_brings_nothing_is_an_error(lab: Lab, fault: Fault, wrong: str, error: str) -> None:
    fault(wrong)
    assert error in str(measured(lab, [Direct()], ["down-1"]).samples[0].error)


def test_single_errors_are_a_remark(lab: Lab, fault: Fault) -> None:
    fault("some errors")
    (sample,) = measured(lab, [Direct()], ["requests-64"]).samples
    assert (sample.error, sample.note) == (None, "3 errors")


def test_nothing_runs_afterwards_also_when_it_was_interrupted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Running] = []

    def interrupted(self: clean.Measurement) -> object:
        assert isinstance(self.subject, Running)
        seen.append(self.subject)
        raise KeyboardInterrupt

    monkeypatch.setattr(clean.Measurement, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measured(lab, [RELAY], ["down-1"])
    (running,) = seen
    assert running.server
    assert not any(program.alive for program in (*running.server, *running.client))
