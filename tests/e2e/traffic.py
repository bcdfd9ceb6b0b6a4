"""Records what ginnel puts on the wire in each of its moods, as captures of an observer between client and server."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import ginnel
from ginnel.capture import Datagram, Writer, datagrams, read
from ginnel.config.limits import Timeouts

from .program import LOOPBACK, Server, beside_loop, free_ports
from .streams import Received, close, read_to_end, send
from .targets import echo, serve, sink, source
from .udp_proxy import Address, UdpProxy, udp_proxy

PROXY_HOST = "127.0.0.5"

SHOWN_SERVER = "198.51.100.7"
SHOWN_CLIENT = "192.0.2.33"
SHOWN_PORT = 61_700
"""Addresses in the captures. The judges must not go by loopback or by ports that the kernel happened to choose: some
of these belong to a protocol in Wireshark's tables, and would be named after it whatever is in them."""

CROWD = 60
"""Links that are set up in the capture of handshakes, and then idle together."""

AT_ONCE = 8
IDLE_SECONDS = 11.0
"""Real time that must pass: keep-alives are sent at least 0.6 s apart, and the judge wants hundreds."""

BULK_LINKS = 12
BULK_SIZE = 300_000
"""Bytes each way on each of the links, all of them zero: what shows on the wire comes from ginnel, not from them."""

HOP_PORTS = 8
HOPPING_LINKS = 4
HOPPING_SECONDS = 6.0
"""Real time that must pass: a client hops once a second at most."""

CHATTY_LINKS = 20
REQUESTS = 40
"""On each of those, one after the other."""


@dataclass
class Shown:
    """Addresses as they are written."""

    server: Address = (SHOWN_SERVER, SHOWN_PORT)
    clients: dict[Address, Address] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)

    def of(self, end: Address) -> Address:
        """An address as it is shown: all ports of the server's host, and clients by the order they came in."""
        if end[0] == PROXY_HOST:
            return SHOWN_SERVER, self.ports.setdefault(end[1], SHOWN_PORT + len(self.ports))
        return self.clients.setdefault(end, (SHOWN_CLIENT, SHOWN_PORT + 100 + len(self.clients)))


def save(path: Path, datagrams: Iterable[Datagram]) -> Path:
    """Write a capture under shown addresses."""
    shown = Shown()
    with path.open("wb") as file:
        writer = Writer(file)
        for datagram in datagrams:
            writer.write(
                datagram._replace(
                    source=shown.of(datagram.source), destination=shown.of(datagram.destination)
                )
            )
    return path


@asynccontextmanager
async def observed(directory: Path, session: str) -> AsyncIterator[tuple[Server, UdpProxy]]:
    """A server with a proxy before it, which clients take for the server."""
    async with (
        beside_loop(lambda: Server(directory / "state", session=session, advertise=PROXY_HOST)) as server,
        udp_proxy(PROXY_HOST, server.port) as proxy,
    ):
        yield server, proxy


@asynccontextmanager
async def clients(link: str, number: int, **timeouts: float) -> AsyncIterator[list[ginnel.Client]]:
    """Clients with a link each."""
    turn = asyncio.Semaphore(AT_ONCE)
    async with AsyncExitStack() as stack:
        running = [ginnel.Client(link, timeouts=Timeouts(**timeouts)) for _ in range(number)]

        async def start(client: ginnel.Client) -> None:
            async with turn:
                await stack.enter_async_context(client)

        await asyncio.gather(*map(start, running))
        yield running


async def handshake_and_idle(directory: Path, session: str) -> dict[str, Path]:
    """Links come up, and then nobody uses them."""
    async with (
        observed(directory, session) as (server, proxy),
        clients(server.link, CROWD, keep_alive_seconds=1.0),
    ):
        # What follows a handshake at once belongs to it.
        await asyncio.sleep(1.0)
        up = len(proxy.captured)
        await asyncio.sleep(IDLE_SECONDS)
        return {
            "handshake": save(directory / "handshake.pcap", proxy.captured[:up]),
            "idle": save(directory / "idle.pcap", proxy.captured[up:]),
        }


