import pytest

from bench.load import Latency, LoadResult
from bench.programs import BenchError
from bench.rows import CLEAN_ROWS, latency_values, timed_values

RESULT = LoadResult(
    work="down",
    via="direct",
    connections=1,
    seconds=2.0,
    bytes=4_000_000_000,
    requests=10_000,
    errors=0,
    rate_bits=None,
    per_second=None,
    latency_us=Latency(p50=100, p99=4300, max=9000, count=10_000),
    cpu_seconds={"1": 0.5, "2": 1.5},
    machine_cpu_seconds=3.0,
    intervals=[],
    first_10mb_seconds=None,
)


def test_bulk_is_bits_per_second_and_cpu_per_gigabyte() -> None:
    assert timed_values("down", RESULT) == {"rate": 16e9, "cpu": 0.5, "machine": 0.75}
    assert timed_values("up", RESULT) == timed_values("down", RESULT)


@pytest.mark.parametrize("kind", ["requests", "connect"])
def test_the_rest_is_units_per_second_and_cpu_per_unit(kind: str) -> None:
    values = timed_values(kind, RESULT)
    assert values == {"rate": 5000.0, "cpu": 2e-4, "machine": 3e-4, "p50": 1e-4, "p99": 4.3e-3}


def test_who_has_no_process_has_no_cpu() -> None:
    alone = RESULT.model_copy(update={"cpu_seconds": {}, "machine_cpu_seconds": None, "latency_us": None})
    assert timed_values("requests", alone) == {"rate": 5000.0}


@pytest.mark.parametrize(("kind", "key"), [("down", "bytes"), ("requests", "requests")])
def test_nothing_is_no_result(kind: str, key: str) -> None:
    with pytest.raises(BenchError, match="nothing got through: 7 errors"):
        timed_values(kind, RESULT.model_copy(update={key: 0, "errors": 7}))


def test_times_that_were_not_measured_are_left_out() -> None:
    assert latency_values(None) == {}
    assert latency_values(Latency(p50=None, p99=None, max=None, count=0)) == {}
    assert latency_values(Latency(p50=5, p99=None, max=None, count=3)) == {"p50": 5e-6}


def test_names_are_unique_and_every_row_has_a_main_measure() -> None:
    assert len({row.info.key for row in CLEAN_ROWS}) == len(CLEAN_ROWS)
    for row in CLEAN_ROWS:
        keys = [measure.key for measure in row.info.measures]
        assert keys
        assert len(set(keys)) == len(keys)
