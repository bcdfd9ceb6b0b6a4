"""`ginnel user`."""

import argparse
import difflib
import json
from collections.abc import Callable, Sequence

from ginnel.api.links import StoredUsers, Told, parse_advertise
from ginnel.cli._arguments import Parser
from ginnel.cli._table import moment, rough_size, table
from ginnel.cli._terminal import Terminal, qr_code
from ginnel.config.mistakes import cut
from ginnel.config.roster import Record, check_user_name
from ginnel.config.sharelink import ShareLink
from ginnel.config.state import state_directory
from ginnel.errors import ConfigError

SUMMARY = (
    "Add, list and remove the users of this machine's server, whether it runs or not.\n\n"
    "  add NAME …      make users and print their share links\n"
    "  list            show all users and what they have used\n"
    "  link NAME …     print the share links of users again\n"
    "  rotate NAME …   give users new keys: links so far end, new share links are printed\n"
    "  remove NAME …   end their links; their share links never work again"
)
EXAMPLES = (
    ("ginnel user add phone", "a link of its own for the phone, with a QR code"),
    ("ginnel user list --json", "who uses this server how much, for a script"),
    ("ginnel user remove phone", "the phone is out within a second"),
)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.is_intermixed = True
    parser.add_argument("action", metavar="ACTION", nargs="?", help=", ".join(ACTIONS))
    parser.add_argument("names", metavar="NAME", nargs="*", help="whom it is about")
    parser.add_argument("--state", metavar="DIR", help="the server's state directory")
    parser.add_argument(
        "--advertise",
        metavar="[CARRIER://]HOST[:PORTS]",
        action="append",
        help="name this in share links instead of the server's address; with a carrier, instead of that one's",
    )
    parser.add_argument("--json", action="store_true", help="write JSON, a line for each user")


def run(parsed: argparse.Namespace) -> int:
    """Do what the first word says."""
    if parsed.action is None:
        raise ConfigError("what? An action is missing", hint=f"Actions: {', '.join(ACTIONS)}.")
    action = ACTIONS.get(parsed.action)
    if action is None:
        near = difflib.get_close_matches(parsed.action, ACTIONS, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"unknown action {cut(parsed.action)!r}.{guess}", hint=f"Actions: {', '.join(ACTIONS)}."
        )
    _check_names(parsed)
    parsed.advertise = parse_advertise(parsed.advertise, "--advertise")
    with StoredUsers(state_directory(parsed.state)) as users:
        users.check(parsed.advertise)  # before anything is changed
        action(users, parsed, Terminal())
    return 0


def _check_names(parsed: argparse.Namespace) -> None:
    names = parsed.names
    if parsed.action == "list":
        if names:
            raise ConfigError("`ginnel user list` lists all users and takes no name")
        return
    if not names:
        raise ConfigError("whom? A name is missing", hint=f"Such as:  ginnel user {parsed.action} phone")
    for name in names:
        check_user_name(name)
    if len(set(names)) < len(names):
        raise ConfigError("the same name is given twice", hint="Each name once.")


def _add(users: StoredUsers, parsed: argparse.Namespace, terminal: Terminal) -> None:
    told = users.add(parsed.names)
    notes = {name: f"new; {_known(told)}" for name in parsed.names}
    _print_links(users, parsed, terminal, notes)


def _rotate(users: StoredUsers, parsed: argparse.Namespace, terminal: Terminal) -> None:
    told = users.rotate(parsed.names)
    _print_links(users, parsed, terminal, dict.fromkeys(parsed.names, f"new key; {_ended(told)}"))


def _link(users: StoredUsers, parsed: argparse.Namespace, terminal: Terminal) -> None:
    # With one name, as `ginnel link`: nothing but the link.
    notes = {} if len(parsed.names) == 1 else dict.fromkeys(parsed.names, "")
    _print_links(users, parsed, terminal, notes)


def _remove(users: StoredUsers, parsed: argparse.Namespace, terminal: Terminal) -> None:
    told = users.remove(parsed.names)
    if parsed.json:
        facts = {"removed": parsed.names, "running": told.is_running, "links_ended": told.ended}
        terminal.out(json.dumps(facts))
        return
    terminal.fact("removed", ", ".join(parsed.names), _ended(told))


def _list(users: StoredUsers, parsed: argparse.Namespace, terminal: Terminal) -> None:
    records, links = users.records()
    if parsed.json:
        for record in records:
            terminal.out(json.dumps(_facts(record, links)))
        return
    head = ("name", "created", "last seen", "links now", "from user", "to user", "streams")
    rows = [head, *(_row(record, links) for record in records)]
    for line in table(rows, right=(False, False, False, True, True, True, True)):
        terminal.out(line)
    if not records:
        terminal.say("  No user yet:  ginnel user add NAME")


def _facts(record: Record, links: dict[str, int] | None) -> dict[str, object]:
    name, usage = record.user.name, record.usage
    return {
        "name": name,
        "generation": record.user.generation,
        "created": record.created,
        "last_seen": usage.last_seen,
        "links": None if links is None else links.get(name, 0),
        "links_opened": usage.links,
        "streams_opened": usage.streams,
        "bytes_received": usage.bytes_received,
        "bytes_sent": usage.bytes_sent,
    }


def _row(record: Record, links: dict[str, int] | None) -> Sequence[str]:
    name, usage = record.user.name, record.usage
    here = 0 if links is None else links.get(name, 0)
    return (
        name,
        moment(record.created),
        "now" if here else moment(usage.last_seen),
        "-" if links is None else str(here),
        rough_size(usage.bytes_received),
        rough_size(usage.bytes_sent),
        f"{usage.streams:,}",
    )


def _print_links(
    users: StoredUsers, parsed: argparse.Namespace, terminal: Terminal, notes: dict[str, str]
) -> None:
    for name in parsed.names:
        link = users.link(name, parsed.advertise)
        if parsed.json:
            terminal.out(json.dumps(link_facts(name, link, is_new=parsed.action == "add")))
            continue
        if name in notes:
            terminal.fact("user", name, notes[name])
        print_link(link, terminal)


def print_link(link: ShareLink, terminal: Terminal) -> None:
    """Print a share link, and on a terminal its QR code."""
    text = link.to_text()
    terminal.out(text)
    if terminal.is_watched:
        terminal.say("\n" + qr_code(text))


def link_facts(name: str, link: ShareLink, *, is_new: bool) -> dict[str, object]:
    """A user's share link for programs; `address` is the first of `addresses`, of which each carrier has one."""
    addresses = [str(server.endpoint) for server in link.servers]
    return {
        "user": name,
        "new": is_new,
        "address": addresses[0],
        "addresses": addresses,
        "link": link.to_text(),
    }


def _known(told: Told) -> str:
    if not told.is_running:
        return "the server does not run now"
    if told.ended is None:
        return "the server could not be told: it notices within a second"
    return "the server knows"


def _ended(told: Told) -> str:
    if not told.is_running or told.ended is None:
        return _known(told)
    if told.ended == 0:
        return "no link was up"
    return f"{told.ended} link{'s' * (told.ended > 1)} ended"


ACTIONS: dict[str, Callable[[StoredUsers, argparse.Namespace, Terminal], None]] = {
    "add": _add,
    "list": _list,
    "link": _link,
    "rotate": _rotate,
    "remove": _remove,
}
"""What can be done, by its word."""
