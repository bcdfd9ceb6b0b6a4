"""Streams behave as asyncio's do: half-close, reset, close, backpressure, TLS."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from ginnel.api.client import Client
from ginnel.errors import StreamReset
from tests.fake_engine import Engine
from tests.waiting import until


async def until_gone(client: Client) -> None:
    """Let the loop run until no stream is registered."""
    await until(lambda: not len(client._streams))


async def test_bytes_go_both_ways_and_each_way_ends_by_itself(client: Client, engines: list[Engine]) -> None:
    reader, writer = await client.open_connection("example.org", 80)
    far = engines[0].far_ends[1]
    writer.write(b"question")
    writer.write_eof()
    await writer.drain()
    assert far.recv(100) == b"question"
    assert far.recv(100) == b""
    far.sendall(b"answer")
    far.shutdown(socket.SHUT_WR)
    assert await reader.read() == b"answer"
    writer.close()
    await writer.wait_closed()
    await until_gone(client)


async def test_the_peer_is_the_target(client: Client) -> None:
    _, writer = await client.open_connection("Example.ORG.", 443)
    assert writer.get_extra_info("peername") == ("example.org", 443)
    assert writer.get_extra_info("socket") is not None
    assert writer.get_extra_info("nothing", 5) == 5
    writer.close()


async def test_a_reset_is_an_error_and_not_an_end(client: Client, engines: list[Engine]) -> None:
    reader, writer = await client.open_connection("example.org", 80)
    engines[0].emit("stream_reset", stream=1)
    with pytest.raises(ConnectionResetError) as caught:
        await reader.read()
    assert isinstance(caught.value, StreamReset)
    writer.write(b"more")
    with pytest.raises(ConnectionResetError):
        await writer.drain()
    await until_gone(client)


async def test_a_reset_while_somebody_reads_wakes_the_reader(client: Client, engines: list[Engine]) -> None:
    reader, _ = await client.open_connection("example.org", 80)
    reading = asyncio.create_task(reader.readexactly(10))
    engines[0].far_ends[1].sendall(b"half")
    await client.ping()
    engines[0].emit("stream_reset", stream=1)
    with pytest.raises(StreamReset):
        await reading


async def test_a_reset_right_behind_the_reply_is_not_missed(client: Client, engines: list[Engine]) -> None:
    engines[0].hold = {"open"}
    opening = asyncio.create_task(client.open_connection("example.org", 80))
    await until(lambda: engines[0].held)
    engines[0].reply(engines[0].held["open"][0], engines[0].hand_over())
    engines[0].emit("stream_reset", stream=1)
    with pytest.raises(StreamReset):
        await opening
    await until_gone(client)


async def test_a_reset_of_one_stream_leaves_the_others(client: Client, engines: list[Engine]) -> None:
    _, first = await client.open_connection("example.org", 80)
    reader, second = await client.open_connection("example.org", 80)
    engines[0].emit("stream_reset", stream=1)
    engines[0].emit("stream_reset", stream=99)
    engines[0].far_ends[2].sendall(b"still here")
    assert await reader.read(10) == b"still here"
    first.close()
    second.close()


async def test_a_number_that_is_used_again_means_the_new_stream(
    client: Client, engines: list[Engine]
) -> None:
    _, old = await client.open_connection("example.org", 80)
    engines[0]._streams = 0
    engines[0].far_ends[99] = engines[0].far_ends.pop(1)
    reader, new = await client.open_connection("example.org", 80)
    old.close()
    await old.wait_closed()
    engines[0].emit("stream_reset", stream=1)
    with pytest.raises(StreamReset):
        await reader.read()
    new.close()


async def test_when_the_engine_dies_every_stream_is_cut(client: Client, engines: list[Engine]) -> None:
    reader, _ = await client.open_connection("example.org", 80)
    engines[0].die()
    with pytest.raises(StreamReset):
        await reader.read()


async def test_a_reader_that_pauses_holds_the_far_side_up(client: Client, engines: list[Engine]) -> None:
    reader, writer = await client.open_connection("example.org", 80, limit=1024)
    far = engines[0].far_ends[1]
    far.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < 64 * 1024 * 1024:
            await asyncio.sleep(0)
            sent += far.send(bytes(16 * 1024))
    assert sent < 16 * 1024 * 1024
    far.setblocking(True)
    far.shutdown(socket.SHUT_WR)
    assert len(await reader.read()) == sent
    writer.close()


async def test_tls_is_spoken_with_the_target(client: Client, engines: list[Engine]) -> None:
    opening = asyncio.create_task(
        client.open_connection(
            "example.org", 443, ssl=ssl.create_default_context(), server_hostname="inner.example"
        )
    )
    await until(lambda: engines[0].far_ends)
    far = engines[0].far_ends[1]
    far.setblocking(False)
    hello = await asyncio.get_running_loop().sock_recv(far, 4096)
    assert hello[0] == 22  # a TLS handshake record (RFC 8446, section 5.1)
    assert b"inner.example" in hello
    engines[0].emit("stream_reset", stream=1)
    with pytest.raises(StreamReset):
        await opening
    await until_gone(client)


async def test_a_caller_that_is_cancelled_leaves_nothing_open(client: Client, engines: list[Engine]) -> None:
    opening = asyncio.create_task(client.open_connection("example.org", 443, ssl=True))
    await until(lambda: engines[0].far_ends)
    await client.ping()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert len(client._streams) == 0
