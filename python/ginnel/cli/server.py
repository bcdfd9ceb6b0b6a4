"""`ginnel server`."""

import argparse
import asyncio
import socket

from ginnel.api.server import Server
from ginnel.cli._arguments import Parser, add_drain, add_quiet, drain_seconds
from ginnel.cli._events import event_lines
from ginnel.cli._lifetime import Ending, run_until_signal
from ginnel.cli._log import add_log, all_levels, install, log_config
from ginnel.cli._terminal import Terminal, qr_code, short_path
from ginnel.cli.version import program_version
from ginnel.config.logs import LogConfig
from ginnel.policy.users import FIRST_USER

SUMMARY = "Serve: make keys at the first start, print the share link, connect clients to their targets."
EXAMPLES = (
    ("ginnel server", "keys, port and address are found or made"),
    ("ginnel server --listen 443 --advertise vpn.example.net", "a known port, and a name in the share link"),
    ("ginnel server --quiet > link.txt", "only the share link, into a file"),
)
_PORT_NOTES = {
    "drawn": "drawn for this deployment, kept for the next start",
    "kept": "as at the last start",
    "given": "kept for the next start",
    "any": "any free port, not kept",
}
_REACH_NOTES = {
    "given": "as given",
    "listen": "the address it listens on",
    "route": "from the default route; --advertise HOST to say otherwise",
    "none": "no route leads to the world: only this machine; --advertise HOST to say otherwise",
}


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--listen",
        metavar="[ADDR:]PORT",
        help="UDP address to listen on; kept for the next start unless port 0",
    )
    parser.add_argument(
        "--state", metavar="DIR", help="where keys and users are kept (see `ginnel link --help`)"
    )
    parser.add_argument(
        "--advertise", metavar="HOST[:PORT]", help="what share links name instead of our address"
    )
    parser.add_argument(
        "--allow-private", action="store_true", help="let clients reach loopback and private addresses too"
    )
    add_drain(parser)
    add_log(parser)
    add_quiet(parser)


def run(parsed: argparse.Namespace) -> int:
    """Serve until a signal."""
    terminal = Terminal(quiet=parsed.quiet)
    log = log_config(parsed, quiet=parsed.quiet)
    install(all_levels(log), log.format, terminal)
    asyncio.run(_serve(parsed, log, terminal))
    return 0


async def _serve(parsed: argparse.Namespace, log: LogConfig, terminal: Terminal) -> None:
    ending = Ending()
    drain = drain_seconds(parsed)
    server = Server(
        listen=parsed.listen,
        state=parsed.state,
        advertise=parsed.advertise,
        allow_private=parsed.allow_private,
        drain_seconds=drain,
        log=log,
        on_event=event_lines(terminal, ending.engine_stopped),
    )

    async def ready() -> None:
        _introduce(server, terminal)

    await run_until_signal(
        server, ending, ready=ready, goodbye=lambda: terminal.event("stopping", ""), drain_seconds=drain
    )


def _introduce(server: Server, terminal: Terminal) -> None:
    """Say what was found out, and print the share link."""
    users = server.users()
    shown_user = FIRST_USER if FIRST_USER in users else next(iter(users), None)
    terminal.note("serving", listening=str(server.address), reachable=str(server.reachable.address))
    terminal.title(f"ginnel {program_version()} · server on {socket.gethostname()}")
    where = f"in {short_path(server.config.state)} (only you can read them)"
    terminal.fact("keys", f"new, {where}" if server.new_keys else where)
    terminal.fact("listening", f"udp {server.address}", _PORT_NOTES[server.port_origin])
    terminal.fact("reachable", str(server.reachable.address), _REACH_NOTES[server.reachable.origin])
    if server.reachable.is_private and server.reachable.origin == "route":
        terminal.fact(
            "", "", "a private address: from outside, forward the port and --advertise the outer one"
        )
    names = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
    terminal.fact("user" if len(users) == 1 else "users", names or "none")
    if shown_user is None:
        terminal.say("\n  Nobody may use this server yet:  ginnel user add NAME\n")
        return
    link = server.share_link(shown_user)
    whose = f" of {shown_user}" if len(users) > 1 else ""
    terminal.say(f"\n  Share link{whose} (a secret: whoever has it can use this server):\n")
    terminal.out(link)
    terminal.say()
    if terminal.is_watched and not terminal.quiet:
        terminal.say(qr_code(link) + "\n")
    # A log must not get the link a second time; a person gets a line to copy.
    shown = f"'{link}'" if terminal.is_watched else "LINK"
    terminal.say(f"  On the other machine:   ginnel client {shown}")
    terminal.say("  One more user:          ginnel user add NAME")
    terminal.say("  Ctrl-C stops it.\n")
