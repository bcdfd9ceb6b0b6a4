"""How applications speak SOCKS5: in one breath, byte by byte, wrongly, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from .program import Client
from .socks import Connection, Method, Reply, greeting, open_raw, read_reply, request
from .streams import abandon, read_to_end
from .targets import echo, serve

NEGOTIATION_LIMIT = 15.0
"""Seconds until a silent application must have been cut off; the limit itself is five."""


async def ended(connection: Connection) -> bytes:
    """What the proxy said until it closed, however it closed."""
    said = bytearray()
    try:
        async with asyncio.timeout(NEGOTIATION_LIMIT):
            while chunk := await connection[0].read(1024):
                said += chunk
    except ConnectionResetError:
        pass
    finally:
        await abandon(connection[1])
    return bytes(said)


async def test_everything_in_one_breath(client: Client) -> None:
    """Greeting, request and first bytes sent without waiting for any answer."""
    async with serve(echo) as target:
        reader, writer = await open_raw(client.socks)
        writer.write(greeting(Method.NONE) + request(*target.address) + b"hello")
        assert await reader.readexactly(2) == b"\x05\x00"
        assert await read_reply(reader) == Reply.SUCCEEDED
        assert await reader.readexactly(5) == b"hello"
        writer.write_eof()
        assert (await read_to_end(reader)).end == "eof"
        await abandon(writer)


async def test_byte_by_byte(client: Client) -> None:
    """Every cut of the messages is as good as any other."""
    async with serve(echo) as target:
        reader, writer = await open_raw(client.socks)
        for byte in greeting(Method.NONE):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)  # So that each byte travels alone.
        assert await reader.readexactly(2) == b"\x05\x00"
        for byte in request("localhost", target.port):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        assert await read_reply(reader) == Reply.SUCCEEDED
        await abandon(writer)


async def test_the_proxy_chooses_no_authentication(client: Client) -> None:
    connection = await open_raw(client.socks)
    connection[1].write(greeting(Method.GSSAPI, Method.PASSWORD, Method.NONE))
    assert await connection[0].readexactly(2) == b"\x05\x00"
    await abandon(connection[1])


async def test_no_acceptable_method(client: Client) -> None:
    connection = await open_raw(client.socks)
    connection[1].write(greeting(Method.GSSAPI))
    assert await ended(connection) == b"\x05\xff"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", id="socks4"),
        pytest.param(b"GET http://example.org/ HTTP/1.1\r\n\r\n", id="http"),
        pytest.param(b"\x00", id="zero"),
        pytest.param(b"\x16\x03\x01\x02\x00" + bytes(64), id="tls"),
        pytest.param(b"\x05\x00", id="no_methods"),
    ],
)
async def test_what_is_no_greeting_gets_no_stream(client: Client, message: bytes) -> None:
    """It is cut off, with no word or with the one that no method is acceptable."""
    connection = await open_raw(client.socks)
    connection[1].write(message)
    assert await ended(connection) in (b"", b"\x05\xff")


async def test_a_request_of_another_version(client: Client) -> None:
    connection = await open_raw(client.socks)
    connection[1].write(greeting(Method.NONE) + b"\x04" + request("127.0.0.1", 80)[1:])
    said = await ended(connection)
    assert said[:2] == b"\x05\x00"
    assert said[2:4] in (b"", b"\x05\x01"), "no stream may come of it"


async def test_a_silent_application_is_cut_off(client: Client) -> None:
    """Wherever in the negotiation it falls silent."""
    whole = greeting(Method.NONE) + request("h", 1)

    async def fall_silent_after(size: int) -> None:
        connection = await open_raw(client.socks)
        connection[1].write(whole[:size])
        await ended(connection)

    await asyncio.gather(*map(fall_silent_after, (0, 1, 3, 8)))


async def test_applications_that_give_up_leave_no_trace(client: Client) -> None:
    """Connections dropped at every stage of the negotiation; the next one works."""
    async with serve(echo) as target:
        whole = greeting(Method.NONE) + request(*target.address)
        for size in range(len(whole) + 1):
            _, writer = await open_raw(client.socks)
            writer.write(whole[:size])
            await writer.drain()
            await abandon(writer)
        reader, writer = await open_raw(client.socks)
        writer.write(whole + b"x")
        assert (await reader.readexactly(2 + 10 + 1))[-1:] == b"x"
        await abandon(writer)
