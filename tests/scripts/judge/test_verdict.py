"""Whole captures: what is wrong is found and named, and random ones of many seeds pass."""

from __future__ import annotations

import random
import struct

import pytest

from scripts.judge.verdict import judge, line

from .links import SERVER, Spoil, link


def constant(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
    datagram[7] = 0xC3


def counter_in_the_end(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
    datagram[-8:-4] = struct.pack(">I", flow * 0x1234_5678 + number & 0xFFFF_FFFF)


def timestamp(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
    datagram[4:12] = struct.pack("<Q", 1_700_000_000_000_000 + number * 40_000 + draw.randrange(30_000))


def server_wide_counter(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
    """Random within a flow as far as its own steps tell, but for who sees all flows."""
    datagram[0:2] = struct.pack(">H", (number * 60 + flow) * 7 & 0xFFFF)


def fixed_size(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
    datagram[:] = draw.randbytes(96)


def flow_number(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
    datagram[8:12] = random.Random(flow).randbytes(4)


def copies(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
    if number % 50 == 0:
        datagram[:] = random.Random(3).randbytes(80)


@pytest.mark.parametrize(
    ("spoil", "flows", "each", "words"),
    [
        (constant, 1, 700, "at offset 7 from the front"),
        (constant, 60, 3, "at offset 7 from the front"),
        (counter_in_the_end, 1, 700, "big-endian field of 4 bytes that rises, mostly by about 1 at offset 7"),
        (counter_in_the_end, 20, 40, "big-endian field of 4 bytes that rises, mostly by about 1 at offset 7"),
        (timestamp, 1, 700, "little-endian field of"),
        (server_wide_counter, 60, 12, "all datagrams in time: steps"),
        (fixed_size, 1, 700, "have one length, 96"),
        (fixed_size, 60, 3, "share the length 96"),
        (flow_number, 10, 70, "offset 8 from the front"),
        (copies, 1, 700, "equal 8 bytes at the front"),
    ],
)
def test_what_a_network_could_match_on_is_found(spoil: Spoil, flows: int, each: int, words: str) -> None:
    verdict = judge(link(flows, each, spoil, sizes=(60, 120)))
    assert verdict.word == "findings"
    lines = [line(finding) for finding in verdict.findings]
    assert any(words in text for text in lines), lines
    # The other direction is as it should be.
    assert {finding.direction for finding in verdict.findings} == {"client to server"}


@pytest.mark.parametrize("seed", range(9))
def test_random_captures_pass(seed: int) -> None:
    flows, each = ((1, 620), (55, 12), (60, 4))[seed % 3]
    verdict = judge(link(flows, each, seed=seed, sizes=(40, 100)), SERVER if seed % 2 else None)
    assert (verdict.findings, verdict.word) == ([], "clean")


def test_too_little_is_not_judged_and_says_how_much_is_needed() -> None:
    verdict = judge(link(each=20))
    assert verdict.word == "unjudged"
    assert verdict.missing == [
        f"{direction}: {what}"
        for direction in ("client to server", "server to client")
        for what in (
            "every offset of all datagrams needs 600, there are 20",
            "the k-th datagram of flows needs 50 flows, there are 1",
        )
    ]
    assert judge([]).word == "unjudged"


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize(("flows", "each"), [(1, 600), (50, 1)])
def test_the_smallest_datagrams_are_judged_too(size: int, flows: int, each: int) -> None:
    assert judge(link(flows, each, sizes=(size, size))).word == "findings"


def test_neighbouring_offsets_are_one_finding() -> None:
    def zeros(datagram: bytearray, number: int, flow: int, draw: random.Random) -> None:
        datagram[10:14] = bytes(4)

    verdict = judge(link(1, 700, zeros, sizes=(100, 100)))
    front = [one for one in verdict.findings if one.where == "from the front" and "0x00" in one.what]
    assert [one.offset for one in front if one.sample == "all datagrams"] == [10]
