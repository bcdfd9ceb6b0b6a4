"""Whether this is Linux, and the rights of this process (capabilities(7))."""

import platform
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ginnel.doctor.finding import Finding, Wanted
from ginnel.errors import OPTIONAL_RIGHT, RIGHTS

_BITS = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
_STATUS, _FIRST_FREE_PORT = Path("/proc/self/status"), Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the system says of itself and of this process."""

    system: str
    release: str
    rights: frozenset[str] | None
    """Names of capabilities that this process has; None: unknown."""
    first_free_port: int = 1024
    """From here on ports need no right."""
    program: str = "python3"
    """The file that would be given rights."""


def read() -> Facts:
    """Ask the system."""
    return Facts(
        platform.system(),
        platform.release(),
        parse_status(_text(_STATUS)),
        _number(_text(_FIRST_FREE_PORT), 1024),
        str(Path(sys.executable).resolve()),
    )


def parse_status(text: str) -> frozenset[str] | None:
    """Take the effective capabilities out of `/proc/self/status`."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            try:
                bits = int(value, 16)
            except ValueError:
                return None
            return frozenset(right for right, bit in _BITS.items() if bits >> bit & 1)
    return None


def check(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Judge the system and each right."""
    if facts.system != "Linux":
        yield Finding("system", wanted.lacking(), f"{facts.system}: raw TCP needs Linux", "")
        return
    yield Finding("system", "ok", f"Linux {facts.release}")
    if facts.rights is None:
        yield Finding(
            "rights", "note", "the rights of this process cannot be seen", "grep Cap /proc/self/status"
        )
        return
    low = _lowest(wanted.ports)
    needs_low = wanted.role == "server" and low is not None and low < facts.first_free_port
    for right, what, state in (
        ("CAP_NET_RAW", "raw TCP opens packet sockets with it", wanted.lacking()),
        (
            "CAP_NET_BIND_SERVICE",
            f"a server needs it for ports below {facts.first_free_port}",
            "problem" if needs_low else "note",
        ),
    ):
        if right in facts.rights:
            yield Finding("rights", "ok", f"{right}: {what}")
        else:
            yield Finding(
                "rights", "problem" if state == "problem" else "note", f"no {right}: {what}", grant(facts)
            )
    # It reaches far, so nobody is told to give it; where it would help, the firewall's finding says so.
    has = "" if OPTIONAL_RIGHT in facts.rights else "no "
    what = "not needed; a local firewall that rejects can be kept from answering with it"
    yield Finding("rights", "ok", f"{has}{OPTIONAL_RIGHT}: {what}")


def grant(facts: Facts) -> str:
    """How the rights are given: to the program, for whoever starts it, or to a service."""
    return (
        f"sudo setcap {','.join(RIGHTS).lower()}+ep {shlex.quote(facts.program)}\n"
        f"or in a systemd service:  AmbientCapabilities={' '.join(RIGHTS)}"
    )


def _lowest(ports: str) -> int | None:
    digits = ports.replace("-", ",").split(",")
    numbers = [int(one) for one in digits if one.strip().isdecimal()]
    return min((number for number in numbers if number), default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(text: str, default: int) -> int:
    return int(text) if text.strip().isdecimal() else default
