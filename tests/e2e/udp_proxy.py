"""A UDP proxy on the path between clients and their server: it records, loses, reorders, blocks and moves.

It listens on a loopback address of its own under the server's port number, so that a server started with
`--advertise` of that address puts the proxy into its share links, and nothing has to read or write a link.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from ginnel.capture import Datagram

Address = tuple[str, int]

RECORDED = 40_000
"""Datagrams kept per direction; a longer run forgets the rest."""

MAX_FLOWS = 256
SERVER_HOST = "127.0.0.1"
SOCKET_BUFFER = 4 * 1024 * 1024
"""Asked of the kernel, which gives what it allows: the proxy must not be the one who loses packets."""


class _Endpoint(asyncio.DatagramProtocol):
    """Hands what arrives to a function; errors of single datagrams are the network's ordinary weather."""

    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)


async def endpoint(
    take: Callable[[bytes, Address], None], local: Address, remote: Address | None = None
) -> asyncio.DatagramTransport:
    """A UDP socket that gives its datagrams to `take`."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Endpoint(take), local_addr=local, remote_addr=remote
    )
    sock = transport.get_extra_info("socket")
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
    return transport


class Flow:
    """One client's path through the proxy."""

    def __init__(self, proxy: UdpProxy, client: Address) -> None:
        self._proxy = proxy
        self._client = client
        self._waiting: deque[bytes] = deque(maxlen=1024)
        self._upstream: asyncio.DatagramTransport | None = None
        self._former: list[asyncio.DatagramTransport] = []
        self._moves = 0
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        self.received_since_move = 0

    async def attach(self, host: str) -> None:
        """Go on from a new port of `host`; what comes to the old one is lost from now on, as behind a NAT."""
        self._moves += 1
        number = self._moves
        new = await endpoint(lambda data, _: self._from_server(data, number), (host, 0))
        if self._upstream is not None:
            self._former.append(self._upstream)
        self._upstream, self.received_since_move = new, 0
        while self._waiting:
            self._forward(self._waiting.popleft())

    def from_client(self, data: bytes) -> None:
        """Take one datagram on its way to the server."""
        if len(self.sent) < RECORDED:
            self.sent.append(data)
        self._proxy.record(self._client, self._proxy.address, data)
        if self._upstream is None:
            self._waiting.append(data)
        else:
            self._forward(data)

    def _forward(self, data: bytes) -> None:
        if self._proxy.observer is not None:
            self._proxy.observer.race(data)
        upstream = self._upstream
        assert upstream is not None
        self._proxy.pass_on(lambda: upstream.sendto(data, self._proxy.server))

    def _from_server(self, data: bytes, move: int) -> None:
        if move != self._moves:
            return
        self.received_since_move += 1
        if len(self.received) < RECORDED:
            self.received.append(data)
        self._proxy.record(self._proxy.address, self._client, data)
        self._proxy.pass_on(lambda: self._proxy.to_client(data, self._client))

    def close(self) -> None:
        """Close all sockets of this path."""
        for transport in [*self._former, *([self._upstream] if self._upstream else [])]:
            transport.close()


class UdpProxy:
    """The proxy; use `udp_proxy(…)`."""

    def __init__(self, server: Address, host: str, source_host: str) -> None:
        self.server = server
        self.address = host, server[1]
        """Where clients find the proxy, which is the server to them."""
        self.flows: dict[Address, Flow] = {}
        self.captured: list[Datagram] = []
        """Both directions as an observer between clients and proxy sees them."""
        self.observer: Observer | None = None
        self.blocked = False
        """Everything is lost, both ways."""
        self.loss = 0.0
        self.reorder = 0.0
        """Shares of the datagrams that are lost, and that are overtaken by the ones behind them."""
        self.lost = self.reordered = 0
        self.source_host = source_host
        self._random = random.Random(1)
        self._held: Callable[[], None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.DatagramTransport | None = None

    async def listen(self) -> None:
        """Take the clients' packets under the server's port."""
        self._listener = await endpoint(self._from_client, self.address)

    def record(self, source: Address, destination: Address, data: bytes) -> None:
        """Keep a datagram with its time and addresses, as long as there is room."""
        if len(self.captured) < 2 * RECORDED:
            self.captured.append(Datagram(time.time(), source, destination, data))

    async def move(self, host: str | None = None) -> None:
        """Every flow reaches the server from a new port from now on, and from `host` if that is given."""
        self.source_host = host or self.source_host
        for flow in self.flows.values():
            await flow.attach(self.source_host)

    @property
    def answered_since_move(self) -> bool:
        """Whether the server has sent to every flow's present address."""
        return all(flow.received_since_move > 0 for flow in self.flows.values())

    @property
    def sent(self) -> list[bytes]:
        """All recorded datagrams from clients, flow by flow."""
        return [data for flow in self.flows.values() for data in flow.sent]

    @property
    def received(self) -> list[bytes]:
        """All recorded datagrams from the server, flow by flow."""
        return [data for flow in self.flows.values() for data in flow.received]

    def to_client(self, data: bytes, client: Address) -> None:
        """Send to a client."""
        if self._listener is not None:
            self._listener.sendto(data, client)

    def pass_on(self, send: Callable[[], None]) -> None:
        """Do with one datagram what this network does."""
        if self.blocked:
            self.lost += 1
            return
        draw = self._random.random()
        if draw < self.loss:
            self.lost += 1
            return
        if draw < self.loss + self.reorder and self._held is None:
            self._held = send
            self.reordered += 1
            return
        send()
        if self._held is not None:
            held, self._held = self._held, None
            held()

    def _from_client(self, data: bytes, client: Address) -> None:
        flow = self.flows.get(client)
        if flow is None:
            if len(self.flows) >= MAX_FLOWS:
                return
            flow = self.flows[client] = Flow(self, client)
            task = asyncio.create_task(flow.attach(self.source_host))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        flow.from_client(data)

    async def close(self) -> None:
        """Close every socket."""
        await asyncio.gather(*self._tasks)
        for flow in self.flows.values():
            flow.close()
        if self._listener is not None:
            self._listener.close()
        # One turn of the loop, in which the transports close their sockets.
        await asyncio.sleep(0)


class Observer:
    """Someone on the path: sends a copy of each client's datagram from an address of its own, before the original."""

    def __init__(self, host: str, proxy: UdpProxy) -> None:
        self._host = host
        self._proxy = proxy
        self._transport: asyncio.DatagramTransport | None = None
        self.sent_bytes = self.received_bytes = 0

    def race(self, data: bytes) -> None:
        """Send a copy."""
        if self._transport is not None:
            self._transport.sendto(data, self._proxy.server)
            self.sent_bytes += len(data)

    async def __aenter__(self) -> Self:
        def take(data: bytes, _: Address) -> None:
            self.received_bytes += len(data)

        self._transport = await endpoint(take, (self._host, 0))
        self._proxy.observer = self
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._proxy.observer = None
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def udp_proxy(host: str, port: int) -> AsyncIterator[UdpProxy]:
    """A proxy on `host` for the server on loopback port `port`."""
    proxy = UdpProxy((SERVER_HOST, port), host, SERVER_HOST)
    await proxy.listen()
    try:
        yield proxy
    finally:
        with contextlib.suppress(OSError):
            await proxy.close()
