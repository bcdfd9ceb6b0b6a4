"""What an application is told when a stream cannot be opened: one reply code for each way to fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from .namespace import Namespace, namespace
from .program import LOOPBACK, Client, Server, beside_loop, over_sessions
from .socks import Command, Refused, Reply, connected, reply_to, request
from .targets import echo, refusing, serve

RECOVERY_LIMIT = 60.0
"""Seconds until a link must be up again after its server has come back."""

RESOLVER_LIMIT = 10.0
"""Seconds until a name must be given up: the resolver's limit is two, the C library's is often thirty."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client at a server that was started without `--allow-private`."""
    home = tmp_path_factory.mktemp("strict")
    with Server(home / "state", allow_private=False) as server, Client(server.link, home) as client:
        yield client


@contextmanager
def unresponsive() -> Iterator[tuple[str, int]]:
    """An address that never answers a SYN: a listener whose queue is full."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            yield listener.getsockname()
        finally:
            for filler in fillers:
                filler.close()


async def test_refused(client: Client) -> None:
    with refusing() as (host, port):
        assert await reply_to(client.socks, request(host, port)) == Reply.CONNECTION_REFUSED


async def test_a_refused_name(client: Client) -> None:
    """All addresses of the name refuse."""
    with refusing() as (_, port):
        assert await reply_to(client.socks, request("localhost", port)) == Reply.CONNECTION_REFUSED


async def test_a_name_works(client: Client) -> None:
    """Its IPv4 address answers, whether or not there is an IPv6 one that refuses."""
    async with serve(echo) as target, connected(client.socks, ("localhost", target.port)) as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"


@pytest.mark.parametrize("name", ["nope.invalid", "a" * 63 + ".invalid", "nope.invalid."])
async def test_name_unknown(client: Client, name: str) -> None:
    assert await reply_to(client.socks, request(name, 80)) == Reply.HOST_UNREACHABLE


async def test_time_out(client: Client) -> None:
    with unresponsive() as (host, port):
        assert await reply_to(client.socks, request(host, port)) == Reply.HOST_UNREACHABLE


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.255.255.254",
        "::1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - a target that must be refused
        "::",
        "fe80::1",
        "fd00::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
async def test_not_allowed(strict: Client, host: str) -> None:
    """Loopback, link-local, private and metadata addresses, in each of their disguises."""
    async with serve(echo) as target:
        assert await reply_to(strict.socks, request(host, target.port)) == Reply.NOT_ALLOWED
        assert target.accepted == 0


@pytest.mark.parametrize("name", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1"])
async def test_an_address_dressed_up_as_a_name(strict: Client, name: str) -> None:
    """The short and odd forms of old resolvers, sent as a name: refused as an address, or unknown as a name."""
    message = b"\x05\x01\x00\x03" + bytes([len(name)]) + name.encode()
    async with serve(echo) as target:
        reply = await reply_to(strict.socks, message + target.port.to_bytes(2, "big"))
        assert reply in (Reply.NOT_ALLOWED, Reply.HOST_UNREACHABLE)
        assert target.accepted == 0


@pytest.mark.parametrize("command", [Command.BIND, Command.UDP_ASSOCIATE, 0, 4, 0x80])
async def test_commands_that_are_not_supported(client: Client, command: int) -> None:
    message = request("127.0.0.1", 80, command)
    assert await reply_to(client.socks, message) == Reply.COMMAND_NOT_SUPPORTED


@pytest.mark.parametrize("kind", [0, 2, 5, 0xFF])
async def test_address_types_that_do_not_exist(client: Client, kind: int) -> None:
    message = bytes([5, Command.CONNECT, 0, kind]) + bytes(6)
    assert await reply_to(client.socks, message) == Reply.ADDRESS_TYPE_NOT_SUPPORTED


@pytest.mark.parametrize(
    "name", [b"", b"a\0b.example", b"a b.example", b"\xff\xfe", b"a" * 64 + b".example", b"a..b"]
)
async def test_names_that_are_none(client: Client, name: bytes) -> None:
    """An application gets an error and no stream; which one depends on who finds out."""
    message = b"\x05\x01\x00\x03" + bytes([len(name)]) + name + b"\x00\x50"
    assert await reply_to(client.socks, message) in (Reply.GENERAL_FAILURE, Reply.HOST_UNREACHABLE)


@over_sessions
async def test_failures_leave_the_link_as_it_was(client: Client) -> None:
    """A hundred refusals at once, and the next stream opens."""
    with refusing() as (host, port):
        replies = await asyncio.gather(*(reply_to(client.socks, request(host, port)) for _ in range(100)))
    assert set(replies) == {Reply.CONNECTION_REFUSED}
    async with serve(echo) as target, connected(client.socks, target.address) as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"


@over_sessions
async def test_a_slow_target_holds_up_nobody(client: Client) -> None:
    """While one open waits for an answer that never comes, others go through."""
    with unresponsive() as (host, port):
        waiting = asyncio.create_task(reply_to(client.socks, request(host, port)))
        async with serve(echo) as target:
            for _ in range(10):
                async with connected(client.socks, target.address) as (reader, writer):
                    writer.write(b"x")
                    assert await reader.readexactly(1) == b"x"
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.long
async def test_link_down_and_up_again(tmp_path: Path) -> None:
    """A server that vanishes is a general failure within a bounded time; when it is back, so is the link."""
    state = tmp_path / "state"
    async with (
        serve(echo) as target,
        beside_loop(lambda: Server(state)) as server,
        beside_loop(lambda: Client(server.link, tmp_path)) as client,
    ):
        listen = f"{LOOPBACK}:{server.port}"
        server.process.kill()
        reply = await reply_to(client.socks, request(*target.address))
        assert reply == Reply.GENERAL_FAILURE
        async with beside_loop(lambda: Server(state, listen=listen)), asyncio.timeout(RECOVERY_LIMIT):
            await until_open(client, target.address)


async def until_open(client: Client, target: tuple[str, int]) -> None:
    """Ask again and again, as an application would, until a stream opens and works."""
    while True:
        try:
            async with connected(client.socks, target) as (reader, writer):
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                return
        except Refused as refused:
            if refused.reply != Reply.GENERAL_FAILURE:
                raise
            await asyncio.sleep(0.1)


@asynccontextmanager
async def lonely(space: Namespace, home: Path) -> AsyncIterator[Client]:
    """A client at a server, both in a namespace that leads nowhere."""
    async with (
        beside_loop(lambda: Server(home / "state", namespace=space)) as server,
        beside_loop(lambda: Client(server.link, home, namespace=space)) as client,
    ):
        yield client


async def test_network_and_host_unreachable(tmp_path: Path) -> None:
    """In a namespace without a route to the world, and with one that leads to nobody."""
    with namespace() as space:
        space.ip("route", "add", "unreachable", "198.51.100.0/24")
        async with lonely(space, tmp_path) as client:

            async def reply(host: str) -> int:
                return await reply_to(client.socks, request(host, 80), namespace_socket=space.tcp_socket())

            assert await reply("203.0.113.1") == Reply.NETWORK_UNREACHABLE
            assert await reply("2001:db8::1") == Reply.NETWORK_UNREACHABLE
            assert await reply("198.51.100.7") == Reply.HOST_UNREACHABLE


async def test_a_resolver_that_cannot_be_reached(tmp_path: Path) -> None:
    """No name server in sight: the name is unknown, after the resolver's limit and not after its system's."""
    with namespace() as space:
        async with lonely(space, tmp_path) as client:
            message = request("example.org", 80)
            async with asyncio.timeout(RESOLVER_LIMIT):
                reply = await reply_to(client.socks, message, namespace_socket=space.tcp_socket())
            assert reply == Reply.HOST_UNREACHABLE
