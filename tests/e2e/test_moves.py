"""Each carrier on a machine that is moved about: other addresses, a device that goes and comes back, a firewall of its
own; and what is left of a program that was killed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until

from .namespace import Namespace, needs
from .network import WIRE, Network, pair
from .program import over_carriers, over_raw, over_sessions
from .streams import Progress, payload
from .tunnel import Tunnel, unbroken

SIZE = 20_000_000
AWAY_SECONDS = 3.0


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with pair() as made:
        yield made


@pytest.fixture
def tunnel(network: Network, carrier: str, session: str, tmp_path: Path) -> Iterator[Tunnel]:
    with Tunnel(network, carrier, session, tmp_path) as running:
        yield running


@over_carriers
@over_sessions
async def test_another_address_in_mid_download(tunnel: Tunnel, network: Network) -> None:
    """The client's machine gets another address and loses the old one, as a laptop does between two networks."""
    space, progress, data = network.client.space, Progress(), payload(SIZE)
    try:
        with unbroken(tunnel):
            async with tunnel.talking() as talk, asyncio.TaskGroup() as group:
                group.create_task(tunnel.download(data, progress, pause=0.003))
                await progress.reached(SIZE // 5)
                # The old one first: for a moment there is no way to the server at all.
                space.ip("address", "delete", f"{network.client.address}/24", "dev", WIRE)
                space.ip("address", "add", "10.1.0.77/24", "dev", WIRE)
                await talk.ask()
                assert progress.size < SIZE, "the transfer was over before the address changed"
            assert "10.1.0.77" in await asyncio.to_thread(tunnel.server.process.wait_said, "is now")
    finally:
        space.ip("address", "flush", "dev", WIRE, "scope", "global")
        space.ip("address", "add", f"{network.client.address}/24", "dev", WIRE)
        space.ip("address", "add", f"{network.client.address6}/64", "dev", WIRE, "nodad")


@over_raw
@over_sessions
@pytest.mark.parametrize("end", ["client", "server"])
async def test_a_device_goes_down_and_comes_back(tunnel: Tunnel, network: Network, end: str) -> None:
    """Also for longer than it takes to notice."""
    space = getattr(network, end).space
    with unbroken(tunnel):
        async with tunnel.talking() as talk:
            space.ip("link", "set", WIRE, "down")
            asking = asyncio.create_task(talk.ask())
            await asyncio.sleep(AWAY_SECONDS)  # the outage itself
            assert not asking.done()
            space.ip("link", "set", WIRE, "up")
            await asking


@over_raw
@over_sessions
async def test_a_device_that_is_removed_and_made_again(carrier: str, session: str, tmp_path: Path) -> None:
    """Under the same name and with the same address, but to the system it is another one."""
    with pair() as network, Tunnel(network, carrier, session, tmp_path) as tunnel, unbroken(tunnel):
        async with tunnel.talking() as talk:
            network.remake()
            await talk.ask(30)


REJECTS = {
    "icmp": "reject",
    "reset": "meta l4proto tcp reject with tcp reset",
}
"""How a firewall says that it does not want a packet."""


def firewall(space: Namespace, answer: str) -> None:
    """A firewall of the machine's own that lets in what was asked for, and rejects everything else."""
    needs("nft")
    rules = f"""
        table inet guard {{
            chain input {{
                type filter hook input priority 0; policy drop;
                iifname "lo" accept
                ip6 nexthdr icmpv6 accept
                ct state established,related accept
                {answer}
            }}
        }}
    """
    space.run("nft", "-f", "-", stdin=rules)


@over_sessions
@over_raw
@pytest.mark.parametrize("answer", REJECTS)
async def test_a_server_whose_firewall_rejects_everything(
    network: Network, carrier: str, session: str, tmp_path: Path, answer: str
) -> None:
    """Packets are taken and answered before the firewall is asked, and it answers none of them itself."""
    space = network.server.space
    firewall(space, REJECTS[answer])
    try:
        with Tunnel(network, carrier, session, tmp_path) as tunnel, unbroken(tunnel):
            await tunnel.both_ways(SIZE // 10)
            assert await tunnel.flows_again() < 10
        assert "guard" in space.run("nft", "list", "tables")
    finally:
        space.run("nft", "delete", "table", "inet", "guard")


@over_sessions
@over_raw
async def test_a_firewall_that_rejects_where_there_is_no_nft(
    network: Network, carrier: str, session: str, tmp_path: Path
) -> None:
    """Then it answers beside us, and what it says is taken for what any stranger could say."""
    space = network.server.space
    firewall(space, REJECTS["icmp"])
    try:
        nowhere = {"PATH": str(tmp_path)}
        with Tunnel(network, carrier, session, tmp_path, env=nowhere) as tunnel, unbroken(tunnel):
            await tunnel.both_ways(SIZE // 10)
    finally:
        space.run("nft", "delete", "table", "inet", "guard")


def belongings(network: Network) -> dict[str, list[str]]:
    """What programs could leave on the machines: sockets, rules, addresses, routes, devices."""
    looks = {
        "sockets": ("ss", "-H", "-a", "-n", "-t", "-u", "-w", "-0", "-x"),
        "rules": ("nft", "list", "ruleset"),
        "iptables": ("iptables-save",),
        "addresses": ("ip", "address"),
        "routes": ("ip", "route", "show", "table", "all"),
        "rules of routes": ("ip", "rule"),
    }
    return {
        f"{name} of the {end}": sorted(getattr(network, end).space.run(*words).splitlines())
        for end in ("client", "server")
        for name, words in looks.items()
    }


@over_carriers
@over_sessions
async def test_nothing_is_left_of_programs_that_are_killed(
    carrier: str, session: str, tmp_path: Path
) -> None:
    needs("nft", "iptables-save", "ss")
    with pair() as network:
        before = belongings(network)
        tunnel = Tunnel(network, carrier, session, tmp_path)
        assert belongings(network) != before, "this look sees nothing"
        for process in (tunnel.client.process, tunnel.server.process):
            process.kill()
        # A child that holds something for a program ends right after it, not with it.
        await until(lambda: belongings(network) == before)
