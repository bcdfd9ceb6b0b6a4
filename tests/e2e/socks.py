"""A SOCKS5 client (RFC 1928, RFC 1929) that can also do everything wrong on purpose."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

from .streams import abandon

VERSION = 5
REPLY_LIMIT = 30.0
"""Seconds until the answer to a request; above every limit that the program has of its own."""


class Command(IntEnum):
    """RFC 1928, section 4."""

    CONNECT = 1
    BIND = 2
    UDP_ASSOCIATE = 3


class Reply(IntEnum):
    """RFC 1928, section 6."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    TTL_EXPIRED = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


class Method(IntEnum):
    """RFC 1928, section 3."""

    NONE = 0
    GSSAPI = 1
    PASSWORD = 2
    NO_ACCEPTABLE = 0xFF


class Refused(Exception):
    """The proxy answered a request with something other than success."""

    def __init__(self, reply: int) -> None:
        super().__init__(f"SOCKS5 reply {reply:#04x}")
        self.reply = reply


class WrongPassword(Exception):
    """The proxy did not accept user name and password."""


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def greeting(*methods: int) -> bytes:
    """The first message."""
    return bytes([VERSION, len(methods), *methods])


def encoded_host(host: str) -> bytes:
    """Address type and address: an IP address as such, everything else as a name."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode()
        return bytes([3, len(name)]) + name
    return bytes([1 if ip.version == 4 else 4]) + ip.packed


def request(host: str, port: int, command: int = Command.CONNECT) -> bytes:
    """The request message."""
    return bytes([VERSION, command, 0]) + encoded_host(host) + port.to_bytes(2, "big")


async def read_reply(reader: asyncio.StreamReader) -> int:
    """Read one whole reply, check its form and give its code."""
    version, code, reserved, kind = await reader.readexactly(4)
    assert (version, reserved) == (VERSION, 0), f"malformed reply {version=} {reserved=}"
    assert kind in (1, 3, 4), f"unknown address type {kind} in a reply"
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)
    return code


async def negotiate(connection: Connection, username: str | None = None, password: str | None = None) -> None:
    """Greeting and, where the proxy asks for it, user name and password."""
    reader, writer = connection
    writer.write(greeting(Method.NONE) if username is None else greeting(Method.PASSWORD))
    version, method = await reader.readexactly(2)
    assert version == VERSION
    if method == Method.NO_ACCEPTABLE:
        raise WrongPassword("no acceptable method")
    if method == Method.PASSWORD:
        assert username is not None, "the proxy chose a method that was not offered"
        user, secret = username.encode(), (password or "").encode()
        writer.write(bytes([1, len(user)]) + user + bytes([len(secret)]) + secret)
        version, status = await reader.readexactly(2)
        assert version == 1
        if status != 0:
            raise WrongPassword(f"status {status}")


async def open_raw(proxy: tuple[str, int], *, namespace_socket: socket.socket | None = None) -> Connection:
    """Connect to the proxy and say nothing yet."""
    if namespace_socket is None:
        return await asyncio.open_connection(*proxy)
    await asyncio.get_running_loop().sock_connect(namespace_socket, proxy)
    return await asyncio.open_connection(sock=namespace_socket)


@asynccontextmanager
async def connected(
    proxy: tuple[str, int],
    target: tuple[str, int],
    *,
    username: str | None = None,
    password: str | None = None,
    namespace_socket: socket.socket | None = None,
) -> AsyncIterator[Connection]:
    """A stream to `target` through `proxy`; raises `Refused` with the reply code. Aborted at the end if still open."""
    connection = await open_raw(proxy, namespace_socket=namespace_socket)
    try:
        async with asyncio.timeout(REPLY_LIMIT):
            await negotiate(connection, username, password)
            connection[1].write(request(*target))
            reply = await read_reply(connection[0])
        if reply != Reply.SUCCEEDED:
            raise Refused(reply)
        yield connection
    finally:
        await abandon(connection[1])


async def reply_to(
    proxy: tuple[str, int], message: bytes, *, namespace_socket: socket.socket | None = None
) -> int:
    """The reply code to a raw request message, after an ordinary greeting."""
    connection = await open_raw(proxy, namespace_socket=namespace_socket)
    try:
        async with asyncio.timeout(REPLY_LIMIT):
            await negotiate(connection)
            connection[1].write(message)
            return await read_reply(connection[0])
    finally:
        await abandon(connection[1])
