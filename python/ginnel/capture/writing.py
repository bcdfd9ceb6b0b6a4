"""Writes datagrams as a capture file that any program reads: classic pcap, Ethernet frames, right checksums."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, ip_address
from typing import BinaryIO

from ginnel.capture.packets import ETHERNET, RAW, Datagram
from ginnel.errors import CaptureError

SNAP_LENGTH = 262_144
_LONGEST = 65_535 - 40 - 8
"""Bytes of payload that fit a datagram of either version of IP."""

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
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP_LENGTH, link_type))

    def write(self, datagram: Datagram) -> None:
        """Append one datagram; its addresses are both IPv4 or both IPv6."""
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
        length = 8 + len(datagram.payload)
        header = struct.pack("!HHH", datagram.source[1], datagram.destination[1], length)
        pseudo = source.packed + destination.packed + struct.pack("!II", length, 17)
        # Zero would say that there is no checksum; its other form is sent instead (RFC 768).
        check = checksum(pseudo + header + b"\0\0" + datagram.payload) or 0xFFFF
        segment = header + struct.pack("!H", check) + datagram.payload
        if isinstance(source, IPv4Address):
            before = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0x4000, 64, 17)
            addresses = source.packed + destination.packed
            packet = before + struct.pack("!H", checksum(before + b"\0\0" + addresses)) + addresses + segment
            kind = 0x0800
        else:
            packet = (
                struct.pack("!IHBB", 6 << 28, length, 17, 64) + source.packed + destination.packed + segment
            )
            kind = 0x86DD
        return packet if self._link_type == RAW else b"".join(_MAC) + struct.pack("!H", kind) + packet


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    number = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0")
    # 2^16 is 1 modulo 2^16 - 1, so the remainder is the sum of all words with its carries; it has two forms of zero.
    return ~(number % 0xFFFF or 0xFFFF) & 0xFFFF if number else 0xFFFF
