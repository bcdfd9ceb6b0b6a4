"""Interfaces of this machine, and its ways to hosts: what raw TCP would use, and why not."""

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ginnel import _native
from ginnel.config.address import parse_ip
from ginnel.doctor.finding import Finding, Wanted

INTERNET = {"the Internet, IPv4": "198.41.0.4", "the Internet, IPv6": "2001:503:ba3e::2:30"}
"""Where a default route leads: a root server of the domain names. Nothing is sent to it; only the way is looked up."""
LEAST_MTU = 1280
"""The least that IPv6 works with (RFC 8200, section 5); ginnel's full packets need it."""
FULL_MTU = 1500
NAMED = '[rawtcp] interface = "{name}"'
_IP_MTU, _IPV6_MTU = 14, 24
"""Socket options of Linux that Python has no names for: what is known of the path to a connected peer."""


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface, as the system tells it."""

    index: int
    name: str
    kind: str
    """"ethernet", "loopback", "bare" (frames begin with IP) or "other"."""
    tunnel: bool
    up: bool
    mtu: int
    hardware: str | None
    addresses: tuple[str, ...]

    @classmethod
    def of(cls, facts: dict[str, Any]) -> "Interface":
        """Make one of the engine's words; what no terminal should see in a name is replaced."""
        shown = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in facts["name"]
        )
        return cls(**{**facts, "name": shown, "addresses": tuple(facts["addresses"])})

    def obstacle(self, *, named: bool = False) -> str:
        """Why raw TCP does not use it, empty if it does; `named` says that a person has asked for this one."""
        if not self.up:
            return "it is down, or its other end is"
        if self.kind == "other":
            return "its frames are neither Ethernet nor plain IP"
        if self.tunnel and not named:
            return f"it leads into a VPN or another tunnel: only with {NAMED.format(name=self.name)}"
        return ""


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one address, or why there is none."""

    host: str
    """As it was asked for."""
    address: str
    interface: Interface | None = None
    source: str = ""
    next: str = ""
    hardware: str | None = None
    """The next hop's, as far as the system knows it now."""
    error: str = ""
    path_mtu: int | None = None
    """What the system has learned of the path, where it has."""

    @property
    def shown(self) -> str:
        """The host, with its address where that says more."""
        plain = not self.address or self.host in (self.address, *INTERNET)
        return self.host if plain else f"{self.host} ({self.address})"


def interfaces() -> list[Interface]:
    """Return all interfaces. Raises OSError."""
    return [Interface.of(facts) for facts in _native.interfaces()]


def find(wanted: Wanted) -> list[Way]:
    """Return the ways to all hosts; to the Internet, those that there are of the two families, or why there is none."""
    if wanted.hosts:
        return [way for host in wanted.hosts for way in _ways(host, wanted)]
    ways = [_way(host, address, wanted) for host, address in INTERNET.items()]
    return [way for way in ways if not way.error] or ways[:1]


def _ways(host: str, wanted: Wanted) -> Iterator[Way]:
    if parse_ip(host) is not None:
        yield _way(host, host, wanted)
        return
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no name of a host"
        yield Way(host, "", error=f"its name leads to no address: {why}")
        return
    for address in dict.fromkeys(str(place[0]).partition("%")[0] for *_, place in found):
        yield _way(host, address, wanted)


def _way(host: str, address: str, wanted: Wanted) -> Way:
    try:
        found = _native.way(address, wanted.interface, wanted.source)
    except OSError as error:
        return Way(host, address, error=_words(error, wanted))
    return Way(
        host,
        address,
        Interface.of(found["interface"]),
        found["source"],
        found["next"],
        found["hardware"],
        path_mtu=_path_mtu(address),
    )


def _words(error: OSError, wanted: Wanted) -> str:
    if error.errno == errno.ENODEV and wanted.interface:
        return f"there is no interface {wanted.interface!r}"
    if error.errno == errno.EADDRNOTAVAIL and wanted.source:
        return f"{wanted.source} is none of this machine's addresses"
    if error.errno == errno.EAFNOSUPPORT and wanted.source:
        return f"{wanted.source} is an address of the other family"
    words = {
        errno.ENETUNREACH: "no route leads there",
        errno.EHOSTUNREACH: "the route there says that it cannot be reached",
        errno.EACCES: "the route there says that it is prohibited",
    }
    return words.get(error.errno or 0) or error.strerror or str(error)


def _path_mtu(address: str) -> int | None:
    """What the system knows of the path; to connect a UDP socket sends nothing."""
    is_v6 = ":" in address
    family, level, option = (
        (socket.AF_INET6, socket.IPPROTO_IPV6, _IPV6_MTU)
        if is_v6
        else (socket.AF_INET, socket.IPPROTO_IP, _IP_MTU)
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return probe.getsockopt(level, option)
    except OSError:
        return None


def check(ways: list[Way], wanted: Wanted) -> Iterator[Finding]:
    """Judge each way: the interface, the next hop, how long packets may be."""
    for way in ways:
        to = way.shown
        if way.interface is None:
            yield Finding("route", "problem", f"to {to}: {way.error}", _remedy(way, wanted))
            continue
        yield from _route(to, way, way.interface, wanted)
        yield from _neighbour(way, way.interface)
        yield from _mtu(way, way.interface)


def _remedy(way: Way, wanted: Wanted) -> str:
    if wanted.interface or wanted.source:
        return "ginnel interfaces    says which there are, for [rawtcp]"
    if not way.address:
        return f"getent hosts {way.host}"
    return "ip route; ip -6 route"


def _route(to: str, way: Way, interface: Interface, wanted: Wanted) -> Iterator[Finding]:
    by = "" if way.next == way.address or interface.kind == "loopback" else f" by {way.next}"
    found = f"to {to}: {interface.name}, from {way.source}{by}"
    obstacle = interface.obstacle(named=wanted.interface is not None)
    if not interface.up:
        yield Finding("route", "problem", f"{found}: {obstacle}", f"sudo ip link set {interface.name} up")
    elif obstacle:
        remedy = f'interface = "{interface.name}" in [rawtcp], or another one of:  ginnel interfaces'
        yield Finding("route", wanted.lacking(), f"{found}: raw TCP is not for it: {obstacle}", remedy)
    else:
        yield Finding("route", "ok", found)


def _neighbour(way: Way, interface: Interface) -> Iterator[Finding]:
    if interface.kind != "ethernet":
        return
    if way.hardware:
        yield Finding("neighbour", "ok", f"{way.next} is {way.hardware}")
    else:
        found = f"{way.next} on {interface.name}: its hardware address is not known yet; raw TCP asks for it"
        yield Finding("neighbour", "note", found, f"ping -c 1 {way.next}; ip neighbour show {way.next}")


def _mtu(way: Way, interface: Interface) -> Iterator[Finding]:
    known = min(way.path_mtu or interface.mtu, interface.mtu)
    where = interface.name if known == interface.mtu else f"the path to {way.address}"
    widen = f"sudo ip link set {interface.name} mtu {FULL_MTU}" if known == interface.mtu else ""
    if known < LEAST_MTU:
        found = f"{known} bytes on {where}, which is less than the {LEAST_MTU} that full packets need"
        yield Finding("mtu", "problem", found, widen)
    elif known < FULL_MTU:
        yield Finding(
            "mtu", "note", f"{known} bytes on {where}: ginnel finds it out, and its packets are shorter"
        )
    else:
        yield Finding("mtu", "ok", f"{known} bytes on {where}; nothing shorter is known of the path")
