"""The share link: everything a client needs, in one line.

What its bytes carry, integers big-endian; how they become text, and what stands before and behind them, is in
`linktext`. Format 3:

    session 1 (0 quic, 1 kcp) | label length 1, label (UTF-8)
    | secrets 1, then each: 32                       in the order in which the servers name them, each once
    | servers 1, then for each:
          carrier 1 (0 udp, 1 rawtcp)
          | number of the secret that is the psk 1 | of that which is the user's private key 1
          | host type 1 (1 IPv4, 3 name, 4 IPv6, as in SOCKS5) | host (a name has its length before it)
          | ranges of ports 1, then each, ascending and apart: first 2, last 2 | server's public key 32
    | preset 1 (0 none, 1 light, 2 balanced, 255: no profile, and the end)
    | fields of the profile in the order of `profile.FIELDS`: least, most, each of 1 byte where a field's range
      ends below 256, else of 2

A server that listens on two carriers stands there twice. Format 2 knows UDP alone: it has a carrier, 0, behind the
session and none in the servers, and its profile has not the last field, `printable`.

Format 1, which has no profile, one port a server, and the same secrets for all of them:

    session 1 | carrier 1 (0) | psk 32 | user's private key 32 | label length 1, label (UTF-8)
    | servers 1, then for each:  host type 1 | host | port 2 | server's public key 32

A link is written in the least format that can say it: it says no less, and what was written before is written so
again.
`tests/vectors/sharelink.json` holds examples.
"""

import ipaddress
import unicodedata
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from ginnel.config.address import MAX_HOST_CHARACTERS, Address, Endpoint, normal_host, parse_ip
from ginnel.config.carrier import CARRIERS, Carrier
from ginnel.config.linktext import CHECKSUM_BYTES, odd, read_text, write_text
from ginnel.config.ports import ANY_PORT, MAX_RANGES, Ports
from ginnel.config.profile import FIELDS, PRESETS, Profile
from ginnel.config.secret import KEY_BYTES, Secret
from ginnel.config.value import Value
from ginnel.errors import ConfigError, ShareLinkError

MAX_SERVERS: Final = 8
MAX_LABEL_BYTES: Final = 64

Session = Literal["quic", "kcp"]
SESSIONS: Final[tuple[Session, ...]] = get_args(Session)
"""Kinds by their number on the wire."""

_NO_PROFILE = 255
_FRAME = 1 + 2 + CHECKSUM_BYTES
_WIDTHS = {name: 1 if field.kind.high < 256 else 2 for name, field in FIELDS.items()}
_WIDTHS_2 = {name: width for name, width in _WIDTHS.items() if name != "printable"}
_LEAST_SERVER, _MOST_HOST = 1 + 4 + KEY_BYTES, 1 + 1 + MAX_HOST_CHARACTERS
_LEAST_1 = _FRAME + 2 + 2 * KEY_BYTES + 1 + 1 + _LEAST_SERVER + 2
_MOST_1 = _FRAME + 2 + 2 * KEY_BYTES + 1 + MAX_LABEL_BYTES + 1 + MAX_SERVERS * (_MOST_HOST + 2 + KEY_BYTES)
_LEAST_2 = _FRAME + 2 + 1 + 1 + KEY_BYTES + 1 + 2 + _LEAST_SERVER + 1 + 4 + 1
_MOST_SERVER_2 = 2 + _MOST_HOST + 1 + 4 * MAX_RANGES + KEY_BYTES + 2 * KEY_BYTES
_MOST_2 = (
    _FRAME + 2 + 1 + MAX_LABEL_BYTES + 1 + 1 + MAX_SERVERS * _MOST_SERVER_2 + 1 + 2 * sum(_WIDTHS_2.values())
)
_LEAST_3 = _LEAST_2  # the carrier stands in the server instead
_MOST_3 = _MOST_2 - 1 + MAX_SERVERS + 2 * _WIDTHS["printable"]
FORMATS: Final = {
    1: range(_LEAST_1, _MOST_1 + 1),
    2: range(_LEAST_2, _MOST_2 + 1),
    3: range(_LEAST_3, _MOST_3 + 1),
}
"""How many bytes a link of each format can have."""


def _check_label(label: str) -> str:
    if len(label.encode()) > MAX_LABEL_BYTES:
        raise ValueError(f"a label has at most {MAX_LABEL_BYTES} bytes")
    # Category C: control characters could redraw the terminal that the label is shown on.
    if any(unicodedata.category(character).startswith("C") for character in label):
        raise ValueError("a label has no control characters")
    return label


def _check_host(host: str) -> str:
    return normal_host(host)


def _check_ports(ports: Ports) -> Ports:
    if ports == ANY_PORT:
        raise ValueError("port 0 is none that a client could reach")
    return ports


