import pytest

from bench.plan import OVERHEAD_SECONDS, WARMUP_SHARE, Step, seconds_each, steps


def test_every_row_goes_over_all_subjects_and_every_other_round_backwards() -> None:
    made = [(step.round, step.row, step.subject) for step in steps(["x", "y"], ["a", "b", "c"], 3)]
    assert made == [
        *[(0, row, subject) for row in "xy" for subject in "abc"],
        *[(1, row, subject) for row in "xy" for subject in "cba"],
        *[(2, row, subject) for row in "xy" for subject in "abc"],
    ]


def test_nothing_to_do_is_no_step() -> None:
    nobody: list[str] = []
    assert list(steps(["x"], nobody, 3)) == []
    assert list(steps(["x"], ["a"], 1)) == [Step(0, "x", "a")]


@pytest.mark.parametrize("count", [20, 60, 64, 144])
def test_all_measurements_fit_the_budget(count: int) -> None:
    each = seconds_each(100.0, count, 0.1, 10.0)
    assert count * (each * (1 + WARMUP_SHARE) + OVERHEAD_SECONDS) <= 101.0


def test_a_measurement_is_neither_too_short_nor_too_long() -> None:
    assert seconds_each(100.0, 10_000, 0.5, 3.0) == 0.5
    assert seconds_each(100.0, 1, 0.5, 3.0) == 3.0
    assert seconds_each(100.0, 0, 0.5, 3.0) == 3.0
