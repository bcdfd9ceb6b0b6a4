"""Times, sizes and rates as people write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config.units import (
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
    spell_duration,
)
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
    ("text", "rate"),
    [
        ("0 bit/s", 0),
        ("184 Mbit/s", 184_000_000),
        ("20Mbit/s", 20_000_000),
        ("500 kbit/s", 500_000),
        ("1.5 Gbit/s", 1_500_000_000),
        ("0.067 Gbit/s", 67_000_000),
        ("200mbit", 200_000_000),
        ("200 Mbps", 200_000_000),
        ("200 MBPS", 200_000_000),
        ("1gbps", 10**9),
        ("0.1 Tbit/s", 10**11),
        (" 8 bits ", 8),
        ("9600bps", 9600),
        ("64 Kbits/s", 64_000),
    ],
)
def test_rates_count_bits_in_thousands(text: str, rate: int) -> None:
    assert parse_rate(text, setting="x", maximum_bits_per_second=10**11) == rate


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("", "is not a rate", "500 kbit/s, 20 Mbit/s"),
        ("fast", "is not a rate", "500 kbit/s, 20 Mbit/s"),
        ("1e6 bit/s", "is not a rate", "20 Mbit/s"),
        ("1,5 Mbit/s", "is not a rate", "20 Mbit/s"),
        ("20 Mbit/min", "is not a rate", "20 Mbit/s"),
        ("20 Mibit/s", "is not a rate", "20 Mbit/s"),
        ("20 M", "is not a rate", "20 Mbit/s"),
        ("٤ Mbit/s", "is not a rate", "20 Mbit/s"),
        (
            "20",
            "has no unit",
            'Write "20 Mbit/s", or "20 bit/s" for bits. Units: bit/s, kbit/s, Mbit/s, Gbit/s.',
        ),
        ("25 MB/s", "counts bytes", 'Rates are in bits: write "200 Mbit/s".'),
        ("25MB", "counts bytes", 'write "200 Mbit/s"'),
        ("25 MBps", "counts bytes", 'write "200 Mbit/s"'),
        ("25 megabytes", "is not a rate", "20 Mbit/s"),
        ("25 Mbyte/s", "counts bytes", 'write "200 Mbit/s"'),
        ("1 MiB/s", "counts bytes", 'write "8388608 bit/s"'),
        ("1.5 KB/s", "counts bytes", 'write "12 kbit/s"'),
        ("12500 B", "counts bytes", 'write "100 kbit/s"'),
        ("25 Mb/s", "may mean bits or bytes", 'Write "25 Mbit/s" for bits, "200 Mbit/s" for bytes.'),
        ("25mb", "may mean bits or bytes", 'Write "25 Mbit/s" for bits, "200 Mbit/s" for bytes.'),
        ("-1 Mbit/s", "is negative", "Allowed: 100 kbit/s to 100 Gbit/s. So."),
        ("99.999 kbit/s", "is too low", "Allowed: 100 kbit/s to 100 Gbit/s. So."),
        ("100.001 Gbps", "is too high", "Allowed: 100 kbit/s to 100 Gbit/s. So."),
        ("100000.5 bit/s", "is not a whole number of bits a second", "Allowed"),
    ],
)
def test_what_is_no_rate_is_told_with_what_would_be(text: str, what: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"^x = '{text}' {what}$") as caught:
        parse_rate(
            text,
            setting="x",
            minimum_bits_per_second=10**5,
            maximum_bits_per_second=10**11,
            note=" So.",
        )
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


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0 bit/s"),
        (123_457, "123457 bit/s"),
        (500_000, "500 kbit/s"),
        (1_500_000_000, "1500 Mbit/s"),
        (10**11, "100 Gbit/s"),
    ],
)
def test_rates_that_were_set(rate: int, text: str) -> None:
    assert format_rate(rate) == text


@given(
    st.integers(min_value=0, max_value=10**12)
    | st.integers(min_value=0, max_value=10**6).map(lambda n: n * 10**6)
)
def test_a_rate_that_was_set_is_read_as_the_same(rate: int) -> None:
    assert parse_rate(format_rate(rate), setting="x", maximum_bits_per_second=10**12) == rate


@given(
    st.integers(1, 10**6),
    st.sampled_from("kMG"),
    st.sampled_from(["b", "b/s", "B", "B/s", "Bps", "iB/s", "Byte/s"]),
)
def test_no_byte_passes_for_a_bit(number: int, prefix: str, unit: str) -> None:
    with pytest.raises(ConfigError, match="bytes"):
        parse_rate(f"{number}{prefix}{unit}", setting="x", maximum_bits_per_second=10**20)


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert 0 <= parse_duration(text, setting="x", maximum_seconds=100, needs_unit=True) <= 100
    with contextlib.suppress(ConfigError):
        assert 0 <= parse_size(text, setting="x", maximum_bytes=100) <= 100
    with contextlib.suppress(ConfigError):
        assert 0 <= parse_rate(text, setting="x", maximum_bits_per_second=100) <= 100
