"""`ginnel interfaces`."""

import argparse
import json
from dataclasses import asdict

from ginnel.cli._arguments import Parser
from ginnel.cli._table import table
from ginnel.cli._terminal import Terminal
from ginnel.cli._whereto import add_whereto, whereto
from ginnel.doctor import ways
from ginnel.doctor.finding import Wanted
from ginnel.doctor.ways import Interface, Way
from ginnel.errors import GinnelError

SUMMARY = (
    "Show this machine's interfaces, which of them leads to a server (without an argument: to the Internet), and\n"
    "what raw TCP would make of each. Needs no rights and sends nothing but questions for names."
)
EXAMPLES = (
    ("ginnel interfaces", "which one leads to the Internet"),
    ("ginnel interfaces link.txt", "which one leads to the server of a share link"),
    ("ginnel interfaces vpn.example.net --json", "to a host, for scripts"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    add_whereto(parser)
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(parsed: argparse.Namespace) -> int:
    """Show them."""
    wanted = whereto(parsed)
    terminal = Terminal()
    try:
        found = ways.interfaces()
    except OSError as error:
        raise GinnelError(f"the interfaces cannot be looked at: {error.strerror or error}") from error
    leading = ways.find(wanted)
    if parsed.json:
        terminal.out(json.dumps(_facts(found, leading, wanted), ensure_ascii=False))
        return 0
    for line in [*_table(found, leading, wanted), "", *(_why(way, wanted) for way in leading)]:
        terminal.out(line)
    terminal.out(
        'Another one for raw TCP:  --interface NAME, or interface = "NAME" in the table [rawtcp] of the configuration'
    )
    return 0


def _named(interface: Interface, wanted: Wanted) -> bool:
    return interface.name == wanted.interface


def _table(found: list[Interface], leading: list[Way], wanted: Wanted) -> list[str]:
    used = {way.interface.index for way in leading if way.interface is not None}
    rows = [("", "name", "kind", "state", "mtu", "hardware", "raw TCP", "addresses")]
    rows += [
        (
            "*" if one.index in used else "",
            one.name,
            "tunnel" if one.tunnel else one.kind,
            "up" if one.up else "down",
            str(one.mtu),
            one.hardware or "-",
            "no"
            if one.obstacle(named=True)
            else "if named"
            if one.obstacle(named=_named(one, wanted))
            else "yes",
            ", ".join(one.addresses) or "-",
        )
        for one in found
    ]
    return table(rows, [False, False, False, False, True, False, False, False])


def _why(way: Way, wanted: Wanted) -> str:
    """Which interface leads to a host, and why this one."""
    host = way.shown
    if way.interface is None:
        return f"{host}: {way.error}"
    named = _named(way.interface, wanted)
    if way.interface.kind == "loopback" and not named:
        return f"{host}: {way.interface.name}, for it is this machine itself"
    by = "directly" if way.next == way.address else f"by {way.next}"
    if way.hardware:
        by += f" ({way.hardware})"
    why = "it was named" if named else "so this machine's routes say"
    line = f"{host}: {way.interface.name}, from {way.source}, {by}, for {why}"
    obstacle = way.interface.obstacle(named=named)
    return f"{line}; not for raw TCP: {obstacle}" if obstacle else line


def _facts(found: list[Interface], leading: list[Way], wanted: Wanted) -> dict[str, object]:
    return {
        "interfaces": [{**asdict(one), "obstacle": one.obstacle(named=_named(one, wanted))} for one in found],
        "ways": [{**asdict(way), "interface": way.interface and way.interface.name} for way in leading],
    }
