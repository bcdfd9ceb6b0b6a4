"""A client's end of a session with one stream: as much of QUIC as that takes (RFC 9000, section 19).

It repeats nothing, and takes every frame that it was not promised for a fault.
"""

from __future__ import annotations

import os
from collections import defaultdict

from .packets import SPARE, Packet, Reader, split, varint
from .primitives import Refused

FIRST_DATAGRAM = 1200
"""Bytes that RFC 9000, section 14.1, wants of datagrams with an Initial packet."""

PARAMETERS = {0x0F: b"", 0x04: varint(1 << 20), 0x05: varint(1 << 20)}
"""Ours: no connection id, and windows for the link and for what comes on streams that we open (section 18.2)."""

IGNORED_FIELDS = {0x10: 1, 0x11: 2, 0x12: 1, 0x13: 1, 0x14: 1, 0x15: 2, 0x16: 1, 0x17: 1}
"""Frames that mean nothing to so small a session, and how many fields they have: limits."""


def encode_parameters(parameters: dict[int, bytes]) -> bytes:
    """Transport parameters (section 18)."""
    return b"".join(varint(key) + varint(len(value)) + value for key, value in parameters.items())


def decode_parameters(data: bytes) -> dict[int, bytes]:
    """Transport parameters by their ids."""
    reader, found = Reader(data), dict[int, bytes]()
    while reader.left:
        key = reader.varint()
        found[key] = reader.take(reader.varint())
    return found


class Pieces:
    """Bytes that come in pieces, in any order and more than once."""

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self.size: int | None = None
        """How many there will be, once that is known."""

    def add(self, offset: int, data: bytes) -> None:
        """One piece; the longer one of two that begin at the same place."""
        self._pieces[offset] = max(data, self._pieces.get(offset, b""), key=len)

    @property
    def data(self) -> bytes:
        """All up to the first gap."""
        whole = b""
        for offset, piece in sorted(self._pieces.items()):
            if offset > len(whole):
                break
            whole += piece[len(whole) - offset :]
        return whole

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""
        return len(self.data) == self.size


