"""pcapng: sections of blocks, of which four kinds matter here (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ginnel.capture.source import Frame, Source

SECTION = bytes.fromhex("0a0d0d0a")
"""Type of a section header block, which is the same in both byte orders."""

MAX_FRAME = 262_144
"""Bytes of a frame; libpcap's own bound."""

MAX_BLOCK = MAX_FRAME + 65_536
"""Bytes of a block that is read: a frame and its options. What is longer, and not needed, is passed over."""

MAX_INTERFACES = 4_096
"""In one section; a file with more is refused."""

_ORDERS = {bytes.fromhex("4d3c2b1a"): "<", bytes.fromhex("1a2b3c4d"): ">"}
_INTERFACE, _SIMPLE, _ENHANCED = 1, 3, 6
_END_OF_OPTIONS, _RESOLUTION, _TIME_OFFSET = 0, 9, 14
_DAMAGED = "The file is damaged, or was not written as pcapng says."


class _Interface(NamedTuple):
    link_type: int
    snap_length: int
    """0: unlimited."""
    ticks: int
    """Ticks of its clock in a second."""
    offset: int
    """Seconds to add."""


def frames(source: Source) -> Iterator[Frame]:
    """The frames of a file whose first four bytes, the type of the first section header, have been taken."""
    order = _section(source)
    interfaces: list[_Interface] = []
    while True:
        began = source.offset
        kind = source.take_or_end(4, "a block")
        if not kind:
            return
        if kind == SECTION:
            order, interfaces = _section(source), []
            continue
        (number,) = struct.unpack(order + "I", kind)
        known = number in (_INTERFACE, _SIMPLE, _ENHANCED)
        if number in (_SIMPLE, _ENHANCED):
            source.packet += 1
        body = _body(source, order, began, keep=known)
        if number == _INTERFACE:
            if len(interfaces) >= MAX_INTERFACES:
                raise source.error(f"more than {MAX_INTERFACES} interfaces", _DAMAGED, offset=began)
            interfaces.append(_interface(source, order, body, began))
        elif number == _ENHANCED:
            yield _enhanced(source, order, body, interfaces, began)
        elif number == _SIMPLE:
            yield _simple(source, order, body, interfaces, began)


def _section(source: Source) -> str:
    """Read a section header behind its type; its byte order."""
    began = source.offset - 4
    length, magic = source.take(4, "a section header"), source.take(4, "a section header")
    order = _ORDERS.get(magic)
    if order is None:
        raise source.error("a section header without its byte-order magic", _DAMAGED, offset=began + 8)
    (total,) = struct.unpack(order + "I", length)
    if total < 28 or total % 4:
        raise source.error(f"a section header of {total} bytes", _DAMAGED, offset=began + 4)
    (major,) = struct.unpack(order + "H", source.take(2, "a section header"))
    if major != 1:
        raise source.error(f"version {major} of pcapng, and only 1 is known", _DAMAGED, offset=began + 12)
    source.skip(total - 18, "a section header")
    _check_end(source, order, total, began)
    return order


def _body(source: Source, order: str, began: int, *, keep: bool) -> bytes:
    """The body of the block whose type has been taken; nothing if it need not be kept."""
    (total,) = struct.unpack(order + "I", source.take(4, "a block"))
    if total < 12 or total % 4 or (keep and total > MAX_BLOCK):
        raise source.error(f"a block that claims {total} bytes", _DAMAGED, offset=began + 4)
    body = b""
    if keep:
        body = source.take(total - 12, "a block")
    else:
        source.skip(total - 12, "a block")
    _check_end(source, order, total, began)
    return body


def _check_end(source: Source, order: str, total: int, began: int) -> None:
    """A block's length stands at its end as well."""
    (again,) = struct.unpack(order + "I", source.take(4, "the end of a block"))
    if again != total:
        raise source.error(
            f"a block's length is {total} at its front and {again} at its end", _DAMAGED, offset=began + 4
        )


def _interface(source: Source, order: str, body: bytes, began: int) -> _Interface:
    if len(body) < 8:
        raise source.error("an interface description that is too short", _DAMAGED, offset=began)
    link_type, _reserved, snap_length = struct.unpack_from(order + "HHI", body)
    ticks, offset, at = 10**6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == _END_OF_OPTIONS:
            break
        if len(value) < length:
            raise source.error("an option that is longer than its block", _DAMAGED, offset=began + 8 + at)
        if code == _RESOLUTION and length == 1:
            ticks = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _TIME_OFFSET and length == 8:
            (offset,) = struct.unpack(order + "q", value)
        at += 4 + length + -length % 4
    return _Interface(link_type, snap_length, ticks, offset)


def _enhanced(source: Source, order: str, body: bytes, interfaces: list[_Interface], began: int) -> Frame:
    if len(body) < 20:
        raise source.error("a packet block that is too short", _DAMAGED, offset=began)
    number, high, low, captured, length = struct.unpack_from(order + "IIIII", body)
    if number >= len(interfaces):
        raise source.error(
            f"a packet of interface {number}, and {len(interfaces)} are described", _DAMAGED, offset=began + 8
        )
    if captured > min(MAX_FRAME, len(body) - 20):
        raise source.error(f"a packet of {captured} bytes in too small a block", _DAMAGED, offset=began + 20)
    interface = interfaces[number]
    time = (high << 32 | low) / interface.ticks + interface.offset
    data = body[20 : 20 + captured]
    return Frame(source.packet, time, interface.link_type, data, max(length, captured))


def _simple(source: Source, order: str, body: bytes, interfaces: list[_Interface], began: int) -> Frame:
    """A packet of the first interface, without a time."""
    if len(body) < 4 or not interfaces:
        raise source.error("a simple packet without length or interface", _DAMAGED, offset=began)
    (length,) = struct.unpack_from(order + "I", body)
    captured = min(length, interfaces[0].snap_length or length)
    if captured > min(MAX_FRAME, len(body) - 4):
        raise source.error(f"a packet of {captured} bytes in too small a block", _DAMAGED, offset=began + 8)
    return Frame(source.packet, 0.0, interfaces[0].link_type, body[4 : 4 + captured], length)
