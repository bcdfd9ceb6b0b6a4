"""Networks of a test's own (Linux, root): a client and a server on one wire, or with a router between them.

client 10.1.0.2 — 10.1.0.1 router 10.2.0.1 — 10.2.0.2 server         and fd00:1::/64, fd00:2::/64
client 10.1.0.2 ————————————————————————————— 10.1.0.3 server        and fd00:1::/64
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from .namespace import Namespace, namespace, needs
from .router import Router

WIRE = "wire0"
"""The device of a client and of a server; a router has `left` towards the client and `right` towards the server."""

OFFLOADS = ("tx", "rx", "sg", "tso", "gso", "gro")
"""What `ethtool -K` switches: checksums, and segments that are longer than the wire takes."""

_numbers = count(10)


@dataclass(frozen=True)
class End:
    """A machine at the end of a network: where it is, and by which addresses the other end reaches it."""

    space: Namespace
    address: str
    address6: str

    def written(self, port: int, *, ipv6: bool = False) -> str:
        """An address to listen at."""
        return f"[{self.address6}]:{port}" if ipv6 else f"{self.address}:{port}"


@dataclass(frozen=True)
class Network:
    """Two ends, and what is between them."""

    client: End
    server: End
    middle: Router | None = None

    @property
    def router(self) -> Router:
        """The router between the ends, of a network that has one."""
        assert self.middle is not None
        return self.middle

    def devices(self) -> list[tuple[Namespace, str]]:
        """Every device that packets between the ends pass."""
        found = [(self.client.space, WIRE), (self.server.space, WIRE)]
        return found + ([(self.middle.space, side) for side in ("left", "right")] if self.middle else [])

    def offloads(self, on: bool) -> None:
        """Switch the offloads of every device."""
        words = [word for name in OFFLOADS for word in (name, "on" if on else "off")]
        for space, device in self.devices():
            space.run("ethtool", "-K", device, *words)

    def mtu(self, size: int) -> None:
        """Set the longest packet of every device."""
        for space, device in self.devices():
            space.ip("link", "set", device, "mtu", str(size))

    def remake(self) -> None:
        """Take the wire between two ends away, and put another one in its place."""
        assert self.middle is None
        self.client.space.ip("link", "delete", WIRE)
        self.lay()

    def lay(self) -> None:
        """The wire between two ends, with their addresses."""
        join(self.client.space, WIRE, self.server.space, WIRE)
        for end in (self.client, self.server):
            bring_up(end.space, WIRE, end.address, end.address6)


@contextmanager
def machine() -> Iterator[Namespace]:
    """A namespace whose addresses can be used at once, and that takes packets from whomever they claim to be."""
    with namespace() as space:
        for which in ("all", "default"):
            space.sysctl(f"net/ipv6/conf/{which}/accept_dad", 0)
            space.sysctl(f"net/ipv6/conf/{which}/router_solicitations", 0)
            space.sysctl(f"net/ipv4/conf/{which}/rp_filter", 0)
        yield space


@contextmanager
def pair(*, offloads: bool = True, mtu: int = 1500) -> Iterator[Network]:
    """A client and a server on one wire."""
    needs("ethtool")
    with machine() as client, machine() as server:
        network = Network(End(client, "10.1.0.2", "fd00:1::2"), End(server, "10.1.0.3", "fd00:1::3"))
        network.lay()
        adjust(network, offloads, mtu)
        yield network


@contextmanager
def routed(*, offloads: bool = True, mtu: int = 1500) -> Iterator[Network]:
    """A client and a server with a router between them, which passes everything on."""
    needs("ethtool", "nft", "conntrack")
    with machine() as client, machine() as between, machine() as server:
        router = Router(between)
        join(client, WIRE, between, "left")
        join(between, "right", server, WIRE)
        bring_up(between, "left", "10.1.0.1", "fd00:1::1")
        bring_up(between, "right", "10.2.0.1", "fd00:2::1")
        for name in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            between.sysctl(name, 1)
        network = Network(End(client, "10.1.0.2", "fd00:1::2"), End(server, "10.2.0.2", "fd00:2::2"), router)
        for end, gateway, gateway6 in (
            (network.client, "10.1.0.1", "fd00:1::1"),
            (network.server, "10.2.0.1", "fd00:2::1"),
        ):
            bring_up(end.space, WIRE, end.address, end.address6)
            end.space.ip("route", "add", "default", "via", gateway)
            end.space.ip("-6", "route", "add", "default", "via", gateway6)
        adjust(network, offloads, mtu)
        yield network


def join(one: Namespace, device: str, other: Namespace, peer: str) -> None:
    """A wire between two machines."""
    # Two ends with one number, each on its own machine, look to the kernel like one device, and it then takes up to a
    # second to see that the wire is there.
    here, there = str(next(_numbers)), str(next(_numbers))
    words = f"link add {device} index {here} type veth peer name {peer} index {there} netns {other.name}"
    one.ip(*words.split())


def bring_up(space: Namespace, device: str, address: str, address6: str) -> None:
    """Give a device its addresses and set it up."""
    space.ip("address", "add", f"{address}/24", "dev", device)
    space.ip("address", "add", f"{address6}/64", "dev", device, "nodad")
    space.ip("link", "set", device, "up")


def adjust(network: Network, offloads: bool, mtu: int) -> None:
    """What a test asks of the devices, and differs from how they come."""
    if not offloads:
        network.offloads(False)
    if mtu != 1500:
        network.mtu(mtu)
