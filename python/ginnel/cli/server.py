"""`ginnel server`."""

import argparse
import asyncio
import socket

from ginnel.api.server import Server
from ginnel.cli._arguments import (
    Parser,
    add_drain,
    add_interface,
    add_key_log,
    add_profile,
    add_quiet,
    add_session,
    add_set,
)
from ginnel.cli._daemon import Daemon
from ginnel.cli._events import event_lines
from ginnel.cli._lifetime import Ending, run_until_signal
from ginnel.cli._log import Flags, add_log, log_flags
from ginnel.cli._output import send
from ginnel.cli._settings import (
    drain_flags,
    interface_flags,
    key_log_flags,
    listed_flags,
    profile_flags,
    server_config,
    session_flags,
    take_environment,
)
from ginnel.cli._terminal import Terminal, qr_code, short_path
from ginnel.cli.version import program_version
from ginnel.config.address import Endpoint
from ginnel.config.load import Loaded, Source
from ginnel.config.values import ServerConfig
from ginnel.policy.users import FIRST_USER

SUMMARY = "Serve: make keys at the first start, print the share link, connect clients to their targets."
EXAMPLES = (
    ("ginnel server", "keys, port and address are found or made"),
    ("ginnel server --listen 443 --advertise vpn.example.net", "a known port, and a name in the share link"),
    (
        "ginnel server --listen 4433 --listen rawtcp://443",
        "UDP, and raw TCP for networks that throttle UDP",
    ),
)
_PORT_NOTES = {
    "drawn": "drawn for this deployment, kept for the next start",
    "resized": "from the first one so far on, kept for the next start; share links so far still work",
    "kept": "as at the last start",
    "given": "kept for the next start",
    "any": "any free port, not kept",
}
_RAWTCP_NOTE = "raw TCP, while it is asked for: not kept for the next start"
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
        metavar="[CARRIER://][ADDR:]PORTS",
        action="append",
        help="where to listen: 443 or 4433,5000-5100 for UDP, kept for the next start unless port 0; rawtcp://443 for"
        " raw TCP; once for each carrier",
    )
    parser.add_argument(
        "--ports",
        metavar="N",
        help="draw so many ports, in a row, for clients to hop between; kept for the next start",
    )
    parser.add_argument(
        "--state", metavar="DIR", help="where keys and users are kept (see `ginnel link --help`)"
    )
    parser.add_argument(
        "--advertise",
        metavar="[CARRIER://]HOST[:PORTS]",
        action="append",
        help="what share links name instead of our address; with a carrier, for that one alone",
    )
    parser.add_argument(
        "--allow-private", action="store_true", help="let clients reach loopback and private addresses too"
    )
    add_interface(parser)
    add_session(parser, "what share links ask for (quic); the server serves both")
    add_profile(parser)
    add_drain(parser)
    add_log(parser)
    add_key_log(parser)
    add_set(parser)
    add_quiet(parser)


def run(parsed: argparse.Namespace) -> int:
    """Serve until a signal."""
    flags: Flags = {
        key: (f"--{key}", value) for key in ("ports", "state") if (value := getattr(parsed, key)) is not None
    }
    flags |= listed_flags(parsed, "listen", "advertise") | interface_flags(parsed)
    if parsed.allow_private:
        flags["allow_private"] = ("--allow-private", True)
    flags |= session_flags(parsed) | profile_flags(parsed)
    flags |= drain_flags(parsed) | log_flags(parsed) | key_log_flags(parsed)
    source = Source(role="server", variables=take_environment(), flags=flags, assignments=parsed.set)
    return serve(source, source.load(), Terminal(quiet=parsed.quiet))


def serve(source: Source, loaded: Loaded, terminal: Terminal) -> int:
    """Serve with these settings until a signal; SIGHUP reads them again where they come from a file."""
    asyncio.run(_serve(source, server_config(loaded, terminal), terminal))
    return 0


async def _serve(source: Source, config: ServerConfig, terminal: Terminal) -> None:
    ending = Ending()
    server = Server.from_config(config, on_event=event_lines(terminal, ending.engine_stopped))
    daemon = Daemon(server, source, terminal)

    async def ready() -> None:
        await _introduce(server, terminal)
        daemon.ready()

    await run_until_signal(
        server,
        ending,
        ready=ready,
        goodbye=lambda: terminal.event("stopping", ""),
        on_hangup=None if source.file is None else daemon.hangup,
    )


async def _introduce(server: Server, terminal: Terminal) -> None:
    """Say what was found out, and print the share link."""
    users = server.users()
    shown_user = FIRST_USER if FIRST_USER in users else next(iter(users), None)
    for listening, reachable in zip(server.listening, server.reachable, strict=True):
        terminal.note("serving", listening=str(listening), reachable=str(reachable.endpoint))
    terminal.title(f"ginnel {program_version()} · server on {socket.gethostname()}")
    where = f"in {short_path(server.config.state)} (only you can read them)"
    terminal.fact("keys", f"new, {where}" if server.new_keys else where)
    for place in server.listening:
        _show_listening(terminal, place, _PORT_NOTES[server.port_origin])
    for reachable in server.reachable:
        terminal.fact("reachable", str(reachable.endpoint), _REACH_NOTES[reachable.origin])
    if any(one.is_private and one.origin == "route" for one in server.reachable):
        terminal.fact(
            "", "", "a private address: from outside, forward the port and --advertise the outer one"
        )
    if server.config.session != "quic":
        terminal.fact(
            "session", server.config.session, "what share links ask for; the server serves quic too"
        )
    names = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
    terminal.fact("user" if len(users) == 1 else "users", names or "none")
    if shown_user is None:
        terminal.say("\n  Nobody may use this server yet:  ginnel user add NAME\n")
        return
    link = server.share_link(shown_user)
    whose = f" of {shown_user}" if len(users) > 1 else ""
    terminal.say(f"\n  Share link{whose} (a secret: whoever has it can use this server):\n")
    await send(terminal, link)
    terminal.say()
    if terminal.is_watched and not terminal.quiet:
        terminal.say(qr_code(link) + "\n")
    # A log must not get the link a second time; a person gets a line to copy.
    shown = f"'{link}'" if terminal.is_watched else "LINK"
    terminal.say(f"  On the other machine:   ginnel client {shown}")
    terminal.say("  One more user:          ginnel user add NAME")
    terminal.say("  Ctrl-C stops it.\n")


def _show_listening(terminal: Terminal, place: Endpoint, note_of_udp: str) -> None:
    is_udp = place.carrier == "udp"
    where = place._replace(carrier="udp")  # without its scheme: the carrier stands before it
    terminal.fact("listening", f"{place.carrier} {where}", note_of_udp if is_udp else _RAWTCP_NOTE)
    if place.ports.count > 1:
        let_in = "UDP" if is_udp else "TCP"
        terminal.fact("", "", f"{place.ports.count} ports to hop between: let {let_in} in on all of them")
