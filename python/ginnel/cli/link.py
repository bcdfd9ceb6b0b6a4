"""`ginnel link`."""

import argparse
import json

from ginnel.api.links import stored_link
from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import Terminal, short_path
from ginnel.cli.user import link_facts, print_link
from ginnel.config.roster import check_user_name
from ginnel.config.state import state_directory
from ginnel.policy.users import FIRST_USER

SUMMARY = (
    "Print the share link of a user of this machine's server, whether it runs or not. A new name makes a new user.\n"
    "Keys and users are in /var/lib/ginnel (root), else $XDG_STATE_HOME/ginnel, else ~/.local/state/ginnel."
)
EXAMPLES = (
    ("ginnel link", "the link that the server printed at its start"),
    ("ginnel link phone", "a link of its own for the phone, with a QR code"),
    ("ginnel link laptop > laptop.txt", "into a file, for `ginnel client laptop.txt`"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "user", metavar="USER", nargs="?", default=FIRST_USER, help=f"whose link ({FIRST_USER})"
    )
    parser.add_argument("--state", metavar="DIR", help="the server's state directory")
    parser.add_argument(
        "--advertise",
        metavar="[CARRIER://]HOST[:PORTS]",
        action="append",
        help="name this instead of the server's address; with a carrier, instead of that one's",
    )
    parser.add_argument("--json", action="store_true", help="write user, address and link as JSON")


def run(parsed: argparse.Namespace) -> int:
    """Print the link."""
    user = check_user_name(parsed.user)
    directory = state_directory(parsed.state)
    link, is_new = stored_link(directory, user, parsed.advertise)
    terminal = Terminal()
    if parsed.json:
        terminal.out(json.dumps(link_facts(user, link, is_new=is_new)))
        return 0
    if is_new:
        terminal.fact(
            "user", user, f"new, in {short_path(directory)}; a running server knows it within a second"
        )
    print_link(link, terminal)
    return 0
