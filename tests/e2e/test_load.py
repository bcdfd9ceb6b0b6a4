"""Load: many connections at once, many that say nothing, and memory that stays where it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from .machine import descriptors, resident_memory
from .program import Client, Server, over_carriers, over_sessions
from .socks import connected, greeting, open_raw
from .streams import abandon, payload
from .targets import echo, serve

MANY = 5000
SILENT = 10_000
IDLE_BYTES = 16 * 1024
"""What an idle connection may cost each end."""

RATE = 100_000_000 / 8
"""Bytes a second of the endurance runs."""
SHORT_SECONDS = 60.0
LONG_SECONDS = float(os.environ.get("GINNEL_E2E_ENDURANCE_SECONDS", "600"))
TOLERANCE = 0.05
"""How far memory may move after the first part of an endurance run."""

KIB, MIB = 1024, 1024 * 1024


@pytest.fixture
def server(carrier: str, session: str, tmp_path: Path) -> Iterator[Server]:
    """A server of its own: its memory is looked at."""
    with Server(tmp_path / "state", carrier=carrier, session=session) as running:
        yield running


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    """A client of its own."""
    with Client(server.link, tmp_path) as running:
        yield running


def need_descriptors(count: int) -> None:
    """Skip, aloud, where the system does not let a process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        pytest.skip(f"needs {count} open files in one process; the limits here are {soft} and {hard}")


@contextlib.asynccontextmanager
async def open_many(
    client: Client, target: tuple[str, int], count: int
) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """So many connections through the tunnel, all of which have carried a byte each way."""
    gate = asyncio.Semaphore(256)
    async with contextlib.AsyncExitStack() as stack:

        async def one(number: int) -> asyncio.StreamWriter:
            async with gate:
                reader, writer = await stack.enter_async_context(connected(client.socks, target))
                writer.write(payload(64, number))
                assert await reader.readexactly(64) == payload(64, number)
                return writer

        yield list(await asyncio.gather(*(one(number) for number in range(count))))


@over_carriers
@over_sessions
async def test_five_thousand_connections_at_once_cost_little_while_idle(
    server: Server, client: Client
) -> None:
    """All are open at the same moment and carry data; then each costs at most 16 KiB an end."""
    need_descriptors(3 * MANY)
    ends = {"server": server.process.pid, "client": client.process.pid}
    async with serve(echo) as target:
        async with open_many(client, target.address, 100):
            pass  # what the first connections cost once is not the price of one
        before = {end: resident_memory(pid) for end, pid in ends.items()}
        async with open_many(client, target.address, MANY) as writers:
            assert len(writers) == MANY
            for end, pid in ends.items():
                cost = (resident_memory(pid) - before[end]) / MANY
                print(f"an idle connection at the {end}: {cost / KIB:.1f} KiB")
                assert cost <= IDLE_BYTES, f"{cost:.0f} bytes for an idle connection at the {end}"
        # Every descriptor comes back.
        for pid in ends.values():
            async with asyncio.timeout(20):
                while descriptors(pid) > 200:  # noqa: ASYNC110 - another process has no event for it
                    await asyncio.sleep(0.05)


async def test_ten_thousand_silent_clients_do_not_stop_the_next_honest_one(client: Client) -> None:
    need_descriptors(SILENT + 1000)
    silent: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        for number in range(SILENT):
            silent.append(await open_raw(client.socks))
            if number % 2:
                silent[-1][1].write(greeting(0))  # half of them begin to talk, and then think better of it
        async with serve(echo) as target, connected(client.socks, target.address) as (reader, writer):
            # It did not have to wait for the silent ones to be timed out: most of them are still there.
            writer.write(b"honest")
            assert await reader.readexactly(6) == b"honest"
            assert descriptors(client.process.pid) > SILENT // 10
    finally:
        for _, writer in silent:
            await abandon(writer)


FEW = 120
"""Descriptors that a process may open; two thirds of them or so are left for streams."""


