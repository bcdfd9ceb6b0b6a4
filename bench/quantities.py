"""Amounts as people read them: 4.83 Gbit/s, 29,000 /s, 3.5 s/GB, 32 µs, 12.1 MiB, 1.34 RTT."""

import math
from typing import Literal

Unit = Literal["bit/s", "1/s", "s/GB", "s", "bytes", "count", "ratio", "RTT"]

_SCALES: dict[Unit, list[tuple[float, str]]] = {
    "bit/s": [(1e9, " Gbit/s"), (1e6, " Mbit/s"), (1e3, " kbit/s"), (1, " bit/s")],
    "1/s": [(1, " /s")],
    "s/GB": [(1, " s/GB")],
    "s": [(1, " s"), (1e-3, " ms"), (1e-6, " µs")],
    "bytes": [(2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B")],
    "count": [(1, "")],
    "ratio": [(1, "")],
    "RTT": [(1, " RTT")],
}
"""Factor and name of each step of a unit, largest first."""
_DECIMALS: dict[Unit, int] = {"ratio": 3, "RTT": 2}
"""Where the digits after the point are always the same, so that columns can be compared."""

MAX_DECIMALS = 4


def show(value: float, unit: Unit) -> str:
    """An amount with three digits that mean something, and its unit."""
    factor, name = _scale(value, unit)
    return _digits(value / factor, unit) + name


def show_range(low: float, high: float, unit: Unit) -> str:
    """Two amounts in the unit that fits the higher one."""
    factor, name = _scale(high, unit)
    return f"{_digits(low / factor, unit)}–{_digits(high / factor, unit)}{name}"


def _scale(value: float, unit: Unit) -> tuple[float, str]:
    steps = _SCALES[unit]
    # What would be rounded up to 1000 belongs to the next step already.
    return next((step for step in steps if abs(value) >= 0.9995 * step[0]), steps[-1])


def _digits(number: float, unit: Unit) -> str:
    if unit in _DECIMALS:
        return f"{number:,.{_DECIMALS[unit]}f}"
    rounded = float(f"{number:.3g}")
    if rounded == 0:
        return "0"
    decimals = 2 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{min(max(decimals, 0), MAX_DECIMALS)}f}"
