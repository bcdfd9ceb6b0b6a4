"""`ginnel reload`."""

import argparse
import json

from ginnel.cli._arguments import Parser
from ginnel.cli._running import add_which, find_running
from ginnel.cli._table import table
from ginnel.cli._terminal import Terminal
from ginnel.control.client import ask
from ginnel.control.messages import WORK_SECONDS
from ginnel.errors import ControlError

SUMMARY = (
    "Let a running server or client read its configuration file again. What did not change is not touched."
)
EXAMPLES = (
    ("ginnel reload", "the one process of ginnel that runs here"),
    ("ginnel reload --state /srv/ginnel", "the server with that state"),
    ("ginnel check FILE && ginnel reload", "only when the file is right"),
)
_COLUMNS = ("key", "old", "new", "effect")


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    add_which(parser)
    parser.add_argument("--json", action="store_true", help="write the changes as JSON")
    parser.set_defaults(command="reload")


def run(parsed: argparse.Namespace) -> int:
    """Ask for it, and show what has changed. A file that cannot be used changes nothing, and is an error."""
    running = find_running(parsed)
    report = ask(running.path, "reload", patience_seconds=WORK_SECONDS)
    if not isinstance(report, list) or not all(isinstance(change, dict) for change in report):
        raise ControlError("the answer is not understood", hint="Is it the same version of ginnel?")
    terminal = Terminal()
    if parsed.json:
        terminal.out(json.dumps(report))
    elif not report:
        terminal.out("nothing has changed")
    else:
        rows = [_COLUMNS, *(tuple(str(change.get(name, "")) for name in _COLUMNS) for change in report)]
        for line in table(rows, right=(False,) * len(_COLUMNS)):
            terminal.out(line)
    return 0