async def bulk(directory: Path, session: str) -> dict[str, Path]:
    """Several links carry much, one way and then the other."""
    data = bytes(BULK_SIZE)
    async with (
        observed(directory, session) as (server, proxy),
        serve(source(data)) as origin,
        clients(server.link, BULK_LINKS) as running,
    ):
        for client in running:
            reader, writer = await client.open_connection(origin.host, origin.port)
            assert await read_to_end(reader) == Received.whole(data)
            await close(writer)
            async with serve(sink()) as target:
                _, writer = await client.open_connection(target.host, target.port)
                await send(writer, data)
                await close(writer)
                assert await target.outcome() == Received.whole(data)
        return {"bulk": save(directory / "bulk.pcap", proxy.captured)}


async def interactive(directory: Path, session: str) -> dict[str, Path]:
    """Links carry small requests and their answers."""
    async with (
        observed(directory, session) as (server, proxy),
        serve(echo) as target,
        clients(server.link, CHATTY_LINKS) as running,
    ):
        for client in running:
            reader, writer = await client.open_connection(target.host, target.port)
            for number in range(REQUESTS):
                request = bytes(1 + number * 37 % 300)
                writer.write(request)
                assert await reader.readexactly(len(request)) == request
            await close(writer)
        return {"interactive": save(directory / "interactive.pcap", proxy.captured)}


async def hopping(directory: Path, session: str) -> dict[str, Path]:
    """Links hop between the ports of their server, with something to say all the time."""
    ports = free_ports(HOP_PORTS, LOOPBACK, PROXY_HOST)
    listen = f"{LOOPBACK}:{','.join(map(str, ports))}"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            beside_loop(
                lambda: Server(directory / "state", session=session, listen=listen, advertise=PROXY_HOST)
            )
        )
        proxies = [await stack.enter_async_context(udp_proxy(PROXY_HOST, port)) for port in ports]
        target = await stack.enter_async_context(serve(echo))
        running = await stack.enter_async_context(clients(server.link, HOPPING_LINKS, hop_seconds=1.0))

        async def talk(client: ginnel.Client) -> None:
            reader, writer = await client.open_connection(target.host, target.port)
            until = time.monotonic() + HOPPING_SECONDS
            while time.monotonic() < until:
                request = bytes(random.randrange(1, 3000))
                writer.write(request)
                assert await reader.readexactly(len(request)) == request
                await asyncio.sleep(0.02)
            await close(writer)

        await asyncio.gather(*map(talk, running))
        used = [proxy for proxy in proxies if proxy.captured]
        assert len(used) > HOP_PORTS // 2, f"only {len(used)} of {HOP_PORTS} ports were used"
        seen = sorted((one for proxy in proxies for one in proxy.captured), key=lambda one: one.time)
        return {"hopping": save(directory / "hopping.pcap", seen)}


def control(capture: Path, copies: int, path: Path) -> Path:
    """The same datagrams, `copies` times between other addresses, with nothing but random bytes in them."""
    with path.open("wb") as file:
        writer = Writer(file)
        for copy in range(copies):
            for datagram in datagrams(read(capture)):
                source, destination = (
                    end if end[0] == SHOWN_SERVER else (f"192.0.2.{100 + copy}", end[1])
                    for end in (datagram.source, datagram.destination)
                )
                payload = os.urandom(len(datagram.payload))
                writer.write(datagram._replace(source=source, destination=destination, payload=payload))
    return path


RECORDINGS: dict[str, Callable[[Path, str], Coroutine[None, None, dict[str, Path]]]] = {
    "handshake": handshake_and_idle,
    "idle": handshake_and_idle,
    "bulk": bulk,
    "interactive": interactive,
    "hopping": hopping,
}
"""Each mood, and what records it over a session."""
