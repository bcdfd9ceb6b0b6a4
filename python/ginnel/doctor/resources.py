"""Descriptors and socket buffers."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ginnel.doctor.finding import Finding

FEW, ENOUGH = 1024, 16_384
"""Descriptors: below the first it is a problem, from the second on all is well. A stream takes one at each end."""
BUFFERS = {"rmem_max": 16 << 20, "wmem_max": 8 << 20}
"""What a socket is given if it may be: bytes."""
_CORE = Path("/proc/sys/net/core")


@dataclass(frozen=True, slots=True)
class Facts:
    """The limits of this process and of this machine."""

    soft: int
    """-1: none."""
    hard: int
    buffers: dict[str, int | None]
    """By the name of the setting; None where it cannot be seen, as inside of some containers."""


def read() -> Facts:
    """Ask the system."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Facts(soft, hard, {name: _bytes(_CORE / name) for name in BUFFERS})


def _bytes(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def check(facts: Facts, *, may_force: bool) -> Iterator[Finding]:
    """Judge them; `may_force` says that this process may have larger buffers than others (CAP_NET_ADMIN)."""
    yield _descriptors(facts)
    for name, size in facts.buffers.items():
        setting = f"net.core.{name}"
        if may_force:
            yield Finding("buffers", "ok", f"{setting} does not bind this process, which has CAP_NET_ADMIN")
        elif size is None:
            yield Finding("buffers", "note", f"{setting} cannot be seen here", f"sysctl {setting}")
        elif size < BUFFERS[name]:
            found = f"{setting} is {_size(size)}; bursts of a fast path need {_size(BUFFERS[name])}"
            yield Finding("buffers", "note", found, f"sudo sysctl -w {setting}={BUFFERS[name]}")
        else:
            yield Finding("buffers", "ok", f"{setting} is {_size(size)}")


def _descriptors(facts: Facts) -> Finding:
    hard = facts.hard
    if hard == resource.RLIM_INFINITY or hard >= ENOUGH:
        shown = "without a limit" if hard == resource.RLIM_INFINITY else f"up to {hard:,}"
        return Finding("descriptors", "ok", f"{shown}; ginnel takes what it may (now {facts.soft:,})")
    found = f"at most {hard:,}, about as many streams at the same time"
    remedy = "LimitNOFILE=65536 in a systemd service, or in /etc/security/limits.conf:  * hard nofile 65536"
    return Finding("descriptors", "problem" if hard < FEW else "note", found, remedy)


def _size(size: int) -> str:
    return f"{size / (1 << 20):.3g} MiB" if size >= 1 << 20 else f"{size / 1024:.3g} KiB"
