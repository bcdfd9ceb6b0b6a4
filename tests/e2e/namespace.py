"""A network namespace of a test's own (Linux, root): a machine with a loopback and nothing else.

Its name begins with the process that made it. One that outlives its test, because the run was killed, is removed by the
next run, and nothing of another run that still lives is touched.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

CLONE_NEWNET = 0x40000000
NAMED = Path("/run/netns")
"""Where `ip` keeps the names of namespaces."""
PREFIX = "gnl"
OURS = re.compile(rf"{PREFIX}(\d+)-\d+")

_numbers = count()

T = TypeVar("T")


class Namespace:
    """A network namespace by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def wrap(self) -> tuple[str, ...]:
        """What to put before a command so that it runs in here."""
        # With its path, for a test may give the command another PATH.
        return shutil.which("ip") or "ip", "netns", "exec", self.name

    def ip(self, *words: str) -> None:
        """Run `ip` in here."""
        self._run("ip", "-n", self.name, *words)

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run a program in here to its end, and give what it wrote. AssertionError with its words when it fails."""
        return self._run(*self.wrap, *words, stdin=stdin)

    def _run(self, *words: str, stdin: str | None = None) -> str:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
        return done.stdout

    def sysctl(self, name: str, value: object) -> None:
        """Set a value below /proc/sys, such as `net/ipv4/ip_forward`."""
        # A thread of this process sees its own namespace there, whichever the process has.
        self.call(lambda: Path("/proc/sys", name).write_text(f"{value}\n"))

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in a thread that is in here. A socket that it makes stays in here, whoever uses it."""

        def inside() -> T:
            # Only this thread changes over, and it ends right after.
            libc = ctypes.CDLL(None, use_errno=True)
            with (NAMED / self.name).open("rb") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return function()

        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(inside).result()

    def tcp_socket(self) -> socket.socket:
        """A non-blocking TCP socket that lives in here, for this process outside."""
        made = self.call(socket.socket)
        made.setblocking(False)
        return made

    def listener(self, host: str) -> socket.socket:
        """A TCP socket that listens in here on a free port. What it accepts is in here, too."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return self.call(lambda: socket.create_server((host, 0), family=family, backlog=2048))


def needs(*programs: str) -> None:
    """Skip the test, aloud, where it has not what it needs: root, `ip`, and these programs."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the program ip")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: {PACKAGES.get(program, program)})")


PACKAGES = {"nft": "nftables"}
"""What a program's package is called where it has another name."""


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A fresh namespace, removed at the end; the test is skipped, aloud, where none can be made."""
    needs()
    _clean_up()
    name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
    added = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if added.returncode != 0:
        pytest.skip(f"no network namespaces here: {added.stderr.strip()}")
    try:
        space = Namespace(name)
        space.ip("link", "set", "lo", "up")
        yield space
    finally:
        _remove(name)


@cache
def _clean_up() -> None:
    """Once in a run: remove what killed runs have left behind, and see to it that this one leaves nothing."""
    for path in NAMED.glob(f"{PREFIX}*"):
        found = OURS.fullmatch(path.name)
        if found and not Path("/proc", found[1]).exists():
            _remove(path.name)
    atexit.register(_remove_own)


def _remove_own() -> None:
    for path in NAMED.glob(f"{PREFIX}{os.getpid()}-*"):
        _remove(path.name)


def _remove(name: str) -> None:
    # It is gone already when another run was quicker.
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
