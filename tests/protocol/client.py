"""A small client: handshakes, and a link over a real UDP socket. It waits for answers and repeats nothing."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from . import sharelink
from .control import Control
from .data import Header
from .envelope import LONGEST, SHORTEST_REQUEST, Hello, Welcome, prologue, unwrap, wrap
from .keys import DeploymentKeys, LinkKeys
from .link import DRAW, Link
from .noise import Initiator
from .primitives import Refused

LIMIT = 10.0
"""Seconds that an answer may take; only a test that fails waits so long."""


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
    member: int = 0
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
        self,
        who: Identity,
        version: int = 2,
        *,
        late: float = 0.0,
        kind: int = 0,
        parameters: bytes = b"",
        size: int | None = None,
    ) -> None:
        who.epoch += 1
        self._keys = DeploymentKeys.derive(who.server_public, who.psk)
        self.version, self._nonce = version, os.urandom(24)
        self._session_id = DRAW.getrandbits(32)
        self._initiator = Initiator(
            prologue(version), who.private, who.server_public, who.psk, os.urandom(32)
        )
        now = time.time_ns() - round(late * 1e9)
        hello = Hello(now, who.instance, who.member, who.epoch, self._session_id, who.aes, kind, parameters)
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
        welcome = Welcome.parse(payload)
        ids = self._session_id, welcome.session_id
        return Link(ids, welcome, LinkKeys.derive(split), self._keys.header_to_server)


class Client:
    """One link over one socket."""

    def __init__(
        self, wire: Wire, who: Identity, version: int = 2, *, kind: int = 0, parameters: bytes = b""
    ) -> None:
        self.wire = wire
        attempt = Attempt(who, version, kind=kind, parameters=parameters)
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
