"""Places where programs run, and the lab that they make up: loopback, or two network namespaces joined by a veth pair.

A namespace is of our own: its name has a random ending, and it is removed whatever happens. Offloads stay on unless
somebody asks: on a clean network they are what programs live with.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench.interrupts import INTERRUPTS
from bench.programs import BenchError

LOOPBACK = "127.0.0.1"
CLIENT_ADDRESS = "10.77.0.1"
SERVER_ADDRESS = "10.77.0.2"
PREFIX_LENGTH = 24
DEVICE = "bench0"
"""The device towards the other end, in either namespace."""
FIRST_PORT = 9_000
"""First port for programs that must be told one; in a namespace of our own all are free."""
OFFLOADS = "tso", "gso", "gro", "tx-udp-segmentation"
"""What `ethtool` switches off: all that lets more than one packet pass a device at a time."""
SYSCTLS = {
    # Above the ports that we give out, and enough for connections by the thousand every second.
    "net/ipv4/ip_local_port_range": "15000 65535",
    "net/ipv4/tcp_tw_reuse": "1",
    # No connection begins with what another one has learnt.
    "net/ipv4/tcp_no_metrics_save": "1",
    # Router solicitations and the like would be counted as traffic.
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}

NAMED = Path("/run/netns")
"""Where `ip` keeps the names of namespaces."""
REMOVE_TRIES = 5
"""An impatient Ctrl-C may hit the `ip` that removes one, in the moment before it has a session of its own."""

_namespaces: set[str] = set()


@dataclass(frozen=True)
class Place:
    """Where one end runs."""

    address: str
    """The IPv4 address by which the other end reaches it."""
    namespace: str | None = None
    _ports: Iterator[int] = field(default_factory=lambda: count(FIRST_PORT), repr=False, compare=False)

    def command(self, *words: str) -> list[str]:
        """A command that runs here."""
        return ["ip", "netns", "exec", self.namespace, *words] if self.namespace else list(words)

    def free_port(self) -> int:
        """A port for a program that cannot be told 0."""
        if self.namespace:
            return next(self._ports)
        with socket.socket() as probe:
            probe.bind((self.address, 0))
            port: int = probe.getsockname()[1]
            return port


@dataclass(frozen=True)
class Ends:
    """The two places of a lab."""

    client: Place
    server: Place

    @property
    def kind(self) -> str:
        """What they are, for the report."""
        return "network namespaces" if self.client.namespace else "loopback"


def why_no_namespaces() -> str | None:
    """The reason why none can be made here; None when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the program ip (Debian: iproute2)"
    try:
        # Root in a container may still be somebody who cannot.
        with namespace("probe"):
            return None
    except BenchError as error:
        return f"no network namespaces here: {error}"


def ip(*words: str) -> None:
    """Run `ip`. BenchError with its words when it fails."""
    # A session of its own: a second Ctrl-C at the terminal must not end the `ip` that cleans up.
    done = subprocess.run(
        ["ip", *words],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode != 0:
        raise BenchError(f"ip {' '.join(words)}: {done.stderr.strip() or done.returncode}")


def set_sysctls(namespace: str, values: dict[str, str]) -> None:
    """Set what of it the kernel has, in a namespace. The names have slashes: they are paths below /proc/sys."""
    script = "; ".join(
        f"test ! -e /proc/sys/{name} || echo '{value}' > /proc/sys/{name}" for name, value in values.items()
    )
    ip("netns", "exec", namespace, "sh", "-c", f"set -e; {script}")


@contextlib.contextmanager
def namespace(end: str) -> Iterator[str]:
    """A fresh namespace with its loopback up, removed at the end."""
    name = f"ginnel-bench-{end}-{secrets.token_hex(4)}"
    try:
        with INTERRUPTS.held():
            _namespaces.add(name)
            ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        set_sysctls(name, SYSCTLS)
        yield name
    finally:
        with INTERRUPTS.held():
            _remove(name)


@contextlib.contextmanager
def two_namespaces() -> Iterator[Ends]:
    """Two namespaces without a way between them."""
    with namespace("c") as client, namespace("s") as server:
        yield Ends(Place(CLIENT_ADDRESS, client), Place(SERVER_ADDRESS, server))


@contextlib.contextmanager
def veth_pair(*, offloads: bool = True) -> Iterator[Ends]:
    """Two namespaces joined by a veth pair, with the offloads that it comes with, or without any."""
    with two_namespaces() as ends:
        here, there = str(ends.client.namespace), str(ends.server.namespace)
        # Made inside: a name that is taken outside does not matter, and the pair goes with its namespaces.
        ip("-n", here, "link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns", there)
        for place in (ends.client, ends.server):
            bring_up(place)
            if not offloads:
                no_offloads(place)
        yield ends


def no_offloads(place: Place) -> None:
    """Let no more than one packet at a time pass the device of a namespace."""
    words = [word for name in OFFLOADS for word in (name, "off")]
    ip("netns", "exec", str(place.namespace), "ethtool", "-K", DEVICE, *words)


def bring_up(place: Place, *settings: str) -> None:
    """Give the device in a namespace its address and set it up."""
    name = str(place.namespace)
    ip("-n", name, "address", "add", f"{place.address}/{PREFIX_LENGTH}", "dev", DEVICE)
    ip("-n", name, "link", "set", DEVICE, *settings, "up")


@contextlib.contextmanager
def loopback() -> Iterator[Ends]:
    """One machine's loopback for both ends."""
    yield Ends(Place(LOOPBACK), Place(LOOPBACK))


def remove_all() -> None:
    """Remove every namespace that is still there."""
    for name in list(_namespaces):
        _remove(name)


def _remove(name: str) -> None:
    _namespaces.discard(name)
    for _ in range(REMOVE_TRIES):
        try:
            return ip("netns", "delete", name)
        except BenchError as error:
            if not (NAMED / name).exists():
                return None  # `add` was what failed; a complaint here would hide the reason
            last = error
    sys.stderr.write(f"not removed: {last}\n")
    return None
