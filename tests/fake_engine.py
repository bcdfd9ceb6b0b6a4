"""A stand-in for the native module, in Python: the same names, an inbox on a socket pair, and no network.

Tests put it into `sys.modules` as `ginnel._engine` (fixture `engines`) and drive the far side by hand: `reply`,
`fail`, `emit`, and `far_ends`, our ends of the streams that were handed over.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import socket
import threading
from typing import Any

USAGE = ("links", "streams", "streams_opened", "bytes_received", "bytes_sent")


class Engine:
    """One engine. What it answers to a command is in `answers`, by the command's name; None holds the reply back."""

    made: list["Engine"] = []  # noqa: RUF012 - shared on purpose: tests look here for what the program made
    busy_ports: set[int] = set()  # noqa: RUF012 - shared on purpose: ports that cannot be bound
    answer_connect = True
    rights = True
    """Whether this process may open packet sockets."""

    def __init__(self, role: str, config: Any, addresses: list[tuple[str, str, int]]) -> None:
        self.role = role
        self.config = config
        self.calls: list[tuple[Any, ...]] = []
        self.far_ends: dict[int, socket.socket] = {}
        self.held: dict[str, list[int]] = {}
        self.hold: set[str] = set()
        self.full = False
        self.users: dict[str, dict[str, int]] = {}
        self.psks: list[bytes] = []
        self.closed = False
        self._addresses = addresses
        self._inbox: list[tuple[int, bool, object]] = []
        self._lock = threading.Lock()
        self._readable, self._wake = socket.socketpair()
        self._readable.setblocking(False)
        self._streams = 0
        Engine.made.append(self)

    @classmethod
    def server(cls, config: Any) -> "Engine":
        addresses = []
        for number, (carrier, host, ranges) in enumerate(config.listen):
            where = () if carrier == "udp" else (carrier,)
            if carrier == "rawtcp" and not Engine.rights:
                raise OSError(errno.EPERM, "no right", *where)
            if any(first <= port <= last for first, last in ranges for port in Engine.busy_ports):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), *where)
            addresses.append((carrier, host, ranges[0][0] or 40_000 + number))
        _check_keys(config.psk, config.private_key, *(key for _, key in config.users))
        return cls("server", config, addresses)

    @classmethod
    def client(cls, config: Any) -> "Engine":
        _check_keys(*(key for _, _, _, *keys in config.servers for key in keys))
        carriers = {carrier for carrier, *_ in config.servers}
        if carriers == {"rawtcp"} and not Engine.rights:
            raise OSError(errno.EPERM, "no right", "rawtcp")
        return cls("client", config, [(carrier, "0.0.0.0", 50_000) for carrier in sorted(carriers)])  # noqa: S104 - not bound

    @property
    def local_addresses(self) -> list[tuple[str, str, int]]:
        return self._addresses

    def fileno(self) -> int:
        return self._readable.fileno()

    def drain(self) -> list[tuple[int, bool, object]]:
        with self._lock:
            messages, self._inbox = self._inbox, []
            with contextlib.suppress(BlockingIOError):
                self._readable.recv(4096)
        return messages

    def connect(self, ticket: int, timeout: float) -> None:
        carrier, host, ports = self.config.servers[0][:3]
        peer = f"{host}:{ports[0][0]}"
        if Engine.answer_connect:
            facts = {"peer": peer, "rtt": 0.041, "session": self.config.session, "carrier": carrier}
            self._command("connect", ticket, (timeout,), facts)
        else:
            self._record("connect", timeout)
            self.fail(ticket, "no_answer", "no answer", {"peer": peer, "seconds": timeout})

    def probe(self, ticket: int, timeout: float) -> None:
        self._command("probe", ticket, (timeout,), 0.0125)

    def listen_socks5(
        self, ticket: int, host: str, port: int, username: str | None, password: str | None
    ) -> None:
        if port in Engine.busy_ports:
            self._record("listen_socks5", host, port, username, password)
            self.fail(ticket, "listen", "bind", {"errno": errno.EADDRINUSE})
            return
        self._command("listen_socks5", ticket, (host, port, username, password), (7, host, port or 1081))

    def close_listener(self, ticket: int, listener: int) -> None:
        self._command("close_listener", ticket, (listener,), None)

    def open(self, ticket: int, host: str, port: int) -> None:
        if host in FAILURES:
            self._record("open", host, port)
            self.fail(ticket, FAILURES[host], "the far side said so", {})
            return
        self._command("open", ticket, (host, port), self.hand_over if "open" not in self.hold else None)

    def set_psks(self, ticket: int, psks: list[bytes]) -> None:
        self.psks = psks
        self._command("set_psks", ticket, (psks,), None)

    def set_users(self, ticket: int, users: list[tuple[str, bytes]]) -> None:
        self._command("set_users", ticket, (users,), None)

    def set_limits(
        self,
        ticket: int,
        limits: dict[str, float],
        congestion: tuple[str, float | None],
        profile: dict[str, tuple[int, int]],
        kcp: tuple[str, int, int | None],
    ) -> None:
        if limits.get("streams") == REFUSED_STREAMS:
            raise ValueError("limits: streams is refused")
        self._command("set_limits", ticket, (limits, congestion, profile, kcp), None)

    def set_allow_private(self, ticket: int, allow: bool) -> None:
        self._command("set_allow_private", ticket, (allow,), None)

    def set_log(self, levels: dict[str, str]) -> None:
        if self.closed:
            raise RuntimeError("closed")
        if "loud" in levels.values():
            raise ValueError("log: 'loud' is no level of the log")
        self._record("set_log", levels)

    def shutdown(self, ticket: int, drain: float) -> None:
        self._command("shutdown", ticket, (drain,), None)
        if "shutdown" not in self.hold or drain == 0:
            self.closed = True
            for held in self.held.pop("shutdown", []):
                self.reply(held, None)

    def stats(self) -> dict[str, Any]:
        return {
            "counters": {"links_up": 1},
            "gauges": {"links": 1},
            "drops": {"forged": 0},
            "open_time": {"queued": {"count": 1, "sum_seconds": 0.5, "buckets": [[0.625, 1]]}},
            "users": {name: dict(used) for name, used in self.users.items()},
        }

    def links(self) -> list[dict[str, Any]]:
        if self.closed:
            raise RuntimeError("closed")
        return [dict(LINK)]

    # What tests do to it.

    def hand_over(self) -> tuple[int, int]:
        """Make a stream: our end stays in `far_ends`, the other one's descriptor is the caller's."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self._streams += 1
        self.far_ends[self._streams] = ours
        return theirs.detach(), self._streams

    def reply(self, ticket: int, value: object) -> None:
        self._put(ticket, True, value)

    def fail(self, ticket: int, kind: str, message: str, facts: dict[str, object]) -> None:
        self._put(ticket, False, (kind, message, facts))

    def emit(self, name: str, **facts: object) -> None:
        if "user" in facts and name in ("link_up", "link_down"):
            used = self.users.setdefault(str(facts["user"]), dict.fromkeys(USAGE, 0))
            used["links"] += 1 if name == "link_up" else -1
        self._put(0, True, (name, facts))

    def die(self) -> None:
        """Go away as a crashed engine would: the inbox's descriptor stays readable, and nothing is in it."""
        self._wake.close()

    def release(self) -> None:
        """Close what this engine holds, at the end of a test."""
        self._readable.close()
        self._wake.close()
        for end in self.far_ends.values():
            end.close()

    def _command(self, name: str, ticket: int, arguments: tuple[Any, ...], answer: Any) -> None:
        if self.closed:
            raise RuntimeError("closed")
        if self.full:
            raise OverflowError("too many commands in flight")
        self._record(name, *arguments)
        if name in self.hold and not (name == "shutdown" and arguments[0] == 0):
            self.held.setdefault(name, []).append(ticket)
        else:
            self.reply(ticket, answer() if callable(answer) else answer)

    def _record(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))

    def _put(self, ticket: int, ok: bool, value: object) -> None:
        with self._lock:
            self._inbox.append((ticket, ok, value))
            if len(self._inbox) == 1:
                self._wake.send(b"!")


