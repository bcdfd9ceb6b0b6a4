"""Bytes that are uniform by themselves, and bound to something."""

from __future__ import annotations

import random

import pytest

from scripts.judge import columns
from scripts.judge.chance import Finding, Tally
from scripts.judge.relations import judge
from scripts.judge.traffic import Sample

from .links import Spoil, sample

SHUFFLED = bytes(random.Random(9).sample(range(256), 256))


def found(one: Sample) -> list[Finding]:
    tally = Tally()
    return tally.keep(list(judge(one, tally)))


def put(at: int, function: object) -> Spoil:
    assert callable(function)

    def spoil(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        datagram[at] = function(datagram) & 0xFF

    return spoil


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda d: d[5], "bound to the byte 1 further in"),
        (lambda d: d[6] ^ 0xA5, "bound to the byte 2 further in"),
        (lambda d: d[8] + 99, "bound to the byte 4 further in"),
        (lambda d: d[12] << 3 | d[12] >> 5, "bound to the byte 8 further in"),
        (lambda d: SHUFFLED[d[5]], "bound to the byte 1 further in"),
        # Neither their sum nor their difference tells: only the nibbles side by side do.
        (lambda d: d[4] & 0xF0 | d[5] >> 4, "bound to the byte 1 further in"),
    ],
)
def test_a_function_of_a_neighbour_is_found(function: object, words: str) -> None:
    one = sample(2500, put(4, function))
    findings = [finding for finding in found(one) if finding.where == "from the front"]
    assert {finding.offset for finding in findings} == {4}
    assert findings[0].what.startswith(words)
    # By itself the byte is uniform: nothing else would have seen it.
    tally = Tally()
    assert tally.keep(list(columns.judge(one, tally))) == []


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda d: len(d), "bound to the length"),
        (lambda d: len(d) ^ 0x5C, "bound to the length"),
        (lambda d: len(d) + 31, "bound to the length"),
        (lambda d: len(d) >> 3, "bound to the length without its lowest bits"),
    ],
)
def test_a_function_of_the_length_is_found(function: object, words: str) -> None:
    findings = found(sample(700, put(2, function), sizes=(64, 319)))
    assert any(
        (one.offset, one.where) == (2, "from the front") and one.what.startswith(words) for one in findings
    )


def test_it_is_found_in_the_first_packets_of_few_flows_too() -> None:
    findings = found(sample(50, put(0, lambda d: len(d) >> 8), sizes=(265, 1200), least=50))
    assert any(one.offset == 0 for one in findings)


@pytest.mark.parametrize("seed", range(8))
def test_random_datagrams_pass(seed: int) -> None:
    assert found(sample(650, seed=seed)) == []
    assert found(sample(50, seed=seed, least=50)) == []
