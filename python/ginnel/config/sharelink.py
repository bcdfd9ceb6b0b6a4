"""The share link: everything a client needs, in one line.

`ginnel://` and the letters of `blocks`, which carry, integers big-endian:

    version 1 | length 2 | session 1 | carrier 1 | psk 32 | user's private key 32
    | label length 1, label (UTF-8) | servers 1, then for each:
          host type 1 (1 IPv4, 3 name, 4 IPv6, as in SOCKS5) | host (a name has its length before it)
          | port 2 | server's public key 32
    | checksum 4

`length` counts all bytes, checksum included. It stands in the first block, so that a link that lost a letter can
say how many it had. The checksum is BLAKE2s of all before it, personalised with `ginnel-l`. Every future version
begins with its version byte in a first block checked like this one. `tests/vectors/sharelink.json` holds examples.
"""

import hashlib
import ipaddress
import unicodedata
from typing import Annotated, Final, Literal, NoReturn

from pydantic import AfterValidator, Field

from ginnel.config import blocks
from ginnel.config.address import MAX_HOST_CHARACTERS, Address, normal_host, parse_ip
from ginnel.config.secret import KEY_BYTES, Secret
from ginnel.config.value import Value
from ginnel.errors import ShareLinkError

SCHEME: Final = "ginnel://"
VERSION: Final = 1
MAX_SERVERS: Final = 8
MAX_LABEL_BYTES: Final = 64
MAX_TEXT: Final = 16_384
"""Characters that are looked at, white space included; the longest link has fewer than 5,000."""

SESSIONS: Final[tuple[Literal["quic"]]] = ("quic",)
CARRIERS: Final[tuple[Literal["udp"]]] = ("udp",)
"""Kinds by their number on the wire."""

_CHECKSUM_BYTES = 4
_MIN_PAYLOAD = 1 + 2 + 1 + 1 + 2 * KEY_BYTES + 1 + 1 + (1 + 4 + 2 + KEY_BYTES) + _CHECKSUM_BYTES
_MAX_PAYLOAD = _MIN_PAYLOAD + MAX_LABEL_BYTES + MAX_SERVERS * (1 + 1 + MAX_HOST_CHARACTERS + 2 + KEY_BYTES)
# White space is what a terminal, mail or chat puts in when it wraps a line; these are what they put in unseen.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_AGAIN = "Copy it again in one piece."


def _check_label(label: str) -> str:
    if len(label.encode()) > MAX_LABEL_BYTES:
        raise ValueError(f"a label has at most {MAX_LABEL_BYTES} bytes")
    # Category C: control characters could redraw the terminal that the label is shown on.
    if any(unicodedata.category(character).startswith("C") for character in label):
        raise ValueError("a label has no control characters")
    return label


def _check_host(host: str) -> str:
    return normal_host(host)


class ServerEntry(Value):
    """One server of a share link."""

    host: Annotated[str, AfterValidator(_check_host)]
    """IP address or name."""
    port: Annotated[int, Field(ge=1, le=65535)]
    public_key: Annotated[bytes, Field(min_length=KEY_BYTES, max_length=KEY_BYTES)]

    @property
    def address(self) -> Address:
        """Host and port."""
        return Address(self.host, self.port)


