"""What comes again is found wherever it stands."""

from __future__ import annotations

import random

import pytest

from scripts.judge.chance import Finding, Tally
from scripts.judge.repeats import between, judge
from scripts.judge.traffic import Sample

from .links import Spoil, sample


def found(one: Sample) -> list[Finding]:
    tally = Tally()
    return tally.keep(list(judge(one, tally)))


def with_word(word: bytes, every: int, at: int | None) -> Spoil:
    """Writes `word` into every n-th datagram, at a random place if `at` is not given."""

    def spoil(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        if number % every == 0:
            start = draw.randrange(len(datagram) - len(word)) if at is None else at % len(datagram)
            datagram[start : start + len(word)] = word

    return spoil


def test_equal_beginnings_and_endings_are_found() -> None:
    assert [one.what for one in found(sample(700, with_word(b"abcd", 100, 0)))] == [
        "equal 4 bytes at the front in two datagrams"
    ]
    two = found(sample(700, with_word(b"abcdefgh", 400, -8)))
    assert "equal 8 bytes at the end in two datagrams" in [one.what for one in two]


def test_a_word_at_no_fixed_place_is_found() -> None:
    findings = found(sample(700, with_word(bytes(range(100, 124)), 3, None)))
    assert "can be compressed" in [one.what for one in findings]


def test_a_bias_too_small_for_any_one_offset_is_found() -> None:
    def spoil(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        for at in range(len(datagram)):
            if draw.random() < 0.06:
                datagram[at] |= 0x80

    assert any("not uniform, taken all together" in one.what for one in found(sample(2500, spoil)))


def test_bits_that_echo_others_are_found() -> None:
    def spoil(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        for at in range(5, len(datagram)):
            if draw.random() < 0.05:
                datagram[at] = datagram[at - 5]

    assert any(one.what.startswith("bits echo those 40 before") for one in found(sample(1500, spoil)))


def test_an_identifier_that_comes_back_is_found() -> None:
    ours, theirs = sample(100).datagrams, sample(100, seed=2).datagrams
    tally = Tally()
    assert list(between(ours, theirs, tally)) == []
    answered = [question[:4] + answer for question, answer in zip(ours, theirs, strict=True)]
    assert any(one.what.startswith("equal 4 bytes at the front") for one in between(ours, answered, tally))


@pytest.mark.parametrize("seed", range(12))
def test_random_datagrams_pass(seed: int) -> None:
    assert found(sample(650, seed=seed)) == []
    assert found(sample(50, seed=seed, least=50)) == []
