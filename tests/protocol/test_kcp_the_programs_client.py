"""The program's client, whose share link asks for KCP, talks to a server that was written from PROTOCOL.md."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.program import LOOPBACK, Client, beside_loop
from tests.e2e.socks import connected
from tests.e2e.streams import payload

from .kcp_frames import Frame, coded
from .kcp_parameters import KIND, Parameters
from .kcp_segments import ACK, PART, PUSH, RANGES, WASK
from .kcp_session import Session, Stream
from .kcp_talk import Talk, serve
from .primitives import public_key
from .server import Accepted, Deployment, Server
from .sharelink import write
from .test_the_programs_client import OPEN_REQUEST, TARGET

ANSWER = payload(60_000, 2)
REQUEST = payload(90_000, 1)
Serving = Callable[[Talk[Session]], None]


@dataclass
class Served:
    """What a test looks at afterwards."""

    accepted: Accepted
    talk: Talk[Session]


Meeting = Callable[[Server, Parameters], tuple[Accepted, Talk[Session]]]


async def served(
    home: Path,
    serving: Serving,
    asking: Callable[[Client], Awaitable[None]],
    ours: Parameters | None = None,
    *,
    loss: float = 0.0,
    meeting: Meeting = serve,
) -> Served:
    """The program's client, of which `asking` asks something, and our server, which does as `serving` says."""
    ours = Parameters() if ours is None else ours

    def run(server: Server) -> Served:
        accepted, talk = meeting(server, ours)
        # Without PART a client that has given up a length has no way to send its long segments again.
        talk.echoes_long_up_to = talk.longest if ours.extended else 0
        talk.until(lambda: talk.session.seen)
        # The client asks but once, and is not ready before it has an answer.
        talk.loss = loss
        serving(talk)
        return Served(accepted, talk)

    keys = Deployment()
    with Server(keys, LOOPBACK, ours.to_bytes()) as server:
        secrets = public_key(keys.private), keys.psk, keys.user_private
        link = write(LOOPBACK, server.port, *secrets, session=KIND)
        running = asyncio.create_task(asyncio.to_thread(run, server))
        async with beside_loop(lambda: Client(link, home)) as client:
            await asyncio.gather(running, asking(client))
        return await running


async def exchange(client: Client) -> None:
    """A stream whose request is answered."""
    async with connected(client.socks, TARGET) as (reader, writer):
        writer.write(REQUEST)
        writer.write_eof()
        assert await reader.read(-1) == ANSWER


async def nothing(client: Client) -> None:
    """No stream at all."""


def answered(talk: Talk[Session], number: int) -> Stream:
    """The stream of `exchange`, served to its end."""
    talk.until(lambda: number in talk.session.streams)
    stream = talk.session.streams[number]
    talk.until(lambda: len(stream.received) >= len(OPEN_REQUEST))
    talk.session.write(stream, b"\0")
    talk.until(lambda: stream.ended)
    assert stream.received == OPEN_REQUEST + REQUEST
    talk.session.write(stream, ANSWER, end=True)
    talk.until(lambda: talk.session.idle)
    return stream


def one_stream(talk: Talk[Session]) -> None:
    answered(talk, 1)


async def test_it_gets_a_link_and_a_stream(tmp_path: Path) -> None:
    done = await served(tmp_path, one_stream, exchange)
    hello = done.accepted.hello
    assert Parameters.parse(hello.parameters) == Parameters(8, 1000, done.talk.session.theirs.window, True)
    assert 1 << 21 <= done.talk.session.theirs.window <= 1 << 23
    assert not [frame for frame in done.talk.session.frames if frame.name in ("RST", "STP")]


async def test_a_session_with_nothing_to_send_asks_for_the_window(tmp_path: Path) -> None:
    done = await served(tmp_path, lambda talk: talk.until(lambda: talk.session.seen), nothing)
    first = done.talk.session.seen[0]
    assert (first.conversation, first.command, first.data) == (1, WASK, b"")


