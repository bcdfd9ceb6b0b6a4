"""The program that all this is about: this interpreter's ginnel, as a person starts it."""

import contextlib
import functools
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.places import LOOPBACK
from bench.programs import BenchError, Program, environment
from bench.subjects.base import Lab, Running, Subject, first_line, home_of, start_at, write_secret

PROGRAM = sys.executable, "-m", "ginnel"
STATS_TIMEOUT = 20.0


class Ginnel(Subject):
    """`ginnel server` and `ginnel client`, with settings for both or as they come.

    A session or a carrier that is named is told to the server, whose share link then asks for it; the client follows
    the link.
    """

    def __init__(
        self,
        key: str,
        title: str,
        settings: Mapping[str, str] | None = None,
        session: str | None = None,
        carrier: str | None = None,
    ) -> None:
        self.key, self.title = key, title
        self._session = ["--session", session] if session else []
        self._carrier = carrier
        # The load program counts them in ends of its own, which have the session and carrier that come by themselves.
        self.counts_allocations = session is None and carrier is None
        self._settings = [
            word for name, value in (settings or {}).items() for word in ("--set", f"{name}={value}")
        ]

    def missing(self) -> str | None:
        """Raw segments cannot be sent by everybody."""
        return why_no_frames() if self._carrier == "rawtcp" else None

    def version(self) -> str | None:
        """The line of `ginnel version`."""
        return _version()

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """A server with fresh keys, and a client that gets its share link in a file."""
        state = lab.home(self.key) / "state"
        words = [
            "server",
            "--listen",
            f"{self._carrier}://{lab.ends.server.address}:0"
            if self._carrier
            else f"{lab.ends.server.address}:0",
            "--state",
            str(state),
            "--allow-private",
            *self._session,
        ]
        with start_at(lab, "server", f"{self.key} server", *PROGRAM, *words, *self._settings) as server:
            link = write_secret(lab.home(self.key) / "link", server.wait_line("ginnel://") + "\n")
            words = ["client", str(link), "-D", f"{LOOPBACK}:0"]
            with start_at(lab, "client", f"{self.key} client", *PROGRAM, *words, *self._settings) as client:
                socks = client.wait_line("socks5 ").split()[1]
                homes = {
                    one: home_of(lab, end, one.name) for end, one in (("server", server), ("client", client))
                }

                def engine_bytes() -> int:
                    """What both ends say in `ginnel stats`."""
                    return _memory(server, homes[server], "--state", str(state)) + _memory(
                        client, homes[client], "--pid", str(client.pid)
                    )

                yield Running(
                    f"socks5://{socks}", server=[server], client=[client], engine_bytes=engine_bytes
                )


def why_no_frames() -> str | None:
    """Why this user can send no frames; None when it can."""
    if not hasattr(socket, "AF_PACKET"):
        return "raw TCP is for Linux"
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW):
            return None
    except OSError:
        return "raw TCP needs root, or CAP_NET_RAW"


@functools.cache
def _version() -> str | None:
    return first_line(*PROGRAM, "version")


def _memory(program: Program, home: Path, *which: str) -> int:
    """The gauge `memory` of a running server or client, in bytes. BenchError when it does not say."""
    try:
        done = subprocess.run(
            [*PROGRAM, "stats", *which, "--json"],
            env=environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STATS_TIMEOUT,
            check=True,
        )
        return int(json.loads(done.stdout)["gauges"]["memory"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{program.name} does not say how much memory it holds: {error}") from None
