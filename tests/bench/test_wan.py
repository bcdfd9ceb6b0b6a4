import contextlib
import io
from collections.abc import Iterator

import pytest

from bench import wan
from bench.load import Direction, Latency, LoadProgram, LoadResult, WireCounts
from bench.places import SERVER_ADDRESS
from bench.programs import BenchError
from bench.progress import Progress
from bench.sampling import Sampler
from bench.subjects import Direct, Lab, Running
from bench.wire import why_no_wire
from bench.wire_settings import WireSettings
from tests.bench import runs

SETTINGS = WireSettings(50, 1, 200)


def result(**more: object) -> LoadResult:
    fields: dict[str, object] = {
        "work": "down",
        "via": "direct",
        "connections": 1,
        "seconds": 3.0,
        "bytes": 60_000_000,
        "requests": 0,
        "errors": 0,
        "rate_bits": None,
        "per_second": None,
        "latency_us": None,
        "cpu_seconds": {},
        "machine_cpu_seconds": None,
        # Nothing in the first second, then 30 MB in each.
        "intervals": [0] * 10 + [3_000_000] * 20,
        "first_10mb_seconds": 0.64,
        "beside": Latency(p50=55_000, p99=100_000, max=200_000, count=300),
    }
    return LoadResult.model_validate(fields | more)


def counts(bytes_in: int, bytes_out: int) -> WireCounts:
    nothing = Direction(packets_in=9, bytes_in=900, lost=0, overflowed=0, packets_out=9, bytes_out=900)
    back = nothing.model_copy(update={"bytes_in": bytes_in, "bytes_out": bytes_out})
    return WireCounts(there=nothing, back=back)


def test_the_steady_state_is_the_last_two_thirds() -> None:
    values = wan.wan_values(result(), SETTINGS)
    assert values == pytest.approx({"mean": 160e6, "steady": 240e6, "first": 0.64, "p50": 1.1, "p99": 2.0})


def test_what_was_not_reached_is_left_out() -> None:
    slow = result(first_10mb_seconds=None, beside=None, intervals=[], bytes=1000)
    assert wan.wan_values(slow, SETTINGS).keys() == {"mean"}
    with pytest.raises(BenchError, match="nothing got through"):
        wan.wan_values(result(bytes=0), SETTINGS)


def test_without_a_round_trip_there_is_no_unit_for_times() -> None:
    assert "p50" not in wan.wan_values(result(), WireSettings(0, 1, 200))


def test_sent_per_delivered_counts_the_download_direction_between_two_moments() -> None:
    assert wan.sent_per_delivered(counts(1000, 1000), counts(103_000, 101_000)) == {"sent": 1.02}
    assert wan.sent_per_delivered(counts(1000, 1000), counts(2000, 1000)) == {}


def test_subjects_take_turns_and_share_the_seed_of_their_round() -> None:
    wires = [SETTINGS, WireSettings(150, 5, 200)]
    plan = wan.WanPlan(wires, [Direct("a", "a"), Direct("b", "b")], rounds=2, seconds=1, seed=7)
    order = [(step.round, step.row.key, step.subject.key) for step in plan.steps()]
    assert order[:4] == [(0, "50ms-1%", "a"), (0, "50ms-1%", "b"), (0, "150ms-5%", "a"), (0, "150ms-5%", "b")]
    assert order[4][2] == "b"


class Forward(Direct):
    """Leads to the origin and nowhere else, in name only."""

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        yield Running("direct", forward=f"to {lab.origin}")


def test_the_load_goes_to_a_forward_where_there_is_one(
    load: LoadProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := why_no_wire():
        pytest.skip(reason)
    targets: list[str] = []

    def noted(self: LoadProgram, place: object, via: str, target: str, *_: object, **__: object) -> object:
        targets.append(target)
        raise BenchError("that is all")

    monkeypatch.setattr(LoadProgram, "run", noted)
    run = runs.run({}, kind="wan", rows=[wan.row(SETTINGS)])
    plan = wan.WanPlan([SETTINGS], [Forward("a", "a")], rounds=1, seconds=0.1, seed=7)
    wan.measure_all(load, plan, Sampler(run, Progress(1, io.StringIO())))
    assert [target.rpartition(":")[0] for target in targets] == [f"to {SERVER_ADDRESS}"]


def test_a_measurement_has_a_wire_of_its_own(load: LoadProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := why_no_wire():
        pytest.skip(reason)
    seeds: list[str] = []
    arguments = WireSettings.arguments

    def noted(self: WireSettings, seed: int) -> list[str]:
        seeds.append(f"{self.key} {seed}")
        return arguments(self, seed)

    monkeypatch.setattr(WireSettings, "arguments", noted)
    run = runs.run({}, kind="wan", rows=[wan.row(SETTINGS)])
    plan = wan.WanPlan([SETTINGS], [Direct("a", "a"), Direct("b", "b")], rounds=2, seconds=0.1, seed=7)
    wan.measure_all(load, plan, Sampler(run, Progress(4, io.StringIO())))
    assert [sample.error for sample in run.samples] == [None] * 4
    assert seeds == ["50ms-1% 7", "50ms-1% 7", "50ms-1% 8", "50ms-1% 8"]
    sample = run.samples[0]
    # The stand-in's figures: 1 MB in 0.1 s, 100 µs and 300.5 µs beside.
    assert sample.values["mean"] == pytest.approx(80e6)
    assert sample.values["p99"] == pytest.approx(300.5e-6 / 0.05)
    assert sample.raw["wire"]["after"]["there"]["packets_in"] > 0
