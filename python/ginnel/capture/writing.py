"""Writes datagrams as a capture file that any program reads: classic pcap, Ethernet frames, right checksums."""

from __future__ import annotations

import struct
from collections import Counter
from ipaddress import IPv4Address, ip_address
from typing import BinaryIO

from ginnel.capture.packets import ETHERNET, RAW, Datagram
from ginnel.errors import CaptureError

SNAP_LENGTH = 262_144
_LONGEST = 65_535 - 40 - 20
"""Bytes of payload that fit a packet of either version of IP, over either carrier."""

_TCP, _UDP = 6, 17

_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
"""Locally administered addresses, which belong to nobody."""


class Writer:
    """Appends datagrams to a file; the file is the caller's to close."""

    def __init__(self, file: BinaryIO, link_type: int = ETHERNET) -> None:
        if link_type not in (ETHERNET, RAW):
            raise CaptureError(
                f"link type {link_type} is not written", hint=f"{ETHERNET} (Ethernet) and {RAW} (raw IP) are."
            )
        self._file = file
        self._link_type = link_type
        # By source and destination: how many bytes of TCP there were so far.
        self._sent: Counter[tuple[tuple[str, int], tuple[str, int]]] = Counter()
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP_LENGTH, link_type))

    def write(self, datagram: Datagram) -> None:
        """Append one datagram; its addresses are both IPv4 or both IPv6.

        One of raw TCP becomes a segment in the middle of its connection: there is no handshake, and no answer to it.
        """
        if len(datagram.payload) > _LONGEST:
            raise CaptureError(
                f"a datagram of {len(datagram.payload)} bytes", hint=f"At most {_LONGEST} are possible."
            )
        frame = self._frame(datagram)
        microseconds = round(datagram.time * 1e6)
        seconds, fraction = divmod(microseconds, 1_000_000)
        self._file.write(
            struct.pack("<IIII", seconds & 0xFFFF_FFFF, fraction, len(frame), len(frame)) + frame
        )

    def _frame(self, datagram: Datagram) -> bytes:
        source, destination = ip_address(datagram.source[0]), ip_address(datagram.destination[0])
        if source.version != destination.version:
            raise CaptureError("a datagram between two versions of IP", hint="Both are IPv4, or both IPv6.")
        addresses = source.packed + destination.packed
        protocol, data = (
            self._tcp(datagram, addresses) if datagram.carrier == "rawtcp" else _udp(datagram, addresses)
        )
        if isinstance(source, IPv4Address):
            before = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(data), 0, 0x4000, 64, protocol)
            packet = before + struct.pack("!H", checksum(before + b"\0\0" + addresses)) + addresses + data
            kind = 0x0800
        else:
            packet = struct.pack("!IHBB", 6 << 28, len(data), protocol, 64) + addresses + data
            kind = 0x86DD
        return packet if self._link_type == RAW else b"".join(_MAC) + struct.pack("!H", kind) + packet

    def _tcp(self, datagram: Datagram, addresses: bytes) -> tuple[int, bytes]:
        """Protocol and segment (RFC 9293, section 3.1)."""
        if not datagram.payload:
            raise CaptureError("a TCP segment without payload", hint="That is no datagram.")
        ends = datagram.source, datagram.destination
        numbers = self._sent[ends] & 0xFFFF_FFFF, self._sent[ends[::-1]] & 0xFFFF_FFFF
        self._sent[ends] += len(datagram.payload)
        # PSH and ACK, as on the last of what is sent at once.
        header = struct.pack("!HHIIBBH", ends[0][1], ends[1][1], *numbers, 5 << 4, 0x18, 0xFFFF)
        pseudo = addresses + struct.pack("!II", 20 + len(datagram.payload), _TCP)
        check = checksum(pseudo + header + bytes(4) + datagram.payload)
        return _TCP, header + struct.pack("!HH", check, 0) + datagram.payload


def _udp(datagram: Datagram, addresses: bytes) -> tuple[int, bytes]:
    """Protocol and what IP carries (RFC 768)."""
    length = 8 + len(datagram.payload)
    header = struct.pack("!HHH", datagram.source[1], datagram.destination[1], length)
    pseudo = addresses + struct.pack("!II", length, _UDP)
    # Zero would say that there is no checksum; its other form is sent instead.
    check = checksum(pseudo + header + b"\0\0" + datagram.payload) or 0xFFFF
    return _UDP, header + struct.pack("!H", check) + datagram.payload


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    number = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0")
    # 2^16 is 1 modulo 2^16 - 1, so the remainder is the sum of all words with its carries; it has two forms of zero.
    return ~(number % 0xFFFF or 0xFFFF) & 0xFFFF if number else 0xFFFF