async def test_a_question_that_is_lost_is_asked_again(tmp_path: Path) -> None:
    asked_again = []

    def lossy(server: Server, ours: Parameters) -> tuple[Accepted, Talk[Session]]:
        met = serve(server, ours)
        talk = met[1]
        talk.loss = 1.0
        talk.until(lambda: talk.lost)
        talk.loss = 0.0
        try:
            talk.until(lambda: talk.session.seen, limit=3.0)
        except TimeoutError:
            return serve(server, ours)
        asked_again.append(True)
        return met

    await served(tmp_path, one_stream, exchange, meeting=lossy)
    assert asked_again


async def test_our_questions_for_the_window_are_answered_on_their_lanes(tmp_path: Path) -> None:
    def serving(talk: Talk[Session]) -> None:
        for lane in talk.session.lanes.values():
            lane.ask()
        talk.until(lambda: {one.conversation for one in talk.session.seen} == set(range(1, 6)))

    await served(tmp_path, serving, nothing, Parameters(lanes=5))


@pytest.mark.parametrize("extended", [True, False])
async def test_what_is_lost_is_sent_again(tmp_path: Path, *, extended: bool) -> None:
    ours = Parameters(extended=extended, window=20_000)
    done = await served(tmp_path, one_stream, exchange, ours, loss=0.15)
    assert any(segment.command == PUSH for segment in done.talk.lost), "the client had nothing to send again"
    assert sum(lane.resent for lane in done.talk.session.lanes.values()) > 0
    commands = {segment.command for segment in done.talk.session.seen}
    # To a client that has lost some full datagrams the path may seem to carry no more of them.
    assert commands & {ACK, RANGES, PART} - ({PART} if extended else set()) == {RANGES if extended else ACK}


async def test_our_parts_are_taken(tmp_path: Path) -> None:
    def serving(talk: Talk[Session]) -> None:
        for lane in talk.session.lanes.values():
            lane.part_size = 400
        answered(talk, 1)

    await served(tmp_path, serving, exchange, loss=0.02)


async def test_it_opens_no_more_streams_than_it_was_granted(tmp_path: Path) -> None:
    """That there is no more than one is seen by the session, to which a second would be a fault."""

    def serving(talk: Talk[Session]) -> None:
        answered(talk, 1)
        talk.session.frame(coded("GRT", 0, 0), 1)
        talk.until(lambda: talk.session.idle)
        talk.probe()
        assert list(talk.session.streams) == [1]
        talk.session.grant(2)
        answered(talk, 3)

    async def both(client: Client) -> None:
        await asyncio.gather(exchange(client), exchange(client))

    await served(tmp_path, serving, both, Parameters(streams=1))


async def test_streams_take_all_lanes_that_both_have(tmp_path: Path) -> None:
    def serving(talk: Talk[Session]) -> None:
        for number in (1, 3, 5):
            answered(talk, number)

    async def three(client: Client) -> None:
        await asyncio.gather(*(exchange(client) for _ in range(3)))

    done = await served(tmp_path, serving, three, Parameters(lanes=3))
    assert sorted(stream.lane for stream in done.talk.session.streams.values()) == [1, 2, 3]


@pytest.mark.parametrize(
    "frame", [Frame("SYN", 5), Frame("SYN", 0), coded("GRT", 1, 1), Frame("NOP", 1), Frame("PSH", 2)], ids=str
)
async def test_violations_end_the_session(tmp_path: Path, frame: Frame) -> None:
    def serving(talk: Talk[Session]) -> None:
        answered(talk, 1)
        talk.session.frame(frame, 1)
        talk.until(lambda: talk.closed is not None)
        assert talk.closed == 3

    await served(tmp_path, serving, exchange)


async def test_a_stream_that_the_server_opens_is_not_wanted(tmp_path: Path) -> None:
    def serving(talk: Talk[Session]) -> None:
        stream = talk.session.open(b"hello")
        talk.until(lambda: stream.stopped is not None and stream.reset is not None)
        assert (stream.stopped, stream.reset) == (2, 2)
        answered(talk, 1)
        assert talk.closed is None

    await served(tmp_path, serving, exchange)
