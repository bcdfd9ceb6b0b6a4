"""Who judges captures: our own script, and programs that networks use to name protocols (nDPI, Wireshark)."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scripts.judge.chance import FALSE_ALARM, at_least

DATA = "eth:ethertype:ip:udp:data"
"""What tshark says of a datagram that no protocol claims."""

LIMIT = 110
"""Seconds until a judge must have ended."""


def ours(path: Path, server: str) -> dict[str, Any]:
    """What `scripts.judge` says of a capture, as a process of its own."""
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-m", "scripts.judge", str(path), "--server", server, "--json"]
    ended = subprocess.run(arguments, cwd=root, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ended.returncode in (0, 1, 2), ended.stderr
    assert ended.stdout, ended.stderr
    verdict: dict[str, Any] = json.loads(ended.stdout)
    assert ended.returncode == {"clean": 0, "findings": 1, "unjudged": 2}[verdict["verdict"]]
    return verdict


def ndpi(path: Path) -> tuple[Counter[str], Counter[str]]:
    """How many flows nDPI gives each name, and how many have which risk.

    By content alone (`-d`): a guess by port or address says nothing of what ginnel sends.
    """
    output = _run("libndpi-bin", "ndpiReader", "-d", "-v", "2", "-i", str(path))
    # A line for each flow: its number, both ends, then `[proto: 0/Unknown]`, and `[Risk: ** … **]` where there is one.
    flows = [line for line in output.splitlines() if re.match(r"\s*\d+\s+(UDP|TCP)\s", line)]
    names = Counter(name for line in flows for name in re.findall(r"\[proto: [\d.]+/([^]]+)\]", line))
    risks = Counter(risk.strip() for line in flows for risk in re.findall(r"\[Risk: \*\* ([^*]+)\*\*", line))
    assert names.total() == len(flows), output
    return names, risks


def tshark(path: Path) -> Counter[str]:
    """How many frames tshark takes apart in which way."""
    output = _run("tshark", "tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.protocols")
    return Counter(output.split())


CHAT = 0x200000
"""The severity with which tshark's experts say what is ordinary: a connection begins, a window has changed."""

ORDINARY = re.compile(
    r"This frame (initiates|undergoes) the connection closing|Connection finish \(FIN\)|Connection reset \(RST\)"
)
"""What they say more loudly, though it only names an end. (A reset ends connections that are given up at an exit.)"""


def complaints(path: Path, *, checksums: bool) -> Counter[str]:
    """What tshark's experts complain of in a capture of TCP, beyond what is ordinary, and how often.

    With `checksums` they look at these too; where a device computes them later, they are not right yet. Payloads are
    taken for nothing: of so many random ones some are always guessed to be something, and then found to be bad at it.
    """
    fields = ("_ws.expert.message", "_ws.expert.severity")
    words = ["tshark", "-n", "-r", str(path), "-Y", "_ws.expert", "-T", "fields", "-E", "aggregator=\x1f"]
    words += ["-d", "tcp.port==1-65535,data"]
    for name in ("tcp.check_checksum", "ip.check_checksum"):
        words += ["-o", f"{name}:{'TRUE' if checksums else 'FALSE'}"]
    output = _run("tshark", *words, *(word for name in fields for word in ("-e", name)))
    found: Counter[str] = Counter()
    for line in output.splitlines():
        messages, severities = (part.split("\x1f") for part in line.split("\t"))
        for message, severity in zip(messages, severities, strict=True):
            if int(severity, 0) > CHAT and not ORDINARY.search(message):
                found[re.sub(r"\d+", "N", message)] += 1
    return found


def beyond_chance(seen: Counter[str], ordinary: Counter[str], nothing: str) -> dict[str, str]:
    """The names that are given more often than random bytes get them, with how often.

    `ordinary` counts the same for a control of random bytes, which must be large; `nothing` is the word for no name.
    A name that random bytes never got there is taken for one that they may get ten times in as many.
    """
    found = {}
    for name, count in seen.items():
        share = min(1.0, (ordinary[name] + 10) / ordinary.total())
        if name != nothing and at_least(count, seen.total(), share) < math.log10(FALSE_ALARM):
            found[name] = f"{count} of {seen.total()}; random bytes: {ordinary[name]} of {ordinary.total()}"
    return found


def ports_known_to_tshark() -> set[int]:
    """UDP ports that have a dissector of their own."""
    found = set()
    for line in _run("tshark", "tshark", "-G", "decodes").splitlines():
        table, _, rest = line.partition("\t")
        if table == "udp.port":
            found.add(int(rest.partition("\t")[0]))
    return found


def _run(package: str, *command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (Debian: {package})")
    ended = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=LIMIT, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
