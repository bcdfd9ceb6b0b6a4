"""Under which address others reach a server, as far as the machine itself can tell."""

import socket
from dataclasses import dataclass
from typing import Literal

from ginnel.config.address import Address, Endpoint, parse_ip
from ginnel.config.ports import Ports

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


def find_reachable(advertise: tuple[str, Ports | None] | None, bound: Endpoint) -> Reachable:
    """Work out host and ports for share links of a server that is bound to `bound`."""
    if advertise is not None:
        host, ports = advertise
        return Reachable(Endpoint(host, ports or bound.ports), "given")
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
