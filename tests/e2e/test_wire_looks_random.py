"""What an observer on the path sees: uniformly random bytes of no particular size, in every datagram."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from .program import Client, Server, beside_loop, ginnel
from .socks import connected
from .streams import Received, close, payload, read_to_end, send
from .targets import serve, sink, source
from .udp_proxy import udp_proxy
from .uniformity import ENOUGH, deviation, repeated_values, suspicious_offsets

PROXY_HOST = "127.0.0.5"
SIZE = 8_000_000
"""Bytes each way: some 6,000 datagrams."""

JUDGED = 4_000
"""Datagrams per direction that the statistics look at."""

TRAILER = 32
"""Bytes that are also looked at by their distance from the end, where a constant hides behind varying sizes."""

SESSIONS = 32
AT_ONCE = 4
FIRST_PACKETS = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that names the proxy in its share link."""
    with Server(tmp_path_factory.mktemp("server") / "state", advertise=PROXY_HOST) as running:
        yield running


async def test_every_byte_offset_is_uniform(server: Server, tmp_path: Path) -> None:
    """Over thousands of datagrams of one session, in each direction."""
    async with (
        udp_proxy(PROXY_HOST, server.port) as proxy,
        beside_loop(lambda: Client(server.link, tmp_path)) as client,
    ):
        # Zeros all the way: what shows on the wire then comes from the program, not from a random payload.
        data = bytes(SIZE)
        async with (
            serve(source(data)) as target,
            connected(client.socks, target.address) as (reader, _),
        ):
            assert await read_to_end(reader) == Received.whole(data)
        async with serve(sink()) as target, connected(client.socks, target.address) as (_, writer):
            await send(writer, data)
            await close(writer)
            assert await target.outcome() == Received.whole(data)
    for direction, datagrams in (("client to server", proxy.sent), ("server to client", proxy.received)):
        assert len(datagrams) >= ENOUGH, f"{direction}: only {len(datagrams)} datagrams"
        # One direction carries acknowledgements first and data last, the other the reverse.
        for sample in (datagrams[:JUDGED], datagrams[-JUDGED:]):
            assert suspicious_offsets(sample) == [], direction
            endings = [datagram[: -TRAILER - 1 : -1] for datagram in sample]
            assert suspicious_offsets(endings) == [], f"{direction}, counted from the end"
        beginnings = [datagram[:8] for datagram in datagrams if len(datagram) >= 8]
        assert len(set(beginnings)) == len(beginnings), f"{direction}: two datagrams begin alike"


async def test_first_packets_have_nothing_in_common(server: Server, tmp_path: Path) -> None:
    """Over the first packets of many sessions: no byte, no size, no beginning that they share."""
    async with udp_proxy(PROXY_HOST, server.port) as proxy:
        turn = asyncio.Semaphore(AT_ONCE)

        async def session() -> None:
            async with turn:
                ping = await asyncio.to_thread(
                    ginnel, "ping", "-", "-c", "1", home=tmp_path, stdin=server.link
                )
                assert ping.exit_code == 0, ping.describe()

        await asyncio.gather(*(session() for _ in range(SESSIONS)))
    assert len(proxy.flows) == SESSIONS
    for direction in ("sent", "received"):
        flows: list[list[bytes]] = [getattr(flow, direction) for flow in proxy.flows.values()]
        for number in range(FIRST_PACKETS):
            datagrams = [flow[number] for flow in flows if len(flow) > number]
            if len(datagrams) < SESSIONS:
                assert number > 0, f"a session without any datagram {direction}"
                continue
            where = f"datagram {number + 1} {direction}"
            assert repeated_values(datagrams) == [], where
            assert deviation(b"".join(datagrams)) < 7, where
            if number == 0:
                assert len(set(map(len, datagrams))) > SESSIONS // 8, f"{where}: they share their sizes"


def test_payload_is_not_what_makes_it_random() -> None:
    """The first test sends zeros; this shows that the statistics would see them."""
    assert suspicious_offsets([payload(16) + bytes(100) for _ in range(ENOUGH)]) != []
