"""What both ends of a connection do with bytes: send them, read them to the end, and tell an end from a reset."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

CHUNK = 64 * 1024


@lru_cache(maxsize=8)
def payload(size: int, seed: int = 0) -> bytes:
    """`size` bytes that cannot be confused with another seed's, and that a shift or a gap does not survive."""
    return random.Random(seed).randbytes(size)


def digest(data: bytes) -> str:
    """The SHA-256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Progress:
    """How far a transfer has come, to wait for."""

    def __init__(self) -> None:
        self.size = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def __call__(self, size: int) -> None:
        """So many bytes have arrived."""
        self.size = size
        for wanted, future in self._waiting:
            if size >= wanted and not future.done():
                future.set_result(None)

    async def reached(self, size: int) -> None:
        """Wait until so many bytes have arrived."""
        if self.size < size:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, future))
            await future


@dataclass(frozen=True)
class Received:
    """All that came in on a connection, and how it ended."""

    size: int
    digest: str
    end: Literal["eof", "reset"]

    @classmethod
    def whole(cls, data: bytes) -> Received:
        """What must have come in if every byte of `data` arrived and then end-of-file."""
        return cls(len(data), digest(data), "eof")


async def read_to_end(
    reader: asyncio.StreamReader, on_progress: Callable[[int], None] | None = None
) -> Received:
    """Read until end-of-file or a reset; anything else is an error. `on_progress` is told the bytes so far."""
    size, running = 0, hashlib.sha256()
    while True:
        try:
            chunk = await reader.read(CHUNK)
        except ConnectionResetError:
            return Received(size, running.hexdigest(), "reset")
        if not chunk:
            return Received(size, running.hexdigest(), "eof")
        size += len(chunk)
        running.update(chunk)
        if on_progress is not None:
            on_progress(size)


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write all of `data` as fast as the other end takes it."""
    view = memoryview(data)
    for start in range(0, len(view), CHUNK):
        writer.write(view[start : start + CHUNK])
        await writer.drain()


async def close(writer: asyncio.StreamWriter) -> None:
    """Close in the ordinary way: what was written still goes out, then end-of-file."""
    writer.close()
    # If the other end resets it first, whoever reads sees that; here it does not matter.
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset (a linger time of zero), dropping what has not left."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def abandon(writer: asyncio.StreamWriter) -> None:
    """Let go of a connection whatever its state, and of its socket before the test's loop is over."""
    # A transport that has closed its socket does not stand being aborted.
    if writer.get_extra_info("socket").fileno() >= 0:
        writer.transport.abort()
    await asyncio.sleep(0)