LINK = {
    "link": "1.0",
    "peer": "192.0.2.1:5",
    "session": "quic",
    "carrier": "udp",
    "rtt_seconds": 0.041,
    "window": 1_000_000,
    "pace": 23_000_000,
    "mtu": 1400,
    "sent": 2000,
    "lost": 30,
    "receive_window": 2_000_000,
    "send_window": 2_000_000,
    "refused": 0,
}
"""The one link that is up."""
REFUSED_STREAMS = 77_777
"""A limit that this engine refuses, as one of another version might."""
FAILURES = {
    "refused.test": "target_refused",
    "unreachable.test": "host_unreachable",
    "unknown.test": "name_unknown",
    "slow.test": "timed_out",
    "nowhere.test": "network_unreachable",
    "private.test": "not_allowed",
    "busy.test": "limit",
}
"""Targets that cannot be opened, and the kind of error they give."""


def generate_private_key() -> bytes:
    return secrets.token_bytes(32)


def public_key(private_key: bytes) -> bytes:
    _check_keys(private_key)
    return hashlib.blake2s(b"public" + private_key).digest()


def derive_user_key(server_private_key: bytes, user: str, generation: int) -> bytes:
    return hashlib.blake2s(f"{user} {generation}".encode(), key=server_private_key).digest()


def default_limits(role: str) -> dict[str, float]:
    return {"streams": 8192.0 if role == "client" else 50_000.0}


def engine_version() -> str:
    return "0.0.fake"


def _check_keys(*keys: object) -> None:
    # The real module takes bytes of this length and nothing that merely looks like them.
    if any(type(key) is not bytes or len(key) != 32 for key in keys):
        raise ValueError("a key is 32 bytes")
