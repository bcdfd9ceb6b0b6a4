"""Each carrier with each session on a clean wire: streams come through whole, alone, in crowds and after a restart."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .network import Network, pair
from .program import over_carriers, over_sessions
from .streams import Received, close, payload, read_to_end, send
from .targets import both_ways, echo, half_close_then_read
from .tunnel import Tunnel, unbroken

pytestmark = [over_carriers, over_sessions]

SIZE = 64_000_000
CONNECTIONS = 200
RETURN_SECONDS = 2.0
"""Within so long of a server's return traffic flows again. The promise, not a guess."""
SOAK_SECONDS = 3.0
SOAK_LOOPS = 16


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with pair() as made:
        yield made


@pytest.fixture(scope="module")
def tunnel(
    network: Network, carrier: str, session: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tunnel]:
    with Tunnel(network, carrier, session, tmp_path_factory.mktemp("tunnel")) as running:
        yield running


def test_the_link_is_what_it_is_called(tunnel: Tunnel, carrier: str, session: str) -> None:
    """Without this, all the other tests prove nothing."""
    for process in (tunnel.client.process, tunnel.server.process):
        assert f"{session} over {carrier}" in process.wait_said("link up")


async def test_each_direction_ends_by_itself(tunnel: Tunnel) -> None:
    data = payload(100_000)
    async with tunnel.target(half_close_then_read(data)) as target, tunnel.stream(target) as (reader, writer):
        assert await read_to_end(reader) == Received.whole(data)
        await send(writer, data[::-1])
        writer.write_eof()
        assert await target.outcome() == Received.whole(data[::-1])
    async with tunnel.target(echo) as target, tunnel.stream(target) as (reader, writer):
        writer.write(b"last words")
        writer.write_eof()
        assert await reader.read() == b"last words"


async def test_bulk_comes_through_whole(tunnel: Tunnel) -> None:
    with unbroken(tunnel):
        await tunnel.download(payload(SIZE))
        await tunnel.upload(payload(SIZE, 1))


async def test_bulk_both_ways_on_one_stream(tunnel: Tunnel) -> None:
    there, back = payload(SIZE // 8), payload(SIZE // 8, 1)
    async with tunnel.target(both_ways(back)) as target, tunnel.stream(target) as (reader, writer):
        receiving = asyncio.create_task(read_to_end(reader))
        await send(writer, there)
        writer.write_eof()
        assert await receiving == Received.whole(back)
        assert await target.outcome() == Received.whole(there)


async def test_two_hundred_connections_at_once(tunnel: Tunnel) -> None:
    all_open = asyncio.Barrier(CONNECTIONS)

    async with tunnel.target(echo) as target:

        async def application(number: int) -> None:
            async with tunnel.stream(target) as (reader, writer):
                await all_open.wait()
                mine = payload(2_000, number)
                writer.write(mine)
                writer.write_eof()
                assert await reader.read() == mine
                await close(writer)

        async with asyncio.TaskGroup() as group:
            for number in range(CONNECTIONS):
                group.create_task(application(number))
        assert target.accepted == CONNECTIONS


async def test_streams_of_every_size_for_a_while(tunnel: Tunnel) -> None:
    """Real time passes: renewals of streams, timers and turns between streams are what this is about."""
    until = time.monotonic() + SOAK_SECONDS

    async with tunnel.target(echo) as target:

        async def loop(number: int) -> None:
            size = 1
            while time.monotonic() < until:
                async with tunnel.stream(target) as (reader, writer):
                    data = payload(size, number % 4)
                    receiving = asyncio.create_task(read_to_end(reader))
                    await send(writer, data)
                    writer.write_eof()
                    assert await receiving == Received.whole(data)
                size = size * 7 % 200_003

        with unbroken(tunnel):
            async with asyncio.TaskGroup() as group:
                for number in range(SOAK_LOOPS):
                    group.create_task(loop(number))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_traffic_flows_again_soon_after_a_restart(tunnel: Tunnel, end: signal.Signals) -> None:
    await tunnel.flows_again()
    await asyncio.to_thread(tunnel.restart_server, end)
    assert await tunnel.flows_again() <= RETURN_SECONDS


async def test_by_ipv6(network: Network, carrier: str, session: str, tmp_path: Path) -> None:
    with Tunnel(network, carrier, session, tmp_path, ipv6=True) as tunnel:
        assert f"[{network.server.address6}]" in tunnel.client.process.wait_said("link up")
        await tunnel.both_ways(SIZE // 16)
