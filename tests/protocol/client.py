"""A small client: handshakes, and a link over a real UDP socket. It waits for answers and repeats nothing."""

from __future__ import annotations

import os
import random
import socket
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from . import control, data, sharelink
from .control import Control
from .data import Header
from .envelope import LONGEST, SHORTEST_REQUEST, Hello, Welcome, prologue, unwrap, wrap
from .keys import DeploymentKeys, LinkKeys, data_aead, next_keys
from .noise import Initiator
from .primitives import Aead, Refused, aes_decrypt, aes_encrypt, public_key

LIMIT = 10.0
"""Seconds that an answer may take; only a test that fails waits so long."""

DRAW = random.SystemRandom()


SOURCES = (f"127.1.{number >> 8}.{number & 255}" for number in range(1, 1 << 16))
"""Loopback addresses: handshakes from one of them have a bucket (section 5.5), which the next one finds full."""


class Wire:
    """A UDP socket, at an address of its own, that talks to one other."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((next(SOURCES), 0))
        self._socket.connect(address)
        self.links: list[Link] = []
        """What is closed at the end, for a user has no more than 64."""

    def send(self, datagram: bytes) -> None:
        """One datagram."""
        self._socket.send(datagram)

    def receive(self, limit: float = LIMIT) -> bytes:
        """The next datagram; TimeoutError if none comes."""
        self._socket.settimeout(limit)
        return self._socket.recv(65_536)

    def empty(self) -> bool:
        """Whether all that came was received."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return True
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self.links:
            self.send(link.seal_control(Control("close", b"\0")))
        self._socket.close()


@dataclass
class Identity:
    """What a client must know, and what it is (section 4)."""

    server_public: bytes
    psk: bytes
    private: bytes
    instance: bytes = field(default_factory=lambda: os.urandom(16))
    lane: int = 0
    epoch: int = 0
    aes: bool = True

    @classmethod
    def from_link(cls, text: str) -> Identity:
        """Of a share link."""
        server = sharelink.parse(text).servers[0]
        return cls(server.public_key, server.psk, server.private_key)


class Attempt:
    """One request, and what is needed to read its answer."""

    def __init__(
        self, who: Identity, version: int = 2, *, late: float = 0.0, kind: int = 0, size: int | None = None
    ) -> None:
        who.epoch += 1
        self._keys = DeploymentKeys.derive(who.server_public, who.psk)
        self.version, self._nonce = version, os.urandom(24)
        self._session_id = DRAW.getrandbits(32)
        self._initiator = Initiator(
            prologue(version), who.private, who.server_public, who.psk, os.urandom(32)
        )
        now = time.time_ns() - round(late * 1e9)
        hello = Hello(now, who.instance, who.lane, who.epoch, self._session_id, who.aes, kind)
        self._noise = self._initiator.write(hello.to_bytes())
        self.datagram = self.wrapped(DRAW.randint(SHORTEST_REQUEST, LONGEST) if size is None else size)

    def wrapped(self, size: int) -> bytes:
        """The same message 1 in a datagram of so many bytes, 0 for the fewest; a client does that but once."""
        return wrap(self._keys.request, self._nonce, b"", self.version, self._noise, size)

    def read(self, answer: bytes) -> Link:
        """The link that the answer makes."""
        version, noise = unwrap(self._keys.answer, self._nonce, answer)
        if version != self.version:
            raise Refused("an answer of another version")
        payload, split = self._initiator.read(noise)
        return Link(
            self._session_id, Welcome.parse(payload), LinkKeys.derive(split), self._keys.header_to_server
        )


