from pathlib import Path

import pytest

from bench.options import FULL, QUICK, parser
from bench.plan import WARMUP_SHARE
from bench.rows import CLEAN_ROWS, Timed


def test_the_defaults() -> None:
    options = parser().parse_args([])
    assert (options.wan, options.quick, options.base, options.rate, options.seed) == (
        False,
        False,
        "relay",
        200.0,
        1,
    )
    assert options.out.name == "out"


def test_lists_and_cells() -> None:
    options = parser().parse_args(
        ["--rows", "down-1,up-1,", "--cell", "50/1", "--cell", "10/0", "--show", "x.json"]
    )
    assert (options.rows, options.cell, options.show) == (
        ["down-1", "up-1"],
        ["50/1", "10/0"],
        Path("x.json"),
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--rounds", "0"],
        ["--rounds", "x"],
        ["--seconds", "nan"],
        ["--seconds", "0"],
        ["--seconds", "inf"],
        ["--rate", "0"],
        ["--rate", "-5"],
        ["--seed", "-1"],
        ["--surprise"],
    ],
)
def test_what_cannot_be_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_a_quick_run_with_every_peer_is_planned_for_two_minutes_at_most() -> None:
    """What is planned, not how long it takes here: memory, allocations and starts have the rest."""
    measurements = QUICK.rounds * sum(isinstance(row.task, Timed) for row in CLEAN_ROWS) * 9
    assert measurements * QUICK.shortest * (1 + WARMUP_SHARE) < 90
    assert QUICK.budget < 90
    assert FULL.budget <= 600
