"""Times and sizes as people write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config.units import format_duration, format_size, parse_duration, parse_size, spell_duration
from ginnel.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("4", 4),
        ("4s", 4),
        ("500ms", 0.5),
        ("1.5 s", 1.5),
        ("2m", 120),
        ("2min", 120),
        ("1H", 3600),
        ("7d", 604_800),
    ],
)
def test_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text, setting="--drain", maximum_seconds=1e6) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "1 2", "4 parsecs", "1e3", "inf", "nan", "٤s", "64KiB", "1" * 4000, "1s\n2s"]
)
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--drain = .* is not a time") as caught:
        parse_duration(text, setting="--drain", maximum_seconds=3600)
    assert "500ms" in caught.value.hint
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("text", "what"), [("61m", "is too long"), ("99ms", "is too short"), ("-5s", "is negative")]
)
def test_a_time_outside_its_range_is_told_with_it(text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=f"x = '{text}' {what}$") as caught:
        parse_duration(text, setting="x", minimum_seconds=0.1, maximum_seconds=3600, note=" And more.")
    assert caught.value.hint == "Allowed: 100 ms to 1 h. And more."


def test_a_time_without_its_unit_is_told_with_the_right_spelling() -> None:
    with pytest.raises(ConfigError, match="x = '25' has no unit") as caught:
        parse_duration("25", setting="x", maximum_seconds=3600, needs_unit=True)
    assert caught.value.hint.startswith('Write "25s"')


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("1500B", 1500),
        ("64KiB", 65_536),
        ("64 kiB", 65_536),
        ("64KB", 64_000),
        ("64kB", 64_000),
        ("1.5MiB", 1_572_864),
        ("1GB", 10**9),
        ("1TiB", 2**40),
    ],
)
def test_sizes_count_in_thousands_or_in_1024s(text: str, size: int) -> None:
    assert parse_size(text, setting="x", maximum_bytes=2**40) == size


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("", "is not a size", "64KiB"),
        ("big", "is not a size", "64KiB"),
        ("10s", "is not a size", "64KiB"),
        ("64kib", "is not a size", 'Did you mean "64KiB"?'),
        ("64kb", "is not a size", 'Did you mean "64KB"?'),
        ("64", "has no unit", 'Write "64KiB", or "64B" for bytes.'),
        ("-1KiB", "is negative", "Allowed: 1 KiB to 10 MiB. So."),
        ("1023B", "is too small", "Allowed: 1 KiB to 10 MiB. So."),
        ("100 MB", "is too large", "Allowed: 1 KiB to 10 MiB. So."),
        ("1024.5B", "is not a whole number of bytes", "Allowed"),
    ],
)
def test_what_is_no_size_is_told_with_what_would_be(text: str, what: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"x = '{text}' {what}$") as caught:
        parse_size(text, setting="x", minimum_bytes=1024, maximum_bytes=10 * 2**20, note=" So.")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0.4 ms"), (0.0412, "41 ms"), (0.9, "900 ms"), (1.5, "1.5 s"), (10, "10 s"), (300, "5 min")],
)
def test_measured_times_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.1, "100 ms"),
        (1.5, "1500 ms"),
        (25, "25 s"),
        (90, "90 s"),
        (7200, "2 h"),
        (604800, "7 d"),
    ],
)
def test_times_that_were_set(seconds: float, text: str) -> None:
    assert spell_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (65536, "64 KiB"), (100_000_000, "100 MB"), (2**40, "1 TiB")],
)
def test_sizes_that_were_set(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.floats(min_value=0.01, max_value=3000))
def test_a_measured_time_can_be_read(seconds: float) -> None:
    text = format_duration(seconds)
    assert parse_duration(text, setting="x", maximum_seconds=1e6) == pytest.approx(seconds, rel=0.06)


@given(st.integers(min_value=0, max_value=10**9), st.sampled_from(["", " "]))
def test_a_time_that_was_set_is_read_as_the_same(milliseconds: int, blank: str) -> None:
    seconds = milliseconds / 1000
    text = spell_duration(seconds, blank)
    assert parse_duration(text, setting="x", maximum_seconds=1e7, needs_unit=True) == pytest.approx(seconds)


@given(st.integers(min_value=0, max_value=2**40), st.sampled_from(["", " "]))
def test_a_size_that_was_set_is_read_as_the_same(size: int, blank: str) -> None:
    assert parse_size(format_size(size, blank), setting="x", maximum_bytes=2**50) == size


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert 0 <= parse_duration(text, setting="x", maximum_seconds=100, needs_unit=True) <= 100
    with contextlib.suppress(ConfigError):
        assert 0 <= parse_size(text, setting="x", maximum_bytes=100) <= 100
