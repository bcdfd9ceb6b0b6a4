"""`ginnel-load flood`, the program that sends as fast as the machine does, and what it needs to know."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ginnel.config.sharelink import ShareLink

from .process import Process

ROOT = Path(__file__).parents[2]

PATIENCE = 30.0
"""Seconds beyond its own time that a flood may take on a busy machine."""


@dataclass(frozen=True)
class Fired:
    """What a flood came to."""

    datagrams: int
    seconds: float
    cpu: float
    """Seconds of processor time that the process under fire used meanwhile."""

    def __str__(self) -> str:
        rate = self.datagrams / self.seconds
        return f"{self.datagrams:,} datagrams in {self.seconds:.1f} s, {rate:,.0f}/s, {self.cpu:.2f} s of CPU there"


def program() -> Path:
    """The program, built for release or for the tests; the test skips where it is not built."""
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    built = (target / profile / "ginnel-load" for profile in ("release", "debug"))
    found = next((path for path in built if path.exists()), None)
    if found is None:
        pytest.skip("ginnel-load is not built: make load")
    return found


def keys(link: str) -> str:
    """What a flood of handshakes needs of a share link: the deployment's secret and the server, and no user's key."""
    server = ShareLink.parse(link).servers[0]
    return json.dumps({"psk": server.psk.reveal().hex(), "server": server.public_key.hex()})


def fire(port: int, pid: int, *more: str, stdin: str | None = None, seconds: float) -> Fired:
    """Send to a port of loopback for so long, and look at the processor time of one process meanwhile."""
    arguments = ["flood", "--to", f"127.0.0.1:{port}", "--seconds", str(seconds), "--pids", str(pid), *more]
    process = Process([str(program()), *arguments], stdin=stdin)
    code = process.wait(seconds + PATIENCE)
    assert code == 0, process.describe()
    report: Mapping[str, float] = json.loads(process.stdout[0])
    cpu: Mapping[str, float] = json.loads(process.stdout[0])["cpu_seconds"]
    return Fired(int(report["datagrams"]), report["seconds"], cpu[str(pid)])
