"""A KCP session over a link: what drives it, loses some of it, and answers the control messages that come meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol

from .client import LIMIT, Client, Identity, Wire
from .control import Control, echo
from .data import trim, untrim
from .kcp_parameters import KIND, Parameters
from .kcp_segments import Segment
from .kcp_session import Session
from .link import Link
from .primitives import Refused
from .server import Accepted, Server

ENVELOPE = 32
BATCH = 32
"""Datagrams taken before we answer."""


class Way(Protocol):
    """What moves datagrams of one link."""

    def send(self, datagram: bytes) -> None:
        """One datagram."""

    def receive(self, limit: float) -> bytes:
        """The next one; TimeoutError or BlockingIOError if none comes within `limit` seconds."""


class Talk:
    """One end of a link with its session. `loss` is the share of datagrams that are dropped, in both directions."""

    def __init__(self, way: Way, link: Link, session: Session, *, loss: float = 0.0, seed: int = 1) -> None:
        self._way, self.link, self.session = way, link, session
        self._loss, self._random = loss, random.Random(seed)
        self.dropped = 0
        self.longest = 1 << 16
        """Longer datagrams are dropped, in both directions."""
        self.sizes: list[int] = []
        """Lengths of all datagrams that arrived."""
        self.messages: list[Control] = []
        self.closed: int | None = None
        """The code of the close that came."""

    def send_segments(self, *segments: Segment) -> None:
        """A packet of these, be they right or wrong."""
        self.send_packet(b"".join(segment.to_bytes() for segment in segments))

    def send_packet(self, packet: bytes) -> None:
        """Any packet; zeros at its end do not travel."""
        trimmed = packet.endswith(bytes(16))
        self._send(self.link.seal("trimmed", trim(packet)) if trimmed else self.link.seal("session", packet))

    def send_control(self, message: Control, size: int | None = None) -> None:
        """In a datagram of exactly so many bytes, if it matters."""
        if size is None:
            self._send(self.link.seal_control(message))
        else:
            payload = message.to_bytes()
            self._send(self.link.seal("control", payload, padding=size - ENVELOPE - len(payload) - 2))

    def _send(self, datagram: bytes) -> None:
        if not self._lost(datagram):
            self._way.send(datagram)

    def _lost(self, datagram: bytes) -> bool:
        lost = len(datagram) > self.longest or self._random.random() < self._loss
        self.dropped += lost
        return lost

    def flush(self) -> None:
        """Send all that is due."""
        for packet in self.session.packets(milliseconds()):
            self.send_packet(packet)

    def until(self, done: Callable[[], object], limit: float = 3 * LIMIT) -> None:
        """Go on until something is so; TimeoutError if that takes too long."""
        end = time.monotonic() + limit
        while not done():
            self.flush()
            if (left := end - time.monotonic()) < 0:
                raise TimeoutError
            if (due := self.session.deadline()) is not None:
                left = min(left, max(due - milliseconds(), 1) / 1000)
            for number in range(BATCH):
                try:
                    datagram = self._way.receive(0 if number else left)
                except (TimeoutError, BlockingIOError):
                    break
                self._take(datagram)
        self.flush()

    def probe(self) -> None:
        """All that was sent before has been dealt with, and what was sent in answer has arrived."""
        token = self._random.randbytes(8)
        self.send_control(Control("probe", token))
        self.until(lambda: Control("echo", token) in self.messages)

    def _take(self, datagram: bytes) -> None:
        if self._lost(datagram):
            return
        try:
            header, payload = self.link.open(datagram)
        except Refused:
            return  # Junk, or what was meant for another link from the same address.
        self.sizes.append(len(datagram))
        if header.kind == "control":
            self._control(Control.parse(payload), len(datagram))
        else:
            self.session.receive(untrim(payload) if header.kind == "trimmed" else payload)

    def _control(self, message: Control, size: int) -> None:
        self.messages.append(message)
        if message.kind == "long probe":
            assert int.from_bytes(message.body[8:], "big") == size
        if message.kind == "close":
            self.closed = message.body[0]
        elif (answer := echo(message)) is not None:
            self.send_control(answer)


def dial(
    wire: Wire, who: Identity, ours: Parameters | None = None, *, loss: float = 0.0, seed: int = 1
) -> Talk:
    """A link to a server whose session is KCP; no session packet is sent yet."""
    ours = Parameters() if ours is None else ours
    client = Client(wire, who, kind=KIND, parameters=ours.to_bytes())
    theirs = Parameters.parse(client.link.welcome.parameters)
    return Talk(wire, client.link, Session(ours, theirs), loss=loss, seed=seed)


class Answered:
    """The way back to a client that a server of ours has answered."""

    def __init__(self, server: Server, accepted: Accepted) -> None:
        self._server, self._accepted = server, accepted

    def send(self, datagram: bytes) -> None:
        self._server.send(self._accepted, datagram)

    def receive(self, limit: float) -> bytes:
        return self._server.receive_datagram(limit)


def serve(server: Server, ours: Parameters, *, loss: float = 0.0, seed: int = 1) -> tuple[Accepted, Talk]:
    """Answer the next good request, which has to ask for KCP."""
    accepted = server.accept()
    assert accepted.hello.kind == KIND
    session = Session(ours, Parameters.parse(accepted.hello.parameters), is_client=False)
    return accepted, Talk(Answered(server, accepted), accepted.link, session, loss=loss, seed=seed)


def milliseconds() -> int:
    """Our clock."""
    return time.monotonic_ns() // 1_000_000
