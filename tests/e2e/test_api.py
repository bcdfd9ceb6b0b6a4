"""The library, as a program uses it: a server and a client in one process, streams like asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ginnel

from .socks import Reply, WrongPassword, connected, reply_to, request
from .streams import Progress, Received, close, payload, read_to_end, send
from .targets import (
    acknowledge_then_read,
    echo,
    endless,
    half_close_then_read,
    read_then_answer,
    refusing,
    reset_when_acknowledged,
    serve,
    sink,
)

STREAMS = 200


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ginnel.Server]:
    async with ginnel.Server(listen="127.0.0.1:0", state=tmp_path / "state", allow_private=True) as running:
        yield running


@pytest.fixture
async def client(server: ginnel.Server) -> AsyncIterator[ginnel.Client]:
    async with ginnel.Client(server.share_link("laptop")) as running:
        yield running


async def test_the_example(tmp_path: Path) -> None:
    """What the README shows."""
    async with (
        serve(echo) as target,
        ginnel.Server(listen="127.0.0.1:0", state=tmp_path, allow_private=True) as server,
        ginnel.Client(server.share_link("laptop")) as client,
    ):
        reader, writer = await client.open_connection(target.host, target.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        await close(writer)
        socks = await client.socks5("127.0.0.1:0")
        async with connected(socks.address, target.address) as (answers, application):
            application.write(b"hello")
            assert await answers.readexactly(5) == b"hello"


async def test_many_streams_at_once(client: ginnel.Client) -> None:
    all_open = asyncio.Barrier(STREAMS)

    async def one(number: int, target: tuple[str, int]) -> None:
        reader, writer = await client.open_connection(*target)
        await all_open.wait()
        mine = payload(5000, number)
        writer.write(mine)
        writer.write_eof()
        assert await read_to_end(reader) == Received.whole(mine)
        await close(writer)

    async with serve(echo) as target, asyncio.TaskGroup() as group:
        for number in range(STREAMS):
            group.create_task(one(number, target.address))


@pytest.mark.parametrize("size", [1, 64 * 1024, 20_000_000], ids=["1B", "64KiB", "20MB"])
async def test_half_close(client: ginnel.Client, size: int) -> None:
    """Either side may end first, and still take everything from the other."""
    up, down = payload(size, 1), payload(size, 2)
    async with serve(read_then_answer(down)) as target:
        reader, writer = await client.open_connection(*target.address)
        await send(writer, up)
        writer.write_eof()
        assert await read_to_end(reader) == Received.whole(down)
        assert await target.outcome() == Received.whole(up)
        await close(writer)
    async with serve(half_close_then_read(down)) as target:
        reader, writer = await client.open_connection(*target.address)
        assert await read_to_end(reader) == Received.whole(down)
        await send(writer, up)
        await close(writer)
        assert await target.outcome() == Received.whole(up)


@pytest.mark.parametrize("size", [1, 64 * 1024, 2_000_000], ids=["1B", "64KiB", "2MB"])
async def test_a_reset_by_the_target(client: ginnel.Client, size: int) -> None:
    data = payload(size)
    async with serve(reset_when_acknowledged(data)) as target:
        reader, writer = await client.open_connection(*target.address)
        assert await reader.readexactly(size) == data
        writer.write(b"k")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.transport.abort()


async def test_an_abort_ends_it_for_the_target_too(client: ginnel.Client) -> None:
    """What was written before has arrived; as with asyncio's own streams an abort need not look like a reset."""
    data = payload(1000)
    async with serve(acknowledge_then_read(len(data))) as target:
        reader, writer = await client.open_connection(*target.address)
        writer.write(data)
        assert await reader.readexactly(1) == b"k"
        writer.transport.abort()
        received = await target.outcome()
        assert received is not None
        assert received.size == len(data)


async def test_a_reader_that_pauses_holds_up_its_own_stream_alone(client: ginnel.Client) -> None:
    async with serve(endless()) as torrent, serve(echo) as target:
        _, paused = await client.open_connection(*torrent.address)
        for number in range(20):
            reader, writer = await client.open_connection(*target.address)
            mine = payload(1000, number)
            writer.write(mine)
            assert await reader.readexactly(1000) == mine
            await close(writer)
        paused.transport.abort()


