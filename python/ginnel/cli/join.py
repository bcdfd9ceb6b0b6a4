"""`ginnel join`."""

import argparse
import json

from ginnel.api.joining import join_links
from ginnel.cli._arguments import Parser
from ginnel.cli._source import resolve_links
from ginnel.cli._terminal import Terminal
from ginnel.cli.user import print_link

SUMMARY = (
    "Make one share link of several: a client tries their servers in this order, each with its own keys, and goes on\n"
    "to the next when one does not answer. The quietest way for the links are files, or - for standard input."
)
EXAMPLES = (
    ("ginnel join home.txt office.txt > both.txt", "two servers, tried in this order"),
    ("cat links/*.txt | ginnel join -", "the links from standard input, one behind the other"),
    ("ginnel join v4.txt v6.txt --label 'at home'", "two addresses of one server, and a name for the link"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.is_intermixed = True
    parser.add_argument(
        "links",
        metavar="LINK",
        nargs="+",
        help="a share link, a file that holds one or several, or - for standard input",
    )
    parser.add_argument(
        "--label", metavar="TEXT", help="a name for the link (that of the first which has one)"
    )
    parser.add_argument("--json", action="store_true", help="write label, servers and link as JSON")


def run(parsed: argparse.Namespace) -> int:
    """Print the link."""
    terminal = Terminal()
    link, notes = join_links(resolve_links(parsed.links), parsed.label)
    if parsed.json:
        servers = [str(server.endpoint) for server in link.servers]
        facts = {"label": link.label, "servers": servers, "notes": notes, "link": link.to_text()}
        terminal.out(json.dumps(facts, ensure_ascii=False))
        return 0
    for number, server in enumerate(link.servers, start=1):
        terminal.fact(f"server {number}", str(server.endpoint))
    for note in notes:
        terminal.fact("note", note)
    print_link(link, terminal)
    return 0
