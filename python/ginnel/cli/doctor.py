"""`ginnel doctor`."""

import argparse
import json
from dataclasses import asdict, replace

from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import Terminal
from ginnel.cli._whereto import add_whereto, whereto
from ginnel.doctor.examination import examine
from ginnel.doctor.finding import Finding

SUMMARY = (
    "Look at everything on this machine that ginnel depends on: rights, route, next hop, packet sizes, offloads,\n"
    "clock, descriptors, buffers, firewall. Each line says what was found, if it is a problem, and what mends it.\n"
    "Changes nothing. Exit code 0 without a problem, 1 with one."
)
EXAMPLES = (
    ("ginnel doctor link.txt", "before or after a client that does not get through"),
    ("sudo ginnel doctor server.toml", "a server, and the firewall, which only root sees"),
    ("ginnel doctor --carrier rawtcp --json", "whether raw TCP would work here, for scripts"),
)
_AREA_WIDTH = max(len("descriptors"), len("forwarding"))


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    add_whereto(parser, carrier=True)
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(parsed: argparse.Namespace) -> int:
    """Look, and tell."""
    wanted = whereto(parsed)
    terminal = Terminal()
    findings: list[Finding] = []
    for finding in examine(wanted):
        if not parsed.json:
            # What mends several things is said once.
            is_said = any(finding.remedy == one.remedy for one in findings)
            for line in _lines(replace(finding, remedy="") if is_said else finding):
                terminal.out(line)
        findings.append(finding)
    problems = sum(finding.state == "problem" for finding in findings)
    if parsed.json:
        facts = {"good": not problems, "findings": [asdict(finding) for finding in findings]}
        terminal.out(json.dumps(facts, ensure_ascii=False))
    else:
        terminal.out(f"\n{problems} problem{'s' * (problems != 1)}" if problems else "\nno problem")
    return 1 if problems else 0


def _lines(finding: Finding) -> list[str]:
    indent = " " * (len("problem") + 2 + _AREA_WIDTH + 2)
    first = f"{finding.state:<7}  {finding.area:<{_AREA_WIDTH}}  {finding.found}"
    return [first, *(f"{indent}{line}" for line in finding.remedy.splitlines())]
