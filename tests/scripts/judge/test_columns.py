"""One byte that is not random is found at its offset, whatever is wrong with it; random ones never are."""

from __future__ import annotations

import random

import pytest

from scripts.judge.chance import Finding, Tally
from scripts.judge.columns import judge
from scripts.judge.traffic import Sample

from .links import Spoil, sample

AT = 11


def put(value: object) -> Spoil:
    """Writes `value(number, old byte, chance)` at offset AT."""
    assert callable(value)

    def spoil(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        datagram[AT] = value(number, datagram[AT], draw)

    return spoil


def found(one: Sample) -> list[Finding]:
    tally = Tally()
    return tally.keep(list(judge(one, tally)))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(lambda n, old, d: 0x17, "the value 0x17 is favoured", id="constant"),
        pytest.param(lambda n, old, d: (n + 77) & 0xFF, "steps: ", id="counter"),
        pytest.param(lambda n, old, d: n >> 3 & 0xFF, "steps: ", id="slow_counter"),
        pytest.param(lambda n, old, d: (n // 3 * 2 + 9 ^ 0x5A) & 0xFF, "", id="masked_counter"),
        pytest.param(lambda n, old, d: old & 0x7F, "bit 7 is mostly 0; 700 of 700", id="stuck_bit"),
        pytest.param(
            lambda n, old, d: old | 4 if d.random() < 0.4 else old, "bit 2 is mostly 1", id="biased_bit"
        ),
        pytest.param(
            lambda n, old, d: 0 if n % 8 == 0 else old, "value 0x00 is favoured", id="zero_now_and_then"
        ),
        pytest.param(lambda n, old, d: d.choice((1, 2, 3, 4)), "", id="type_of_four"),
        pytest.param(lambda n, old, d: d.choice((0x11, 0x3C, 0xA5, 0xD8)), "", id="type_of_four_balanced"),
        pytest.param(
            lambda n, old, d: old & 0xF0 | (5 if d.random() < 0.25 else old & 0xF), "", id="biased_nibble"
        ),
    ],
)
def test_one_byte_that_is_not_random_is_found(value: object, words: str) -> None:
    spoiled = sample(700, put(value), sizes=(40, 40))
    findings = [one for one in found(spoiled) if one.where == "from the front"]
    assert {one.offset for one in findings} == {AT}
    assert words.split(";")[0] in findings[0].what
    assert findings[0].strength


def test_what_stands_at_the_end_is_found_from_there() -> None:
    def spoil(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        datagram[-3] = 0x40

    (finding,) = found(sample(700, spoil, sizes=(40, 400)))
    assert (finding.where, finding.offset, finding.what) == ("from the end", 2, "the value 0x40 is favoured")


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize("order", ["big", "little"])
def test_a_counter_that_starts_anywhere_is_found(width: int, order: str) -> None:
    start = random.Random(width).getrandbits(8 * width)

    def spoil(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        value = (start + number) % (1 << 8 * width)
        datagram[AT : AT + width] = value.to_bytes(width, "big" if order == "big" else "little")

    top = AT if order == "big" else AT + width - 1
    assert (top, "from the front") in {(one.offset, one.where) for one in found(sample(700, spoil))}


def test_a_constant_byte_in_a_few_flows_is_found() -> None:
    def spoil(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        if number < 20:
            datagram[3] = 0x40

    (finding,) = [one for one in found(sample(50, spoil, least=50)) if one.where == "from the front"]
    assert finding.offset == 3


@pytest.mark.parametrize("seed", range(12))
def test_random_datagrams_pass(seed: int) -> None:
    assert found(sample(650, seed=seed)) == []
    assert found(sample(50, seed=seed, least=50)) == []
