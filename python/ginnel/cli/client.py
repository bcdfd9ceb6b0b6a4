"""`ginnel client`."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence

from ginnel.api.client import Client
from ginnel.api.events import Event, LinkUp
from ginnel.cli._arguments import (
    Parser,
    add_carrier,
    add_drain,
    add_interface,
    add_key_log,
    add_link,
    add_profile,
    add_quiet,
    add_session,
    add_set,
)
from ginnel.cli._daemon import Daemon
from ginnel.cli._events import event_lines, link_facts, warn_of_clock
from ginnel.cli._lifetime import Ending, run_until_signal
from ginnel.cli._listeners import OpenListeners
from ginnel.cli._log import Flags, add_log, log_flags
from ginnel.cli._settings import (
    carrier_flags,
    client_config,
    drain_flags,
    interface_flags,
    key_log_flags,
    listed_flags,
    profile_flags,
    session_flags,
    take_environment,
)
from ginnel.cli._source import resolve_link
from ginnel.cli._terminal import Terminal
from ginnel.config.load import Loaded, Source
from ginnel.config.settings import SETTINGS
from ginnel.config.values import MAX_LINKS, ClientConfig
from ginnel.errors import NoAnswer

SUMMARY = (
    "Connect: set up the link to the server of a share link, and listen for SOCKS5.\n"
    "The quietest way for a link is a file or -; $GINNEL_LINK stays visible to the same user in /proc/PID/environ."
)
EXAMPLES = (
    ("ginnel client 'ginnel://…'", "SOCKS5 on 127.0.0.1:1080"),
    ("ginnel client link.txt -D 9050 -D [::1]:9050", "the link from a file, two addresses to listen on"),
    ("GINNEL_LINK='ginnel://…' ginnel client -q -D 0", "any free port, printed as `socks5 ADDR:PORT`"),
)
_LINK_KEYS = "link", "link_file"


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    add_link(parser)
    parser.add_argument(
        "-D",
        "--socks5",
        metavar="[ADDR:]PORT",
        action="append",
        help=f"listen for SOCKS5 there ({_default_socks5()}); may be given several times",
    )
    parser.add_argument(
        "--keep-trying",
        action="store_true",
        help="start although the server does not answer, and try for ever",
    )
    add_session(parser, "what the link carries, instead of what the share link asks for")
    add_carrier(parser)
    add_interface(parser)
    parser.add_argument(
        "--links", metavar="N", help=f"links to the server at the same time, 1 to {MAX_LINKS} (1)"
    )
    add_profile(parser)
    add_drain(parser)
    add_log(parser)
    add_key_log(parser)
    add_set(parser)
    add_quiet(parser)


def run(parsed: argparse.Namespace) -> int:
    """Serve applications until a signal."""
    variables = take_environment()
    flags: Flags = session_flags(parsed) | profile_flags(parsed) | drain_flags(parsed)
    flags |= log_flags(parsed) | key_log_flags(parsed)
    if parsed.link or not _names_link(variables, parsed.set):
        flags["link"] = ("LINK", resolve_link(parsed.link))
    flags |= listed_flags(parsed, "socks5") | carrier_flags(parsed) | interface_flags(parsed)
    if parsed.links is not None:
        flags["links"] = ("--links", parsed.links)
    if parsed.keep_trying:
        flags["keep_trying"] = ("--keep-trying", True)
    source = Source(
        role="client",
        variables=variables,
        flags=flags,
        assignments=parsed.set,
        defaults={"keep_trying": False},  # a person who waits wants to know
    )
    return serve(source, source.load(), Terminal(quiet=parsed.quiet))


def serve(source: Source, loaded: Loaded, terminal: Terminal) -> int:
    """Serve applications with these settings until a signal; SIGHUP reads them again where they come from a file."""
    config = client_config(loaded, terminal)
    try:
        asyncio.run(_serve(source, config, terminal))
    except NoAnswer as error:
        error.hint += "\nTry:  ginnel ping LINK"
        raise
    return 0


async def _serve(source: Source, config: ClientConfig, terminal: Terminal) -> None:
    ending = Ending()
    lines = event_lines(terminal, ending.engine_stopped)

    def on_event(event: Event) -> None:
        # The first link is told by `introduce`, together with what listens on it, unless nobody waits for it.
        if client.link is not None or config.keep_trying or not isinstance(event, LinkUp):
            lines(event)
        else:
            warn_of_clock(event, terminal)

    client = Client.from_config(config, on_event=on_event, control=True)
    listeners = OpenListeners(client, terminal)
    daemon = Daemon(client, source, terminal, listeners)

    async def ready() -> None:
        if client.link is not None:
            terminal.fact("link up", f"{client.link.peer} · {link_facts(client.link)}")
        else:
            servers = ", ".join(str(server.endpoint) for server in config.own_servers())
            terminal.fact("link", f"not up yet; trying {servers}")
        await listeners.open(config.socks5)
        terminal.say()
        daemon.ready()

    await run_until_signal(
        client,
        ending,
        ready=ready,
        goodbye=lambda: terminal.event("stopping", ""),
        on_hangup=None if source.file is None else daemon.hangup,
    )


def _names_link(variables: Mapping[str, str], assignments: Sequence[str]) -> bool:
    """Whether the share link comes as a setting."""
    settings = SETTINGS["client"]
    return any(settings[key].variable in variables for key in _LINK_KEYS) or any(
        assignment.partition("=")[0].strip() in _LINK_KEYS for assignment in assignments
    )


def _default_socks5() -> str:
    setting = SETTINGS["client"]["socks5"]
    return setting.show(setting.default)
