"""Frames of the mux, which make streams out of a lane of KCP; numbers are little-endian (after smux, version 2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ginnel.dissect.frames import Fact, Frame
from ginnel.dissect.opening import reply, request
from ginnel.dissect.reader import MalformedError, Reader

VERSION = 2
HEADER = 8
MAX_STREAMS = 4096
"""So many streams are followed at the same time; one more displaces the oldest."""

_PSH = 2
_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("SYN", ()),
    ("FIN", ()),
    ("PSH", ()),
    ("NOP", ()),
    ("UPD", ("consumed", "window")),
    ("RST", ("error",)),
    ("STP", ("error",)),
    ("GRT", ("streams",)),
)
"""Frames by their command: name, and the fields of four bytes each that are all of their data."""

Place = tuple[int, int]
"""Of a frame in its direction: the number of the segment, and where in it."""


class Openings:
    """Remembers where the first data of each stream stood, so that what it says of the target can be shown.

    Of a stream whose SYN was not captured nothing is said.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[object, int], dict[bool, Place]] = {}

    def begin(self, link: object, stream: int) -> None:
        """Take note of a SYN. Another one of the same stream is the same, sent again."""
        self._streams.setdefault((link, stream), {})
        if len(self._streams) > MAX_STREAMS:
            del self._streams[next(islice(self._streams, 1))]

    def is_first(self, link: object, stream: int, place: Place, *, from_client: bool) -> bool:
        """Whether the data at this place are the first of a stream in their direction; also when they come again."""
        places = self._streams.get((link, stream))
        return places is not None and places.setdefault(from_client, place) == place


def begins_with_frame(data: bytes) -> bool:
    """Whether data look like a frame. Those of another program may begin in the middle of one."""
    return len(data) >= HEADER and data[0] == VERSION and data[1] < len(_NAMES)


class Lane:
    """One direction of a lane: reads the frames in its segments."""

    def __init__(self, openings: Openings, link: object, *, from_client: bool) -> None:
        self._openings = openings
        self._link = link
        self._from_client = from_client

    def frames(self, reader: Reader, number: int) -> Iterator[Frame]:
        """The frames in the segment of this number, up to the reader's end.

        The last may go on in the next segment: `here` then says how many of its bytes are in this one. Raises
        MalformedError where they go wrong, after those before.
        """
        began = reader.at
        while reader.left:
            if reader.left < HEADER:
                yield Frame("?", {"here": len(reader.take(reader.left, "a header"))})
                return
            yield self._frame(reader, (number, reader.at - began))

    def _frame(self, reader: Reader, place: Place) -> Frame:
        began = reader.at
        version = reader.little(1, "the version of a frame")
        if version != VERSION:
            raise MalformedError(f"a frame of the unknown version {version}", began)
        command = reader.little(1, "the command of a frame")
        if command >= len(_NAMES):
            raise MalformedError(f"a frame of the unknown command {command}", began + 1)
        length, stream = reader.little(2, "the length of a frame"), reader.little(4, "the stream of a frame")
        name, fields = _NAMES[command]
        facts: dict[str, Fact] = {"stream": stream}
        if command == _PSH:
            return Frame(name, facts | self._data(reader, stream, length, place))
        if length != 4 * len(fields):
            raise MalformedError(f"{name} with {length} bytes, where {4 * len(fields)} belong", began + 2)
        if length > reader.left:
            return Frame(name, facts | {"here": len(reader.take(reader.left, name))})
        if name == "SYN":
            self._openings.begin(self._link, stream)
        return Frame(name, facts | {field: reader.little(4, f"{name} {field}") for field in fields})

    def _data(self, reader: Reader, stream: int, length: int, place: Place) -> dict[str, Fact]:
        if length == 0:
            raise MalformedError("PSH without data", reader.at - HEADER + 2)
        data = reader.take(min(length, reader.left), "PSH data")
        facts: dict[str, Fact] = {"length": length}
        if len(data) < length:
            facts["here"] = len(data)
        # The streams of a client, which are odd, begin with a target and the answer to that.
        if data and stream % 2 and self._is_first(stream, place):
            facts |= {"open": request(data)} if self._from_client else {"reply": reply(data)}
        return facts

    def _is_first(self, stream: int, place: Place) -> bool:
        return self._openings.is_first(self._link, stream, place, from_client=self._from_client)
