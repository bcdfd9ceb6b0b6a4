"""What the writer writes is what the reader reads, and its checksums are right."""

from __future__ import annotations

import io
import struct

import pytest

from ginnel.capture import Datagram, Writer, datagrams, read
from ginnel.capture.packets import ETHERNET, RAW
from ginnel.capture.writing import checksum
from ginnel.errors import CaptureError

MANY = [
    Datagram(1_700_000_000.25, ("192.0.2.1", 40_000), ("192.0.2.2", 50_000), b"odd"),
    Datagram(1_700_000_000.5, ("2001:db8::1", 40_000), ("2001:db8::2", 50_000), bytes(1400)),
    Datagram(1_700_000_001.0, ("192.0.2.2", 1), ("192.0.2.1", 65_535), b""),
    Datagram(1_700_000_001.25, ("192.0.2.1", 40_000), ("192.0.2.2", 50_000), b"one", "rawtcp"),
    Datagram(1_700_000_001.5, ("192.0.2.1", 40_000), ("192.0.2.2", 50_000), b"three", "rawtcp"),
    Datagram(1_700_000_001.75, ("192.0.2.2", 50_000), ("192.0.2.1", 40_000), b"answer", "rawtcp"),
    Datagram(1_700_000_002.0, ("2001:db8::1", 40_000), ("2001:db8::2", 50_000), bytes(1400), "rawtcp"),
]


@pytest.mark.parametrize("link_type", [ETHERNET, RAW])
def test_it_reads_back(link_type: int) -> None:
    file = io.BytesIO()
    writer = Writer(file, link_type)
    for one in MANY:
        writer.write(one)
    file.seek(0)
    assert list(datagrams(read(file))) == MANY


def test_checksums_are_right() -> None:
    """A sum over what includes its own checksum is zero (RFC 1071)."""
    file = io.BytesIO()
    writer = Writer(file, RAW)
    for one in MANY:
        writer.write(one)
    file.seek(0)
    for frame in read(file):
        packet = frame.data
        if packet[0] >> 4 == 4:
            assert checksum(packet[:20]) == 0
            protocol, addresses, segment = packet[9], packet[12:20], packet[20:]
        else:
            protocol, addresses, segment = packet[6], packet[8:40], packet[40:]
        assert checksum(addresses + struct.pack("!II", len(segment), protocol) + segment) == 0


def test_sequence_numbers_follow_the_bytes() -> None:
    file = io.BytesIO()
    writer = Writer(file, RAW)
    for one in MANY[3:6]:
        writer.write(one)
    file.seek(0)
    assert [struct.unpack_from("!II", frame.data, 24) for frame in read(file)] == [(0, 0), (3, 0), (0, 8)]


def test_the_example_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


@pytest.mark.parametrize(
    "datagram",
    [
        Datagram(0, ("192.0.2.1", 1), ("2001:db8::2", 2), b""),
        Datagram(0, ("192.0.2.1", 1), ("192.0.2.2", 2), bytes(65_508)),
        Datagram(0, ("192.0.2.1", 1), ("192.0.2.2", 2), b"", "rawtcp"),
    ],
)
def test_what_cannot_be_written_is_refused(datagram: Datagram) -> None:
    with pytest.raises(CaptureError):
        Writer(io.BytesIO()).write(datagram)


def test_other_link_types_are_refused() -> None:
    with pytest.raises(CaptureError, match="link type 113"):
        Writer(io.BytesIO(), 113)
