"""Builds capture files by hand, so that the reader is not only tried against our own writer."""

from __future__ import annotations

import struct
from ipaddress import ip_address

PAYLOAD = bytes(range(40, 80))
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def classic(
    *frames: bytes, order: str = "<", magic: int = 0xA1B2C3D4, link_type: int = 1, fraction: int = 500_000
) -> bytes:
    """A classic file; frame n is of second n and `fraction`."""
    file = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, link_type)
    for second, frame in enumerate(frames, 1):
        file += struct.pack(order + "IIII", second, fraction, len(frame), len(frame)) + frame
    return file


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    """A section header."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """An option of a block."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link_type: int = 1, options: bytes = b"", order: str = "<", snap_length: int = 0) -> bytes:
    """An interface description."""
    return block(1, struct.pack(order + "HHI", link_type, 0, snap_length) + options, order)


def enhanced(
    frame: bytes, ticks: int = 0, number: int = 0, order: str = "<", length: int | None = None
) -> bytes:
    """An enhanced packet block."""
    header = struct.pack(
        order + "IIIII",
        number,
        ticks >> 32,
        ticks & 0xFFFF_FFFF,
        len(frame),
        len(frame) if length is None else length,
    )
    return block(6, header + frame, order)


def simple(frame: bytes, length: int | None = None, order: str = "<") -> bytes:
    """A simple packet block."""
    return block(3, struct.pack(order + "I", len(frame) if length is None else length) + frame, order)


def udp(payload: bytes = PAYLOAD, *, length: int | None = None) -> bytes:
    """Header and payload of UDP, from port 1000 to port 2000."""
    return struct.pack("!HHHH", 1000, 2000, 8 + len(payload) if length is None else length, 0) + payload


def tcp(
    payload: bytes = PAYLOAD, *, flags: int = PSH | ACK, options: bytes = b"", words: int | None = None
) -> bytes:
    """Header, options and payload of TCP, from port 1000 to port 2000; `words`: the header's length as it says."""
    offset = 5 + len(options) // 4 if words is None else words
    return struct.pack("!HHIIBBHHH", 1000, 2000, 7, 9, offset << 4, flags, 512, 0, 0) + options + payload


def ipv4(
    segment: bytes, *, protocol: int = 17, fragment: int = 0, options: bytes = b"", total: int | None = None
) -> bytes:
    """A packet from 192.0.2.1 to 192.0.2.2."""
    header = 20 + len(options)
    addresses = ip_address("192.0.2.1").packed + ip_address("192.0.2.2").packed
    whole = header + len(segment) if total is None else total
    before = struct.pack("!BBHHHBBH", 0x40 | header // 4, 0, whole, 7, fragment, 64, protocol, 0)
    return before + addresses + options + segment


def ipv6(segment: bytes, *, following: int = 17) -> bytes:
    """A packet from 2001:db8::1 to 2001:db8::2."""
    addresses = ip_address("2001:db8::1").packed + ip_address("2001:db8::2").packed
    return struct.pack("!IHBB", 6 << 28, len(segment), following, 64) + addresses + segment


def ethernet(packet: bytes, *tags: int) -> bytes:
    """A frame around a packet of IP, with VLAN tags of these types."""
    kind = {4: 0x0800, 6: 0x86DD}[packet[0] >> 4]
    return bytes(12) + b"".join(struct.pack("!HH", tag, 5) for tag in tags) + struct.pack("!H", kind) + packet
