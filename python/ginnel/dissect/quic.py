"""Packets of QUIC as they stand inside the envelope, without protection of their own (PROTOCOL.md, section 11)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ginnel.dissect.frames import Frame, frames
from ginnel.dissect.reader import MalformedError, Reader

SPARE = 32
"""Bytes behind each packet that are the envelope's; those behind the last are not part of a plaintext."""

CHECK = 2
"""Bytes behind the frames: bits 8 to 23 of the packet's number."""

SHOWN_BYTES = 32
"""Bytes that are shown of what cannot be read."""

_LONG, _FIXED = 0x80, 0x40
_VERSION = 1
_KINDS = ("Initial", "0-RTT", "Handshake", "Retry")
_LONGEST_ID = 20


@dataclass(slots=True)
class Packet:
    """One packet, as far as it could be read."""

    kind: str
    """Initial, 0-RTT, Handshake or 1-RTT; "?" where not even that can be read."""
    number: int | None = None
    """The packet's number; its lowest 24 bits, where no more is sent."""
    frames: list[Frame] = field(default_factory=list)
    fault: str | None = None
    """What is wrong, and at which byte of the plaintext."""
    rest: str = ""
    """In hexadecimal, the first bytes from there on."""


def packets(plaintext: bytes, *, from_client: bool) -> list[Packet]:
    """The packets of an opened session datagram. Bytes that are none make a packet with a fault, never an exception."""
    data = plaintext + bytes(SPARE)
    found: list[Packet] = []
    at = 0
    while at < len(plaintext):
        packet = Packet("?")
        found.append(packet)
        try:
            at = _packet(packet, data, at, from_client=from_client)
        except MalformedError as error:
            packet.fault = f"{error.what} (byte {error.at})"
            packet.rest = plaintext[error.at : error.at + SHOWN_BYTES].hex()
            break
    return found


def _packet(packet: Packet, data: bytes, at: int, *, from_client: bool) -> int:
    """Read one packet into `packet`; where the next one begins."""
    reader = Reader(data, at)
    first = reader.number(1, "a packet")
    if not first & _FIXED:
        raise MalformedError("a packet without the fixed bit", at)
    end = len(data)
    if first & _LONG:
        packet.kind = _KINDS[first >> 4 & 3]
        length = _long_header(packet, reader)
        if length > reader.left:
            raise MalformedError(f"a packet of {length} bytes, {reader.left} are left", reader.at)
        end = reader.at + length
    else:
        packet.kind = "1-RTT"
    size = (first & 3) + 1
    sent = reader.number(size, "a packet's number")
    last = end - SPARE - CHECK
    if last < reader.at:
        raise MalformedError("a packet without room for its check", reader.at)
    packet.number = _number(sent, size, int.from_bytes(data[last : last + CHECK], "big"), last)
    for frame in frames(Reader(data, reader.at, last), from_client=from_client):
        packet.frames.append(frame)
    return end


def _long_header(packet: Packet, reader: Reader) -> int:
    """Read a long header (RFC 9000, section 17.2) up to the packet's number; the length of what follows."""
    began = reader.at
    version = reader.number(4, "a version")
    if version != _VERSION or packet.kind == "Retry":
        raise MalformedError(f"a stateless packet, or another version ({version:#x})", began)
    for whose in ("destination", "source"):
        size = reader.number(1, f"the {whose}'s id")
        if size > _LONGEST_ID:
            raise MalformedError(f"a connection id of {size} bytes", reader.at - 1)
        reader.take(size, f"the {whose}'s id")
    if packet.kind == "Initial":
        reader.take(reader.varint("the length of a token"), "a token")
    return reader.varint("the length of a packet")


def _number(sent: int, size: int, check: int, at: int) -> int:
    """The packet's number from what was sent of it and its check, which must agree."""
    both = min(size, 3) - 1  # bytes that stand in both
    mask = (1 << 8 * both) - 1
    if (sent >> 8) & mask != check & mask:
        raise MalformedError("a packet whose check does not fit its number", at)
    return sent & ~0xFFFFFF | check << 8 | sent & 0xFF
