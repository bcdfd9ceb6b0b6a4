"""Segments of KCP as they stand inside the envelope; numbers are little-endian, as in the reference (`ikcp.c`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ginnel.dissect.frames import Fact, Frame
from ginnel.dissect.mux import Lane, Openings, begins_with_frame
from ginnel.dissect.reader import MalformedError, Reader

HEADER = 24
MAX_LANES = 16
SHOWN_BYTES = 32
"""Bytes that are shown of what cannot be read."""

_COMMANDS = {81: "PUSH", 82: "ACK", 83: "WASK", 84: "WINS", 85: "RANGES", 86: "PART"}
_LANE = 4
"""Bytes of a segment's first field, the number of its lane."""


@dataclass(slots=True)
class Segment:
    """One segment, as far as it could be read."""

    name: str
    """PUSH, ACK, WASK or WINS, as in the reference; RANGES or PART, of ginnel; PADDING; "?" where nothing is read."""
    facts: dict[str, Fact] = field(default_factory=dict)
    """What it says, by field."""
    frames: list[Frame] = field(default_factory=list)
    """Those in its data, where these begin with one."""
    fault: str | None = None
    """What is wrong, and at which byte of the plaintext."""
    rest: str = ""
    """In hexadecimal, the first bytes from there on."""


def is_kcp(plaintext: bytes) -> bool:
    """Whether a packet whose session is not known begins as one of KCP: with a lane's number.

    Four bytes of at most 16, little-endian: a packet of QUIC has the fixed bit (0x40) in the first of them.
    """
    return 1 <= int.from_bytes(plaintext[:_LANE], "little") <= MAX_LANES and len(plaintext) >= HEADER


def segments(plaintext: bytes, openings: Openings, link: object, *, from_client: bool) -> list[Segment]:
    """The segments of an opened session datagram. Bytes that are none make one with a fault, never an exception."""
    reader, lane = Reader(plaintext), Lane(openings, link, from_client=from_client)
    found: list[Segment] = []
    while reader.left:
        segment = Segment("?")
        found.append(segment)
        try:
            number, end = _segment(segment, reader)
            _read_data(segment, Reader(plaintext, reader.at, end), lane, number)
            reader.at = end
        except MalformedError as error:
            _blame(segment, reader, error)
            break
    return found


def _segment(segment: Segment, reader: Reader) -> tuple[int, int]:
    """Read a segment up to its data; its number, and where its data end."""
    began = reader.at
    lane = reader.little(min(_LANE, reader.left), "a lane")
    if lane == 0:
        # What stands behind it means nothing.
        reader.at = began
        segment.name, segment.facts = "PADDING", {"length": reader.left}
        return 0, reader.end
    if lane > MAX_LANES:
        raise MalformedError(f"a segment of lane {lane}, where 1 to {MAX_LANES} are possible", began)
    command = reader.little(1, "a command")
    if command not in _COMMANDS:
        raise MalformedError(f"a segment of the unknown command {command}", reader.at - 1)
    fragment = reader.little(1, "a fragment")
    window, time = reader.little(2, "a window"), reader.little(4, "a time")
    number, una = reader.little(4, "a number"), reader.little(4, "una")
    length = reader.little(4, "a length")
    segment.name = _COMMANDS[command]
    segment.facts = {"lane": lane, "number": number, "una": una, "window": window, "time_ms": time}
    segment.facts["length"] = length
    if fragment:
        segment.facts["fragment"] = fragment
    if length > reader.left:
        raise MalformedError(f"{segment.name} of {length} bytes, {reader.left} are left", reader.at - 4)
    return number, reader.at + length


def _read_data(segment: Segment, reader: Reader, lane: Lane, number: int) -> None:
    """Read the data of a segment: what is wrong in them leaves the segments behind it alone."""
    try:
        if segment.name == "RANGES":
            segment.facts["ranges"] = _ranges(reader)
        if segment.name == "PART":
            segment.facts["offset"] = reader.little(2, "PART offset")
            segment.facts["total"] = reader.little(2, "PART total")
            segment.facts["length"] = reader.left
        is_beginning = segment.name == "PUSH" or segment.facts.get("offset") == 0
        if is_beginning and begins_with_frame(reader.rest):
            for frame in lane.frames(reader, number):
                segment.frames.append(frame)
    except MalformedError as error:
        _blame(segment, reader, error)


def _ranges(reader: Reader) -> list[list[int]]:
    """What was received beyond `una`, as lowest and highest number; on the wire the end is one behind."""
    found = []
    while reader.left:
        start, end = reader.little(4, "RANGES start"), reader.little(4, "RANGES end")
        found.append([start, (end - 1) % 2**32])
    return found


def _blame(segment: Segment, reader: Reader, error: MalformedError) -> None:
    reader.at = error.at
    segment.fault = f"{error.what} (byte {error.at})"
    segment.rest = reader.rest[:SHOWN_BYTES].hex()
