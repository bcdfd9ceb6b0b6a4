"""Favoured lengths are found; those that bulk needs are not held against it."""

from __future__ import annotations

import random

import pytest

from scripts.judge.chance import Tally
from scripts.judge.lengths import judge
from scripts.judge.traffic import Flow


def flow(*lengths: int) -> Flow:
    return Flow(([bytes(length) for length in lengths], []))


def found(flows: list[Flow]) -> list[str]:
    tally = Tally()
    return [one.what for one in tally.keep(list(judge(flows, 0, tally)))]


def drawn(seed: int, size: int | None = None) -> list[int]:
    """A flow's lengths: a handshake, varied beginnings, then full segments of one size."""
    draw = random.Random(seed)
    segments = [size or draw.randrange(1150, 1400)] * 40
    return [draw.randrange(265, 1200), *(draw.randrange(60, 1000) for _ in range(20)), *segments]


def test_lengths_that_are_drawn_pass() -> None:
    for seed in range(10):
        assert found([flow(*drawn(seed * 1000 + number)) for number in range(60)]) == []


def test_one_bulk_transfer_may_have_equal_segments() -> None:
    assert found([flow(*drawn(1), *[1250] * 5000)]) == []


def test_a_handshake_of_one_length_is_found() -> None:
    draw = random.Random(1)
    flows = [flow(1200, draw.randrange(60, 900)) for _ in range(50)]
    assert found(flows) == ["share the length 1200"]


def test_a_handshake_of_few_lengths_is_found() -> None:
    draw = random.Random(2)
    assert found([flow(draw.choice((300, 400, 500))) for _ in range(60)])


def test_a_segment_size_that_flows_share_is_found() -> None:
    assert found([flow(*drawn(number, size=1252)) for number in range(12)]) == [
        "flows share the segment size 1252"
    ]


@pytest.mark.parametrize("length", [64, 1200])
def test_a_link_of_one_length_is_found(length: int) -> None:
    assert f"have one length, {length}" in found([flow(*[length] * 600)])


def test_a_keep_alive_of_one_length_is_found_beside_bulk() -> None:
    draw = random.Random(3)
    assert found([flow(*(draw.choice((61, 1300, draw.randrange(60, 900))) for _ in range(900)))]) == [
        "share the length 61"
    ]
