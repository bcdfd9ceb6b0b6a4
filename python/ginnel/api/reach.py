"""Under which address others reach a server, as far as the machine itself can tell."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ginnel.config.address import Address, Advertised, Endpoint, parse_ip

# Any public address does: connecting a UDP socket asks the routing table and sends nothing.
_ROUTE_PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))  # RFC 5737, RFC 3849
_PROBE_PORT = 9


@dataclass(frozen=True, slots=True)
class Reachable:
    """The host and ports that go into share links, and how we came by them."""

    endpoint: Endpoint
    origin: Literal["given", "listen", "route", "none"]
    """`given` by the user; the address it listens on; the `route` to the world; `none`: there is no route."""

    @property
    def address(self) -> Address:
        """Host and first port."""
        return self.endpoint.address

    @property
    def is_private(self) -> bool:
        """Whether only this machine or its own network can reach it."""
        ip = parse_ip(self.endpoint.host)
        return ip is not None and not ip.is_global


def find_reachable(
    advertise: Sequence[Advertised] | None, bound: Sequence[Endpoint]
) -> tuple[Reachable, ...]:
    """Work out host and ports for share links of a server, for each of the places that it is bound to."""
    told = advertised(advertise or (), bound)
    return tuple(
        _work_out(place) if named is None else Reachable(named, "given")
        for place, named in zip(bound, told, strict=True)
    )


def advertised(advertise: Sequence[Advertised], known: Sequence[Endpoint]) -> list[Endpoint | None]:
    """What is advertised instead of each endpoint; None where nothing is said of it.

    What names a carrier is for that one. What names none has the host of all others, and the ports of UDP, or of the
    only carrier.
    """
    own = {place.carrier: place for place in advertise if place.carrier is not None}
    common = next((place for place in advertise if place.carrier is None), None)
    found: list[Endpoint | None] = []
    for endpoint in known:
        place = own.get(endpoint.carrier, common)
        if place is None:
            found.append(None)
            continue
        has_ports = place.carrier is not None or endpoint.carrier == "udp" or len(known) == 1
        found.append(endpoint._replace(host=place.host, ports=(has_ports and place.ports) or endpoint.ports))
    return found


def _work_out(bound: Endpoint) -> Reachable:
    if not bound.address.is_wildcard:
        return Reachable(bound, "listen")
    family = socket.AF_INET6 if ":" in bound.host else socket.AF_INET
    host_of_route = _route_source(family)
    if host_of_route is None:
        loopback = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        return Reachable(bound._replace(host=loopback), "none")
    return Reachable(bound._replace(host=host_of_route), "route")


def _route_source(family: socket.AddressFamily) -> str | None:
    """Return the source address that packets to the world would have."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((dict(_ROUTE_PROBES)[family], _PROBE_PORT))
        except OSError:
            return None
        host = str(probe.getsockname()[0])
    ip = parse_ip(host)
    return None if ip is None or ip.is_unspecified else host
