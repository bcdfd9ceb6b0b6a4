"""Packets inside the envelope, whole and damaged."""

import random

import pytest

from ginnel.dissect.frames import Frame
from ginnel.dissect.quic import Packet, packets
from tests.dissect.sessions import long, short

PING = b"\x01"


def one(data: bytes) -> Packet:
    (packet,) = packets(data, from_client=True)
    return packet


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("number", [0, 5, 0x1FF, 0xABCDEF])
def test_a_packets_number_is_told_in_full(number: int, size: int) -> None:
    assert one(short(number, PING, size)) == Packet("1-RTT", number, [Frame("PING", {})])


def test_four_bytes_of_a_number_are_more_than_its_check() -> None:
    assert one(short(0x12ABCDEF, PING, 4)).number == 0x12ABCDEF


def test_packets_in_one_datagram_are_told_apart() -> None:
    data = long(0, 1, PING) + long(1, 2, PING * 2) + long(2, 3, PING) + short(4, PING)
    found = packets(data, from_client=True)
    assert [(packet.kind, packet.number) for packet in found] == [
        ("Initial", 1),
        ("0-RTT", 2),
        ("Handshake", 3),
        ("1-RTT", 4),
    ]
    assert all(packet.fault is None for packet in found)
    # The last one's room is the envelope's, and no part of what was sealed.
    assert one(long(2, 3, PING, last=True)) == Packet("Handshake", 3, [Frame("PING", {})])


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x00" + bytes(40), "a packet without the fixed bit (byte 0)"),
        (b"\xc0\0\0\0\2" + bytes(40), "a stateless packet, or another version (0x2) (byte 1)"),
        (b"\xf0\0\0\0\1" + bytes(40), "a stateless packet, or another version (0x1) (byte 1)"),
        (b"\xc0\0\0\0\1\x15" + bytes(40), "a connection id of 21 bytes (byte 5)"),
        (b"\xe0\0\0\0\1\0\0\x40\xff" + bytes(40), "a packet of 255 bytes, 72 are left (byte 9)"),
        (b"\xe0\0\0\0\1\0\0\x02\0\0", "a packet without room for its check (byte 9)"),
        (short(0x300, PING, 2)[:-2] + b"\0\4", "a packet whose check does not fit its number (byte 4)"),
        (short(1, PING + b"\x21"), "a frame of the unknown type 0x21 (byte 3)"),
        (b"\x40", "a packet without room for its check"),
    ],
)
def test_what_is_malformed_says_where_and_shows_its_bytes(data: bytes, fault: str) -> None:
    packet = one(data)
    assert packet.fault is not None
    assert packet.fault.startswith(fault)
    assert data.hex().find(packet.rest) >= 0


def test_frames_before_a_fault_are_kept() -> None:
    packet = one(short(1, PING + b"\x06\x00\x3f"))
    assert packet.frames == [Frame("PING", {})]
    assert packet.fault == "CRYPTO data: 63 bytes are claimed, 0 are left (byte 6)"


def test_a_fault_in_a_packet_leaves_those_before_it() -> None:
    found = packets(long(2, 3, PING) + b"\x00rest", from_client=False)
    assert [packet.fault is None for packet in found] == [True, False]
    assert found[1].rest == b"\x00rest".hex()


def test_nothing_makes_it_fail() -> None:
    source = random.Random(4)
    good = [
        long(0, 1, PING) + short(2, PING + b"\x02\x05\x00\x01\x00\x00\x01"),
        short(9, b"\x0a\x00\x04\1\1\1\1"),
    ]
    for _ in range(5000):
        data = bytearray(source.choice(good) if source.random() < 0.8 else source.randbytes(60))
        for _ in range(source.randrange(4)):
            data[source.randrange(len(data))] = source.randrange(256)
        cut = bytes(data[: source.randrange(len(data) + 1)])
        for found in packets(cut, from_client=bool(source.randrange(2))):
            assert found.fault is not None or found.number is not None
    assert packets(b"", from_client=True) == []
