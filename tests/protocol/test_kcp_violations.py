"""What ends a KCP session, and what is ignored: the lists of section 18.3, against the program's server."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.e2e.program import LOOPBACK, Server
from tests.e2e.targets import refusing

from .client import Identity, Wire
from .kcp_frames import Frame, coded, update
from .kcp_parameters import Parameters
from .kcp_segments import PUSH, Segment
from .kcp_session import Session
from .kcp_talk import Talk, dial, dial_silently
from .test_stream import open_request

FAILED = 3
"""The code of close."""
STREAMS = 1024
"""How many the program grants at first."""
SYN, FIN = Frame("SYN", 1), Frame("FIN", 1)
DATA, RST = Frame("PSH", 1, b"\1"), coded("RST", 1, 2)


@pytest.fixture
def talk(server: Server) -> Iterator[Talk[Session]]:
    with Wire((LOOPBACK, server.port)) as wire:
        yield dial(wire, Identity.from_link(server.link), Parameters(window=1 << 16))


def raw(version: int, command: int, length: int, stream: int) -> bytes:
    """A frame whose head says what it likes."""
    return struct.pack("<BBHI", version, command, length, stream) + bytes(length)


def joined(*frames: Frame) -> bytes:
    return b"".join(frame.to_bytes() for frame in frames)


VIOLATIONS = {
    "version 1": raw(1, 3, 0, 0),
    "version 3": raw(3, 3, 0, 0),
    "command 8": raw(2, 8, 0, 0),
    "command 255": raw(2, 255, 0, 0),
    "a SYN with data": raw(2, 0, 1, 1),
    "a FIN with data": joined(SYN) + raw(2, 1, 1, 1),
    "a PSH without data": joined(SYN) + raw(2, 2, 0, 1),
    "a NOP with data": raw(2, 3, 1, 0),
    "a short UPD": joined(SYN) + raw(2, 4, 7, 1),
    "a long UPD": joined(SYN) + raw(2, 4, 9, 1),
    "a short RST": joined(SYN) + raw(2, 5, 3, 1),
    "a long STP": joined(SYN) + raw(2, 6, 5, 1),
    "a short GRT": raw(2, 7, 3, 0),
    "a NOP of a stream": raw(2, 3, 0, 1),
    "a GRT of a stream": joined(SYN) + raw(2, 7, 4, 1),
    "a SYN of none": raw(2, 0, 0, 0),
    "a stream of the server's": joined(Frame("SYN", 2)),
    "a stream twice": joined(SYN, SYN),
    "a stream twice, gone meanwhile": joined(SYN, FIN, coded("STP", 1, 2), SYN),
    "a number that does not rise": joined(Frame("SYN", 5), Frame("SYN", 3)),
    "data behind FIN": joined(SYN, FIN, DATA),
    "FIN behind FIN": joined(SYN, FIN, FIN),
    "RST behind FIN": joined(SYN, FIN, RST),
    "data behind RST": joined(SYN, RST, DATA),
    "FIN behind RST": joined(SYN, RST, FIN),
    "RST behind RST": joined(SYN, RST, RST),
    "UPD for more than was sent at all": joined(SYN, update(1, 1, 1 << 20)),
    "UPD for more than was sent": joined(SYN, update(1, 1 << 20, 1 << 20)),
}
NUMBERS = {
    "a FIN of none": raw(2, 1, 0, 0),
    "a PSH of none": raw(2, 2, 1, 0),
    "an UPD of none": raw(2, 4, 8, 0),
    "a RST of none": raw(2, 5, 4, 0),
    "a STP of none": raw(2, 6, 4, 0),
    "a number beyond what was granted": joined(Frame("SYN", 2 * STREAMS + 1)),
}


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_violations_end_the_session(talk: Talk[Session], data: bytes) -> None:
    talk.session.lanes[1].write(data)
    talk.until(lambda: talk.closed is not None)
    assert talk.closed == FAILED


@pytest.mark.parametrize("data", NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_that_cannot_be_are_violations(talk: Talk[Session], data: bytes) -> None:
    talk.session.lanes[1].write(data)
    talk.until(lambda: talk.closed is not None or talk.session.idle)
    talk.probe()
    assert talk.closed == FAILED


@pytest.mark.parametrize(("streams", "closed"), [(STREAMS, None), (STREAMS + 1, FAILED)])
def test_a_stream_beyond_what_was_granted(server: Server, streams: int, closed: int | None) -> None:
    """All come at once: the first segment comes last, so the server cannot grant more meanwhile."""
    data = joined(*(Frame("SYN", 2 * number + 1) for number in range(streams)))
    segments = [
        Segment(1, PUSH, at // 1000, window=64, data=data[at : at + 1000]) for at in range(0, len(data), 1000)
    ]
    with Wire((LOOPBACK, server.port)) as wire:
        talk = dial_silently(wire, Identity.from_link(server.link))
        for segment in segments[::-1]:
            talk.send_segments(segment)
        talk.until(lambda: talk.closed is not None or talk.session.acknowledged(1) == len(segments))
        assert talk.closed == closed


def test_a_number_in_use_on_another_lane_ends_the_session(talk: Talk[Session]) -> None:
    for lane in (1, 2):
        assert talk.closed is None
        talk.session.lanes[lane].write(joined(SYN))
        talk.until(lambda: talk.closed is not None or talk.session.idle)
        talk.probe()
    assert talk.closed == FAILED


def test_a_smaller_number_on_another_lane_is_none_that_does_not_rise(talk: Talk[Session]) -> None:
    talk.session.lanes[1].write(joined(Frame("SYN", 5)))
    talk.until(lambda: talk.session.idle)
    alive(talk, 1)


def test_data_beyond_the_window_end_the_session(talk: Talk[Session]) -> None:
    """The server reads but the request, which is a wrong one; it may tell a larger window, of 8 MiB at most."""
    lane = talk.session.lanes[1]
    talk.session.expected(1, 1)
    lane.write(joined(SYN, coded("STP", 1, 2)))
    left = (1 << 23) + (1 << 16)
    while left:
        size = min(left, 60_000)
        lane.write(Frame("PSH", 1, bytes(size)).to_bytes())
        left -= size
    talk.until(lambda: talk.closed is not None)
    assert talk.closed == FAILED


def alive(talk: Talk[Session], last: int) -> None:
    """A stream behind the last one has its answer."""
    with refusing() as target:
        talk.session._opened = (last + 1) // 2
        stream = talk.session.open(open_request(target), lane=2)
        talk.until(lambda: stream.ended)
    assert (bytes(stream.received), stream.stopped) == (b"\1", 2)
    talk.probe()
    assert talk.closed is None


IGNORED = {
    "NOP": joined(Frame("NOP")),
    "the last stream that was granted": joined(Frame("SYN", 2 * STREAMS - 3)),
    "fewer streams than before": joined(coded("GRT", 0, 5), coded("GRT", 0, 1)),
    "more of them than there can be": joined(coded("GRT", 0, 0xFFFFFFFF)),
    "an enormous window": joined(SYN, update(1, 0, 0xFFFFFFFF), RST),
    "UPD and STP behind FIN": joined(SYN, FIN, update(1, 0, 1 << 20), coded("STP", 1, 9)),
    "UPD and STP behind RST": joined(SYN, RST, update(1, 0, 1 << 20), coded("STP", 1, 9)),
}


@pytest.mark.parametrize("data", IGNORED.values(), ids=IGNORED.keys())
def test_what_ends_nothing(talk: Talk[Session], data: bytes) -> None:
    for number in (1, 2 * STREAMS - 3):
        talk.session.expected(number, 1)
    talk.session.lanes[1].write(data)
    alive(talk, 2 * STREAMS - 3)


def test_frames_for_streams_that_never_were_are_ignored(talk: Talk[Session]) -> None:
    """Those of the server's numbers, and those on a lane that is not the stream's, belong to them."""
    talk.session.expected(1, 1)
    talk.session.lanes[1].write(joined(SYN))
    talk.until(lambda: talk.session.idle)
    for frame in (
        DATA,
        FIN,
        FIN,
        RST,
        update(1, 9, 9),
        Frame("PSH", 2, b"\1"),
        Frame("FIN", 4),
        coded("STP", 8, 1),
    ):
        talk.session.frame(frame, 2)
    alive(talk, 1)


def test_an_update_that_goes_back_ends_the_session(talk: Talk[Session]) -> None:
    stream = talk.session.open(b"\7")
    stream.finished = True  # The STP that comes is not answered, so the stream lives on.
    talk.until(lambda: stream.ended)
    for consumed, closed in ((1, None), (1, None), (0, FAILED)):
        talk.session.frame(update(1, consumed, 1 << 20), 1)
        talk.until(lambda: talk.closed is not None or talk.session.idle)
        talk.probe()
        assert talk.closed == closed


def test_frames_for_streams_that_are_gone_are_ignored(talk: Talk[Session]) -> None:
    with refusing() as target:
        stream = talk.session.open(open_request(target))
        talk.until(lambda: stream.ended and stream.finished and talk.session.idle)
    for frame in (update(1, 1, 1 << 20), coded("STP", 1, 9), coded("RST", 1, 9), FIN, DATA):
        talk.session.frame(frame, 1)
    alive(talk, 1)