async def test_near_the_limit_of_descriptors_accepting_pauses_and_resumes(
    server: Server, tmp_path: Path
) -> None:
    """Streams that are open live on, those that do not fit wait, and are served when there is room again."""
    limited = ("sh", "-c", f'ulimit -n {FEW} && exec "$@"', "sh")
    with Client(server.link, tmp_path, wrap=limited) as client:
        async with serve(echo) as target, contextlib.AsyncExitStack() as all_of_them:

            async def connect(stack: contextlib.AsyncExitStack) -> bool:
                reader, writer = await stack.enter_async_context(connected(client.socks, target.address))
                writer.write(b"x")
                return await reader.readexactly(1) == b"x"

            first = await all_of_them.enter_async_context(connected(client.socks, target.address))
            served = 1
            async with contextlib.AsyncExitStack() as stack:
                with pytest.raises(TimeoutError):
                    while served < FEW:
                        # What is not served at once here is waiting: nothing else holds it up.
                        await asyncio.wait_for(connect(stack), 3)
                        served += 1
                assert FEW // 3 < served < FEW, f"{served} streams with {FEW} descriptors"
                waiting = asyncio.create_task(connect(all_of_them))
                first[1].write(b"still here")
                assert await first[0].readexactly(10) == b"still here"
                assert not waiting.done()
            assert await waiting


async def endure(server: Server, client: Client, seconds: float) -> None:
    """Echo 100 Mbit/s, half of it each way, in several streams; memory stays flat after the first tenth."""
    block = payload(MIB)
    moved = 0
    end = time.monotonic() + seconds

    async def stream(target: tuple[str, int], share: float) -> None:
        nonlocal moved
        began, mine = time.monotonic(), 0
        async with connected(client.socks, target) as (reader, writer):
            while (now := time.monotonic()) < end:
                writer.write(block)
                assert await reader.readexactly(len(block)) == block
                mine += len(block)
                moved += len(block)
                await asyncio.sleep(max(0.0, mine / share - (now - began)))

    samples: dict[str, list[int]] = {"server": [], "client": []}

    async def watch() -> None:
        await asyncio.sleep(seconds / 10)
        while time.monotonic() < end:
            samples["server"].append(resident_memory(server.process.pid))
            samples["client"].append(resident_memory(client.process.pid))
            await asyncio.sleep(min(1.0, seconds / 60))

    async with serve(echo) as target, asyncio.TaskGroup() as group:
        # Half the rate each way, in four streams.
        for _ in range(4):
            group.create_task(stream(target.address, RATE / 2 / 4))
        group.create_task(watch())
    print(f"{moved * 2 * 8 / seconds / 1e6:.0f} Mbit/s for {seconds:.0f} s")
    for name, sizes in samples.items():
        # In flight there is now more and now less: medians of a third each show whether it grows.
        third = len(sizes) // 3
        parts = [statistics.median(sizes[part * third : (part + 1) * third]) for part in range(3)]
        shown = ", ".join(f"{part / MIB:.1f}" for part in parts)
        print(f"{name}: {shown} MiB in the thirds, {min(sizes) / MIB:.1f} to {max(sizes) / MIB:.1f} in all")
        for part in parts[1:]:
            assert abs(part - parts[0]) <= TOLERANCE * parts[0], f"the {name} moved: {shown} MiB"


@over_sessions
@pytest.mark.long
@pytest.mark.timeout(SHORT_SECONDS + 60)
async def test_a_hundred_megabits_a_second_for_a_minute(server: Server, client: Client) -> None:
    await endure(server, client, SHORT_SECONDS)


@over_sessions
@pytest.mark.endurance
@pytest.mark.timeout(LONG_SECONDS + 60)
async def test_a_hundred_megabits_a_second_for_ten_minutes(server: Server, client: Client) -> None:
    await endure(server, client, LONG_SECONDS)
