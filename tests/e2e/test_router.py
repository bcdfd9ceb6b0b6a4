"""Raw TCP through a router that tracks connections, translates addresses and loses packets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from .network import Network, routed
from .program import over_raw, over_sessions
from .streams import Progress, payload
from .tunnel import Tunnel, unbroken

pytestmark = [over_raw, over_sessions]

SIZE = 4_000_000
ENDED = {"TIME_WAIT", "CLOSE"}
"""What connection tracking calls a connection that is over."""


@pytest.fixture(scope="module")
def module_network() -> Iterator[Network]:
    with routed() as made:
        yield made


@pytest.fixture
def network(module_network: Network) -> Network:
    """The module's network with a router that has just been started."""
    module_network.router.watch(loose=False)
    return module_network


@pytest.mark.parametrize(
    ("loose", "offloads"),
    [(False, False), (False, True), (True, True)],
    ids=["strict-plain", "strict", "loose"],
)
async def test_connection_tracking_finds_nothing_invalid(
    network: Network, carrier: str, session: str, tmp_path: Path, loose: bool, offloads: bool
) -> None:
    router = network.router
    network.offloads(offloads)
    router.watch(loose=loose)
    router.refuse_invalid()
    try:
        with Tunnel(network, carrier, session, tmp_path) as tunnel, unbroken(tunnel):
            await tunnel.both_ways(SIZE)
            assert router.states() == {"ESTABLISHED": 1}
            assert router.counted("seen") > 20
            assert router.invalid() == (0, 0)
        assert router.invalid() == (0, 0), "the end of the connection"
        assert set(router.states()) <= ENDED
    finally:
        network.offloads(True)


async def test_translated_addresses(network: Network, carrier: str, session: str, tmp_path: Path) -> None:
    network.router.masquerade()
    with Tunnel(network, carrier, session, tmp_path) as tunnel, unbroken(tunnel):
        assert "10.2.0.1:" in tunnel.server.process.wait_said("link up")
        await tunnel.both_ways(SIZE)
        assert network.router.invalid() == (0, 0)


@pytest.mark.parametrize("firewall", ["loose", "strict"])
async def test_a_router_that_forgets_its_connections(
    network: Network, carrier: str, session: str, tmp_path: Path, firewall: str
) -> None:
    """In mid-transfer. One gives the client another port, one that is strict lets nothing through any more."""
    router, progress, data = network.router, Progress(), payload(3 * SIZE)
    router.watch(loose=firewall == "loose")
    router.masquerade()
    if firewall == "strict":
        router.refuse_invalid()
    with Tunnel(network, carrier, session, tmp_path) as tunnel, unbroken(tunnel):
        async with asyncio.TaskGroup() as group:
            group.create_task(tunnel.download(data, progress, pause=0.003))
            await progress.reached(len(data) // 4)
            await asyncio.to_thread(router.forget)
        assert "is now" in tunnel.server.process.stderr, "nothing was forgotten"


async def test_one_in_a_hundred_is_lost(network: Network, carrier: str, session: str, tmp_path: Path) -> None:
    """Without offloads: with them one loss would be of many segments. And still nothing is invalid."""
    network.offloads(False)
    try:
        with Tunnel(network, carrier, session, tmp_path) as tunnel, unbroken(tunnel):
            network.router.lose(0.01)
            await tunnel.both_ways(SIZE)
        assert network.router.counted("lost") > 10
        assert network.router.invalid() == (0, 0)
    finally:
        network.offloads(True)


async def test_narrow_wires(network: Network, carrier: str, session: str, tmp_path: Path) -> None:
    """Every wire takes 1,300 bytes; nothing is cut into fragments."""
    network.mtu(1300)
    try:
        with Tunnel(network, carrier, session, tmp_path) as tunnel, unbroken(tunnel):
            await tunnel.both_ways(SIZE)
            assert network.router.invalid() == (0, 0)
    finally:
        network.mtu(1500)


async def test_a_narrow_wire_behind_the_router(
    network: Network, carrier: str, session: str, tmp_path: Path
) -> None:
    """Neither end sees from its own wire how little the path takes."""
    with Tunnel(network, carrier, session, tmp_path) as tunnel, unbroken(tunnel):
        network.router.space.ip("link", "set", "right", "mtu", "1300")
        try:
            await tunnel.both_ways(SIZE)
        finally:
            network.router.space.ip("link", "set", "right", "mtu", "1500")


async def test_by_ipv6(network: Network, carrier: str, session: str, tmp_path: Path) -> None:
    with Tunnel(network, carrier, session, tmp_path, ipv6=True) as tunnel, unbroken(tunnel):
        await tunnel.both_ways(SIZE)
        assert network.router.counted("seen") > 20
        assert network.router.invalid() == (0, 0)
