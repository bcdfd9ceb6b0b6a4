"""One lane (section 18.2): an ordered pipe of bytes in both directions.

What is lost is sent again after a fixed time, or when three later segments have come. Numbers do not wrap around here:
no test sends so much.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .kcp_segments import ACK, PART, PUSH, RANGES, WASK, WINS, Piece, Segment, ranges, ranges_data
from .primitives import Refused

AGAIN = 100
"""Milliseconds without an acknowledgement after which a segment is sent again."""
OVERTAKEN = 3
IN_FLIGHT = 64


@dataclass
class Flight:
    """A segment that is not acknowledged."""

    data: bytes
    due: int = 0
    sent: int = 0
    overtaken: int = 0


class Conversation:
    """Times are milliseconds of one's own clock; `size` is the most that a PUSH carries.

    `extended` is whether we said that we know RANGES and PART, and whether the other end did.
    """

    def __init__(self, number: int, size: int, extended: tuple[bool, bool]) -> None:
        self.number, self.size = number, size
        self._extended, self._peer_extended = extended
        self.window = 512
        """How many segments we take in from the first that is missing."""
        self.part_size: int | None = None
        """PUSHes are sent in parts of so many bytes."""
        self.resent = 0
        """How many segments were sent again."""
        self._outgoing = bytearray()
        self._flight: dict[int, Flight] = {}
        self.next = 0
        self.acknowledged = 0
        """All of ours before this number have come."""
        self.peer_window = 32
        self.wanted = 0
        self._early: dict[int, bytes] = {}
        self._whole = bytearray()
        self._owed: list[tuple[int, int]] = []
        self._tell = self._ask = False
        self._changed: list[int] = []
        self._parts: tuple[int, bytes] = -1, b""

    def write(self, data: bytes) -> None:
        """More for the pipe."""
        self._outgoing += data

    def read(self) -> bytes:
        """What has come in order since the last time."""
        whole = bytes(self._whole)
        self._whole.clear()
        return whole

    def ask(self) -> None:
        """Send a WASK."""
        self._ask = True

    def tell(self) -> None:
        """Send a WINS."""
        self._tell = True

    @property
    def idle(self) -> bool:
        """Whether all that was written has been acknowledged."""
        return not self._outgoing and not self._flight

    def deadline(self) -> int | None:
        """When something is due, if nothing comes before."""
        return min((flight.due for flight in self._flight.values()), default=None)

    def receive(self, segment: Segment) -> None:
        """One segment of this conversation."""
        if segment.una > self.next:
            raise Refused("an acknowledgement of what was never sent")
        self.peer_window = segment.window
        self.acknowledged = max(self.acknowledged, segment.una)
        for number in [number for number in self._flight if number < segment.una]:
            del self._flight[number]
        if segment.command == PUSH:
            self._take(segment, segment.data)
        elif segment.command == ACK:
            self._come(segment.number, segment.number + 1)
        elif segment.command == RANGES:
            self._ranges(segment)
        elif segment.command == PART:
            self._part(segment)
        elif segment.command == WASK:
            self.tell()

    def _ranges(self, segment: Segment) -> None:
        if not self._extended:
            raise Refused("a command that we said we do not know")
        for start, end in ranges(segment):
            if end > self.next:
                raise Refused("a range of what was never sent")
            self._come(start, end)

    def _come(self, start: int, end: int) -> None:
        """Segments of ours have come: those before them may be lost."""
        for number in range(start, end):
            if self._flight.pop(number, None) is None:
                continue
            for earlier, flight in self._flight.items():
                flight.overtaken += earlier < number
                if flight.overtaken == OVERTAKEN and flight.sent == 1:
                    flight.due = 0

    def _part(self, segment: Segment) -> None:
        if not self._extended:
            raise Refused("a command that we said we do not know")
        piece = Piece.parse(segment.data)
        number, before = self._parts
        if piece.offset == 0:
            number, before = segment.number, b""
        if number != segment.number or piece.offset != len(before):
            return
        self._parts = number, before + piece.data
        if len(before + piece.data) == piece.total:
            self._parts = -1, b""
            self._take(segment, before + piece.data)

    def _take(self, segment: Segment, data: bytes) -> None:
        """A PUSH, or all of its parts."""
        number = segment.number
        if number >= self.wanted + max(self.window, 1):
            raise Refused("a segment outside the window")
        self._owed.append((number, segment.ts))
        if number < self.wanted or number in self._early:
            return
        self._early[number] = data
        self._changed = [number, *self._changed]
        while self.wanted in self._early:
            self._whole += self._early.pop(self.wanted)
            self.wanted += 1

    def segments(self, now: int) -> Iterator[Segment]:
        """What is due."""
        yield from self._acknowledgements()
        for wanted, command in ((self._tell, WINS), (self._ask, WASK)):
            if wanted:
                yield self._segment(command, ts=now)
        self._tell = self._ask = False
        while self._outgoing and self.next < self.acknowledged + min(self.peer_window, IN_FLIGHT):
            self._flight[self.next] = Flight(bytes(self._outgoing[: self.size]))
            del self._outgoing[: self.size]
            self.next += 1
        for number, flight in self._flight.items():
            if flight.due <= now:
                self.resent += flight.sent > 0
                flight.sent, flight.due = flight.sent + 1, now + AGAIN
                yield from self._push(number, flight.data, now)

    def _push(self, number: int, data: bytes, now: int) -> Iterator[Segment]:
        if self.part_size is None:
            yield self._segment(PUSH, number, now, data)
            return
        for offset in range(0, len(data), self.part_size):
            piece = Piece(offset, len(data), data[offset : offset + self.part_size])
            yield self._segment(PART, number, now, piece.to_bytes())

    def _acknowledgements(self) -> Iterator[Segment]:
        owed, self._owed = self._owed, []
        if not self._peer_extended:
            yield from (self._segment(ACK, number, ts) for number, ts in owed)
        elif owed:
            yield self._segment(RANGES, *owed[-1], ranges_data(self.early_ranges()))

    def early_ranges(self) -> list[tuple[int, int]]:
        """What has come beyond the first gap; the range that has changed last first."""
        found = list[tuple[int, int]]()
        self._changed = [number for number in self._changed if number in self._early]
        for number in self._changed:
            if any(start <= number < end for start, end in found):
                continue
            start, end = number, number + 1
            while start - 1 in self._early:
                start -= 1
            while end in self._early:
                end += 1
            found.append((start, end))
        return found[:32]

    def _segment(self, command: int, number: int = 0, ts: int = 0, data: bytes = b"") -> Segment:
        return Segment(self.number, command, number, ts & 0xFFFF_FFFF, self.wanted, self.window, data)
