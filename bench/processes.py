"""Processes seen from outside, through /proc: children, memory, sockets, whether they live."""

import os
import re
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def started(pid: int) -> str | None:
    """When the process began, in the kernel's ticks; with the pid it names the process for ever. None: it is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name stands in brackets and may hold blanks and brackets itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def tree(pid: int) -> list[int]:
    """The process and all that it started and that still run, parents first."""
    found = [pid]
    for parent in found:
        for file in sorted((PROC / str(parent) / "task").glob("*/children")):
            try:
                found += [int(word) for word in file.read_text().split()]
            except OSError:
                continue  # it has ended meanwhile
    return [one for one in found if started(one) is not None]


def resident_bytes(pids: list[int]) -> int:
    """Resident memory of the processes. Raises OSError when one is gone."""
    total = 0
    for pid in pids:
        found = re.search(r"^VmRSS:\s+(\d+) kB", (PROC / str(pid) / "status").read_text(), re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
    return total


def has_socket(pid: int, port: int, protocol: str) -> bool:
    """Whether a TCP socket listens, or a UDP socket is bound, at that port in the namespace of the process."""
    for table in (protocol, f"{protocol}6"):
        try:
            lines = (PROC / str(pid) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and (
                protocol == "udp" or fields[3] == LISTENING
            ):
                return True
    return False


def kill(pid: int, since: str) -> None:
    """Kill the process that began then, if it still runs."""
    if started(pid) == since:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            return
