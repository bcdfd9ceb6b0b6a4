"""Streams through the program's server, by a KCP that was written from section 18: the whole way of a byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.e2e.program import LOOPBACK, Server
from tests.e2e.streams import Received, payload
from tests.e2e.targets import (
    Script,
    Target,
    echo,
    half_close_then_read,
    refusing,
    reset_when_acknowledged,
    serve,
    silent,
    sink,
    source,
)

from .client import Identity, Wire
from .envelope import VERSIONS
from .kcp_parameters import Parameters
from .kcp_segments import ACK, PART, PUSH, RANGES, WASK
from .kcp_session import Session, Stream
from .kcp_talk import Talk, dial
from .test_stream import OPEN, open_request

Talker = Callable[[Talk[Session], bytes], None]


async def with_target(
    server: Server,
    script: Script,
    talk: Talker,
    ours: Parameters | None = None,
    *,
    loss: float = 0.0,
    seed: int = 1,
    version: int = 2,
    after: Callable[[Target], Awaitable[object]] | None = None,
) -> None:
    """Run `talk` on a new link, with the open request that asks for a target which does as `script` says."""

    def run(address: tuple[str, int]) -> None:
        with Wire((LOOPBACK, server.port)) as wire:
            who = Identity.from_link(server.link)
            one = dial(wire, who, ours, version=version, loss=loss, seed=seed)
            talk(one, open_request(address))
            one.until(lambda: one.session.idle)
            assert one.closed is None

    async with serve(script) as target:
        await asyncio.to_thread(run, target.address)
        if after is not None:
            await after(target)


def echoed(one: Talk[Session], request: bytes, data: bytes, lane: int = 1) -> Stream:
    """A stream whose data came back, and whose directions have ended."""
    stream = one.session.open(request, lane)
    one.session.write(stream, data, end=True)
    one.until(lambda: stream.ended)
    assert stream.received == b"\0" + data
    return stream


def all_ended(streams: list[Stream]) -> bool:
    """Whether the other end has ended its directions of them all."""
    return all(stream.ended for stream in streams)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stream_is_echoed_and_each_direction_ends_by_itself(server: Server, version: int) -> None:
    data = payload(5000, 1)

    def talk(one: Talk[Session], request: bytes) -> None:
        stream = one.session.open(request + data[:3000])
        one.until(lambda: len(stream.received) == 3001)
        assert not stream.ended
        one.session.write(stream, data[3000:], end=True)
        one.until(lambda: stream.ended)
        assert stream.received == b"\0" + data

    await with_target(server, echo, talk, version=version)


async def test_many_streams_on_all_lanes(server: Server) -> None:
    def talk(one: Talk[Session], request: bytes) -> None:
        assert len(one.session.lanes) == 8
        streams = [one.session.open(request, lane) for lane in one.session.lanes for _ in range(3)]
        for stream in streams:
            one.session.write(stream, payload(4000, stream.number), end=True)
        one.until(lambda: all(stream.ended for stream in streams))
        for stream in streams:
            assert stream.received == b"\0" + payload(4000, stream.number)

    await with_target(server, echo, talk, Parameters(lanes=16, streams=64))


async def test_the_targets_end_leaves_ours_open(server: Server) -> None:
    theirs, ours = payload(2000, 2), payload(3000, 3)

    def talk(one: Talk[Session], request: bytes) -> None:
        stream = one.session.open(request)
        one.until(lambda: stream.ended)
        assert stream.received == b"\0" + theirs
        one.session.write(stream, ours, end=True)

    async def whole(target: Target) -> None:
        assert await target.outcome() == Received.whole(ours)

    await with_target(server, half_close_then_read(theirs), talk, after=whole)


async def test_our_reset_is_the_targets(server: Server) -> None:
    def talk(one: Talk[Session], request: bytes) -> None:
        stream = one.session.open(request)
        one.until(lambda: stream.received == b"\0")
        one.session.give_up(stream, 1)
        one.until(lambda: stream.over)

    async def reset(target: Target) -> None:
        outcome = await target.outcome()
        assert outcome is not None
        assert outcome.end == "reset"

    await with_target(server, silent, talk, after=reset)


async def test_the_targets_reset_is_ours(server: Server) -> None:
    def talk(one: Talk[Session], request: bytes) -> None:
        stream = one.session.open(request)
        one.until(lambda: len(stream.received) == 6)
        one.session.write(stream, b"k")
        one.until(lambda: stream.reset is not None and stream.stopped is not None)
        assert (stream.reset, stream.stopped) == (1, 1)

    await with_target(server, reset_when_acknowledged(b"hello"), talk)


async def test_who_is_told_to_stop_resets_with_that_code(server: Server) -> None:
    def talk(one: Talk[Session], request: bytes) -> None:
        stream = one.session.open(request)
        one.until(lambda: len(stream.received) > 1)
        one.session.stop(stream, 77)
        one.until(lambda: stream.reset is not None)
        assert stream.reset == 77

    await with_target(server, source(payload(1 << 22, 1)), talk)


def refusal(server: Server, request: bytes) -> bytes:
    """What the server says to an open request, all of it; it wants no more of the stream."""
    with Wire((LOOPBACK, server.port)) as wire:
        one = dial(wire, Identity.from_link(server.link))
        stream = one.session.open(request + b"more")
        one.until(lambda: stream.ended and stream.stopped is not None)
        assert stream.stopped == 2
        return bytes(stream.received)


def test_a_target_that_refuses(server: Server) -> None:
    with refusing() as target:
        assert refusal(server, open_request(target)) == b"\1"


@pytest.mark.parametrize("case", OPEN["refused"], ids=lambda case: case["why"])
def test_open_requests_that_are_wrong(server: Server, case: dict[str, str]) -> None:
    reply = next(reply["code"] for reply in OPEN["replies"] if reply["reply"] == case["reply"])
    assert refusal(server, bytes.fromhex(case["bytes"])) == bytes([reply])


def test_a_request_that_ends_too_early(server: Server) -> None:
    with Wire((LOOPBACK, server.port)) as wire:
        one = dial(wire, Identity.from_link(server.link))
        stream = one.session.open(b"\1\1")
        one.session.write(stream, b"", end=True)
        one.until(lambda: stream.reset is not None)
        assert (stream.reset, bytes(stream.received)) == (3, b"")


async def test_more_than_the_first_window_of_the_server(server: Server) -> None:
    seen = list[Stream]()

    def talk(one: Talk[Session], request: bytes) -> None:
        window = one.session.theirs.window
        stream = one.session.open(request)
        one.session.write(stream, payload(window + 100_000, 4), end=True)
        one.until(lambda: stream.finished and one.session.idle)
        assert stream.sent > window
        assert stream.updates > 1
        seen.append(stream)

    async def whole(target: Target) -> None:
        (stream,) = seen
        data = payload(stream.sent - len(open_request(target.address)), 4)
        assert await target.outcome() == Received.whole(data)

    await with_target(server, sink(), talk, after=whole)


async def test_more_than_our_first_window(server: Server) -> None:
    data = payload(300_000, 5)

    def talk(one: Talk[Session], request: bytes) -> None:
        stream = one.session.open(request)
        stream.reads = False
        one.until(lambda: len(stream.received) == stream.window)
        one.probe()
        assert len(stream.received) == stream.window == 20_000
        stream.reads = True
        one.session.read(stream)
        one.until(lambda: stream.ended)
        assert stream.received == b"\0" + data

    await with_target(server, source(data), talk, Parameters(window=20_000))


async def test_who_is_stopped_by_a_window_of_0_asks(server: Server) -> None:
    data = payload(200_000, 6)

    def talk(one: Talk[Session], request: bytes) -> None:
        lane = one.session.lanes[1]
        stream = one.session.open(request)
        lane.window = 8
        one.until(lambda: len(stream.received) > 20_000)
        lane.window = 0
        one.until(lambda: any(segment.command == WASK for segment in one.session.seen))
        assert len(stream.received) < len(data)
        lane.window = 100
        one.until(lambda: stream.ended)
        assert stream.received == b"\0" + data

    await with_target(server, source(data), talk)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("extended", [True, False])
async def test_what_is_lost_is_sent_again(server: Server, seed: int, *, extended: bool) -> None:
    data = payload(100_000, seed)

    def talk(one: Talk[Session], request: bytes) -> None:
        # A server that went over to long segments and has given them up again has no PART to send them in.
        one.echoes_long_up_to = one.longest if extended else 0
        streams = [one.session.open(request, lane) for lane in (1, 2)]
        for stream in streams:
            one.session.write(stream, data, end=True)
        one.until(lambda: all(stream.ended for stream in streams))
        assert [stream.received for stream in streams] == [b"\0" + data] * 2
        assert sum(lane.resent for lane in one.session.lanes.values()) > 0
        assert any(segment.command == PUSH for segment in one.lost), "the server had nothing to send again"
        commands = {one.command for one in one.session.seen}
        # To a server that has lost some full datagrams the path may seem to carry no more of them.
        assert commands & {ACK, RANGES, PART} - ({PART} if extended else set()) == {
            RANGES if extended else ACK
        }

    await with_target(server, echo, talk, Parameters(extended=extended), loss=0.15, seed=seed)


async def test_our_parts_are_taken(server: Server) -> None:
    def talk(one: Talk[Session], request: bytes) -> None:
        for lane in one.session.lanes.values():
            lane.part_size = 500
        echoed(one, request, payload(50_000, 7))

    await with_target(server, echo, talk, loss=0.02)


async def test_streams_are_granted_as_others_end(server: Server) -> None:
    """The server grants no more than so many that live; it tells when it likes."""

    def talk(one: Talk[Session], request: bytes) -> None:
        before = one.session.granted
        while one.session.granted == before:
            streams = [one.session.open(b"\7", lane) for lane in one.session.lanes for _ in range(32)]
            one.until(partial(all_ended, streams))
        assert one.session.granted <= len(one.session.streams) + 50_000
        echoed(one, request, payload(1000, 8))

    await with_target(server, echo, talk)
