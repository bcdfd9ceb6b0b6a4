"""The field behind an offset is described as it is."""

from __future__ import annotations

import random
from typing import Literal

import pytest

from scripts.judge.fields import describe


def datagrams(width: int, order: Literal["big", "little"], step: int, at: int = 5) -> list[bytes]:
    draw = random.Random(1)
    start = draw.getrandbits(8 * width)
    made = []
    for number in range(200):
        datagram = bytearray(draw.randbytes(30))
        datagram[at : at + width] = ((start + number * step) % (1 << 8 * width)).to_bytes(width, order)
        made.append(bytes(datagram))
    return made


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize("turned", [False, True])
def test_counters_of_every_width_and_order(width: int, turned: bool) -> None:
    for order in ("big", "little"):
        made = datagrams(width, "big" if order == "big" else "little", 1)
        offset = 5 if order == "big" else 5 + width - 1
        if turned:
            made, offset = [one[::-1] for one in made], 29 - offset
        assert describe(made, offset, turned) == (
            f"a {order}-endian field of {width} bytes that rises, mostly by about 1"
        )


def test_a_byte_that_falls() -> None:
    assert describe(datagrams(1, "big", -3), 5) == "a byte that falls, mostly by about 3"


def test_what_stands_still() -> None:
    assert describe([bytes(10)] * 50, 3) is None
