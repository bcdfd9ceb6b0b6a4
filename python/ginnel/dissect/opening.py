"""What a stream begins with: the open request, and the reply to it (PROTOCOL.md, section 12)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from ginnel.dissect.reader import MalformedError, Reader

_TCP = 1
_NAME_FORM = re.compile(rb"[A-Za-z0-9._-]{1,255}")
_REPLIES = (
    "connected",
    "refused",
    "host unreachable",
    "name unknown",
    "timed out",
    "network unreachable",
    "not allowed",
    "limit reached",
    "unsupported",
    "failed",
)


def request(data: bytes) -> str:
    """The target that an open request names, as `host:port`; else what is wrong with it, and its bytes."""
    try:
        return _target(Reader(data))
    except MalformedError as error:
        return f"({error.what}: {_shown(data)})"


def reply(data: bytes) -> str:
    """What an open reply says."""
    return _REPLIES[data[0]] if data[0] < len(_REPLIES) else f"(unknown reply {data[0]})"


def _target(reader: Reader) -> str:
    kind = reader.number(1, "the kind of stream")
    if kind != _TCP:
        raise MalformedError(f"unknown kind of stream {kind}", 0)
    match reader.number(1, "the type of address"):
        case 1:
            host = str(IPv4Address(reader.take(4, "an address")))
        case 3:
            name = reader.take(reader.number(1, "the length of a name"), "a name")
            if not _NAME_FORM.fullmatch(name):
                raise MalformedError("a name that is none", reader.at)
            host = name.decode("ascii")
        case 4:
            host = f"[{IPv6Address(reader.take(16, 'an address'))}]"
        case other:
            raise MalformedError(f"unknown type of address {other}", 1)
    return f"{host}:{reader.number(2, 'the port')}"


def _shown(data: bytes) -> str:
    return data[:32].hex() + ("…" if len(data) > 32 else "")