class ShareLink(Value):
    """What a share link says. `str` and `repr` mask its keys; `to_text` writes it out."""

    psk: Secret
    """The deployment's secret."""
    private_key: Secret
    """The user's own key, which is the user's identity."""
    servers: Annotated[tuple[ServerEntry, ...], Field(min_length=1, max_length=MAX_SERVERS)]
    session: Literal["quic"] = "quic"
    carrier: Literal["udp"] = "udp"
    label: Annotated[str, AfterValidator(_check_label)] = ""
    """A name for people; may be empty."""

    def to_text(self) -> str:
        """Write the link: a secret, in one line without white space."""
        label = self.label.encode()
        body = bytearray()
        body += bytes([SESSIONS.index(self.session), CARRIERS.index(self.carrier)])
        body += self.psk.reveal() + self.private_key.reveal()
        body += bytes([len(label)]) + label
        body += bytes([len(self.servers)])
        for server in self.servers:
            body += _host_bytes(server.host) + server.port.to_bytes(2, "big") + server.public_key
        length = 1 + 2 + len(body) + _CHECKSUM_BYTES
        payload = bytes([VERSION]) + length.to_bytes(2, "big") + body
        return SCHEME + blocks.encode(payload + _checksum(payload))

    @classmethod
    def parse(cls, text: str) -> "ShareLink":
        """Read a link. White space in it, quotes around it and its case do not matter.

        Raises ShareLinkError, which says what is wrong, where, and what to do, and repeats no more of the link
        than one letter.
        """
        link = _clean(text)
        return _parse_payload(_unpack(link), len(link))


def _clean(text: str) -> str:
    """Remove what copying adds; check length and scheme."""
    if len(text) > MAX_TEXT:
        raise ShareLinkError(
            f"this is too long to be a share link: more than {MAX_TEXT:,} characters", length=len(text)
        )
    link = "".join(text.translate(_INVISIBLE).split()).strip("'\"`<>“”‘’«»")
    if not link:
        raise ShareLinkError(f"the share link is empty; one begins with {SCHEME}", length=0)
    if link[: len(SCHEME)].lower() != SCHEME:
        raise ShareLinkError(
            f"this is not a share link: it does not begin with {SCHEME}",
            hint="The server prints its link when it starts; `ginnel link` on the server prints it again.",
            length=len(link),
        )
    return link


def _unpack(link: str) -> bytes:
    """From the cleaned text to the payload, checksum verified and still in it."""
    offset = len(SCHEME)
    symbols: list[int] = []
    for position, value in enumerate(blocks.values(link[offset:]), start=offset + 1):
        if value is None:
            raise ShareLinkError(
                f"the share link is damaged: {link[position - 1]!r} (character {position}) is never part of one",
                hint=_AGAIN,
                position=position,
                length=len(link),
            )
        symbols.append(value)
    if not symbols:
        raise ShareLinkError(f"the share link ends after {SCHEME}", hint=_AGAIN, length=len(link))
    damaged = blocks.damaged_blocks(symbols)
    expected: int | None = None
    if not damaged or damaged[0].start > 0:
        expected = offset + blocks.encoded_length(_claimed_length(blocks.decode_first(symbols)))
    if damaged or expected is None:
        _raise_damaged(damaged, offset, len(link), expected)
    if len(link) != expected:
        _raise_wrong_length(len(link), expected)
    payload = blocks.decode(symbols)
    if payload is None or _checksum(payload[:-_CHECKSUM_BYTES]) != payload[-_CHECKSUM_BYTES:]:
        # Every block fits and the whole does not: damage in several places, or a link made up by hand.
        raise ShareLinkError(
            "the share link is damaged: its checksum does not match", hint=_AGAIN, length=len(link)
        )
    return payload


def _claimed_length(first: bytes) -> int:
    """Read version and length from an intact first block."""
    if len(first) < 3 or first[0] == 0:
        raise ShareLinkError("the share link is damaged: its beginning makes no sense", hint=_AGAIN)
    if first[0] != VERSION:
        raise ShareLinkError(
            f"the share link was made by a newer ginnel: it has format {first[0]}, this one reads {VERSION}",
            hint="Update ginnel on this machine.",
        )
    length = int.from_bytes(first[1:3], "big")
    if not _MIN_PAYLOAD <= length <= _MAX_PAYLOAD:
        raise ShareLinkError("the share link is damaged: its beginning makes no sense", hint=_AGAIN)
    return length


