"""The statistics of `uniformity` see what they are there to see, and nothing else."""

from __future__ import annotations

import random

import pytest

from .uniformity import deviation, repeated_values, suspicious_offsets

COUNT = 3000
SIZE = 40


def random_datagrams(count: int = COUNT) -> list[bytearray]:
    draw = random.Random(7)
    return [bytearray(draw.randbytes(SIZE)) for _ in range(count)]


def test_random_datagrams_pass() -> None:
    assert suspicious_offsets(list(map(bytes, random_datagrams()))) == []
    assert repeated_values(list(map(bytes, random_datagrams(32)))) == []


def test_the_deviation_of_random_bytes_is_small() -> None:
    draw = random.Random(8)
    assert max(deviation(draw.randbytes(1280)) for _ in range(2000)) < 5


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda number, old: 0x17, id="constant"),
        pytest.param(lambda number, old: number & 0xFF, id="counter"),
        pytest.param(lambda number, old: number >> 3 & 0xFF, id="slow_counter"),
        pytest.param(lambda number, old: old & 0x7F, id="cleared_bit"),
        pytest.param(lambda number, old: 0 if number % 8 == 0 else old, id="zero_now_and_then"),
    ],
)
def test_one_byte_that_is_not_random_is_found(spoil: object) -> None:
    assert callable(spoil)
    datagrams = random_datagrams()
    for number, datagram in enumerate(datagrams):
        datagram[11] = spoil(number, datagram[11])
    found = suspicious_offsets(list(map(bytes, datagrams)))
    assert found
    assert all(" at offset 11 " in line for line in found)


def test_a_constant_byte_of_a_few_datagrams_is_found() -> None:
    datagrams = random_datagrams(32)
    for datagram in datagrams[:16]:
        datagram[3] = 0x40
    assert repeated_values(list(map(bytes, datagrams))) == ["byte 0x40 at offset 3 in 16 of 32 datagrams"]
