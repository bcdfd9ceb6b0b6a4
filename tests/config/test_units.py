"""Times as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config.units import format_duration, parse_duration
from ginnel.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("4", 4), ("4s", 4), ("500ms", 0.5), ("1.5 s", 1.5), ("2m", 120), ("2min", 120), ("1H", 3600)],
)
def test_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text, setting="--drain", maximum_seconds=3600) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "1 2", "4 parsecs", "1e3", "inf", "nan", "٤s", "1" * 4000])
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--drain = .* is not a time") as caught:
        parse_duration(text, setting="--drain", maximum_seconds=3600)
    assert "500ms" in caught.value.hint
    assert len(str(caught.value)) < 100


def test_what_is_too_long_is_told_with_the_range() -> None:
    with pytest.raises(ConfigError, match="is too long") as caught:
        parse_duration("61m", setting="--drain", maximum_seconds=3600)
    assert caught.value.hint == "Allowed: 0 s to 1 h."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0.4 ms"), (0.0412, "41 ms"), (0.9, "900 ms"), (1.5, "1.5 s"), (10, "10 s"), (300, "5 min")],
)
def test_times_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0.01, max_value=3000))
def test_what_is_written_can_be_read(seconds: float) -> None:
    text = format_duration(seconds)
    assert parse_duration(text, setting="x", maximum_seconds=1e6) == pytest.approx(seconds, rel=0.06)