class ServerEntry(Value):
    """One server of a share link, as one carrier reaches it. `str` and `repr` mask its keys."""

    carrier: Carrier = "udp"
    host: Annotated[str, AfterValidator(_check_host)]
    """IP address or name."""
    ports: Annotated[Ports, AfterValidator(_check_ports)]
    public_key: Annotated[bytes, Field(min_length=KEY_BYTES, max_length=KEY_BYTES)]
    psk: Secret
    """The secret of the server's deployment."""
    private_key: Secret
    """The user's own key at this server, which is the user's identity there."""

    @property
    def address(self) -> Address:
        """Host and first port."""
        return Address(self.host, self.ports.first)

    @property
    def endpoint(self) -> Endpoint:
        """Host, ports and carrier."""
        return Endpoint(self.host, self.ports, self.carrier)


class ShareLink(Value):
    """What a share link says. `str` and `repr` mask its keys; `to_text` writes it out."""

    servers: Annotated[tuple[ServerEntry, ...], Field(min_length=1, max_length=MAX_SERVERS)]
    """Servers to try, in this order."""
    profile: Profile | None = None
    """How a client of this deployment shapes what it sends; links of format 1 have none. Its field `printable` is there
    where one of the servers has raw TCP, and only there."""
    session: Session = "quic"
    """What its links are to carry, unless the client is told otherwise."""
    label: Annotated[str, AfterValidator(_check_label)] = ""
    """A name for people; may be empty."""

    @model_validator(mode="before")
    @classmethod
    def _fit_profile(cls, given: Any) -> Any:
        """A link says what its text says: `printable` goes with raw TCP."""
        fields = given if isinstance(given, dict) else {}
        profile, servers = fields.get("profile"), fields.get("servers")
        if not (isinstance(profile, Profile) and isinstance(servers, tuple) and servers):
            return given
        if not all(isinstance(server, ServerEntry) for server in servers):
            return given
        fitting = profile.model_copy(update={"printable": None})
        if any(server.carrier == "rawtcp" for server in servers):
            fitting = profile.completed(servers[0].psk)
        return {**fields, "profile": fitting}

    def to_text(self) -> str:
        """Write the link: a secret, in one line without white space."""
        session = bytes([SESSIONS.index(self.session)])
        if self._has_rawtcp():
            return write_text(3, session + _body_3(self))
        udp = bytes([CARRIERS.index("udp")])
        if self._fits_in_1():
            return write_text(1, session + udp + _body_1(self))
        return write_text(2, session + udp + _body_2(self))

    @classmethod
    def parse(cls, text: str) -> "ShareLink":
        """Read a link. White space in it, quotes around it and its case do not matter.

        Raises ShareLinkError, which says what is wrong, where, and what to do, and repeats no more of the link
        than one letter.
        """
        version, body = read_text(text, FORMATS)
        reader = _Reader(body)
        session = reader.number()
        # Before format 3 the carrier was the whole link's, and always UDP.
        if session >= len(SESSIONS) or (version < 3 and reader.number() != CARRIERS.index("udp")):
            raise _newer()
        try:
            fields = _READERS[version](reader)
            reader.end()
            link = cls(session=SESSIONS[session], **fields)
        except ShareLinkError:
            raise
        except ValueError as error:
            # A checksum that fits and fields that do not: not damage, but a link that no ginnel wrote.
            raise odd("a label, host, port or profile in it is not valid") from error
        is_normal = (
            _body_2(link) == body[2:]
            if version == 2
            else version == 1 or (link._has_rawtcp() and _body_3(link) == body[1:])
        )
        if not is_normal:
            # One link, one text: also of tables that could stand in another order.
            raise odd("it is not in its normal form")
        return link

    def _has_rawtcp(self) -> bool:
        return any(server.carrier == "rawtcp" for server in self.servers)

    def _fits_in_1(self) -> bool:
        first = self.servers[0]
        return self.profile is None and all(
            server.ports.count == 1 and (server.psk, server.private_key) == (first.psk, first.private_key)
            for server in self.servers
        )


def _body_1(link: ShareLink) -> bytes:
    first, label = link.servers[0], link.label.encode()
    body = first.psk.reveal() + first.private_key.reveal() + bytes([len(label)]) + label
    body += bytes([len(link.servers)])
    for server in link.servers:
        body += _host_bytes(server.host) + server.ports.first.to_bytes(2, "big") + server.public_key
    return body


def _body_2(link: ShareLink) -> bytes:
    return _servers_bytes(link, with_carrier=False) + _profile_bytes(link.profile, _WIDTHS_2)


def _body_3(link: ShareLink) -> bytes:
    profile = link.profile and link.profile.completed(link.servers[0].psk)
    return _servers_bytes(link, with_carrier=True) + _profile_bytes(profile, _WIDTHS)


def _servers_bytes(link: ShareLink, *, with_carrier: bool) -> bytes:
    """Label, secrets and servers."""
    label = link.label.encode()
    # A dictionary keeps the order in which its keys came.
    secrets = list(dict.fromkeys(key for one in link.servers for key in (one.psk, one.private_key)))
    body = bytes([len(label)]) + label + bytes([len(secrets)])
    body += b"".join(secret.reveal() for secret in secrets)
    body += bytes([len(link.servers)])
    for server in link.servers:
        body += bytes([CARRIERS.index(server.carrier)]) if with_carrier else b""
        body += bytes([secrets.index(server.psk), secrets.index(server.private_key)])
        body += _host_bytes(server.host)
        body += bytes([len(server.ports.ranges)])
        body += b"".join(port.to_bytes(2, "big") for ports in server.ports.ranges for port in ports)
        body += server.public_key
    return body


