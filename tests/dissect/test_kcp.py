"""Segments of KCP inside the envelope, whole and damaged."""

import random
import struct

import pytest

from ginnel.dissect.frames import Fact, Frame
from ginnel.dissect.kcp import Segment, is_kcp, segments
from ginnel.dissect.mux import Openings
from tests.dissect.sessions import frame, long, segment, short

PUSH, ACK, WASK, WINS, RANGES, PART = range(81, 87)
COMMON: dict[str, Fact] = {"lane": 3, "number": 7, "una": 5, "window": 128, "time_ms": 1000}


def read(data: bytes) -> list[Segment]:
    return segments(data, Openings(), "link", from_client=True)


def one(data: bytes) -> Segment:
    (found,) = read(data)
    return found


@pytest.mark.parametrize(("command", "name"), [(ACK, "ACK"), (WASK, "WASK"), (WINS, "WINS")])
def test_segments_without_data(command: int, name: str) -> None:
    assert one(segment(command)) == Segment(name, COMMON | {"length": 0})


def test_several_segments_and_what_fills_the_packet() -> None:
    data = segment(PUSH, frame(0, 1) + frame(2, 1, b"\1\3\1a\0\x50")) + segment(ACK, lane=16) + bytes(9)
    push, ack, padding = read(data)
    assert push.frames == [
        Frame("SYN", {"stream": 1}),
        Frame("PSH", {"stream": 1, "length": 6, "open": "a:80"}),
    ]
    assert push.facts == COMMON | {"length": 22}
    assert (ack.name, ack.facts["lane"]) == ("ACK", 16)
    assert padding == Segment("PADDING", {"length": 9})
    # What stands behind a lane of 0 means nothing, and the last bytes may be fewer than its number has.
    assert read(segment(ACK) + bytes(4) + b"anything")[1] == Segment("PADDING", {"length": 12})
    assert read(segment(ACK) + bytes(2))[1] == Segment("PADDING", {"length": 2})


def test_ranges_are_lowest_and_highest_number() -> None:
    data = struct.pack("<IIII", 20, 31, 2**32 - 1, 0)
    assert one(segment(RANGES, data)).facts["ranges"] == [[20, 30], [2**32 - 1, 2**32 - 1]]


def test_a_part_says_which_one_and_the_first_is_read() -> None:
    data = frame(2, 3, b"abc", length=900)
    first = one(segment(PART, struct.pack("<HH", 0, 908) + data))
    assert first.facts == COMMON | {"length": 11, "offset": 0, "total": 908}
    assert first.frames == [Frame("PSH", {"stream": 3, "length": 900, "here": 3})]
    second = one(segment(PART, struct.pack("<HH", 11, 908) + data))
    assert (second.facts["offset"], second.frames, second.fault) == (11, [], None)


def test_data_that_begin_in_the_middle_of_a_frame_are_only_counted() -> None:
    found = one(segment(PUSH, b"the end of a frame", fragment=2))
    assert found == Segment("PUSH", COMMON | {"length": 18, "fragment": 2})


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (segment(ACK, lane=17), "a segment of lane 17, where 1 to 16 are possible (byte 0)"),
        (segment(80), "a segment of the unknown command 80 (byte 4)"),
        (segment(87), "a segment of the unknown command 87 (byte 4)"),
        (segment(PUSH, b"abc", length=4), "PUSH of 4 bytes, 3 are left (byte 20)"),
        (segment(ACK, length=2**32 - 1), "ACK of 4294967295 bytes, 0 are left (byte 20)"),
        (segment(ACK)[:23], "a length: 4 bytes are claimed, 3 are left (byte 20)"),
        (b"\5", "a command: 1 bytes are claimed, 0 are left (byte 1)"),
        (segment(RANGES, bytes(9)), "RANGES start: 4 bytes are claimed, 1 are left (byte 32)"),
        (segment(PART, b"abc"), "PART total: 2 bytes are claimed, 1 are left (byte 26)"),
        (segment(PUSH, frame(3, 0) + b"12345678"), "a frame of the unknown version 49 (byte 32)"),
    ],
)
def test_what_is_malformed_says_where_and_shows_its_bytes(data: bytes, fault: str) -> None:
    # A fault leaves what is before it alone.
    good, bad = read(segment(ACK) + data)
    assert (good.name, good.fault) == ("ACK", None)
    assert bad.fault is not None
    before, _, at = fault.partition(" (byte ")
    assert bad.fault == f"{before} (byte {24 + int(at[:-1])})"
    assert (segment(ACK) + data)[24 + int(at[:-1]) :].startswith(bytes.fromhex(bad.rest))


def test_a_fault_in_the_data_leaves_the_segments_behind_it_alone() -> None:
    bad, good = read(segment(PUSH, frame(0, 1) + frame(9, 1)) + segment(ACK))
    assert bad.frames == [Frame("SYN", {"stream": 1})]
    assert bad.fault == "a frame of the unknown command 9 (byte 33)"
    assert bytes.fromhex(bad.rest) == frame(9, 1)[1:], "no more than the segment's own"
    assert (good.name, good.fault) == ("ACK", None)


def test_a_packet_of_kcp_is_told_from_one_of_quic() -> None:
    assert is_kcp(segment(PUSH, b"x", lane=1))
    assert is_kcp(segment(ACK, lane=16))
    for data in (
        b"",
        bytes(40),
        segment(ACK, lane=17),
        segment(ACK)[:23],
        short(1, bytes(30)),
        long(0, 1, b"\1"),
    ):
        assert not is_kcp(data)


def test_nothing_makes_it_fail() -> None:
    source = random.Random(5)
    good = [
        segment(PUSH, frame(0, 1) + frame(2, 1, b"\1\3\1a\0\x50")) + segment(RANGES, bytes(16)),
        segment(PART, bytes(4) + frame(4, 1, bytes(8))) + segment(ACK) + bytes(30),
    ]
    openings = Openings()
    for _ in range(5000):
        data = bytearray(source.choice(good) if source.random() < 0.8 else source.randbytes(60))
        for _ in range(source.randrange(4)):
            data[source.randrange(len(data))] = source.randrange(256)
        cut = bytes(data[: source.randrange(len(data) + 1)])
        for found in segments(cut, openings, "link", from_client=bool(source.randrange(2))):
            assert found.fault is not None or found.name != "?"
    assert segments(b"", openings, "link", from_client=True) == []
