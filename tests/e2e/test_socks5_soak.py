"""Many clients at once, for a while, with sizes of every order: not one byte wrong, not one stream lost."""

from __future__ import annotations

import asyncio
import os
import random
import struct
import time
from collections import Counter

import pytest

from .program import SESSIONS, Client
from .socks import Connection, connected
from .streams import Received, close, digest, payload, read_to_end, send
from .targets import serve

DURATION = float(os.environ.get("GINNEL_E2E_SOAK_SECONDS", "30"))
CLIENTS = 64
LARGEST = 1_000_000
STREAM_LIMIT = 60.0
"""Seconds after which a single stream counts as hung; far above what it takes on a busy machine."""

HEADER = struct.Struct("!cIQ")
"""What the target is to do, the number of bytes, and the seed they come from."""


async def soak_target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """`D` sends the bytes, `U` takes them and answers with their hash, `E` echoes them; then it closes."""
    kind, size, seed = HEADER.unpack(await reader.readexactly(HEADER.size))
    if kind == b"D":
        await send(writer, payload(size, seed))
    elif kind == b"U":
        received = await read_to_end(reader)
        assert received.end == "eof"
        writer.write(f"{received.size} {received.digest}".encode())
    else:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    await close(writer)


async def one_stream(connection: Connection, kind: bytes, size: int, seed: int) -> None:
    """Play one stream to its end and check it byte by byte."""
    reader, writer = connection
    data = payload(size, seed)
    writer.write(HEADER.pack(kind, size, seed))
    if kind == b"D":
        expected = data
    elif kind == b"U":
        await send(writer, data)
        writer.write_eof()
        expected = f"{size} {digest(data)}".encode()
    else:
        expected = data
        receiving = asyncio.create_task(read_to_end(reader))
        await send(writer, data)
        writer.write_eof()
        assert await receiving == Received.whole(expected)
        return
    assert await read_to_end(reader) == Received.whole(expected)


async def soak(proxy: tuple[str, int]) -> None:
    """`CLIENTS` applications, each opening stream after stream until the time is over."""
    done: Counter[str] = Counter()
    failures: list[str] = []
    end = time.monotonic() + DURATION

    async def application(number: int, target: tuple[str, int]) -> None:
        draw = random.Random(number)
        while time.monotonic() < end and not failures:
            kind, size = draw.choice([b"D", b"U", b"E"]), round(LARGEST ** draw.random())
            try:
                async with asyncio.timeout(STREAM_LIMIT), connected(proxy, target) as stream:
                    await one_stream(stream, kind, size, draw.getrandbits(32))
            except Exception as error:  # Every failure is reported with what it happened to; none is retried.
                failures.append(f"application {number}, {kind!r} {size} bytes: {error!r}")
            done[kind.decode()] += 1

    async with serve(soak_target) as target:
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(application(number, target.address))
        served = [await target.outcome() for _ in range(sum(done.values()) if not failures else 0)]
    assert not failures, "\n".join(failures)
    assert len(served) == sum(done.values()) >= CLIENTS
    assert len(done) == 3, f"not every kind of stream was played: {done}"


@pytest.mark.long
@pytest.mark.timeout(DURATION + 2 * STREAM_LIMIT)
@pytest.mark.parametrize(
    "session",
    SESSIONS,
    ids=[f"soak_socks5_over_{session}_30s" for session in SESSIONS],
    indirect=True,
    scope="module",
)
async def test_soak(client: Client) -> None:
    """64 clients at once for 30 s, 1 B to 1 MB in both directions, every byte checked, zero failures."""
    await soak(client.socks)
