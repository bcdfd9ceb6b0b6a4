"""A link whose path changes, breaks and misbehaves under a transfer: nothing is lost, nothing is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .program import Client, Server, beside_loop, over_sessions
from .socks import connected
from .streams import Progress, Received, close, payload, read_to_end, send
from .targets import echo, serve, sink, source
from .udp_proxy import Observer, UdpProxy, udp_proxy

pytestmark = over_sessions

PROXY_HOST = "127.0.0.2"
OTHER_HOST = "127.0.0.3"
OBSERVER_HOST = "127.0.0.4"
SIZE = 20_000_000
BLACK_OUT_SECONDS = 5.0


@dataclass(frozen=True)
class Proxied:
    """A client that reaches its server through a proxy."""

    proxy: UdpProxy
    client: Client


@pytest.fixture(scope="module")
def server(session: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that names the proxy in its share link."""
    state = tmp_path_factory.mktemp("server") / "state"
    with Server(state, session=session, advertise=PROXY_HOST) as running:
        yield running


@pytest.fixture
async def proxied(server: Server, tmp_path: Path) -> AsyncIterator[Proxied]:
    """A client whose packets all go through a proxy in this test's own loop."""
    async with (
        udp_proxy(PROXY_HOST, server.port) as proxy,
        beside_loop(lambda: Client(server.link, tmp_path)) as client,
    ):
        yield Proxied(proxy, client)


async def download(client: Client, size: int, progress: Progress, pause: float = 0.0) -> None:
    """Fetch `size` bytes through the link and check each of them."""
    data = payload(size)
    async with (
        serve(source(data, pause)) as target,
        connected(client.socks, target.address) as (reader, _),
    ):
        assert await read_to_end(reader, progress) == Received.whole(data)


async def upload(client: Client, size: int, progress: Progress) -> None:
    """Send `size` bytes through the link; the target checks each of them."""
    data = payload(size, 1)
    async with (
        serve(sink(progress)) as target,
        connected(client.socks, target.address) as (_, writer),
    ):
        await send(writer, data)
        await close(writer)
        assert await target.outcome() == Received.whole(data)


@pytest.mark.parametrize("transfer", [download, upload])
async def test_a_new_port_and_a_new_address_in_mid_transfer(
    proxied: Proxied, transfer: Callable[[Client, int, Progress], Coroutine[None, None, None]]
) -> None:
    progress = Progress()
    async with asyncio.TaskGroup() as group:
        group.create_task(transfer(proxied.client, SIZE, progress))
        await progress.reached(SIZE // 5)
        await proxied.proxy.move()
        await progress.reached(SIZE * 3 // 5)
        assert proxied.proxy.answered_since_move, "the first move was not followed"
        await proxied.proxy.move(OTHER_HOST)
    assert proxied.proxy.answered_since_move, "the second move was not followed"


async def test_a_hop_every_second_or_two(proxied: Proxied) -> None:
    progress = Progress()
    async with asyncio.TaskGroup() as group:
        # A pace that makes the transfer last about seven seconds, and each of its parts more than one.
        group.create_task(download(proxied.client, SIZE, progress, pause=0.02))
        for part in range(1, 5):
            await progress.reached(SIZE * part // 5)
            await proxied.proxy.move()
    assert proxied.proxy.answered_since_move


async def test_an_idle_link_moves_too(proxied: Proxied) -> None:
    await download(proxied.client, 1000, Progress())
    await proxied.proxy.move(OTHER_HOST)
    await download(proxied.client, 1000, Progress())
    assert proxied.proxy.answered_since_move


@pytest.mark.long
async def test_a_black_out_of_five_seconds(proxied: Proxied) -> None:
    progress = Progress()
    async with asyncio.TaskGroup() as group:
        group.create_task(download(proxied.client, SIZE, progress))
        await progress.reached(SIZE // 5)
        proxied.proxy.blocked = True
        await asyncio.sleep(BLACK_OUT_SECONDS)
        assert progress.size < SIZE, "the transfer was over before the black-out began"
        proxied.proxy.blocked = False
    assert proxied.proxy.lost > 0


async def test_loss_and_reordering(proxied: Proxied) -> None:
    proxied.proxy.loss, proxied.proxy.reorder = 0.01, 0.01
    size = SIZE // 2
    async with asyncio.TaskGroup() as group:
        group.create_task(download(proxied.client, size, Progress()))
        group.create_task(upload(proxied.client, size, Progress()))
    assert proxied.proxy.lost > 0
    assert proxied.proxy.reordered > 0


async def test_racing_copies_redirect_nothing(proxied: Proxied) -> None:
    """An observer sends a copy of each of the client's packets from its own address, a moment before the original."""
    async with Observer(OBSERVER_HOST, proxied.proxy) as observer:
        await download(proxied.client, SIZE, Progress())
        async with (
            serve(echo) as target,
            connected(proxied.client.socks, target.address) as (reader, writer),
        ):
            writer.write(b"still here")
            assert await reader.readexactly(10) == b"still here"
    assert observer.sent_bytes > 0
    assert observer.received_bytes <= 3 * observer.sent_bytes, "more than 3 times what came from there"
    assert observer.received_bytes < SIZE // 10, "the transfer went to the observer"
