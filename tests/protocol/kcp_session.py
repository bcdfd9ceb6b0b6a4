"""Section 18: an end of a KCP session. What it takes from the other end and should not come raises `Refused`."""

from __future__ import annotations

from dataclasses import dataclass, field

from .kcp_conversation import Conversation
from .kcp_frames import UPDATE, Frame, Pipe, coded, update
from .kcp_parameters import Parameters
from .kcp_segments import Segment, split
from .primitives import Refused

FIRST_PACKET = 1168
"""A datagram of 1,200 bytes without the envelope's 32."""
SEGMENT_HEADER = 24
LONGEST_FRAME = 3000
"""Longer than a segment: the text lets frames cross their borders, though ginnel's own never do."""


@dataclass
class Stream:
    """One of them, with both of its directions."""

    number: int
    lane: int
    may_send: int
    """How many bytes the other end takes in all."""
    window: int
    reads: bool = True
    """Whether we read what comes, so that the window moves."""
    received: bytearray = field(default_factory=bytearray)
    consumed: int = 0
    told: int = 0
    ended: bool = False
    """Whether FIN has come."""
    reset: int | None = None
    """The code of the RST that has come."""
    stopped: int | None = None
    """The code of the STP that has come."""
    unsent: bytearray = field(default_factory=bytearray)
    sent: int = 0
    updates: int = 0
    ends: bool = False
    """Whether our direction ends when all has been sent, or has."""
    finished: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more may come."""
        return self.ended or self.reset is not None


class Session:
    """Either end. Packets are plaintexts of the envelope, untrimmed; times are milliseconds of one's own clock."""

    def __init__(self, ours: Parameters, theirs: Parameters, *, is_client: bool = True) -> None:
        self.ours, self.theirs, self._is_client = ours, theirs, is_client
        extended = ours.extended, theirs.extended
        self.lanes = {
            number: Conversation(number, FIRST_PACKET - SEGMENT_HEADER, extended)
            for number in range(1, min(ours.lanes, theirs.lanes) + 1)
        }
        self._pipes = {number: Pipe() for number in self.lanes}
        self.streams: dict[int, Stream] = {}
        self.granted = theirs.streams
        """How many streams we may open in all."""
        self.may_open = ours.streams
        """How many the other end may."""
        self._last = dict.fromkeys(self.lanes, 0)
        self._opened = 0
        self.seen: list[Segment] = []
        """Every segment that has come, for tests to look at."""
        self.frames: list[Frame] = []
        """Every frame that has come but data."""

    def open(self, data: bytes, lane: int = 1) -> Stream:
        """A new stream."""
        if self._opened >= self.granted:
            raise Refused("one stream more than was granted")
        number = 2 * self._opened + (1 if self._is_client else 2)
        self._opened += 1
        stream = self.expected(number, lane)
        self.frame(Frame("SYN", number), lane)
        self.write(stream, data)
        return stream

    def expected(self, number: int, lane: int) -> Stream:
        """A stream that has begun, or will."""
        stream = self.streams[number] = Stream(number, lane, self.theirs.window, self.ours.window)
        return stream

    def write(self, stream: Stream, data: bytes, *, end: bool = False) -> None:
        """More for a stream; `end` ends its direction cleanly."""
        stream.unsent += data
        stream.ends = end
        self._send(stream)

    def give_up(self, stream: Stream, code: int) -> None:
        """RST."""
        stream.unsent.clear()
        stream.ends = stream.finished = True
        self.frame(coded("RST", stream.number, code), stream.lane)

    def stop(self, stream: Stream, code: int) -> None:
        """STP."""
        self.frame(coded("STP", stream.number, code), stream.lane)

    def read(self, stream: Stream) -> None:
        """All that has come, and tell the other end if that is worth it."""
        stream.consumed = len(stream.received)
        if stream.consumed - stream.told >= stream.window // 8 and not stream.over:
            stream.told = stream.consumed
            self.frame(update(stream.number, stream.consumed, stream.window), stream.lane)

    def grant(self, streams: int) -> None:
        """So many streams in all."""
        self.may_open = max(self.may_open, streams)
        self.frame(coded("GRT", 0, streams), 1)

    def frame(self, frame: Frame, lane: int) -> None:
        """Any frame, be it right or wrong."""
        self.lanes[lane].write(frame.to_bytes())

    def _send(self, stream: Stream) -> None:
        """What the window allows."""
        while stream.unsent and stream.sent < stream.may_send:
            size = min(LONGEST_FRAME, stream.may_send - stream.sent, len(stream.unsent))
            self.frame(Frame("PSH", stream.number, bytes(stream.unsent[:size])), stream.lane)
            del stream.unsent[:size]
            stream.sent += size
        if stream.ends and not stream.unsent and not stream.finished:
            stream.finished = True
            self.frame(Frame("FIN", stream.number), stream.lane)

    def receive(self, packet: bytes) -> None:
        """One session packet."""
        for segment in split(packet):
            if segment.conversation not in self.lanes:
                raise Refused("a conversation that the link does not have")
            self.seen.append(segment)
            lane = self.lanes[segment.conversation]
            lane.receive(segment)
            for frame in self._pipes[lane.number].frames(lane.read()):
                self._take(frame, lane.number)

    def _take(self, frame: Frame, lane: int) -> None:
        if frame.name != "PSH":
            self.frames.append(frame)
        if frame.name == "GRT":
            self.granted = max(self.granted, frame.code)
        elif frame.name == "SYN":
            self._syn(frame.stream, lane)
        elif frame.name != "NOP":
            stream = self.streams.get(frame.stream)
            if stream is None or stream.lane != lane:
                raise Refused("a frame for a stream that is not on this lane")
            self._on_stream(stream, frame)

    def _syn(self, number: int, lane: int) -> None:
        if number & 1 == self._is_client or number <= self._last[lane] or (number + 1) // 2 > self.may_open:
            raise Refused("a stream that may not be opened")
        self._last[lane] = number
        self.expected(number, lane)

    def _on_stream(self, stream: Stream, frame: Frame) -> None:
        if stream.over and frame.name in ("PSH", "FIN", "RST"):
            raise Refused("something behind an end")
        if frame.name == "PSH":
            stream.received += frame.data
            if len(stream.received) > stream.told + stream.window:
                raise Refused("data beyond the window")
            if stream.reads:
                self.read(stream)
        elif frame.name == "UPD":
            consumed, window = UPDATE.unpack(frame.data)
            if consumed > stream.sent:
                raise Refused("more was read than was sent")
            stream.updates += 1
            stream.may_send = max(stream.may_send, consumed + window)
            self._send(stream)
        elif frame.name == "STP":
            stream.stopped = frame.code
            if not stream.finished:
                self.give_up(stream, frame.code)
        elif frame.name == "RST":
            stream.reset = frame.code
        else:
            stream.ended = True

    def packets(self, now: int) -> list[bytes]:
        """All that is due, cut into packets."""
        made, room = list[bytes](), 0
        for lane in self.lanes.values():
            for segment in lane.segments(now):
                data = segment.to_bytes()
                if len(data) > room:
                    made.append(b"")
                    room = FIRST_PACKET
                made[-1] += data
                room -= len(data)
        return made

    def deadline(self) -> int | None:
        """When something is due, if nothing comes before."""
        due = (lane.deadline() for lane in self.lanes.values())
        return min((at for at in due if at is not None), default=None)

    @property
    def idle(self) -> bool:
        """Whether all that was sent has been acknowledged."""
        return all(lane.idle for lane in self.lanes.values())
