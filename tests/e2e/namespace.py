"""A network namespace of a test's own (Linux, root): a machine with a loopback and nothing else."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import pytest

CLONE_NEWNET = 0x40000000
_numbers = count()


class Namespace:
    """A network namespace by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def wrap(self) -> tuple[str, ...]:
        """What to put before a command so that it runs in here."""
        return "ip", "netns", "exec", self.name

    def ip(self, *words: str) -> None:
        """Run `ip` in here."""
        subprocess.run(["ip", "-n", self.name, *words], check=True, capture_output=True)

    def tcp_socket(self) -> socket.socket:
        """A non-blocking TCP socket that lives in here, for this process outside."""

        def make() -> socket.socket:
            # Only this thread changes over, and it ends right after.
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{self.name}", "rb") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made = socket.socket()
            made.setblocking(False)
            return made

        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(make).result()


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A fresh namespace, removed at the end; the test is skipped, aloud, where none can be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the program ip")
    name = f"ginnel-e2e-{os.getpid()}-{next(_numbers)}"
    added = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if added.returncode != 0:
        pytest.skip(f"no network namespaces here: {added.stderr.strip()}")
    try:
        space = Namespace(name)
        space.ip("link", "set", "lo", "up")
        yield space
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True, capture_output=True)
