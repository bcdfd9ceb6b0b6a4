"""Both ends of a session with one stream: as much of QUIC as that takes (RFC 9000, section 19).

It repeats nothing, and takes every frame that it was not promised for a fault.
"""

from __future__ import annotations

import os
from collections import defaultdict

from .packets import SPARE, Packet, Reader, split, varint
from .primitives import Refused

FIRST_DATAGRAM = 1200
"""Bytes that RFC 9000, section 14.1, wants of datagrams with an Initial packet."""

WINDOW = varint(1 << 20)
CLIENT_PARAMETERS = {0x0F: b"", 0x04: WINDOW, 0x05: WINDOW}
"""No connection id, windows for the link and for what comes on streams that the client opens (section 18.2)."""
LIMITS = {0x04: WINDOW, 0x06: WINDOW, 0x08: varint(1)}
"""A server's, which are in Welcome: windows for the link and for streams that the client opens, and how many."""

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


SPACES = {"initial": "initial", "handshake": "handshake", "1-rtt": "data"}
"""The packets that answer, and the space of numbers that each of them acknowledges."""


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
        self.stopped: int | None = None
        """The code with which the other end asks for no more of the stream."""
        self.confirmed = False
        """Whether HANDSHAKE_DONE has come."""
        self._next: dict[str, int] = defaultdict(int)
        self._largest: dict[str, int] = {}
        self._received: dict[str, set[int]] = defaultdict(set)
        self._owed: set[str] = set()
        self._written = 0
        self._sent: set[str] = set()

    def message(self, kind: str) -> bytes | None:
        """The other end's message, without its length; None until it has come whole."""
        data = self.messages[kind].data
        size = int.from_bytes(data[:2], "big")
        return data[2:] if len(data) >= 2 and len(data) == 2 + size else None

    def due(self) -> dict[str, bytes]:
        """Our own messages that may be sent by now, without lengths."""
        raise NotImplementedError

    def check_destination(self, packet: Packet) -> None:
        """Our connection id has length zero."""
        if packet.destination:
            raise Refused("a connection id that is none of ours")

    def skip_to(self, number: int) -> None:
        """The number of the next packet of 1-RTT."""
        self._next["data"] = number

    def write(self, data: bytes, *, end: bool = False) -> bytes:
        """More of the stream, in a datagram of its own."""
        return self._packet("1-rtt", self._acknowledgement("data") + self._stream_frame(data, end=end))[
            :-SPARE
        ]

    def respond(self) -> bytes | None:
        """The acknowledgements that are owed, and messages that are due; None if there is nothing to say."""
        frames = {kind: self._acknowledgement(space) for kind, space in SPACES.items()}
        for kind, message in self.due().items():
            if kind not in self._sent:
                self._sent.add(kind)
                frames[kind] += message if kind == "1-rtt" else crypto(message)
        made = b"".join(self._packet(kind, frames[kind]) for kind in SPACES if frames[kind])
        return made[:-SPARE] if made else None

    def receive(self, plaintext: bytes) -> None:
        """A datagram that the envelope has opened, and untrimmed if need be."""
        for packet in split(plaintext + bytes(SPARE), self._largest):
            self.check_destination(packet)
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
        return Packet(kind, number, frames, destination).to_bytes()

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


class ClientSession(Session):
    """The end that opens the stream. `first_id` is the destination of its first packets."""

    def __init__(self) -> None:
        super().__init__()
        self.first_id = os.urandom(8)

    def begin(self, data: bytes, size: int = FIRST_DATAGRAM) -> bytes:
        """The first datagram, of `size` bytes with the spare ones, with stream 0's first bytes as early data."""
        initial = self._packet("initial", crypto(encode_parameters(CLIENT_PARAMETERS)), self.first_id)
        early = self._stream_frame(data, end=False)
        bare = Packet("0-rtt", 0, early, self.first_id).to_bytes()
        padding = bytes(max(0, size - len(initial) - len(bare)))
        return (initial + self._packet("0-rtt", early + padding, self.first_id))[:-SPARE]

    @property
    def parameters(self) -> dict[int, bytes] | None:
        """The server's own, once its second message has come."""
        message = self.message("handshake")
        return None if message is None else decode_parameters(message)

    def due(self) -> dict[str, bytes]:
        """The second message, once the server's has come."""
        return {} if self.message("handshake") is None else {"handshake": b""}


class ServerSession(Session):
    """The end that serves the stream. `first_id` is what the client called it first."""

    def __init__(self) -> None:
        super().__init__()
        self.first_id = b""

    def check_destination(self, packet: Packet) -> None:
        """Only a client's first packets may have one."""
        if packet.kind == "handshake" or packet.kind == "1-rtt":
            super().check_destination(packet)
        elif packet.destination:
            self.first_id = packet.destination

    @property
    def parameters(self) -> dict[int, bytes] | None:
        """The client's, once its first message has come."""
        message = self.message("initial")
        return None if message is None else decode_parameters(message)

    def due(self) -> dict[str, bytes]:
        """Both messages at once; HANDSHAKE_DONE when the client's second has come."""
        if self.parameters is None:
            return {}
        ours = encode_parameters({0x00: self.first_id, 0x0F: b""} | LIMITS)
        both = {"initial": b"", "handshake": ours}
        return both if self.message("handshake") is None else both | {"1-rtt": b"\x1e"}

    def respond(self) -> bytes | None:
        """As the client, but that a datagram with an Initial has no less than 1,200 bytes."""
        first = "initial" not in self._sent
        made = super().respond()
        if made is None or not first or "initial" not in self._sent:
            return made
        bare = Packet("1-rtt", 0, b"").to_bytes()
        padding = bytes(max(1, FIRST_DATAGRAM - SPARE - len(made) - len(bare)))
        return made + bytes(SPARE) + self._packet("1-rtt", padding)[:-SPARE]


def crypto(message: bytes) -> bytes:
    """A CRYPTO frame with all of a message, whose length goes before it."""
    return b"\x06" + varint(0) + varint(2 + len(message)) + len(message).to_bytes(2, "big") + message
