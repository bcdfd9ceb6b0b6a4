"""The clock."""

import pytest

from ginnel.config import clock
from ginnel.doctor import timekeeping


@pytest.mark.parametrize(
    ("complaint", "kept", "state"),
    [
        ("", True, "ok"),
        ("", False, "note"),
        ("", None, "note"),
        ("this machine's clock is wrong:  x", True, "problem"),
    ],
)
def test_judgement(complaint: str, kept: bool | None, state: str) -> None:
    [finding] = timekeeping.check(complaint, kept)
    assert finding.state == state
    assert finding.remedy == ("" if state == "ok" else clock.SET_CLOCK)
    if complaint:
        assert finding.found == "this machine's clock is wrong"


def test_the_system_is_asked_and_nothing_is_changed() -> None:
    assert timekeeping.read() in (True, False)
    assert timekeeping.read() == timekeeping.read()
