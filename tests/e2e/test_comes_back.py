"""A link that comes back: servers and clients are stopped, killed, frozen, moved and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .program import LOOPBACK, Client, Server, over_sessions
from .socks import Refused, Reply, connected, negotiate, open_raw
from .streams import Progress, Received, payload, read_to_end
from .targets import Target, echo, serve, source

RETURN_SECONDS = 2.0
"""Within so long of a server's return traffic flows again. The promise, not a guess."""


class Restarted:
    """A server that is ended and started again, on the same port and with the same state."""

    def __init__(self, state: Path, session: str) -> None:
        self.state, self.session = state, session
        self.running = Server(state, session=session)
        self.port = self.running.port
        self.link = self.running.link

    def end(self, number: signal.Signals) -> None:
        """End the server by a signal, and wait for its end."""
        os.kill(self.running.process.pid, number)
        self.running.process.wait(10)

    def start(self) -> None:
        """Start it again where it was."""
        self.running = Server(self.state, session=self.session, listen=f"{LOOPBACK}:{self.port}")


@pytest.fixture
def server(session: str, tmp_path: Path) -> Iterator[Restarted]:
    """A server to end and to start."""
    # Port 0 would be another one the next time: take one that is free now.
    server = Restarted(tmp_path / "state", session)
    yield server
    server.running.process.kill()


@pytest.fixture
def client(server: Restarted, tmp_path: Path) -> Iterator[Client]:
    """A client of that server."""
    with Client(server.link, tmp_path) as running:
        yield running


async def echoed(client: Client, target: Target) -> None:
    """One request through the tunnel and back; raises what went wrong."""
    async with asyncio.timeout(30), connected(client.socks, target.address) as (reader, writer):
        writer.write(b"there?")
        assert await reader.readexactly(6) == b"there?"


async def flows_again(client: Client, target: Target) -> float:
    """Make requests until one comes back; how long that took."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(Refused, OSError, asyncio.IncompleteReadError):
            await echoed(client, target)
            return time.monotonic() - began


@over_sessions
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_traffic_flows_again_soon_after_a_restart(
    server: Restarted, client: Client, end: signal.Signals
) -> None:
    """Also when nobody asked for anything in between, and also for a stream that waits meanwhile."""
    async with serve(echo) as target:
        await echoed(client, target)
        await asyncio.to_thread(server.end, end)
        await asyncio.to_thread(server.start)
        assert await flows_again(client, target) <= RETURN_SECONDS


@over_sessions
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_a_request_made_while_the_server_is_away_waits_for_it(
    server: Restarted, client: Client, end: signal.Signals
) -> None:
    async with serve(echo) as target:
        await echoed(client, target)
        await asyncio.to_thread(server.end, end)
        waiting = asyncio.create_task(echoed(client, target))
        await asyncio.sleep(3)  # the outage itself
        assert not waiting.done()
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(RETURN_SECONDS):
            await waiting


@pytest.mark.long
async def test_a_long_outage_ends_as_soon_as_a_short_one(server: Restarted, client: Client) -> None:
    """After more than a minute the client asks only now and then, but at once when somebody wants something."""
    async with serve(echo) as target:
        await asyncio.to_thread(server.end, signal.SIGKILL)
        await asyncio.sleep(75)
        await asyncio.to_thread(server.start)
        assert await flows_again(client, target) <= RETURN_SECONDS


async def test_requests_wait_ten_seconds_for_a_link_and_then_fail_cleanly(
    server: Restarted, client: Client
) -> None:
    async with serve(echo) as target:
        await echoed(client, target)
        await asyncio.to_thread(server.end, signal.SIGTERM)
        began = time.monotonic()
        with pytest.raises(Refused) as refused:
            await echoed(client, target)
        assert refused.value.reply == Reply.GENERAL_FAILURE
        assert 9 <= time.monotonic() - began <= 15
        # SOCKS itself answers all the time.
        connection = await open_raw(client.socks)
        await negotiate(connection)
        connection[1].close()


@over_sessions
@pytest.mark.long
async def test_a_frozen_server_keeps_its_links(server: Restarted, client: Client) -> None:
    """Stopped for a few seconds in mid-transfer, it goes on where it was: not one byte is lost."""
    progress, data = Progress(), payload(20_000_000)
    async with serve(source(data)) as target:

        async def download() -> Received:
            async with connected(client.socks, target.address) as (reader, _):
                return await read_to_end(reader, progress)

        downloading = asyncio.create_task(download())
        await progress.reached(2_000_000)
        os.kill(server.running.process.pid, signal.SIGSTOP)
        await asyncio.sleep(6)
        os.kill(server.running.process.pid, signal.SIGCONT)
        assert await downloading == Received.whole(data)
    assert "link lost" not in client.process.stderr


SHORT = {
    "GINNEL_TIMEOUTS_LINK_IDLE": "10s",
}
"""A server that forgets its links soon, so that a sleep need not last for minutes."""


@over_sessions
@pytest.mark.long
async def test_after_a_sleep_a_dead_link_is_replaced_at_once(session: str, tmp_path: Path) -> None:
    """The client sleeps until the server has forgotten it."""
    with (
        Server(tmp_path / "state", session=session, env=SHORT) as server,
        Client(server.link, tmp_path) as client,
    ):
        async with serve(echo) as target:
            await echoed(client, target)
            os.kill(client.process.pid, signal.SIGSTOP)
            await asyncio.to_thread(server.process.wait_said, "link lost", limit=60)
            os.kill(client.process.pid, signal.SIGCONT)
            assert await flows_again(client, target) <= RETURN_SECONDS


@over_sessions
@pytest.mark.long
async def test_after_a_short_sleep_the_link_goes_on(server: Restarted, client: Client) -> None:
    async with (
        serve(echo) as target,
        connected(client.socks, target.address) as (reader, writer),
    ):
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        os.kill(client.process.pid, signal.SIGSTOP)
        await asyncio.sleep(8)
        os.kill(client.process.pid, signal.SIGCONT)
        writer.write(b"after!")
        assert await reader.readexactly(6) == b"after!"
    assert "link lost" not in client.process.stderr


@pytest.mark.long
async def test_stale_links_never_block_the_next(tmp_path: Path) -> None:
    """A client that is killed and started again more often than a user may have links."""
    few = {"GINNEL_LIMITS_LINKS_PER_USER": "3"}
    with Server(tmp_path / "state", env=few) as server:
        async with serve(echo) as target:
            for _ in range(8):
                client = await asyncio.to_thread(Client, server.link, tmp_path)
                await echoed(client, target)
                client.process.kill()
