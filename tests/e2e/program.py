"""ginnel's command line as the tests use it: a server with its share link, a client with its SOCKS5 address."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

import pytest

from .machine import effective_capabilities, tcp_listeners, udp_sockets
from .namespace import Namespace
from .process import Process

SESSIONS: dict[str, tuple[str, ...]] = {"quic": (), "kcp": ("--session", "kcp")}
"""Each session that the tests run over, and the arguments of `ginnel server` that choose it: its share link then asks
for that session, and every client follows the link.

`over_sessions` runs a test, a class or a module over all of them: what depends on how streams are made out of packets.
That is how streams end, what many of them cost, what becomes of them when the path or an end breaks, and what the wire
shows and answers. All else runs over the first alone: SOCKS5 and its errors, the command line, configuration, users,
the log, and what happens before a link has a session.
"""

FIRST_SESSION = next(iter(SESSIONS))

# Through the fixture, so that a `server` of one session never serves a test of another.
over_sessions = pytest.mark.parametrize("session", SESSIONS, indirect=True, scope="module")
"""Runs a test over every session: the `session` that it, its `server` and its `client` ask for is each in turn."""


def needs_raw_sockets() -> str | None:
    """Why this process, and so the programs that it starts, cannot send frames; None when it can."""
    if sys.platform != "linux":
        return "raw TCP is for Linux"
    if not effective_capabilities() & 1 << CAP_NET_RAW:
        return "raw TCP needs root, or CAP_NET_RAW"
    return None


CAP_NET_RAW = 13
"""From linux/capability.h."""

CARRIERS: dict[str, Callable[[], str | None]] = {"udp": lambda: None, "rawtcp": needs_raw_sockets}
"""Each carrier that the tests run over, and what says why it cannot be had here.

`over_carriers` runs a test, a class or a module over all of them, and skips those that cannot be had, aloud: what
depends on how packets reach the other end. That is whether streams come through whole, end rightly, and go on after
a restart or a move; and what is left of a killed program. The rest runs over the first alone, and what only raw TCP
has to fear from a network, over that (`over_raw`).
"""

FIRST_CARRIER = next(iter(CARRIERS))

over_carriers = pytest.mark.parametrize("carrier", CARRIERS, indirect=True, scope="module")
"""Runs a test over every carrier: the `carrier` that it, its `server` and its `client` ask for is each in turn."""

over_raw = pytest.mark.parametrize("carrier", ["rawtcp"], indirect=True, scope="module")
"""Runs a test over raw TCP alone: what no other carrier has, such as numbers and flags of segments."""

LOOPBACK = "127.0.0.1"


def command(*arguments: str) -> list[str]:
    """The program under test; `GINNEL_E2E_COMMAND` names another one, such as an installed `ginnel`."""
    program = os.environ.get("GINNEL_E2E_COMMAND")
    return [*(shlex.split(program) if program else [sys.executable, "-m", "ginnel"]), *arguments]


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment that cannot touch the user's own state and prints plain, wide text."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GINNEL_", "XDG_"))}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("GINNEL_E2E_")}
    return (
        kept
        | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120"}
        | more
    )


def carrier_or_skip(name: str) -> str:
    """The carrier's name; the test is skipped, aloud, where it cannot be had."""
    reason = CARRIERS[name]()
    if reason:
        pytest.skip(reason)
    return name


def listening(carrier: str, address: str) -> str:
    """What `--listen` is told; without a scheme it means the first."""
    return address if carrier == FIRST_CARRIER else f"{carrier}://{address}"


def address(text: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as a pair."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def free_ports(number: int, *hosts: str) -> list[int]:
    """UDP ports that nobody has on any of these hosts: ascending, and free again when this returns."""
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < number:
            first = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            first.bind((hosts[0], 0))
            port = first.getsockname()[1]
            try:
                for host in hosts[1:]:
                    other = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    other.bind((host, port))
            except OSError:
                continue
            ports.append(port)
        return sorted(ports)


class Server:
    """`ginnel server`, ready: its share link is known and its socket is bound."""

    def __init__(
        self,
        state: Path,
        *,
        session: str = FIRST_SESSION,
        carrier: str = FIRST_CARRIER,
        listen: str = f"{LOOPBACK}:0",
        advertise: str | None = None,
        allow_private: bool = True,
        namespace: Namespace | None = None,
        wrap: Sequence[str] = (),
        more: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.state, self.carrier = state, carrier
        arguments = ["server", "--listen", listening(carrier, listen), "--state", str(state)]
        arguments += [*SESSIONS[session], *more]
        arguments += ["--advertise", advertise] if advertise else []
        arguments += ["--allow-private"] if allow_private else []
        self.process = Process(
            [*wrap, *command(*arguments)], namespace=namespace, env=environment(state.parent, **env or {})
        )
        with killed_on_error(self.process):
            self.link = self.process.wait_line("ginnel://")

    @property
    def port(self) -> int:
        """Its port, asked of the kernel: nothing that a person reads is parsed."""
        pid = self.process.pid
        ports = [one.port for one in udp_sockets(pid)] if self.carrier == "udp" else tcp_listeners(pid)
        assert len(set(ports)) == 1, f"a server of one shard has one port, not {ports}"
        return ports[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.__exit__(kind, error, trace)


class Client:
    """`ginnel client`, ready: its SOCKS5 listener takes connections. The share link goes in by standard input."""

    def __init__(
        self,
        link: str,
        home: Path,
        *,
        socks: str = f"{LOOPBACK}:0",
        namespace: Namespace | None = None,
        wrap: Sequence[str] = (),
        more: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        arguments = ["client", "-", "-D", socks, *more]
        self.process = Process(
            [*wrap, *command(*arguments)],
            stdin=link + "\n",
            namespace=namespace,
            env=environment(home, **env or {}),
        )
        with killed_on_error(self.process):
            self.socks = address(self.process.wait_line("socks5 ").split()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.__exit__(kind, error, trace)


@contextmanager
def killed_on_error(process: Process) -> Iterator[None]:
    """A process that does not get ready must not stay behind."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


class Running(Protocol):
    """What `beside_loop` can own."""

    process: Process


R = TypeVar("R", bound=Running)


@asynccontextmanager
async def beside_loop(start: Callable[[], R]) -> AsyncIterator[R]:
    """Start and stop a program without holding up the event loop, which may be carrying its packets."""
    running = await asyncio.to_thread(start)
    try:
        yield running
    except BaseException:
        running.process.kill()
        raise
    if running.process.alive:
        await asyncio.to_thread(running.process.stop)


def ginnel(*arguments: str, home: Path, stdin: str | None = None, limit: float = 30.0, **env: str) -> Process:
    """Run one command to its end."""
    process = Process(command(*arguments), stdin=stdin, env=environment(home, **env))
    process.wait(limit)
    return process