class Session:
    """Stream 0 of one connection: what came on it is in `stream`.

    What goes to the envelope and comes from it are its plaintexts: datagrams without their last 32 bytes.
    """

    def __init__(self) -> None:
        self.stream = Pieces()
        self.messages: dict[str, Pieces] = defaultdict(Pieces)
        """What stands in for TLS, by the kind of packet that carried it."""
        self.first_id = os.urandom(8)
        self._next: dict[str, int] = defaultdict(int)
        self._largest: dict[str, int] = {}
        self._received: dict[str, set[int]] = defaultdict(set)
        self._owed: set[str] = set()
        self._written = 0
        self._handshake_sent = False
        self.stopped: int | None = None
        """The code with which the server asks for no more of the stream."""
        self.confirmed = False
        """Whether HANDSHAKE_DONE has come."""

    @property
    def parameters(self) -> dict[int, bytes]:
        """The server's own, once its second message has come."""
        message = self.messages["handshake"].data
        return decode_parameters(message[2:]) if message else {}

    @property
    def complete(self) -> bool:
        """Whether the other's second message has come whole."""
        message = self.messages["handshake"].data
        return len(message) >= 2 and len(message) == 2 + int.from_bytes(message[:2], "big")

    def begin(self, data: bytes, size: int = FIRST_DATAGRAM) -> bytes:
        """The first datagram, of `size` bytes with the spare ones, with stream 0's first bytes as early data."""
        parameters = encode_parameters(PARAMETERS)
        message = len(parameters).to_bytes(2, "big") + parameters
        initial = self._packet("initial", crypto(message), self.first_id)
        early = self._stream_frame(data, end=False)
        bare = Packet("0-rtt", 0, early).to_bytes(self.first_id)
        padding = bytes(max(0, size - len(initial) - len(bare)))
        return (initial + self._packet("0-rtt", early + padding, self.first_id))[:-SPARE]

    def skip_to(self, number: int) -> None:
        """The number of the next packet of 1-RTT."""
        self._next["data"] = number

    def write(self, data: bytes, *, end: bool = False) -> bytes:
        """More of the stream, in a datagram of its own."""
        return self._packet("1-rtt", self._acknowledgement("data") + self._stream_frame(data, end=end))[
            :-SPARE
        ]

    def respond(self) -> bytes | None:
        """The acknowledgements that are owed, and the second message; None if there is nothing to say."""
        made = b""
        for kind, space in (("initial", "initial"), ("handshake", "handshake"), ("1-rtt", "data")):
            frames = self._acknowledgement(space)
            if kind == "handshake" and self.complete and not self._handshake_sent:
                self._handshake_sent = True
                frames += crypto(bytes(2))
            if frames:
                made += self._packet(kind, frames)
        return made[:-SPARE] if made else None

    def receive(self, plaintext: bytes) -> None:
        """A datagram that the envelope has opened, and untrimmed if need be."""
        for packet in split(plaintext + bytes(SPARE), self._largest):
            self._received[packet.space].add(packet.number)
            reader = Reader(packet.frames)
            while reader.left:
                if self._frame(reader.varint(), reader, packet):
                    self._owed.add(packet.space)

    def _frame(self, kind: int, reader: Reader, packet: Packet) -> bool:
        """One frame; whether it asks for an acknowledgement."""
        if kind == 0x00:
            return False
        if kind in (0x02, 0x03):
            reader.varint(), reader.varint()
            for _ in range(2 * reader.varint() + 1 + 3 * (kind & 1)):
                reader.varint()
            return False
        if kind == 0x06:
            offset = reader.varint()
            self.messages[packet.kind].add(offset, reader.take(reader.varint()))
        elif 0x08 <= kind <= 0x0F:
            self._stream_came(kind, reader)
        elif kind in IGNORED_FIELDS:
            for _ in range(IGNORED_FIELDS[kind]):
                reader.varint()
        elif kind == 0x05 and reader.varint() == 0:
            self.stopped = reader.varint()
        elif kind == 0x1E:
            self.confirmed = True
        elif kind != 0x01:
            raise Refused(f"a frame that should not come: {kind:#x}")
        return True

    def _stream_came(self, kind: int, reader: Reader) -> None:
        if reader.varint() != 0:
            raise Refused("a stream that nobody opened")
        offset = reader.varint() if kind & 4 else 0
        data = reader.take(reader.varint() if kind & 2 else reader.left)
        self.stream.add(offset, data)
        if kind & 1:
            self.stream.size = offset + len(data)

    def _packet(self, kind: str, frames: bytes, destination: bytes = b"") -> bytes:
        packet = Packet(kind, 0, frames)
        number = self._next[packet.space]
        self._next[packet.space] += 1
        return Packet(kind, number, frames).to_bytes(destination)

    def _stream_frame(self, data: bytes, *, end: bool) -> bytes:
        """With offset and length."""
        frame = bytes([0x0E | end]) + varint(0) + varint(self._written) + varint(len(data)) + data
        self._written += len(data)
        return frame

    def _acknowledgement(self, space: str) -> bytes:
        """An ACK of all that came, if one is owed; else nothing."""
        if space not in self._owed:
            return b""
        self._owed.discard(space)
        ranges: list[list[int]] = []
        for number in sorted(self._received[space], reverse=True):
            if ranges and ranges[-1][0] == number + 1:
                ranges[-1][0] = number
            else:
                ranges.append([number, number])
        (low, high), *more = ranges
        frame = b"\x02" + varint(high) + varint(0) + varint(len(more)) + varint(high - low)
        for next_low, next_high in more:
            frame += varint(low - next_high - 2) + varint(next_high - next_low)
            low = next_low
        return frame


def crypto(message: bytes) -> bytes:
    """A CRYPTO frame with all of a message."""
    return b"\x06" + varint(0) + varint(len(message)) + message
