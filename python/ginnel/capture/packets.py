"""The UDP datagrams in captured frames, whatever they are wrapped in."""

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
_UDP = 17
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS = 0, 43, 44, 51, 60
_EXTENSIONS = {_HOP_BY_HOP, _ROUTING, _OPTIONS, 135, 139, 140}


class Skipped(StrEnum):
    """Why a frame has no datagram to show."""

    LINK_TYPE = "unknown link type"
    NOT_UDP = "not UDP"
    FRAGMENT = "IP fragment"
    TRUNCATED = "cut by the capture"
    DAMAGED = "damaged header"


class Datagram(NamedTuple):
    """One datagram as an observer sees it."""

    time: float
    """Seconds since 1970."""
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes
    carrier: str = "udp"


class _NoDatagramError(Exception):
    """Carries the reason; never leaves this module."""

    def __init__(self, why: Skipped) -> None:
        self.why = why


def datagrams(frames: Iterable[Frame], skipped: Counter[Skipped] | None = None) -> Iterator[Datagram]:
    """The datagrams of `frames`; the frames that have none to show are counted in `skipped`, by reason.

    Fragments are not put together, and a datagram that the capture has cut is left out as a whole.
    """
    for frame in frames:
        try:
            yield _datagram(frame)
        except _NoDatagramError as no:
            if skipped is not None:
                skipped[no.why] += 1


def _datagram(frame: Frame) -> Datagram:
    whole = len(frame.data) >= frame.length
    try:
        version, packet = _network(frame)
        source, destination, segment = _ipv4(packet) if version == 4 else _ipv6(packet)
        return Datagram(frame.time, *_udp(source, destination, segment))
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
        raise _NoDatagramError(Skipped.NOT_UDP)
    return version


def _ipv4(packet: bytes) -> tuple[str, str, bytes]:
    """Source, destination and what follows the header (RFC 791)."""
    header = (packet[0] & 0x0F) * 4
    total, _identity, fragment, _life, protocol = struct.unpack_from("!HHHBB", packet, 2)
    if packet[0] >> 4 != 4 or header < 20:
        raise _NoDatagramError(Skipped.DAMAGED)
    # A card that cuts segments itself is handed packets without a length.
    total = total or len(packet)
    if total < header or len(packet) < header:
        raise _ShortError
    if protocol != _UDP:
        raise _NoDatagramError(Skipped.NOT_UDP)
    if fragment & 0x3FFF:
        raise _NoDatagramError(Skipped.FRAGMENT)
    if total > len(packet):
        raise _ShortError
    source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    return str(source), str(destination), packet[header:total]


def _ipv6(packet: bytes) -> tuple[str, str, bytes]:
    """Source, destination and what follows all headers (RFC 8200)."""
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
    if following != _UDP:
        raise _NoDatagramError(Skipped.NOT_UDP)
    if end > len(packet) or at > end:
        raise _ShortError
    return str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40])), packet[at:end]


def _udp(source: str, destination: str, segment: bytes) -> tuple[tuple[str, int], tuple[str, int], bytes]:
    """Both addresses and the payload (RFC 768)."""
    source_port, destination_port, length = struct.unpack_from("!HHH", segment)
    length = length or len(segment)
    if length < 8:
        raise _NoDatagramError(Skipped.DAMAGED)
    if length > len(segment):
        raise _ShortError
    return (source, source_port), (destination, destination_port), segment[8:length]


def _word(data: bytes, at: int) -> int:
    (word,) = struct.unpack_from("!H", data, at)
    return int(word)