def _raise_damaged(damaged: list[range], offset: int, length: int, expected: int | None) -> NoReturn:
    lengths = ""
    if expected is not None and expected != length:
        # A link that was cut in the middle of a block is damaged only there, at its very end.
        if length < expected and damaged[0].stop + offset == length:
            _raise_wrong_length(length, expected)
        lengths = f" It has {expected} characters; this one has {length}."
    where, position = "", None
    if damaged:
        # The middle of the block: at most half a block off.
        position = offset + (damaged[0].start + damaged[0].stop + 1) // 2
        where = f" (character {position} or near it)"
    raise ShareLinkError(
        f"the share link is damaged: its checksum does not match{where}",
        hint=_AGAIN + lengths,
        position=position,
        length=length,
        expected_length=expected,
    )


def _raise_wrong_length(length: int, expected: int) -> NoReturn:
    if length < expected:
        what, position = f"the share link is cut off near its end, after character {length}", length
    else:
        what, position = f"the share link goes on after its end (character {expected})", expected
    raise ShareLinkError(
        what,
        hint=f"{_AGAIN} It has {expected} characters; this one has {length}.",
        position=position,
        length=length,
        expected_length=expected,
    )


class _Reader:
    """Takes fields off the front of a payload; running short is an error, never an exception of Python's own."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        field = self._data[self._at : self._at + count]
        if len(field) != count:
            raise _odd("it ends in the middle of a field")
        self._at += count
        return field

    def number(self, count: int = 1) -> int:
        return int.from_bytes(self.take(count), "big")

    def end(self) -> None:
        if self._at != len(self._data):
            raise _odd("it goes on after its last field")


def _parse_payload(payload: bytes, length: int) -> ShareLink:
    reader = _Reader(payload[:-_CHECKSUM_BYTES])
    reader.take(1)  # version, looked at before
    if reader.number(2) != len(payload):
        raise _odd("its length is not its own")
    session, carrier = reader.number(), reader.number()
    if session >= len(SESSIONS) or carrier >= len(CARRIERS):
        raise ShareLinkError(
            "the share link was made by a newer ginnel: it asks for a session or carrier that this one does not have",
            hint="Update ginnel on this machine.",
            length=length,
        )
    psk, private_key = Secret(reader.take(KEY_BYTES)), Secret(reader.take(KEY_BYTES))
    try:
        label = reader.take(reader.number()).decode()
        count = reader.number()
        if not 1 <= count <= MAX_SERVERS:
            raise _odd(f"it names {count} servers; 1 to {MAX_SERVERS} are possible")
        servers = tuple(_read_server(reader) for _ in range(count))
        reader.end()
        return ShareLink(
            psk=psk,
            private_key=private_key,
            servers=servers,
            session=SESSIONS[session],
            carrier=CARRIERS[carrier],
            label=label,
        )
    except ShareLinkError:
        raise
    except ValueError as error:
        # A checksum that fits and fields that do not: not damage, but a link that no ginnel wrote.
        raise _odd("a label, host or port in it is not valid") from error


def _read_server(reader: _Reader) -> ServerEntry:
    kind = reader.number()
    match kind:
        case 1:
            host = str(ipaddress.IPv4Address(reader.take(4)))
        case 3:
            host = reader.take(reader.number()).decode("ascii")
            if normal_host(host) != host or parse_ip(host) is not None:
                raise _odd("a host name in it is not in its normal form")
        case 4:
            host = str(ipaddress.IPv6Address(reader.take(16)))
        case _:
            raise _odd(f"it has a host of the unknown type {kind}")
    return ServerEntry(host=host, port=reader.number(2), public_key=reader.take(KEY_BYTES))


def _host_bytes(host: str) -> bytes:
    address = parse_ip(host)
    if address is None:
        name = host.encode("ascii")
        return bytes([3, len(name)]) + name
    return bytes([1 if address.version == 4 else 4]) + address.packed


def _checksum(payload: bytes) -> bytes:
    return hashlib.blake2s(payload, digest_size=_CHECKSUM_BYTES, person=b"ginnel-l").digest()


def _odd(what: str) -> ShareLinkError:
    return ShareLinkError(f"this share link was not made by ginnel: {what}")
