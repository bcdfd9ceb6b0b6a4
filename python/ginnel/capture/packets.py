"""The datagrams in captured frames, whatever they are wrapped in: those of UDP, and the payloads of TCP segments.

Raw TCP puts one datagram into each segment (PROTOCOL.md, section 19.1). Nothing tells it from any other TCP here.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from ginnel.capture.source import Frame

NULL, ETHERNET, RAW, LOOP, SLL, IPV4, IPV6, SLL2 = 0, 1, 101, 108, 113, 228, 229, 276
"""Link types (pcap's registry, LINKTYPE_…) that are understood."""

_RAW_BY_SYSTEM = {12, 14}
"""Raw IP as some systems number it."""

_ETHERTYPES = {0x0800: 4, 0x86DD: 6}
_VLAN_TAGS = {0x8100, 0x88A8, 0x9100}
_TCP, _UDP = 6, 17
_CARRIERS = {_UDP: "udp", _TCP: "rawtcp"}
"""By the number that IP has for what it carries."""

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS = 0, 43, 44, 51, 60
_EXTENSIONS = {_HOP_BY_HOP, _ROUTING, _OPTIONS, 135, 139, 140}


class Skipped(StrEnum):
    """Why a frame has no datagram to show."""

    LINK_TYPE = "unknown link type"
    NEITHER = "neither UDP nor TCP"
    FRAGMENT = "IP fragment"
    TRUNCATED = "cut by the capture"
    DAMAGED = "damaged header"


class Empty(StrEnum):
    """What a TCP segment without payload is there for, by its flags (RFC 9293, section 3.1)."""

    SYN = "syn"
    SYN_ACK = "syn-ack"
    ACK = "ack"
    FIN = "fin"
    RST = "rst"
    OTHER = "other"
    """It says nothing at all, as no healthy sender does."""


class Datagram(NamedTuple):
    """One datagram as an observer sees it."""

    time: float
    """Seconds since 1970."""
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes
    carrier: str = "udp"
    """`udp`, or `rawtcp` for the payload of a TCP segment."""


class _NoDatagramError(Exception):
    """Carries the reason; never leaves this module."""

    def __init__(self, why: Skipped) -> None:
        self.why = why


def datagrams(
    frames: Iterable[Frame],
    skipped: Counter[Skipped] | None = None,
    segments: Counter[Empty] | None = None,
    *,
    port: int | None = None,
) -> Iterator[Datagram]:
    """The datagrams of `frames`; the frames that have none to show are counted in `skipped`, by reason.

    TCP segments without payload are counted in `segments`, by kind. `port`: those of other ports are left out, and
    not counted. Fragments are not put together, and a datagram that the capture has cut is left out as a whole.
    """
    for frame in frames:
        try:
            datagram, empty = _datagram(frame)
        except _NoDatagramError as no:
            if skipped is not None:
                skipped[no.why] += 1
            continue
        if port is not None and port not in (datagram.source[1], datagram.destination[1]):
            continue
        if empty is None:
            yield datagram
        elif segments is not None:
            segments[empty] += 1


def _datagram(frame: Frame) -> tuple[Datagram, Empty | None]:
    """What a frame carries; and if that is a segment without payload, which kind."""
    whole = len(frame.data) >= frame.length
    try:
        version, packet = _network(frame)
        source, destination, protocol, data = _ipv4(packet) if version == 4 else _ipv6(packet)
        ports = struct.unpack_from("!HH", data)
        payload, empty = _tcp(data) if protocol == _TCP else (_udp(data), None)
        ends = (source, ports[0]), (destination, ports[1])
        return Datagram(frame.time, *ends, payload, _CARRIERS[protocol]), empty
    except (struct.error, IndexError, _ShortError):
        # A length that points past the end: the capture's doing where it cut, else the sender's.
        raise _NoDatagramError(Skipped.DAMAGED if whole else Skipped.TRUNCATED) from None


class _ShortError(Exception):
    """A length says more than there is."""


def _network(frame: Frame) -> tuple[int, bytes]:
    """IP version and packet of a frame."""
    data, link_type = frame.data, frame.link_type
    if link_type in (RAW, IPV4, IPV6) or link_type in _RAW_BY_SYSTEM:
        return _version(data[0] >> 4), data
    if link_type in (NULL, LOOP):
        # The address family in front differs by system and byte order; the packet says its version as well.
        return _version(data[4] >> 4), data[4:]
    if link_type == ETHERNET:
        at = 12
    elif link_type == SLL:
        at = 14
    elif link_type == SLL2:
        return _version(_ETHERTYPES.get(_word(data, 0), 0)), data[20:]
    else:
        raise _NoDatagramError(Skipped.LINK_TYPE)
    while (kind := _word(data, at)) in _VLAN_TAGS:
        at += 4
    return _version(_ETHERTYPES.get(kind, 0)), data[at + 2 :]


def _version(version: int) -> int:
    if version not in (4, 6):
        raise _NoDatagramError(Skipped.NEITHER)
    return version


def _ipv4(packet: bytes) -> tuple[str, str, int, bytes]:
    """Source, destination, protocol and what follows the header (RFC 791)."""
    header = (packet[0] & 0x0F) * 4
    total, _identity, fragment, _life, protocol = struct.unpack_from("!HHHBB", packet, 2)
    if packet[0] >> 4 != 4 or header < 20:
        raise _NoDatagramError(Skipped.DAMAGED)
    # A card that cuts segments itself is handed packets without a length.
    total = total or len(packet)
    if total < header or len(packet) < header:
        raise _ShortError
    if protocol not in _CARRIERS:
        raise _NoDatagramError(Skipped.NEITHER)
    if fragment & 0x3FFF:
        raise _NoDatagramError(Skipped.FRAGMENT)
    if total > len(packet):
        raise _ShortError
    source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    # Short frames of Ethernet are filled up behind the packet's end.
    return str(source), str(destination), protocol, packet[header:total]


def _ipv6(packet: bytes) -> tuple[str, str, int, bytes]:
    """Source, destination, protocol and what follows all headers (RFC 8200)."""
    length, following = struct.unpack_from("!HB", packet, 4)
    if len(packet) < 40:
        raise _ShortError
    if packet[0] >> 4 != 6:
        raise _NoDatagramError(Skipped.DAMAGED)
    end, at = 40 + length if length else len(packet), 40
    # Every turn moves on by eight bytes at least, and the packet ends.
    while following in _EXTENSIONS or following in (_FRAGMENT, _AUTHENTICATION):
        (fragment,) = struct.unpack_from("!H", packet, at + 2)
        if following == _FRAGMENT and fragment & 0xFFF9:
            raise _NoDatagramError(Skipped.FRAGMENT)
        unit = packet[at + 1]
        size = {_FRAGMENT: 8, _AUTHENTICATION: (unit + 2) * 4}.get(following, (unit + 1) * 8)
        following, at = packet[at], at + size
    if following not in _CARRIERS:
        raise _NoDatagramError(Skipped.NEITHER)
    if end > len(packet) or at > end:
        raise _ShortError
    return str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40])), following, packet[at:end]


def _udp(data: bytes) -> bytes:
    """The payload (RFC 768)."""
    (length,) = struct.unpack_from("!H", data, 4)
    length = length or len(data)
    if length < 8:
        raise _NoDatagramError(Skipped.DAMAGED)
    if length > len(data):
        raise _ShortError
    return data[8:length]


def _tcp(data: bytes) -> tuple[bytes, Empty | None]:
    """The payload (RFC 9293, section 3.1); of a segment without one its kind."""
    offset, flags = struct.unpack_from("!BB", data, 12)
    header = (offset >> 4) * 4
    if header < 20:
        raise _NoDatagramError(Skipped.DAMAGED)
    if header > len(data):
        raise _ShortError
    payload = data[header:]
    return payload, None if payload else _kind(flags)


def _kind(flags: int) -> Empty:
    if flags & _RST:
        return Empty.RST
    if flags & _SYN:
        return Empty.SYN_ACK if flags & _ACK else Empty.SYN
    if flags & _FIN:
        return Empty.FIN
    return Empty.ACK if flags & _ACK else Empty.OTHER


def _word(data: bytes, at: int) -> int:
    (word,) = struct.unpack_from("!H", data, at)
    return int(word)
