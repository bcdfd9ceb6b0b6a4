"""Section 18.2: the segments in a session packet, and what stands in those that ginnel added."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .primitives import Refused

HEADER = struct.Struct("<IBBHIIII")
PUSH, ACK, WASK, WINS, RANGES, PART = range(81, 87)
COMMANDS = range(PUSH, PART + 1)
PAIR = struct.Struct("<II")
MOST_RANGES = 32
PIECE = struct.Struct("<HH")


@dataclass(frozen=True)
class Segment:
    """One of them. `una`, `window` and `ts` are those of the end that sends it."""

    conversation: int
    command: int
    number: int = 0
    ts: int = 0
    una: int = 0
    window: int = 0
    data: bytes = b""
    fragment: int = 0

    def to_bytes(self) -> bytes:
        """As it travels."""
        return (
            HEADER.pack(
                self.conversation,
                self.command,
                self.fragment,
                self.window,
                self.ts,
                self.number,
                self.una,
                len(self.data),
            )
            + self.data
        )


def split(packet: bytes) -> list[Segment]:
    """The segments of a packet. Here nothing is passed over: the program sends none of what it should ignore."""
    found, at = list[Segment](), 0
    while len(packet) - at >= HEADER.size:
        conversation, command, fragment, window, ts, number, una, length = HEADER.unpack_from(packet, at)
        if conversation == command == 0:
            break
        at += HEADER.size
        data = packet[at : at + length]
        if command not in COMMANDS or fragment != 0 or len(data) != length:
            raise Refused("no segment that should come")
        found.append(Segment(conversation, command, number, ts, una, window, data))
        at += length
    if any(packet[at:]):
        raise Refused("padding that is not zeros")
    return found


def ranges(segment: Segment) -> list[tuple[int, int]]:
    """The data of RANGES: numbers that have come, ends exclusive."""
    pairs = list(PAIR.iter_unpack(segment.data))
    if len(pairs) > MOST_RANGES or any(not segment.una < start < end for start, end in pairs):
        raise Refused("too many ranges, or impossible ones")
    return pairs


def ranges_data(pairs: list[tuple[int, int]]) -> bytes:
    """The data of RANGES."""
    return b"".join(PAIR.pack(*pair) for pair in pairs)


@dataclass(frozen=True)
class Piece:
    """The data of PART."""

    offset: int
    total: int
    data: bytes

    def to_bytes(self) -> bytes:
        """As it travels."""
        return PIECE.pack(self.offset, self.total) + self.data

    @classmethod
    def parse(cls, data: bytes) -> Piece:
        """One that lies in its whole."""
        if len(data) <= PIECE.size:
            raise Refused("a part of nothing")
        offset, total = PIECE.unpack_from(data)
        if offset + len(data) - PIECE.size > total:
            raise Refused("a part beyond its whole")
        return cls(offset, total, data[PIECE.size :])
