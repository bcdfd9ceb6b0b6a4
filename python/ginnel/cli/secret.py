"""`ginnel secret`."""

import argparse
import difflib
import json

from ginnel.api.rotation import Rotation, retire_secret, rotate_secret, secret_status
from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import Terminal
from ginnel.config.mistakes import cut
from ginnel.config.state import state_directory
from ginnel.errors import ConfigError

SUMMARY = (
    "Change the secret that this deployment's share links have in common, such as when one of them was lost.\n\n"
    "  status    say whether a previous secret is still accepted\n"
    "  rotate    make a new secret; share links so far work on, until the previous one is retired\n"
    "  retire    accept the new secret alone: share links from before the change work no longer\n\n"
    "A running server takes a change at once. To take out one user alone:  ginnel user remove NAME"
)
EXAMPLES = (
    ("ginnel secret rotate", "a new secret; then new share links for everybody, with `ginnel link USER`"),
    ("ginnel secret retire", "when everybody has a new link"),
    ("ginnel secret status --json", "for a script"),
)
_ACTIONS = "status", "rotate", "retire"


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", metavar="ACTION", nargs="?", help=", ".join(_ACTIONS))
    parser.add_argument("--state", metavar="DIR", help="the server's state directory")
    parser.add_argument(
        "--force",
        action="store_true",
        help="rotate although the secret before this one is still accepted; links made with that one end",
    )
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(parsed: argparse.Namespace) -> int:
    """Do what the first word says."""
    action = _action(parsed.action)
    if parsed.force and action != "rotate":
        raise ConfigError(f"--force is for rotate, not for {action}")
    directory = state_directory(parsed.state)
    match action:
        case "rotate":
            found = rotate_secret(directory, force=parsed.force)
        case "retire":
            found = retire_secret(directory)
        case _:
            found = secret_status(directory)
    terminal = Terminal()
    if parsed.json:
        facts = {
            "previous_accepted": found.has_previous,
            "running": found.process is not None,
            "told": found.told,
        }
        terminal.out(json.dumps({"action": action, **facts}))
        return 0
    _tell(action, found, terminal)
    return 0


def _action(given: str | None) -> str:
    if given is None:
        raise ConfigError("what? An action is missing", hint=f"Actions: {', '.join(_ACTIONS)}.")
    if given not in _ACTIONS:
        near = difflib.get_close_matches(given, _ACTIONS, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"unknown action {cut(given)!r}.{guess}", hint=f"Actions: {', '.join(_ACTIONS)}.")
    return given


def _tell(action: str, found: Rotation, terminal: Terminal) -> None:
    if action == "status":
        terminal.out(
            "two secrets: the current one, and the previous one" if found.has_previous else "one secret"
        )
        if found.has_previous:
            terminal.say("  When everybody has a new share link:   ginnel secret retire")
        return
    now = "new" if action == "rotate" else "the current one alone"
    terminal.fact("secret", now, _holds(found))
    if action == "rotate":
        terminal.say("\n  Share links so far work on. What to do next:\n")
        if not found.told:
            terminal.say("     start the server again")
        terminal.say("     give everybody a new share link:    ginnel link USER")
        terminal.say("     when all have theirs:               ginnel secret retire")
    else:
        when = "." if found.told else " once the server has started again."
        terminal.say(f"\n  Share links from before the change work no longer{when}")


def _holds(found: Rotation) -> str:
    if found.process is None:
        return "holds from the server's next start; it does not run now"
    if found.told:
        return f"holds at once; process {found.process} has it"
    return f"holds from the server's next start; process {found.process} could not be told"