def _profile_bytes(profile: Profile | None, widths: dict[str, int]) -> bytes:
    if profile is None:
        return bytes([_NO_PROFILE])
    preset = 0 if profile.preset is None else 1 + PRESETS.index(profile.preset)
    pairs = profile.pairs()
    return bytes([preset]) + b"".join(
        bound.to_bytes(width, "big") for name, width in widths.items() for bound in pairs[name]
    )


def _host_bytes(host: str) -> bytes:
    address = parse_ip(host)
    if address is None:
        name = host.encode("ascii")
        return bytes([3, len(name)]) + name
    return bytes([1 if address.version == 4 else 4]) + address.packed


class _Reader:
    """Takes fields off the front of a payload; running short is an error, never an exception of Python's own."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        field = self._data[self._at : self._at + count]
        if len(field) != count:
            raise odd("it ends in the middle of a field")
        self._at += count
        return field

    def number(self, count: int = 1) -> int:
        return int.from_bytes(self.take(count), "big")

    def end(self) -> None:
        if self._at != len(self._data):
            raise odd("it goes on after its last field")


def _read_1(reader: _Reader) -> dict[str, Any]:
    psk, private_key = Secret(reader.take(KEY_BYTES)), Secret(reader.take(KEY_BYTES))
    label = reader.take(reader.number()).decode()
    servers = [
        ServerEntry(
            host=_read_host(reader),
            ports=_one_port(reader),
            public_key=reader.take(KEY_BYTES),
            psk=psk,
            private_key=private_key,
        )
        for _ in range(_read_count(reader))
    ]
    return {"label": label, "servers": tuple(servers)}


def _read_2(reader: _Reader) -> dict[str, Any]:
    servers = _read_servers(reader, with_carrier=False)
    return {**servers, "profile": _read_profile(reader, _WIDTHS_2)}


def _read_3(reader: _Reader) -> dict[str, Any]:
    servers = _read_servers(reader, with_carrier=True)
    return {**servers, "profile": _read_profile(reader, _WIDTHS)}


_READERS = {1: _read_1, 2: _read_2, 3: _read_3}


def _read_servers(reader: _Reader, *, with_carrier: bool) -> dict[str, Any]:
    """Label and servers."""
    label = reader.take(reader.number()).decode()
    secrets = [Secret(reader.take(KEY_BYTES)) for _ in range(reader.number())]
    servers = [
        _read_server(reader, secrets, _read_carrier(reader) if with_carrier else "udp")
        for _ in range(_read_count(reader))
    ]
    return {"label": label, "servers": tuple(servers)}


def _read_carrier(reader: _Reader) -> Carrier:
    number = reader.number()
    if number >= len(CARRIERS):
        raise _newer()
    return CARRIERS[number]


def _newer() -> ShareLinkError:
    return ShareLinkError(
        "the share link was made by a newer ginnel: it asks for a session or carrier that this one does not have",
        hint="Update ginnel on this machine.",
    )


def _read_count(reader: _Reader) -> int:
    count = reader.number()
    if not 1 <= count <= MAX_SERVERS:
        raise odd(f"it names {count} servers; 1 to {MAX_SERVERS} are possible")
    return count


def _read_server(reader: _Reader, secrets: list[Secret], carrier: Carrier) -> ServerEntry:
    psk, private_key = reader.number(), reader.number()
    if max(psk, private_key) >= len(secrets):
        raise odd(f"a server has secret {max(psk, private_key) + 1} of {len(secrets)}")
    host = _read_host(reader)
    ranges = [(reader.number(2), reader.number(2)) for _ in range(reader.number())]
    return ServerEntry(
        carrier=carrier,
        host=host,
        ports=Ports(tuple(ranges)),
        public_key=reader.take(KEY_BYTES),
        psk=secrets[psk],
        private_key=secrets[private_key],
    )


def _one_port(reader: _Reader) -> Ports:
    return Ports.one(reader.number(2))


def _read_host(reader: _Reader) -> str:
    kind = reader.number()
    match kind:
        case 1:
            return str(ipaddress.IPv4Address(reader.take(4)))
        case 3:
            host = reader.take(reader.number()).decode("ascii")
            if normal_host(host) != host or parse_ip(host) is not None:
                raise odd("a host name in it is not in its normal form")
            return host
        case 4:
            return str(ipaddress.IPv6Address(reader.take(16)))
        case _:
            raise odd(f"it has a host of the unknown type {kind}")


def _read_profile(reader: _Reader, widths: dict[str, int]) -> Profile | None:
    preset = reader.number()
    if preset == _NO_PROFILE:
        return None
    if preset > len(PRESETS):
        raise odd(f"it has a profile of the unknown preset {preset}")
    fields: dict[str, Any] = {"preset": PRESETS[preset - 1] if preset else None}
    for name, width in widths.items():
        fields[name] = reader.number(width), reader.number(width)
    try:
        return Profile.build(**fields)
    except ConfigError as error:
        raise odd(str(error)) from error
