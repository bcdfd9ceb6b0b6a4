"""A thousand connections at once."""

from __future__ import annotations

import asyncio
import resource

import pytest

from .program import Client, over_carriers, over_sessions
from .socks import connected
from .streams import payload
from .targets import echo, serve

CONNECTIONS = 1000


@over_carriers
@over_sessions
async def test_a_thousand_connections_at_once(client: Client) -> None:
    """All of them are open at the same moment, each echoes its own bytes, and all end cleanly."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4 * CONNECTIONS:
        pytest.skip(f"needs {4 * CONNECTIONS} open files, the hard limit allows {soft}")
    all_open = asyncio.Barrier(CONNECTIONS)

    async def application(number: int, target: tuple[str, int]) -> None:
        async with connected(client.socks, target) as (reader, writer):
            await all_open.wait()
            mine = payload(64, number)
            writer.write(mine)
            assert await reader.readexactly(len(mine)) == mine
            writer.write_eof()
            assert await reader.read() == b""

    async with serve(echo) as target:
        async with asyncio.TaskGroup() as group:
            for number in range(CONNECTIONS):
                group.create_task(application(number, target.address))
        assert target.accepted == CONNECTIONS
        for _ in range(CONNECTIONS):
            await target.outcome()
