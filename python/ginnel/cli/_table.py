"""Figures for people: tables, sizes, rates, times of day."""

import time
from collections.abc import Sequence

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def table(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Lay rows out in columns as wide as what is in them; `right` says which hold numbers."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(right))]
    return [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def rough_size(size: float) -> str:
    """Write a size with three digits: `512 B`, `1.5 KiB`, `107 MiB`."""
    for unit in _UNITS:
        if size < 999.5 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} B" if unit == "B" else f"{size:.3g} {unit}"


def rough_rate(bits_per_second: float) -> str:
    """Write a rate with three digits: `800 bit/s`, `1.5 kbit/s`, `184 Mbit/s`."""
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if bits_per_second < 999.5:
            return f"{bits_per_second:.3g} {unit}"
        bits_per_second /= 1000
    return f"{bits_per_second:.3g} Gbit/s"


def moment(unix: int | None) -> str:
    """Write a time of day here; `never` for none."""
    return "never" if unix is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(unix))
