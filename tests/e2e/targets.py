"""Scripted TCP targets: each does one thing to every connection and reports what it saw."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from .namespace import Namespace
from .streams import CHUNK, Received, abandon, close, payload, read_to_end, reset, send

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Received | None]]


class Target:
    """A listening target; `outcome()` gives what its script returned, connection by connection, or raises its error."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._outcomes: asyncio.Queue[Received | BaseException | None] = asyncio.Queue()
        self._writers: set[asyncio.StreamWriter] = set()
        self.playing: set[asyncio.Task[None]] = set()
        """Connections whose script still runs."""
        self.accepted = 0
        self.host = ""
        self.port = 0

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.host, self.port

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the script on one connection, as a task held here: asyncio drops its own once the peer is gone."""
        self.accepted += 1
        task = asyncio.create_task(self._play(reader, writer))
        self.playing.add(task)
        task.add_done_callback(self.playing.discard)

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            self._outcomes.put_nowait(await self._script(reader, writer))
        except (Exception, asyncio.CancelledError) as error:
            self._outcomes.put_nowait(error)
        finally:
            # Closed, not yet gone: what the script wrote may still be on its way out.
            writer.close()

    async def stop(self) -> None:
        """End the scripts that still run, and let go of every connection."""
        for task in list(self.playing):
            task.cancel()
        await asyncio.gather(*self.playing, return_exceptions=True)
        for writer in self._writers:
            await abandon(writer)

    async def outcome(self) -> Received | None:
        """What the next finished connection's script returned."""
        result = await self._outcomes.get()
        if isinstance(result, BaseException):
            raise AssertionError("the target failed") from result
        return result


@asynccontextmanager
async def serve(
    script: Script, host: str = "127.0.0.1", namespace: Namespace | None = None
) -> AsyncIterator[Target]:
    """Listen on a free port of `host`, here or in a namespace, and run `script` on every connection."""
    target = Target(script)
    if namespace is None:
        server = await asyncio.start_server(target.accept, host, 0, backlog=2048)
    else:
        server = await asyncio.start_server(target.accept, sock=namespace.listener(host), backlog=2048)
    target.host, target.port = server.sockets[0].getsockname()[:2]
    try:
        yield target
    finally:
        server.close()
        await target.stop()


@contextmanager
def refusing(host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
    """An address that refuses connections, and that nobody else can take meanwhile: bound, never listening."""
    with socket.socket() as held:
        held.bind((host, 0))
        yield held.getsockname()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, and end when the other side ends."""
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    await close(writer)


def sink(on_progress: Callable[[int], None] | None = None) -> Script:
    """Take everything, say nothing."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
        return await read_to_end(reader, on_progress)

    return script


def source(data: bytes, pause: float = 0.0, chunk: int = CHUNK) -> Script:
    """Send `data` without being asked, with a pause of so many seconds after each `chunk` bytes, and close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), chunk):
            await send(writer, data[start : start + chunk])
            if pause:
                await asyncio.sleep(pause)
        await close(writer)

    return script


def answer_and_close(request: bytes, answer: bytes) -> Script:
    """Read exactly the request, then write the answer and close in the same breath."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(request)) == request
        writer.write(answer)
        await close(writer)

    return script


def half_close_then_read(data: bytes) -> Script:
    """Send `data`, end this direction, then take everything from the other."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
        await send(writer, data)
        writer.write_eof()
        return await read_to_end(reader)

    return script


def read_then_answer(data: bytes) -> Script:
    """Take everything up to end-of-file, and only then send `data` and close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
        received = await read_to_end(reader)
        await send(writer, data)
        await close(writer)
        return received

    return script


def both_ways(data: bytes) -> Script:
    """Send `data` and end, while taking everything from the other side."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
        receiving = asyncio.create_task(read_to_end(reader))
        await send(writer, data)
        writer.write_eof()
        return await receiving

    return script


def acknowledge_then_read(size: int) -> Script:
    """Take `size` bytes, say so with one byte, then read to the end; reports the bytes and that end together."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
        data = await reader.readexactly(size)
        writer.write(b"k")
        rest = await read_to_end(reader)
        return Received(size + rest.size, hashlib.sha256(data).hexdigest(), rest.end)

    return script


def reset_when_acknowledged(data: bytes) -> Script:
    """Send `data`, wait for one byte that says it has arrived, then reset."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send(writer, data)
        assert await reader.readexactly(1) == b"k"
        reset(writer)

    return script


def reset_midway(request: bytes, data: bytes) -> Script:
    """Read the request, send as much of `data` as leaves at once, and reset while it is under way.

    Without the request the reset could overtake the answer to the SYN, and the connection would fail to open.
    """

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(request)) == request
        writer.write(data)
        reset(writer)

    return script


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received:
    """Accept and do nothing until the other side ends."""
    return await read_to_end(reader)


def endless(seed: int = 0) -> Script:
    """Send without end, as fast as it is taken, until the other side goes away."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        block = payload(CHUNK, seed)
        try:
            while True:
                await send(writer, block)
        except ConnectionError:
            return

    return script
