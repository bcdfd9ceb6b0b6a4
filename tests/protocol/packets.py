"""QUIC's packets (RFC 9000, sections 16 and 17) under the null protection of section 11."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .primitives import Refused

SPARE = 32
"""What a datagram of the session has behind the part that the envelope seals."""
TAG = 2 + SPARE
VERSION = (1).to_bytes(4, "big")
LONG = ("initial", "0-rtt", "handshake")
"""The packets with a long header that are spoken here, by their types."""


def varint(value: int) -> bytes:
    """An integer of variable length (section 16)."""
    for power in range(4):
        size = 1 << power
        if value < 1 << 8 * size - 2:
            return (power << 8 * size - 2 | value).to_bytes(size, "big")
    raise ValueError(value)


class Reader:
    """Takes fields from bytes, and refuses to read beyond their end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """So many bytes."""
        if size > self.left:
            raise Refused("it ends within a field")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        """An integer of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def varint(self) -> int:
        """The inverse of `varint`."""
        first = self.take(1)[0]
        rest = self.take((1 << (first >> 6)) - 1)
        return int.from_bytes(bytes([first & 63]) + rest, "big")


@dataclass(frozen=True)
class Packet:
    """Its kind is that of a long header, or `1-rtt`."""

    kind: str
    number: int
    frames: bytes
    destination: bytes = b""

    @property
    def space(self) -> str:
        """Packets of 0-RTT and 1-RTT share one space of numbers."""
        return "data" if self.kind.endswith("rtt") else self.kind

    def to_bytes(self) -> bytes:
        """As the session of the other end sees it; the number has four bytes."""
        body = self.number.to_bytes(4, "big") + self.frames + check(self.number) + bytes(SPARE)
        if self.kind == "1-rtt":
            return b"\x43" + body
        first = bytes([0xC3 | LONG.index(self.kind) << 4])
        token = b"\0" if self.kind == "initial" else b""
        ids = bytes([len(self.destination)]) + self.destination + b"\0"
        # Two bytes whatever it is, so that padding changes the size by its own length alone.
        return first + VERSION + ids + token + (0x4000 | len(body)).to_bytes(2, "big") + body


def check(number: int) -> bytes:
    """What the tag begins with: bits 8 to 23 of the full number."""
    return (number >> 8 & 0xFFFF).to_bytes(2, "big")


def complete(low: int, size: int, largest: int) -> int:
    """The full number of a packet with `size` low bytes of it, after `largest` (appendix A.3)."""
    window = 1 << 8 * size
    expected = largest + 1
    number = expected & -window | low
    if number <= expected - window // 2:
        return number + window
    if number > expected + window // 2 and number >= window:
        return number - window
    return number


def split(datagram: bytes, largest: dict[str, int]) -> Iterator[Packet]:
    """The packets of a datagram of the session, its spare bytes included; `largest` is kept by space."""
    reader = Reader(datagram)
    while reader.left:
        first = reader.take(1)[0]
        if first & 0x80:
            kind, destination = long_header(first, reader)
            body = Reader(reader.take(reader.varint()))
        else:
            kind, destination, body = "1-rtt", b"", Reader(reader.take(reader.left))
        if not first & 0x40 or first & (0x0C if first & 0x80 else 0x18):
            raise Refused("a fixed bit is wrong")
        size = (first & 3) + 1
        low = int.from_bytes(body.take(size), "big")
        packet = Packet(kind, low, body.take(max(0, body.left - TAG)), destination)
        number = complete(low, size, largest.get(packet.space, -1))
        if body.take(2) != check(number):
            raise Refused("the check does not fit the packet's number")
        largest[packet.space] = max(number, largest.get(packet.space, -1))
        yield replace(packet, number=number)


def long_header(first: int, reader: Reader) -> tuple[str, bytes]:
    """The kind and the destination id of a packet, read up to its length."""
    index = first >> 4 & 3
    if reader.take(4) != VERSION or index >= len(LONG):
        raise Refused("a packet that is not spoken here")
    destination = reader.take(reader.number(1))
    if reader.number(1) != 0:
        raise Refused("the sender's connection id is not empty")
    if LONG[index] == "initial":
        reader.take(reader.varint())
    return LONG[index], destination
