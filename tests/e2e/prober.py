"""A stranger with a UDP socket, who sends and waits for an answer that must not come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from .machine import all_read, udp_drops
from .udp_proxy import Address, endpoint

BURST = 32
"""Datagrams between two looks at the receiver's queue: small enough for any receive buffer."""

QUIET_SECONDS = 1.0
"""How long an answer is waited for after the last datagram was read."""


class Prober:
    """Sends to one program's UDP port, from `host`."""

    def __init__(self, pid: int, port: int, host: str = "127.0.0.1") -> None:
        self._pid, self._port, self._host = pid, port, host
        self._transport: asyncio.DatagramTransport | None = None
        self.answers: list[bytes] = []

    async def send(self, datagrams: Sequence[bytes]) -> None:
        """Send, no faster than the program reads, and see that it has read every one of them."""
        assert self._transport is not None
        drops = udp_drops(self._pid, self._port)
        for start in range(0, len(datagrams), BURST):
            for datagram in datagrams[start : start + BURST]:
                self._transport.sendto(datagram, ("127.0.0.1", self._port))
            async with asyncio.timeout(30):
                await all_read(self._pid, self._port)
        assert udp_drops(self._pid, self._port) == drops, "the kernel dropped some; this would prove nothing"

    async def silence(self) -> None:
        """Wait for an answer and be glad that none comes."""
        await asyncio.sleep(QUIET_SECONDS)
        assert self.answers == [], f"{len(self.answers)} answers to a stranger"

    async def __aenter__(self) -> Self:
        def take(data: bytes, _: Address) -> None:
            self.answers.append(data)

        self._transport = await endpoint(take, (self._host, 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.close()
            await asyncio.sleep(0)
