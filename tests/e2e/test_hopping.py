"""A client hops between the ports of its server, and no stream notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from .machine import udp_sockets
from .program import LOOPBACK, Client, Server, beside_loop, free_ports, over_sessions
from .socks import connected
from .streams import Received, payload, read_to_end
from .targets import serve, source
from .udp_proxy import UdpProxy, udp_proxy

pytestmark = over_sessions

PROXY_HOST = "127.0.0.8"
PORTS = 6
SIZE = 400_000


@asynccontextmanager
async def hopping(
    directory: Path, session: str, *more: str
) -> AsyncIterator[tuple[Server, Client, list[UdpProxy]]]:
    """A server on some ports, a proxy before each of them, and a client that hops once a second."""
    ports = free_ports(PORTS, LOOPBACK, PROXY_HOST)
    listen = f"{LOOPBACK}:{','.join(map(str, ports))}"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            beside_loop(
                lambda: Server(directory / "state", session=session, listen=listen, advertise=PROXY_HOST)
            )
        )
        assert sorted(one.port for one in udp_sockets(server.process.pid)) == ports
        proxies = [await stack.enter_async_context(udp_proxy(PROXY_HOST, port)) for port in ports]
        client = await stack.enter_async_context(
            beside_loop(lambda: Client(server.link, directory, more=["--set", "timeouts.hop=1s", *more]))
        )
        yield server, client, proxies


def downs(client: Client) -> list[str]:
    """What the client says of links that went."""
    return [line for line in client.process.stderr.splitlines() if "link down" in line or "link lost" in line]


async def test_a_download_goes_over_many_ports_and_its_link_lives(session: str, tmp_path: Path) -> None:
    data = payload(SIZE, 3)
    async with (
        hopping(tmp_path, session) as (server, client, proxies),
        # Slow: it lasts for several hops.
        serve(source(data, pause=0.05, chunk=4_000)) as target,
        connected(client.socks, target.address) as (reader, _),
    ):
        assert await read_to_end(reader) == Received.whole(data)
        carried = [proxy for proxy in proxies if len(proxy.received) > 5]
        assert len(carried) >= 3, f"the server sent over {len(carried)} of {PORTS} ports"
        assert server.process.alive
        assert downs(client) == []


async def test_a_port_that_is_blocked_in_mid_download_is_left(session: str, tmp_path: Path) -> None:
    data = payload(SIZE, 4)
    async with (
        hopping(tmp_path, session, "--set", "timeouts.hop=1h") as (_, client, proxies),
        serve(source(data, pause=0.05, chunk=4_000)) as target,
        connected(client.socks, target.address) as (reader, _),
    ):
        whole = asyncio.create_task(read_to_end(reader))
        for _ in range(2):
            busiest = max(proxies, key=lambda proxy: len(proxy.received))
            seen = len(busiest.received)
            while len(busiest.received) < seen + 10:
                assert not whole.done(), "the download is over too soon for this test"
                await asyncio.sleep(0.01)
            busiest.blocked = True
        assert await whole == Received.whole(data)
