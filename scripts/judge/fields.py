"""Names the field behind an offset whose steps are not uniform: how wide, which byte order, how it moves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low
from typing import Literal

WIDTHS = range(1, 9)
AGREED = 3 / 4
"""Share of the steps that go the same way, from which on a field moves on purpose; those of random bytes go either."""


def describe(datagrams: Sequence[bytes], offset: int, turned: bool = False) -> str | None:
    """The field whose most significant byte is at `offset` and whose steps are the steadiest, in words.

    None where nothing moves steadily. `turned`: the datagrams are given back to front.
    """
    moving = []
    for width in WIDTHS:
        orders: tuple[tuple[Literal["big", "little"], int], ...] = (
            ("big", offset),
            ("little", offset - width + 1),
        )
        for order, start in orders:
            typical, spread = _steps(datagrams, start, width, order)
            if typical:
                moving.append((spread, width, order, typical))
    if not moving:
        return None
    _, width, order, typical = min(moving)
    name = "little" if (order == "big") == turned else "big"
    field = "byte" if width == 1 else f"{name}-endian field of {width} bytes"
    return f"a {field} that {'rises' if typical > 0 else 'falls'}, mostly by about {abs(typical)}"


def _steps(
    datagrams: Sequence[bytes], start: int, width: int, order: Literal["big", "little"]
) -> tuple[int, float]:
    """The median step between neighbours if most go its way, else 0; how far they are from it, as a part of all."""
    whole = 1 << 8 * width
    values = [
        int.from_bytes(datagram[start : start + width], order)
        for datagram in datagrams
        if start >= 0 and len(datagram) >= start + width
    ]
    steps = [(after - before + whole // 2) % whole - whole // 2 for before, after in pairwise(values)]
    if not steps:
        return 0, 1.0
    typical = int(median_low(steps))
    if sum(1 for step in steps if step * typical > 0) < AGREED * len(steps):
        return 0, 1.0
    return typical, median_low([abs(step - typical) for step in steps]) / whole