async def test_a_slow_target_holds_back_the_writer(client: ginnel.Client) -> None:
    """Backpressure reaches from the target to `drain`: what nobody takes is not taken from the program either."""
    taken = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
        await taken.wait()
        return await read_to_end(reader)

    data = payload(200_000_000 // 4, 3)
    async with serve(late) as target:
        _, writer = await client.open_connection(*target.address)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await send(writer, data * 4)
        taken.set()
        writer.transport.abort()


async def test_targets_fail_by_kind(client: ginnel.Client) -> None:
    with refusing() as (host, port):
        with pytest.raises(ginnel.TargetRefused) as refused:
            await client.open_connection(host, port)
        assert (refused.value.host, refused.value.port) == (host, port)
        with pytest.raises(ConnectionRefusedError):
            await client.open_connection(host, port)
    with pytest.raises(ginnel.NameUnknown):
        await client.open_connection("nope.invalid", 80)


async def test_targets_that_are_not_allowed(tmp_path: Path) -> None:
    async with (
        serve(echo) as target,
        ginnel.Server(listen="127.0.0.1:0", state=tmp_path) as server,
        ginnel.Client(server.share_link()) as client,
    ):
        with pytest.raises(ginnel.TargetNotAllowed):
            await client.open_connection(*target.address)
        assert target.accepted == 0


async def test_no_answer(tmp_path: Path) -> None:
    async with ginnel.Server(listen="127.0.0.1:0", state=tmp_path) as server:
        link = server.share_link()
    with pytest.raises(ginnel.NoAnswer) as silent:
        await ginnel.Client(link, connect_timeout_seconds=1.0).start()
    assert silent.value.seconds == 1.0


async def test_after_its_end(server: ginnel.Server) -> None:
    client = ginnel.Client(server.share_link())
    with pytest.raises(ginnel.ClosedError):
        await client.open_connection("127.0.0.1", 80)
    async with client:
        pass
    with pytest.raises(ginnel.ClosedError):
        await client.open_connection("127.0.0.1", 80)


async def test_two_clients_of_one_link_live_side_by_side(server: ginnel.Server) -> None:
    link = server.share_link("laptop")
    async with serve(echo) as target, ginnel.Client(link) as first, ginnel.Client(link) as second:
        for client in (first, second, first):
            reader, writer = await client.open_connection(*target.address)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            await close(writer)


async def test_a_closing_client_cuts_its_streams_with_a_reset(server: ginnel.Server) -> None:
    """What is cut must not look complete, to either side."""
    progress = Progress()
    async with serve(endless()) as source, serve(sink(progress)) as target:
        async with ginnel.Client(server.share_link(), drain_seconds=0.0) as client:
            reader, writer = await client.open_connection(*source.address)
            await reader.readexactly(100_000)
            _, up = await client.open_connection(*target.address)
            up.write(b"x")
            await up.drain()
            await progress.reached(1)
        assert (await read_to_end(reader)).end == "reset"
        received = await target.outcome()
        assert received is not None
        assert received.end == "reset"
        writer.transport.abort()
        up.transport.abort()


async def test_cancelled_opens_leave_nothing(client: ginnel.Client) -> None:
    """An open that is cancelled at any moment leaks no stream: the target sees its connection end."""
    async with serve(echo) as target:
        for turns in range(40):
            opening = asyncio.create_task(client.open_connection(*target.address))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            outcome = (await asyncio.gather(opening, return_exceptions=True))[0]
            if isinstance(outcome, tuple):
                outcome[1].transport.abort()
        reader, writer = await client.open_connection(*target.address)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        await close(writer)
        async with asyncio.timeout(30):
            while target.playing:
                await asyncio.gather(*target.playing)


async def test_user_name_and_password(client: ginnel.Client) -> None:
    """RFC 1929: only who shows both gets a stream."""
    socks = await client.socks5("127.0.0.1:0", username="alice", password="correct horse")
    async with serve(echo) as target:
        async with connected(socks.address, target.address, username="alice", password="correct horse") as (
            reader,
            writer,
        ):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
        for user, secret in (("alice", "wrong"), ("bob", "correct horse"), ("alice", ""), ("", "")):
            with pytest.raises(WrongPassword):
                async with connected(socks.address, target.address, username=user, password=secret):
                    pass
        with pytest.raises(WrongPassword):
            await reply_to(socks.address, request(*target.address))
        assert target.accepted == 1


async def test_a_listener_that_is_closed_takes_nobody(client: ginnel.Client) -> None:
    async with serve(echo) as target:
        socks = await client.socks5("127.0.0.1:0")
        async with connected(socks.address, target.address) as (reader, writer):
            await socks.aclose()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*socks.address)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x", "streams that are open live on"


async def test_ping_and_stats(client: ginnel.Client) -> None:
    assert 0 < await client.ping() < 5
    stats = client.stats()
    assert stats["gauges"]["links"] == 1
    assert stats["counters"]["bytes_received"] > 0
    assert not any(stats["drops"].values())
    assert list(stats["open_time"]) == ["queued", "opened", "connected", "first_byte"]
    for stage in stats["open_time"].values():
        assert stage["count"] == sum(count for _, count in stage["buckets"])
    assert stats["users"] == {}


async def test_replies_are_not_mixed_up(client: ginnel.Client) -> None:
    """Successes and failures in flight together come back to those who asked."""
    with refusing() as refused:
        async with serve(echo) as target:

            async def one(number: int) -> bool:
                address = refused if number % 3 == 0 else target.address
                try:
                    reader, writer = await client.open_connection(*address)
                except ginnel.TargetRefused:
                    return address == refused
                writer.write(number.to_bytes(4, "big"))
                same = await reader.readexactly(4) == number.to_bytes(4, "big")
                await close(writer)
                return same and address == target.address

            assert all(await asyncio.gather(*map(one, range(STREAMS))))


def test_reply_codes_are_those_of_the_rfc() -> None:
    """The names that the other tests use."""
    assert [reply.value for reply in Reply] == list(range(9))
