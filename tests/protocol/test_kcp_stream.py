"""Streams through the program's server, by a KCP that was written from section 18: the whole way of a byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.e2e.program import LOOPBACK, Server
from tests.e2e.streams import payload
from tests.e2e.targets import Script, echo, refusing, serve, sink, source

from .client import Identity, Wire
from .kcp_parameters import Parameters
from .kcp_talk import Talk, dial
from .test_stream import open_request


def with_target(
    server: Server, script: Script, talk: Callable[[Talk, bytes], None], ours: Parameters | None = None
) -> None:
    """Run `talk` on a new link, with the open request that asks for a target which does as `script` says."""

    def run(address: tuple[str, int]) -> None:
        with Wire((LOOPBACK, server.port)) as wire:
            talk(dial(wire, Identity.from_link(server.link), ours), open_request(address))

    async def both() -> None:
        async with serve(script) as target:
            await asyncio.to_thread(run, target.address)

    asyncio.run(both())


def test_a_stream_is_echoed_and_each_direction_ends_by_itself(server: Server) -> None:
    data = payload(5000, 1)

    def talk(one: Talk, request: bytes) -> None:
        stream = one.session.open(request + data[:3000])
        one.until(lambda: len(stream.received) == 3001)
        assert not stream.ended
        one.session.write(stream, data[3000:], end=True)
        one.until(lambda: stream.ended)
        assert stream.received == b"\0" + data
        one.until(lambda: one.session.idle)

    with_target(server, echo, talk)