class Link:
    """A client's end of a link: seals, opens, and changes its keys (sections 6 and 8)."""

    def __init__(self, session_id: int, welcome: Welcome, keys: LinkKeys, header_to_server: bytes) -> None:
        self._own_id, self.welcome = session_id, welcome
        self._header_to_server, self._header_to_client = header_to_server, keys.header_to_client
        self._data, self._chain = [keys.data], keys.chain
        self._counter = DRAW.getrandbits(46)
        self._ephemeral = b""

    @property
    def number(self) -> int:
        """The number of the newest keys."""
        return len(self._data) - 1

    def seal(self, kind: str, payload: bytes, *, padding: int = 0, number: int | None = None) -> bytes:
        """The next datagram, under the newest keys or those of `number`."""
        number = self.number if number is None else number
        plaintext = data.pad(payload, padding) if padding else payload
        header = Header(self.welcome.session_id, self._counter, kind, number & 1, bool(padding))
        self._counter += 1
        return data.seal(self._aead(self._data[number].to_server), self._header_to_server, header, plaintext)

    def seal_control(self, message: Control, *, number: int | None = None) -> bytes:
        """A control message, padded as it should be."""
        return self.seal("control", message.to_bytes(), padding=DRAW.randint(24, 119), number=number)

    def seal_oddly(self, message: Control, where: int, bits: int) -> bytes:
        """An authentic datagram whose header has some bits set, in byte `where`, that should not be."""
        header = Header(self.welcome.session_id, self._counter, "control")
        self._counter += 1
        plain = bytearray(aes_decrypt(self._header_to_server, header.block(self._header_to_server)))
        plain[where] |= bits
        block = aes_encrypt(self._header_to_server, bytes(plain))
        aead = self._aead(self._data[self.number].to_server)
        return aead.seal(header.nonce(), block, message.to_bytes()) + block

    def skip(self, count: int) -> None:
        """Use none of the next counters."""
        self._counter += count

    def open(self, datagram: bytes) -> tuple[Header, bytes]:
        """What the server sent."""
        return data.open_datagram(self._key, self._header_to_client, datagram)

    def _key(self, header: Header) -> Aead:
        """By the epoch: the newest keys, or the ones before them."""
        if header.session_id != self._own_id:
            raise Refused("the session id of another link")
        number = self.number - ((self.number - header.epoch) & 1)
        if number < 0:
            raise Refused("an epoch that has not come")
        return self._aead(self._data[number].to_client)

    def _aead(self, key: bytes) -> Aead:
        return data_aead(self.welcome.aead, key)

    def ask_for_keys(self) -> Control:
        """The message rekey."""
        self._ephemeral = os.urandom(32)
        return control.rekey(self.number + 1, public_key(self._ephemeral))

    def take_keys(self, answer: Control) -> None:
        """Use the next keys from now on."""
        number, server_public = int.from_bytes(answer.body[:4], "big"), answer.body[4:]
        if answer.kind != "rekey answer" or number != self.number + 1:
            raise Refused("no answer to our rekey")
        ours = public_key(self._ephemeral)
        self._chain, keys = next_keys(self._chain, self._ephemeral, server_public, ours, server_public)
        self._data.append(keys)


class Client:
    """One link over one socket."""

    def __init__(self, wire: Wire, who: Identity, version: int = 2) -> None:
        self.wire = wire
        attempt = Attempt(who, version)
        wire.send(attempt.datagram)
        self.link = attempt.read(wire.receive())
        wire.links.append(self.link)

    def control(self) -> tuple[Header, Control]:
        """The next control message; packets of the session are passed over."""
        while True:
            header, payload = self.link.open(self.wire.receive())
            if header.kind == "control":
                return header, Control.parse(payload)

    def probe(self, *, number: int | None = None) -> Header:
        """A probe, and the header of its echo."""
        token = os.urandom(8)
        self.wire.send(self.link.seal_control(Control("probe", token), number=number))
        header, message = self.control()
        assert message == Control("echo", token), message
        return header

    def rekey(self) -> Header:
        """New keys; the header of the server's answer."""
        question = self.link.ask_for_keys()
        self.wire.send(self.link.seal_control(question))
        header, answer = self.control()
        self.link.take_keys(answer)
        return header
