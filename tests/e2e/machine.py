"""A process seen from the outside, through /proc: sockets, memory, descriptors."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

LISTEN = "0A"
"""TCP_LISTEN of include/net/tcp_states.h, as the kernel's tables write it."""


@dataclass(frozen=True)
class UdpSocket:
    """One line of /proc/PID/net/udp that belongs to a process."""

    port: int
    queued: int
    """Bytes that the kernel holds for it."""
    drops: int
    """Datagrams lost because its receive buffer was full."""


def udp_sockets(pid: int) -> list[UdpSocket]:
    """The UDP sockets of a process, IPv4 and IPv6, in its own network namespace."""
    inodes = _socket_inodes(pid)
    sockets = []
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            field = line.split()
            if field[9] in inodes:
                port = int(field[1].rpartition(":")[2], 16)
                queued = int(field[4].partition(":")[2], 16)
                sockets.append(UdpSocket(port, queued, int(field[-1])))
    return sockets


def tcp_listeners(pid: int) -> list[int]:
    """The ports at which a process listens for TCP, IPv4 and IPv6, in its own network namespace."""
    inodes = _socket_inodes(pid)
    fields = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return [
        int(field[1].rpartition(":")[2], 16) for field in fields if field[3] == LISTEN and field[9] in inodes
    ]


def _socket_inodes(pid: int) -> set[str]:
    """What the kernel's tables call the sockets of a process."""
    inodes: set[str] = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
        except FileNotFoundError:
            continue  # Closed between the listing and the look.
        if found:
            inodes.add(found[1])
    return inodes


def effective_capabilities() -> int:
    """The capabilities of this process, a bit each."""
    found = re.search(r"^CapEff:\s+([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1], 16) if found else 0


async def all_read(pid: int, port: int) -> None:
    """Wait until the process has taken every datagram that the kernel holds for it."""
    while any(socket.queued for socket in udp_sockets(pid) if socket.port == port):  # noqa: ASYNC110 - the kernel has no event for it
        await asyncio.sleep(0.001)


def udp_drops(pid: int, port: int) -> int:
    """Datagrams that never reached the process since its socket was made."""
    return sum(socket.drops for socket in udp_sockets(pid) if socket.port == port)


def resident_memory(pid: int) -> int:
    """Resident memory in bytes."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def descriptors(pid: int) -> int:
    """Open file descriptors."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def threads(pid: int) -> int:
    """Threads."""
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def stored_bytes(directory: Path) -> int:
    """Bytes in all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
