"""Times, sizes and rates as people write them: `10s`, `500ms`, `64KiB`, `20 Mbit/s`; one number and one unit."""

import re
from decimal import Decimal

from ginnel.config.mistakes import Unusable

_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(-?)([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|min|h|d|)")
_SPELLED_SECONDS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))

_BYTES = {"B": 1} | {
    f"{prefix}{i}B": (1024 if i else 1000) ** power
    for power, prefixes in enumerate(("kK", "M", "G", "T"), 1)
    for prefix in prefixes
    for i in ("i", "")
}
_SIZE = re.compile(r"(-?)([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]{0,3})")
_SPELLED_BYTES = tuple(
    (unit, _BYTES[unit]) for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB", "B")
)

_BITS = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9, "Tbit/s": 10**12}
_RATE = re.compile(r"(-?)([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z/]{0,12})")
_BIT_UNIT = re.compile(r"([kmgt]?)(?:bits?(?:/s|ps)?|bps)", re.IGNORECASE)
_BYTE_UNIT = re.compile(r"([kmgt]?)(i?)b(?:ytes?)?(?:/s|ps)?", re.IGNORECASE)
_SURELY_BYTES = re.compile(r"(?:[kKMGT]i?)?B(?:/s|ps)?|.*[yY].*")
"""Not in any case: "MBps" counts bytes, and "MBPS" is how some shout "Mbps"."""
_SPELLED_BITS = tuple(reversed(_BITS.items()))


def parse_duration(
    text: str,
    *,
    setting: str,
    maximum_seconds: float,
    minimum_seconds: float = 0.0,
    needs_unit: bool = False,
    note: str = "",
) -> float:
    """Read a time with a unit (seconds when it has none and needs none) and return it in seconds.

    Raises ConfigError, naming `setting` and the allowed range; `note` is added to the range.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise Unusable(
            setting,
            text,
            "is not a time",
            "Write a number and a unit: 500ms, 4s, 2m."
            + (" Units: ms, s, min, h, d." if needs_unit else " Without a unit it counts seconds."),
        )
    sign, number, unit = match.groups()
    if needs_unit and not unit:
        raise Unusable(
            setting, text, "has no unit", f'Write "{number}s" for seconds. Units: ms, s, min, h, d.'
        )
    seconds = float(number) * _SECONDS[unit] * (-1.0 if sign else 1.0)
    wrong = "is negative" if sign else _outside(seconds, minimum_seconds, maximum_seconds, "short", "long")
    if wrong:
        raise Unusable(setting, text, wrong, f"{duration_range(minimum_seconds, maximum_seconds)}{note}")
    return seconds


def parse_size(text: str, *, setting: str, maximum_bytes: int, minimum_bytes: int = 0, note: str = "") -> int:
    """Read a size with a unit and return it in bytes. KB is 1,000 bytes, KiB 1,024.

    Raises ConfigError, naming `setting` and the allowed range; `note` is added to the range.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = match[3] if match is not None else ""
    if match is None or unit not in {*_BYTES, ""}:
        near = [known for known in _BYTES if known.lower() == unit.lower()][-1:]
        guess = f'Did you mean "{match[2]}{near[0]}"? ' if match is not None and near else ""
        raise Unusable(
            setting,
            text,
            "is not a size",
            f"{guess}Write a number and a unit: 64KiB, 10MiB, 1GB. KB is 1,000 bytes, KiB 1,024.",
        )
    sign, number, _ = match.groups()
    if not unit:
        raise Unusable(
            setting,
            text,
            "has no unit",
            f'Write "{number}KiB", or "{number}B" for bytes. Units: B, KiB, MiB, GiB.',
        )
    size = float(number) * _BYTES[unit] if "." in number else int(number) * _BYTES[unit]
    wrong = "is negative" if sign else _outside(size, minimum_bytes, maximum_bytes, "small", "large")
    if not wrong and size != int(size):
        wrong = "is not a whole number of bytes"
    if wrong:
        raise Unusable(setting, text, wrong, f"{size_range(minimum_bytes, maximum_bytes)}{note}")
    return int(size)


