"""Segment by segment against the program's server: section 18.2, and the parameters of 18.1.

No session of ours runs here: what is sent is written out, so that nothing but the answer to it comes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.program import LOOPBACK, Server

from .client import Attempt, Identity, Wire
from .kcp_frames import Frame
from .kcp_parameters import KIND, MOST_LANES, Parameters
from .kcp_segments import ACK, HEADER, PART, PUSH, RANGES, WASK, WINS, Piece, Segment, ranges, ranges_data
from .kcp_talk import Silent, Talk, dial_silently
from .test_against_the_program import ignored

ACKS_ONLY = Parameters(extended=False)
NOP = Frame("NOP").to_bytes()


@pytest.fixture
def who(server: Server) -> Identity:
    """The server's user, as one newly started client."""
    return Identity.from_link(server.link)


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A socket of this client."""
    with Wire((LOOPBACK, server.port)) as socket:
        yield socket


def push(number: int, *, lane: int = 1, ts: int = 0, una: int = 0, data: bytes = NOP) -> Segment:
    """A frame that means nothing, in a segment of its own."""
    return Segment(lane, PUSH, number, ts, una, 64, data)


def ask(lane: int = 1) -> Segment:
    """WASK."""
    return Segment(lane, WASK, window=64)


def answer(talk: Talk[Silent], *commands: int, lane: int = 1) -> Segment:
    """The next segment of these commands that comes on a lane; all before it are forgotten."""

    def found() -> Segment | None:
        return next((one for one in seen if one.command in commands and one.conversation == lane), None)

    seen = talk.session.seen
    talk.until(found)
    segment = found()
    assert segment is not None
    del seen[: seen.index(segment) + 1]
    return segment


# The parameters.


def test_welcome_has_the_servers_parameters(wire: Wire, who: Identity) -> None:
    talk = Attempt(who, kind=KIND, parameters=Parameters().to_bytes())
    wire.send(talk.datagram)
    theirs = Parameters.parse(talk.read(wire.receive()).welcome.parameters)
    assert theirs == Parameters(8, 1024, theirs.window, True)
    assert 1 << 21 <= theirs.window <= 1 << 23


@pytest.mark.parametrize(
    "parameters",
    [
        b"",
        Parameters().to_bytes()[:-1],
        b"\0" + Parameters().to_bytes()[1:],
        b"\2" + Parameters().to_bytes()[1:],
        Parameters(lanes=0).to_bytes(),
        Parameters(lanes=MOST_LANES + 1).to_bytes(),
    ],
    ids=["none", "short", "version 0", "version 2", "no lanes", "17 lanes"],
)
def test_parameters_that_do_not_parse_are_not_answered(wire: Wire, who: Identity, parameters: bytes) -> None:
    ignored(wire, who, Attempt(who, kind=KIND, parameters=parameters).datagram)


def test_what_follows_the_parameters_and_unknown_flags_are_ignored(wire: Wire, who: Identity) -> None:
    plain = Parameters().to_bytes()
    attempt = Attempt(who, kind=KIND, parameters=plain[:1] + b"\xff" + plain[2:] + os.urandom(149))
    wire.send(attempt.datagram)
    attempt.read(wire.receive())


@pytest.mark.parametrize("lanes", [1, 3, MOST_LANES])
def test_the_smaller_number_of_lanes_counts(wire: Wire, who: Identity, lanes: int) -> None:
    talk = dial_silently(wire, who, Parameters(lanes=lanes))
    both = min(lanes, Parameters.parse(talk.link.welcome.parameters).lanes)
    talk.send_segments(*(ask(lane) for lane in (*range(both + 1, 20), *range(1, both + 1))))
    answer(talk, WINS, lane=1)
    talk.probe()
    assert {one.conversation for one in talk.session.seen} <= set(range(1, both + 1))
    for lane in range(2, both + 1):
        assert answer(talk, WINS, lane=lane).una == 0


# Asking for the window, and acknowledgements.


def test_the_window_is_told(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    talk.send_segments(ask())
    told = answer(talk, WINS)
    assert (told.una, told.data) == (0, b"")
    assert told.window > 0


def test_a_segment_is_acknowledged(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    talk.send_segments(push(0, ts=0xFFFFFFF0))
    came = answer(talk, RANGES)
    assert (came.una, came.number, came.ts, came.data) == (1, 0, 0xFFFFFFF0, b"")


def test_a_question_for_the_window_is_answered_by_any_segment(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    talk.send_segments(push(0))
    answer(talk, RANGES)
    for _ in range(2):
        talk.send_segments(ask())
        assert answer(talk, WINS, RANGES).window > 0


def test_ranges_tell_what_came_beyond_a_gap_again_and_again(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    told = []
    for number in (1, 3, 5, 2, 0):
        talk.send_segments(push(number, ts=number))
        came = answer(talk, RANGES)
        assert (came.number, came.ts) == (number, number)
        told.append((came.una, ranges(came)))
    assert told == [
        (0, [(1, 2)]),
        (0, [(3, 4), (1, 2)]),
        (0, [(5, 6), (3, 4), (1, 2)]),
        (0, [(1, 4), (5, 6)]),
        (4, [(5, 6)]),
    ]


def test_no_more_than_32_ranges(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    for number in range(1, 101, 2):
        talk.send_segments(push(number))
        came = answer(talk, RANGES)
    assert ranges(came) == [(number, number + 1) for number in range(99, 99 - 64, -2)]


def test_a_segment_that_is_there_already_is_acknowledged_again(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who, ACKS_ONLY)
    for ts in (1, 2):
        talk.send_segments(push(0, ts=ts))
        came = answer(talk, ACK)
        assert (came.una, came.number, came.ts) == (1, 0, ts)


def test_who_does_not_know_ranges_gets_an_acknowledgement_of_each(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who, ACKS_ONLY)
    for number in (2, 1, 4):
        talk.send_segments(push(number, ts=7 + number))
        came = answer(talk, ACK)
        assert (came.una, came.number, came.ts, came.data) == (0, number, 7 + number, b"")
    # What `una` says need not be said again, but for the newest.
    talk.send_segments(*(push(number, ts=number) for number in (0, 3)))
    talk.until(lambda: talk.session.acknowledged(1) == 5)
    came = answer(talk, ACK)
    assert came.number in (0, 3)
    assert came.ts == came.number
    talk.send_segments(ask())
    assert answer(talk, WINS).una == 5
    assert not [one for one in talk.session.seen if one.command in (RANGES, PART)]


def test_what_is_outside_the_window_is_not_taken_in(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who, ACKS_ONLY)
    talk.send_segments(ask())
    window = answer(talk, WINS).window
    talk.send_segments(*(push(number) for number in (window, window + 1, 1 << 31, (1 << 32) - 1, window - 1)))
    assert answer(talk, ACK).number == window - 1
    talk.send_segments(push(0))
    assert answer(talk, ACK).number == 0


# What is ignored.


@pytest.mark.parametrize(
    "before",
    [
        push(0, lane=77).to_bytes(),
        push(0, lane=0).to_bytes(),
        Segment(1, RANGES, 7, window=64, data=ranges_data([(1, 9)])).to_bytes(),
        Segment(1, RANGES, window=64, data=ranges_data([(5, 2)])).to_bytes(),
        Segment(1, RANGES, window=64, data=ranges_data([(1, 2)])[:-1]).to_bytes(),
        Segment(1, RANGES, window=64, data=ranges_data([(1, 2)] * 33)).to_bytes(),
        Segment(1, ACK, 9, window=64).to_bytes(),
        replace(push(0), una=1).to_bytes(),
        replace(push(0), una=1 << 31).to_bytes(),
        replace(ask(), una=7).to_bytes(),
        Segment(1, WINS, window=64).to_bytes(),
        Segment(1, PART, 0, window=64, data=b"").to_bytes(),
        Segment(1, PART, 0, window=64, data=Piece(4, 8, NOP).to_bytes()).to_bytes(),
        Segment(1, PART, 0, window=64, data=Piece(0, 4, NOP).to_bytes()).to_bytes(),
        Segment(1, PART, 0, window=64, data=Piece(0, 0, b"").to_bytes()).to_bytes(),
    ],
    ids=lambda data: f"{data[4]} of lane {data[0]}, {data[24:].hex()}"[:60],
)
def test_a_segment_that_means_nothing_is_passed_over(wire: Wire, who: Identity, before: bytes) -> None:
    talk = dial_silently(wire, who)
    talk.send_packet(before + push(0).to_bytes())
    assert answer(talk, RANGES).una == 1
    talk.send_segments(push(1))
    assert answer(talk, RANGES).una == 2


@pytest.mark.parametrize(
    "between",
    [
        replace(push(0), command=87).to_bytes(),
        replace(push(0), command=80).to_bytes(),
        struct.pack("<IBBHIIII", 1, PUSH, 0, 64, 0, 0, 0, 1000) + NOP,
        bytes(HEADER.size),
        bytes(HEADER.size - 1),
    ],
    ids=["command 87", "command 80", "a length beyond the packet", "padding", "short padding"],
)
def test_what_follows_the_end_of_a_packet_is_ignored(wire: Wire, who: Identity, between: bytes) -> None:
    talk = dial_silently(wire, who, ACKS_ONLY)
    short = len(between) < HEADER.size
    talk.send_packet(push(0).to_bytes() + between + (b"" if short else push(1).to_bytes()))
    assert answer(talk, ACK).una == 1
    talk.send_segments(push(2))
    came = answer(talk, ACK)
    assert (came.number, came.una) == (2, 1)


def test_neither_a_fragment_nor_data_of_a_question_mean_anything(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    talk.send_segments(replace(ask(), number=5, data=b"abc"))
    assert answer(talk, WINS).una == 0
    talk.send_segments(replace(push(0), fragment=1))
    assert answer(talk, RANGES).una == 1


def test_a_conversation_of_0_that_has_a_command_is_passed_over_and_else_the_end(
    wire: Wire, who: Identity
) -> None:
    talk = dial_silently(wire, who, ACKS_ONLY)
    talk.send_segments(push(0, lane=0), push(0), Segment(0, 99), push(1))
    assert answer(talk, ACK).una == 1
    talk.send_segments(push(2))
    assert answer(talk, ACK).una == 1


# Parts.


def parts(number: int, data: bytes, size: int) -> list[Segment]:
    """A PUSH in parts of `size` bytes."""
    pieces = (Piece(offset, len(data), data[offset : offset + size]) for offset in range(0, len(data), size))
    return [Segment(1, PART, number, 5, window=64, data=piece.to_bytes()) for piece in pieces]


def test_parts_make_a_segment(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    *first, last = parts(0, 3 * NOP, 7)
    talk.send_segments(*first)
    talk.send_segments(ask())
    assert answer(talk, WINS).una == 0
    talk.send_segments(last)
    came = answer(talk, RANGES)
    assert (came.una, came.number, came.ts) == (1, 0, 5)


def test_parts_of_another_segment_take_the_place_of_those_that_wait(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    (first, second), (other, last) = parts(0, 2 * NOP, 8), parts(1, 2 * NOP, 8)
    talk.send_segments(first, other, last)
    assert (came := answer(talk, RANGES)).una == 0
    assert ranges(came) == [(1, 2)]
    talk.send_segments(first, second)
    assert answer(talk, RANGES).una == 2


def test_parts_of_more_than_a_datagram_carries_are_ignored(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    for part in parts(0, 200 * NOP, 1000):
        talk.send_segments(part)
    talk.send_segments(ask())
    assert answer(talk, WINS, RANGES).una == 0
    talk.send_segments(*parts(0, 100 * NOP, 400))
    assert answer(talk, RANGES).una == 1


def test_parts_come_again_from_the_first(wire: Wire, who: Identity) -> None:
    talk = dial_silently(wire, who)
    first, second, third = parts(0, 3 * NOP, 8)
    talk.send_segments(first, third, first, second, third)
    assert answer(talk, RANGES).una == 1
