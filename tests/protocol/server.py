"""A small server: it answers handshakes of one user, echoes probes, and serves one stream. It keeps no replay cache."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from typing import Self

from .client import LIMIT
from .control import Control, echo
from .data import Header, untrim
from .envelope import OVERHEAD, Hello, Welcome, fingerprint, prologue, unwrap, wrap
from .keys import AEADS, DeploymentKeys, LinkKeys, user_private_key
from .link import DRAW, Link
from .noise import Responder
from .primitives import Refused, public_key
from .session import LIMITS, ServerSession, encode_parameters

SKEW_NS = 120 * 10**9


@dataclass
class Deployment:
    """The keys of a server and of its only user."""

    psk: bytes = field(default_factory=lambda: os.urandom(32))
    private: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def user_private(self) -> bytes:
        """The user's key of generation 0."""
        return user_private_key(self.private, 0, "only")


@dataclass
class Accepted:
    """A handshake that was answered."""

    hello: Hello
    request_size: int
    link: Link
    address: tuple[str, int]


class Server:
    """One UDP socket and at most one link."""

    def __init__(
        self, deployment: Deployment, host: str, parameters: bytes = encode_parameters(LIMITS)
    ) -> None:
        self._deployment, self._parameters = deployment, parameters
        self._keys = DeploymentKeys.derive(public_key(deployment.private), deployment.psk)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(LIMIT)
        self._socket.bind((host, 0))
        self.port = int(self._socket.getsockname()[1])
        self.junk = 0
        """Datagrams that opened for nobody."""
        self.requests: list[bytes] = []
        """Fingerprints of all that were answered."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def accept(self) -> Accepted:
        """Answer the next good request."""
        while True:
            datagram, address = self._socket.recvfrom(65_536)
            try:
                answer, accepted = self._judge(datagram, address)
            except Refused:
                self.junk += 1
                continue
            self._socket.sendto(answer, address)
            return accepted

    def _judge(self, datagram: bytes, address: tuple[str, int]) -> tuple[bytes, Accepted]:
        """Section 5.4, without what only a crowd needs."""
        version, noise = unwrap(self._keys.request, b"", datagram)
        responder = Responder(prologue(version), self._deployment.private, self._deployment.psk)
        hello = Hello.parse(responder.read(noise))
        if responder.client != public_key(self._deployment.user_private):
            raise Refused("an unknown user")
        if abs(hello.time_ns - time.time_ns()) > SKEW_NS or fingerprint(noise) in self.requests:
            raise Refused("not fresh")
        self.requests.append(fingerprint(noise))
        own_id = DRAW.getrandbits(32)
        welcome = Welcome(time.time_ns(), own_id, AEADS[1], self._parameters)
        message, split = responder.write(welcome.to_bytes(), os.urandom(32))
        size = DRAW.randint(OVERHEAD + len(message), len(datagram))
        answer = wrap(self._keys.answer, os.urandom(24), datagram[:24], version, message, size)
        ids = own_id, hello.session_id
        link = Link(ids, welcome, LinkKeys.derive(split), self._keys.header_to_server, is_client=False)
        return answer, Accepted(hello, len(datagram), link, address)

    def receive(self, accepted: Accepted, session: ServerSession) -> Control | None:
        """The next datagram of the link: the session's are answered by it, and probes echoed; a control message."""
        link = accepted.link
        header, payload = self._open_next(accepted)
        if header.kind == "control":
            message = Control.parse(payload)
            if (answer := echo(message)) is not None:
                self.send(accepted, link.seal_control(answer))
            return message
        session.receive(untrim(payload) if header.kind == "trimmed" else payload)
        if (packet := session.respond()) is not None:
            self.send(accepted, link.seal("session", packet))
        return None

    def _open_next(self, accepted: Accepted) -> tuple[Header, bytes]:
        while True:
            try:
                return accepted.link.open(self.receive_datagram())
            except Refused:
                self.junk += 1

    def receive_datagram(self, limit: float = LIMIT) -> bytes:
        """Whatever comes next; TimeoutError if nothing does within `limit` seconds."""
        self._socket.settimeout(limit)
        return self._socket.recv(65_536)

    def send(self, accepted: Accepted, datagram: bytes) -> None:
        """To the address of the handshake."""
        self._socket.sendto(datagram, accepted.address)
