"""Packets of both sessions as the engine writes them, from their parts."""

from __future__ import annotations

import struct

SPARE = bytes(32)


def varint(number: int) -> bytes:
    """A number of variable length (RFC 9000, section 16)."""
    for size, prefix in ((1, 0), (2, 0x40), (4, 0x80), (8, 0xC0)):
        if number < 1 << (8 * size - 2):
            data = bytearray(number.to_bytes(size, "big"))
            data[0] |= prefix
            return bytes(data)
    raise ValueError(number)


def check(number: int) -> bytes:
    """Bits 8 to 23 of a packet's number."""
    return (number >> 8 & 0xFFFF).to_bytes(2, "big")


def short(number: int, frames: bytes, size: int = 1) -> bytes:
    """A 1-RTT packet, the last of its datagram."""
    sent = (number & (1 << 8 * size) - 1).to_bytes(size, "big")
    return bytes([0x40 | size - 1]) + sent + frames + check(number)


def long(kind: int, number: int, frames: bytes, *, last: bool = False) -> bytes:
    """An Initial (0), 0-RTT (1) or Handshake (2) packet; what is the last has no room behind it."""
    body = (number & 0xFF).to_bytes(1, "big") + frames + check(number)
    token = b"\0" if kind == 0 else b""
    front = bytes([0xC0 | kind << 4]) + b"\0\0\0\1" + b"\x08" + b"eight id" + b"\0" + token
    return front + varint(len(body) + len(SPARE)) + body + (b"" if last else SPARE)


def segment(command: int, data: bytes = b"", **changes: int) -> bytes:
    """A segment of KCP."""
    facts = {
        "lane": 3,
        "fragment": 0,
        "window": 128,
        "time": 1000,
        "number": 7,
        "una": 5,
        "length": len(data),
    }
    given = facts | changes
    front = struct.pack("<IBBH", given["lane"], command, given["fragment"], given["window"])
    return front + struct.pack("<IIII", *(given[name] for name in ("time", "number", "una", "length"))) + data


def frame(
    command: int, stream: int, data: bytes = b"", *, version: int = 2, length: int | None = None
) -> bytes:
    """A frame of the mux."""
    return struct.pack("<BBHI", version, command, len(data) if length is None else length, stream) + data
