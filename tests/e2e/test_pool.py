"""A pool of links: several of one client at one server, whichever session they have."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from .program import LOOPBACK, Client, Server, ginnel, over_carriers, over_sessions
from .socks import connected
from .streams import Progress, Received, payload, read_to_end
from .targets import echo, serve

LINKS = 4
PATIENCE = 20.0


def links_of(client: Client, home: Path) -> list[dict[str, Any]]:
    """What `ginnel stats` says of each link of a client."""
    process = ginnel("stats", "--pid", str(client.process.pid), "--json", home=home)
    assert process.exit_code == 0, process.describe()
    stats: dict[str, Any] = json.loads("".join(process.stdout))
    return list(stats["links"])


def wait_links(client: Client, home: Path, number: int) -> list[dict[str, Any]]:
    """Wait until a client has so many links."""
    until = time.monotonic() + PATIENCE
    while len(links := links_of(client, home)) != number:
        assert time.monotonic() < until, f"{len(links)} links\n{client.process.describe()}"
    return links


@over_carriers
@over_sessions
def test_all_links_come_up_and_streams_share_them(
    carrier: str, session: str, server: Server, tmp_path: Path
) -> None:
    with Client(server.link, tmp_path, more=["--links", str(LINKS)]) as client:
        before = {link["link"]: link["sent"] for link in wait_links(client, tmp_path, LINKS)}

        async def at_once() -> None:
            async with serve(echo) as target, AsyncExitStack() as stack:
                pairs = [
                    await stack.enter_async_context(connected(client.socks, target.address))
                    for _ in range(LINKS)
                ]
                for _, writer in pairs:
                    writer.write(payload(300_000))
                for reader, _ in pairs:
                    assert await reader.readexactly(300_000) == payload(300_000)

        asyncio.run(at_once())
        after = links_of(client, tmp_path)
        assert all((link["session"], link["carrier"]) == (session, carrier) for link in after)
        # One stream each: every link has carried its part.
        assert all(link["sent"] > before[link["link"]] + 100 for link in after), (before, after)


@over_sessions
def test_a_server_that_comes_back_gets_the_whole_pool_back(session: str, tmp_path: Path) -> None:
    with Server(tmp_path / "state", session=session) as server:
        port = server.port
        with Client(server.link, tmp_path, more=["--links", str(LINKS)]) as client:
            wait_links(client, tmp_path, LINKS)
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait(10)
            with Server(tmp_path / "state", session=session, listen=f"{LOOPBACK}:{port}"):
                client.process.wait_said("link lost")
                wait_links(client, tmp_path, LINKS)

                async def echoes() -> Received:
                    async with (
                        serve(echo) as target,
                        connected(client.socks, target.address) as (reader, writer),
                    ):
                        writer.write(payload(100_000))
                        writer.write_eof()
                        return await read_to_end(reader, Progress())

                assert asyncio.run(echoes()) == Received.whole(payload(100_000))


@pytest.mark.parametrize("number", ["0", "17", "many"])
def test_how_many_links_are_possible_is_told(number: str, server: Server, tmp_path: Path) -> None:
    process = ginnel("client", "-", "--links", number, home=tmp_path, stdin=server.link)
    assert process.exit_code == 2, process.describe()
    assert "1" in process.stderr
    assert "16" in process.stderr
    assert number in process.stderr
