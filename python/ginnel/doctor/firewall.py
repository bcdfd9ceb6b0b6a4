"""A local firewall that would answer for raw TCP's ports, or swallow what it should pass on.

Packet sockets see what comes before any firewall does, so one that *drops* costs raw TCP nothing. One that *rejects*
answers with a reset or an ICMP message, which gives the port away and may end connections on the way.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ginnel.doctor.finding import Finding, Wanted
from ginnel.errors import OPTIONAL_RIGHT

_PATH = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin"
_PATIENCE_SECONDS = 5.0
_Chain = tuple[str, str, str]
"""Family, table, name."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a firewall does, in its own words for the place: `inet filter input`."""

    rejects: tuple[str, ...] = ()
    """Chains on the way in that have a rule that rejects."""
    swallows: tuple[str, ...] = ()
    """Chains on the way through that drop what no rule lets pass."""

    def __add__(self, other: "Verdicts") -> "Verdicts":
        """Join what two tools say; the same chain counts once."""
        return Verdicts(
            tuple(dict.fromkeys(self.rejects + other.rejects)),
            tuple(dict.fromkeys(self.swallows + other.swallows)),
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What could be seen."""

    verdicts: Verdicts | None
    """None: this process may not look."""
    nft: bool
    """Whether nft is there, which the rule against a rejecting firewall needs."""
    tools: tuple[str, ...] = field(default=())
    """What was asked."""


def read() -> Facts:
    """Ask nft and iptables, whichever is there."""
    found, tools = Verdicts(), []
    for tool, arguments, parse in (
        ("nft", ("-j", "list", "ruleset"), parse_nft),
        ("iptables-save", (), lambda text: parse_iptables(text, "ip")),
        ("ip6tables-save", (), lambda text: parse_iptables(text, "ip6")),
    ):
        if (text := _output(tool, arguments)) is not None and (verdicts := parse(text)) is not None:
            found += verdicts
            tools.append(tool)
    has_nft = shutil.which("nft", path=_PATH) is not None
    return Facts(found if tools else None, has_nft, tuple(tools))


def _output(tool: str, arguments: tuple[str, ...]) -> str | None:
    program = shutil.which(tool, path=_PATH)
    if program is None:
        return None
    try:
        ran = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            env={"PATH": _PATH, "LC_ALL": "C", "HOME": os.devnull},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout.decode(errors="replace") if ran.returncode == 0 else None


def parse_nft(text: str) -> Verdicts | None:
    """Take the verdicts out of `nft -j list ruleset`; None for what is no ruleset."""
    try:
        objects = [one for one in json.loads(text)["nftables"] if isinstance(one, dict)]
    except (ValueError, KeyError, TypeError):
        return None
    bases: dict[_Chain, tuple[str, str]] = {}
    jumps: dict[_Chain, set[_Chain]] = {}
    rejecting: set[_Chain] = set()
    for one in objects:
        if isinstance(chain := one.get("chain"), dict):
            bases[_place(chain, "name")] = (str(chain.get("hook", "")), str(chain.get("policy", "")))
        elif isinstance(rule := one.get("rule"), dict):
            place = _place(rule, "chain")
            for name, value in _statements(rule):
                if name == "reject" or (
                    name == "xt" and isinstance(value, dict) and value.get("name") == "REJECT"
                ):
                    rejecting.add(place)
                elif name in ("jump", "goto") and isinstance(value, dict):
                    jumps.setdefault(place, set()).add((*place[:2], str(value.get("target", ""))))
    inwards = _reached([place for place, (hook, _) in bases.items() if hook == "input"], jumps)
    swallows = [place for place, base in bases.items() if base == ("forward", "drop")]
    return Verdicts(
        tuple(" ".join(place) for place in inwards if place in rejecting),
        tuple(" ".join(place) for place in swallows),
    )


def _place(thing: dict[str, Any], name: str) -> _Chain:
    return str(thing.get("family", "")), str(thing.get("table", "")), str(thing.get(name, ""))


def _statements(rule: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for statement in rule.get("expr") or ():
        if isinstance(statement, dict):
            yield from statement.items()


def _reached(first: list[_Chain], jumps: dict[_Chain, set[_Chain]]) -> list[_Chain]:
    """All chains that a packet can come through, in order, each once."""
    reached, ahead = dict.fromkeys(first), list(first)
    while ahead:
        for place in sorted(jumps.get(ahead.pop(), ())):
            if place not in reached:
                reached[place] = None
                ahead.append(place)
    return list(reached)


def parse_iptables(text: str, family: str) -> Verdicts:
    """Take the verdicts out of `iptables-save`; of the table `filter`, where they stand."""
    jumps: dict[_Chain, set[_Chain]] = {}
    rejecting: set[_Chain] = set()
    swallows: list[str] = []
    table = ""
    for line in text.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:].strip()
        elif table == "filter" and words[:2] == [":FORWARD", "DROP"]:
            swallows.append(f"{family} filter FORWARD")
        elif table == "filter" and words[:1] == ["-A"]:
            for flag, target in pairwise(words[2:]):
                if flag in ("-j", "-g"):
                    place = (family, table, words[1])
                    if target == "REJECT":
                        rejecting.add(place)
                    else:
                        jumps.setdefault(place, set()).add((family, table, target))
    inwards = _reached([(family, "filter", "INPUT")], jumps)
    return Verdicts(tuple(" ".join(place) for place in inwards if place in rejecting), tuple(swallows))


def check(facts: Facts, wanted: Wanted, *, may_change: bool) -> Iterator[Finding]:
    """Judge what was seen; `may_change` says that this process may add the rule itself (CAP_NET_ADMIN)."""
    if facts.verdicts is None:
        found = "the local firewall cannot be seen by this process, or has no tool here"
        yield Finding("firewall", "note", found, "sudo nft list ruleset")
    elif facts.verdicts.rejects:
        yield from _rejects(facts, facts.verdicts, wanted, may_change=may_change)
    else:
        yield Finding(
            "firewall", "ok", f"nothing that comes in is rejected (seen by {', '.join(facts.tools)})"
        )
    if not facts.nft:
        found = "no nft: a local firewall that rejects could not be kept from answering for raw TCP's ports"
        yield Finding("firewall", "note", found, "sudo apt install nftables")
    if facts.verdicts is not None and facts.verdicts.swallows:
        places = ", ".join(facts.verdicts.swallows)
        found = f"forwarded packets are dropped ({places}): only for a server in a container or machine behind this one"
        family, table, chain = facts.verdicts.swallows[0].split(" ", 2)
        port = wanted.ports or "PORT"
        remedy = f"sudo nft insert rule {family} {table} {chain} meta l4proto {{ tcp, udp }} th dport {port} accept"
        yield Finding("forwarding", "note", found, remedy)


def _rejects(facts: Facts, verdicts: Verdicts, wanted: Wanted, *, may_change: bool) -> Iterator[Finding]:
    places = ", ".join(verdicts.rejects)
    if facts.nft and may_change:
        found = f"it rejects ({places}); raw TCP's ports are dropped ahead of it while ginnel runs"
        yield Finding("firewall", "ok", found)
        return
    found = f"it rejects ({places}), and would answer for raw TCP's ports"
    family, table, chain = verdicts.rejects[0].split(" ", 2)
    port = wanted.ports or "PORT"
    remedy = f"sudo nft insert rule {family} {table} {chain} tcp dport {port} drop"
    if not may_change:
        remedy += (
            f"\nor give ginnel {OPTIONAL_RIGHT} as well, which lets it change all of this machine's network;"
            "\nwith nft it then drops them ahead of the firewall while it runs"
        )
    yield Finding("firewall", wanted.lacking(), found, remedy)
