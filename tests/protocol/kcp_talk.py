"""A KCP session over a link: what drives it, loses some of it, and answers the control messages that come meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from .client import LIMIT, Client, Identity, Wire
from .control import Control, echo
from .data import trim, untrim
from .kcp_parameters import KIND, Parameters
from .kcp_segments import Segment, split
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


class Sender(Protocol):
    """What makes and takes session packets."""

    def receive(self, packet: bytes) -> None:
        """One that has come."""

    def packets(self, now: int) -> list[bytes]:
        """Those that are due."""

    def deadline(self) -> int | None:
        """When something is due, if nothing comes before."""


class Silent:
    """No session: it sends nothing by itself, not even an acknowledgement, and keeps what has come."""

    def __init__(self) -> None:
        self.seen: list[Segment] = []

    def receive(self, packet: bytes) -> None:
        self.seen += split(packet)

    def acknowledged(self, lane: int) -> int:
        """How many of the segments that the tests wrote on a lane have come, up to the first gap."""
        return max((one.una for one in self.seen if one.conversation == lane), default=0)

    def packets(self, now: int) -> list[bytes]:
        return []

    def deadline(self) -> None:
        return None


S = TypeVar("S", bound=Sender)


class Talk(Generic[S]):
    """One end of a link with its session. `loss` is the share of datagrams that are dropped, in both directions."""

    def __init__(
        self, way: Way, link: Link, session: S, *, version: int = 2, loss: float = 0.0, seed: int = 1
    ) -> None:
        self._way, self.link, self.session = way, link, session
        self._version = version
        self.loss, self._random = loss, random.Random(seed)
        self.lost: list[Segment] = []
        """Segments of the other end that did not arrive."""
        self.longest = 1 << 16
        """Longer datagrams are dropped, in both directions."""
        self.kinds: list[tuple[int, str]] = []
        """Length and kind of every datagram that arrived."""
        self.echoes_long_up_to = self.longest
        """Long probes of more bytes are not answered."""
        self.messages: list[Control] = []
        self.closed: int | None = None
        """The code of the close that came."""

    def send_segments(self, *segments: Segment) -> None:
        """A packet of these, be they right or wrong."""
        self.send_packet(b"".join(segment.to_bytes() for segment in segments))

    def send_packet(self, packet: bytes) -> None:
        """Any packet; zeros at its end do not travel."""
        trimmed = packet.endswith(bytes(16)) and self._version > 1
        self._send(self.link.seal("trimmed", trim(packet)) if trimmed else self.link.seal("session", packet))

    def send_control(self, message: Control, size: int | None = None) -> None:
        """In a datagram of exactly so many bytes, if it matters."""
        if size is None:
            self._send(self.link.seal_control(message))
        else:
            payload = message.to_bytes()
            self._send(self.link.seal("control", payload, padding=size - ENVELOPE - len(payload) - 2))

    def _send(self, datagram: bytes) -> None:
        if not self._drops(datagram):
            self._way.send(datagram)

    def _drops(self, datagram: bytes) -> bool:
        return len(datagram) > self.longest or self._random.random() < self.loss

    def flush(self) -> None:
        """Send all that is due."""
        for packet in self.session.packets(milliseconds()):
            self.send_packet(packet)

    def until(self, done: Callable[[], object], limit: float = 3 * LIMIT) -> None:
        """Go on until something is so; TimeoutError if that takes too long, `Refused` once it cannot be any more."""
        end = time.monotonic() + limit
        while not done():
            if self.closed is not None:
                raise Refused(f"the other end has closed the link, code {self.closed}")
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
        """All that was sent before has been dealt with, and what was sent in answer has arrived, be it a close."""
        token = self._random.randbytes(8)
        self.send_control(Control("probe", token))
        self.until(lambda: self.closed is not None or Control("echo", token) in self.messages)

    def _take(self, datagram: bytes) -> None:
        try:
            header, payload = self.link.open(datagram)
        except Refused:
            return  # Junk, or what was meant for another link from the same address.
        packet = untrim(payload) if header.kind == "trimmed" else payload
        if self._drops(datagram):
            self.lost += [] if header.kind == "control" else split(packet)
            return
        self.kinds.append((len(datagram), header.kind))
        if header.kind == "control":
            self._control(Control.parse(payload), len(datagram))
        else:
            self.session.receive(packet)

    def _control(self, message: Control, size: int) -> None:
        self.messages.append(message)
        if message.kind == "long probe":
            assert int.from_bytes(message.body[8:], "big") == size
            if size > self.echoes_long_up_to:
                return
        if message.kind == "close":
            self.closed = message.body[0]
        elif (answer := echo(message)) is not None:
            self.send_control(answer)


def dial(
    wire: Wire,
    who: Identity,
    ours: Parameters | None = None,
    *,
    version: int = 2,
    loss: float = 0.0,
    seed: int = 1,
) -> Talk[Session]:
    """A link to a server whose session is KCP; no session packet is sent yet."""
    ours = Parameters() if ours is None else ours
    client = Client(wire, who, version, kind=KIND, parameters=ours.to_bytes())
    theirs = Parameters.parse(client.link.welcome.parameters)
    return Talk(wire, client.link, Session(ours, theirs), version=version, loss=loss, seed=seed)


def dial_silently(wire: Wire, who: Identity, ours: Parameters | None = None) -> Talk[Silent]:
    """A link to a server, without a session of ours."""
    ours = Parameters() if ours is None else ours
    client = Client(wire, who, kind=KIND, parameters=ours.to_bytes())
    return Talk(wire, client.link, Silent())


class Answered:
    """The way back to a client that a server of ours has answered."""

    def __init__(self, server: Server, accepted: Accepted) -> None:
        self._server, self._accepted = server, accepted

    def send(self, datagram: bytes) -> None:
        self._server.send(self._accepted, datagram)

    def receive(self, limit: float) -> bytes:
        return self._server.receive_datagram(limit)


def serve(server: Server, ours: Parameters) -> tuple[Accepted, Talk[Session]]:
    """Answer the next good request, which has to ask for KCP."""
    accepted = server.accept()
    assert accepted.hello.kind == KIND
    session = Session(ours, Parameters.parse(accepted.hello.parameters), is_client=False)
    return accepted, Talk(Answered(server, accepted), accepted.link, session)


def milliseconds() -> int:
    """Our clock."""
    return time.monotonic_ns() // 1_000_000
