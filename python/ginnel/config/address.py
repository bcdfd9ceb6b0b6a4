"""Addresses as people write them: `[ADDR:]PORT` or `[ADDR:]PORTS`, with IPv6 in brackets, and host names.

Where a server is has a carrier too, as a scheme before it: `rawtcp://ADDR:PORTS`. No scheme means UDP.
"""

import ipaddress
import re
from typing import NamedTuple

from ginnel.config.carrier import Carrier, split_scheme
from ginnel.config.mistakes import Unusable
from ginnel.config.ports import ANY_PORT, Ports
from ginnel.errors import ConfigError

MAX_HOST_CHARACTERS = 253
"""Longest host name in text (RFC 1035, section 2.3.4: 255 bytes on the wire)."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class Address(NamedTuple):
    """A host (IP address or name, IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return _joined(self.host, self.port)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        address = parse_ip(self.host)
        return address is not None and address.is_loopback

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of the machine: `0.0.0.0` or `::`."""
        address = parse_ip(self.host)
        return address is not None and address.is_unspecified


class Endpoint(NamedTuple):
    """A host (IP address or name, IPv6 without brackets), a set of ports, and the carrier: where a server is."""

    host: str
    ports: Ports
    carrier: Carrier = "udp"

    @property
    def address(self) -> Address:
        """Host and first port."""
        return Address(self.host, self.ports.first)

    def __str__(self) -> str:
        scheme = "" if self.carrier == "udp" else f"{self.carrier}://"
        return f"{scheme}{_joined(self.host, self.ports)}"


class Advertised(NamedTuple):
    """What share links are to name instead of what was found out."""

    host: str
    ports: Ports | None = None
    """None: those that the server listens on."""
    carrier: Carrier | None = None
    """Whose place it is. None: the host of all; the ports those of UDP, or of the only carrier."""

    def __str__(self) -> str:
        scheme = "" if self.carrier is None else f"{self.carrier}://"
        host = f"[{self.host}]" if ":" in self.host and scheme else self.host
        return f"{scheme}{host if self.ports is None else _joined(self.host, self.ports)}"


def parse_listen(text: str, *, default_host: str, setting: str = "listen") -> Address:
    """Read an address to listen on, `[ADDR:]PORT`; port 0 lets the system choose.

    ADDR must be an IP address of this machine (`localhost` is read as 127.0.0.1); IPv6 stands in brackets.
    Raises ConfigError that says what would be right.
    """
    host, port = _split_listen(text, setting, "[ADDR:]PORT, such as 127.0.0.1:1080 or 1080")
    number = _port(port, text, setting)
    return Address(_listen_host(host, text, setting, default_host), number)


def parse_listen_ports(text: str, *, default_host: str, setting: str = "listen") -> Endpoint:
    """Read where a server listens, `[udp://|rawtcp://][ADDR:]PORTS`, such as `4433` or `rawtcp://[::1]:443,5000-5100`.

    As `parse_listen` in all else.
    """
    carrier, place = split_scheme(text, setting)
    host, port = _split_listen(place, setting, "[ADDR:]PORTS, such as 0.0.0.0:4433 or 4433,5000-5100")
    ports = Ports.parse(port, setting=setting, whole=text)
    return Endpoint(_listen_host(host, text, setting, default_host), ports, carrier or "udp")


def _split_listen(text: str, setting: str, form: str) -> tuple[str, str]:
    host, port = _split(text, setting)
    if port is not None:
        return host, port
    # "8080" is a port, "127.0.0.1" lacks one.
    if not re.fullmatch(r"[\d,\s-]+", host):
        raise _bad(text, setting, "has no port", f"Write {form}.")
    return "", host


def _listen_host(host: str, text: str, setting: str, default_host: str) -> str:
    if host == "":
        return default_host
    if host.lower() == "localhost":
        return "127.0.0.1"
    address = parse_ip(host)
    if address is None:
        raise _bad(
            text,
            setting,
            "needs an IP address of this machine before the port",
            "Such as 127.0.0.1:1080, [::1]:1080, or only the port.",
        )
    return str(address)


def parse_advertised(text: str, *, setting: str = "advertise") -> Advertised:
    """Read `[udp://|rawtcp://]HOST[:PORTS]`, under which others reach a server.

    Raises ConfigError that says what would be right.
    """
    carrier, place = split_scheme(text, setting)
    return Advertised(*parse_reachable(place, setting=setting), carrier)


def parse_reachable(text: str, *, setting: str = "advertise") -> tuple[str, Ports | None]:
    """Read `HOST[:PORTS]`, under which others reach this machine; None when the ports are left out.

    Raises ConfigError that says what would be right.
    """
    if parse_ip(text.strip()) is not None:  # an IPv6 address needs no brackets when no port follows
        return normal_host(text, setting=setting), None
    host, port = _split(text, setting)
    ports = None if port is None else Ports.parse(port, setting=setting, whole=text)
    if ports == ANY_PORT:
        raise _bad(
            text, setting, "has port 0, which nobody can reach", "Leave the port out, or name the real one."
        )
    return normal_host(host, setting=setting), ports


def normal_host(text: str, *, setting: str = "host") -> str:
    """Check an IP address or host name and return it in its one normal form (lower case, no final dot).

    Raises ConfigError for what is neither.
    """
    if not isinstance(text, str):
        raise ConfigError(
            f"{setting} is of type {type(text).__name__}",
            hint="Write a host name or an IP address, as a string.",
            setting=setting,
        )
    host = text.strip().removesuffix(".").lower()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    address = parse_ip(host)
    if address is not None:
        return str(address)
    if not host:
        raise ConfigError(f"{setting} is empty", hint="Write a host name or an IP address.", setting=setting)
    if not host.isascii():
        raise _bad(
            text, setting, "is not in ASCII", "Write the name in its ASCII form, which begins with xn--."
        )
    if len(host) > MAX_HOST_CHARACTERS or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise _bad(
            text, setting, "is not a host name or IP address", "Such as vpn.example.net or 203.0.113.7."
        )
    if host.rsplit(".", 1)[-1].isdecimal():
        # 300.1.2.3 or 10.1: no top-level domain is a number, so this was meant as an IP address (RFC 3696, 2).
        raise _bad(text, setting, "is not a valid IP address", "IPv4 has four numbers from 0 to 255.")
    return host


def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address without a zone; None for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A zone (fe80::1%eth0) means something on one machine only.
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return None
    return address


def _joined(host: str, port: object) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(text: str, setting: str) -> tuple[str, str | None]:
    """Part host and port; the port is None when there is no colon."""
    value = text.strip()
    if value.startswith("["):
        host, bracket, rest = value[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise _bad(text, setting, "has brackets that do not fit", "IPv6 is written [2001:db8::1]:1080.")
        return host, rest[1:] if rest else None
    if value.count(":") > 1:
        raise _bad(text, setting, "is ambiguous", "Put an IPv6 address in brackets: [2001:db8::1]:1080.")
    host, colon, port = value.partition(":")
    return host, port if colon else None


def _port(digits: str, text: str, setting: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5 and int(digits) <= 65535):
        raise _bad(text, setting, "has no valid port", "A port is a number from 0 to 65535.")
    return int(digits)


def _bad(text: str, setting: str, what: str, right: str) -> ConfigError:
    return Unusable(setting, text, what, right)