def parse_rate(
    text: str,
    *,
    setting: str,
    maximum_bits_per_second: int,
    minimum_bits_per_second: int = 0,
    note: str = "",
) -> int:
    """Read a rate with a unit and return it in bits per second: `20 Mbit/s`, `20mbit`, `20 Mbps`; k is 1,000.

    Raises ConfigError, naming `setting` and the allowed range; `note` is added to the range.
    """
    match = _RATE.fullmatch(text.strip())
    sign, number, unit = match.groups() if match is not None else ("", "", "")
    if match is not None and not unit:
        raise Unusable(setting, text, "has no unit", f"{rate_with_unit(number)}.{_RATE_UNITS}")
    _refuse_bytes(text, setting, number, unit)
    bits = _BIT_UNIT.fullmatch(unit)
    if bits is None:
        right = f"Write a number and a unit: 500 kbit/s, 20 Mbit/s, 1.5 Gbit/s.{_RATE_UNITS}"
        raise Unusable(setting, text, "is not a rate", right)
    # A float would make of 0.067 Gbit/s what is no whole number of bits.
    rate = Decimal(number) * 1000 ** " kmgt".index(bits[1].lower() or " ")
    wrong = (
        "is negative"
        if sign
        else _outside(rate, minimum_bits_per_second, maximum_bits_per_second, "low", "high")
    )
    if not wrong and rate != int(rate):
        wrong = "is not a whole number of bits a second"
    if wrong:
        raise Unusable(
            setting, text, wrong, f"{rate_range(minimum_bits_per_second, maximum_bits_per_second)}{note}"
        )
    return int(rate)


_RATE_UNITS = f" Units: {', '.join(list(_BITS)[:4])}."


def rate_with_unit(number: str) -> str:
    """Say how a rate is written that was given without a unit."""
    return f'Write "{number} Mbit/s", or "{number} bit/s" for bits'


def _refuse_bytes(text: str, setting: str, number: str, unit: str) -> None:
    """Refuse a rate in bytes, and one that may be: what is eight times too much must not pass."""
    found = _BYTE_UNIT.fullmatch(unit)
    if found is None or (_BIT_UNIT.fullmatch(unit) and not _SURELY_BYTES.fullmatch(unit)):
        return
    power = " kmgt".index(found[1].lower() or " ")
    in_bytes = format_rate(int(Decimal(number) * (1024 if found[2] else 1000) ** power * 8))
    if _SURELY_BYTES.fullmatch(unit):
        raise Unusable(setting, text, "counts bytes", f'Rates are in bits: write "{in_bytes}".{_RATE_UNITS}')
    in_bits = f"{number} {list(_BITS)[power]}"
    raise Unusable(
        setting, text, "may mean bits or bytes", f'Write "{in_bits}" for bits, "{in_bytes}" for bytes.'
    )


def duration_range(minimum_seconds: float, maximum_seconds: float) -> str:
    """Say which times are allowed."""
    return f"Allowed: {spell_duration(minimum_seconds)} to {spell_duration(maximum_seconds)}."


def size_range(minimum_bytes: int, maximum_bytes: int) -> str:
    """Say which sizes are allowed."""
    return f"Allowed: {format_size(minimum_bytes)} to {format_size(maximum_bytes)}."


def rate_range(minimum_bits_per_second: int, maximum_bits_per_second: int) -> str:
    """Say which rates are allowed."""
    return f"Allowed: {format_rate(minimum_bits_per_second)} to {format_rate(maximum_bits_per_second)}."


def format_duration(seconds: float) -> str:
    """Write a measured time for people, rounded: `0.4 ms`, `41 ms`, `1.5 s`, `2 min`."""
    if seconds < 0.0095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min"


def spell_duration(seconds: float, blank: str = " ") -> str:
    """Write a time that was set, exactly, in the largest unit that divides it: `100 ms`, `25 s`, `2 h`, `7 d`."""
    if seconds == 0:
        return f"0{blank}s"
    for unit, length in _SPELLED_SECONDS:
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f}{blank}{unit}"
    milliseconds = seconds * 1000
    shown = f"{milliseconds:.9f}".rstrip("0").rstrip(".")
    return f"{shown}{blank}ms"


def format_size(size: int, blank: str = " ") -> str:
    """Write a size exactly, in the largest unit that divides it: `64 KiB`, `1 GiB`, `100 MB`, `1500 B`."""
    if size == 0:
        return f"0{blank}B"
    return next(f"{size // length}{blank}{unit}" for unit, length in _SPELLED_BYTES if size % length == 0)


def format_rate(bits_per_second: int) -> str:
    """Write a rate exactly, in the largest unit that divides it: `184 Mbit/s`, `1500 Mbit/s`, `100 Gbit/s`."""
    if bits_per_second == 0:
        return "0 bit/s"
    return next(
        f"{bits_per_second // bits} {unit}" for unit, bits in _SPELLED_BITS if bits_per_second % bits == 0
    )


def _outside(value: float | Decimal, low: float, high: float, less: str, more: str) -> str:
    if value < low:
        return f"is too {less}"
    return f"is too {more}" if value > high else ""
