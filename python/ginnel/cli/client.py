"""`ginnel client`."""

import argparse
import asyncio

from ginnel.api.client import Client
from ginnel.api.events import Event, LinkUp
from ginnel.api.listener import Listener
from ginnel.cli._arguments import Parser, add_drain, add_link, add_quiet, drain_seconds
from ginnel.cli._events import event_lines, link_facts
from ginnel.cli._lifetime import Ending, run_until_signal
from ginnel.cli._log import add_log, all_levels, install, log_config
from ginnel.cli._source import resolve_link
from ginnel.cli._terminal import Terminal
from ginnel.config.address import Address, parse_listen
from ginnel.errors import ListenError, NoAnswer

SUMMARY = (
    "Connect: set up the link to the server of a share link, and listen for SOCKS5.\n"
    "The quietest way for a link is a file or -; $GINNEL_LINK stays visible to the same user in /proc/PID/environ."
)
EXAMPLES = (
    ("ginnel client 'ginnel://…'", "SOCKS5 on 127.0.0.1:1080"),
    ("ginnel client link.txt -D 9050 -D [::1]:9050", "the link from a file, two addresses to listen on"),
    ("GINNEL_LINK='ginnel://…' ginnel client -q -D 0", "any free port, printed as `socks5 ADDR:PORT`"),
)
DEFAULT_SOCKS5 = "127.0.0.1:1080"


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    add_link(parser)
    parser.add_argument(
        "-D",
        "--socks5",
        metavar="[ADDR:]PORT",
        action="append",
        help=f"listen for SOCKS5 there ({DEFAULT_SOCKS5}); may be given several times",
    )
    add_drain(parser)
    add_log(parser)
    add_quiet(parser)


def run(parsed: argparse.Namespace) -> int:
    """Serve applications until a signal."""
    link = resolve_link(parsed.link)
    listens = [
        parse_listen(text, default_host="127.0.0.1", setting="--socks5")
        for text in parsed.socks5 or [DEFAULT_SOCKS5]
    ]
    terminal = Terminal(quiet=parsed.quiet)
    drain = drain_seconds(parsed)
    log = log_config(parsed, quiet=parsed.quiet)
    install(all_levels(log), log.format, terminal)

    async def serve() -> None:
        ending = Ending()
        lines = event_lines(terminal, ending.engine_stopped)

        def on_event(event: Event) -> None:
            # The first link is told by `introduce`, together with what listens on it.
            if client.link is not None or not isinstance(event, LinkUp):
                lines(event)

        client = Client(link, drain_seconds=drain, log=log, on_event=on_event, control=True)
        await run_until_signal(
            client,
            ending,
            ready=lambda: _introduce(client, listens, terminal),
            goodbye=lambda: terminal.event("stopping", ""),
            drain_seconds=drain,
        )

    try:
        asyncio.run(serve())
    except NoAnswer as error:
        error.hint += "\nTry:  ginnel ping LINK"
        raise
    return 0


async def _introduce(client: Client, listens: list[Address], terminal: Terminal) -> None:
    """Say how the link is, listen, and say where."""
    if client.link is not None:
        terminal.fact("link up", f"{client.link.peer} · {link_facts(client.link)}")
    for wanted in listens:
        if not wanted.is_loopback:
            terminal.warn(
                f"{wanted} lets everybody who can reach it use this tunnel; 127.0.0.1 is for you alone"
            )
        listener = await _listen(client, wanted)
        terminal.note("listening", socks5=str(listener.address))
        example = f"curl --socks5-hostname {listener.address} https://example.org"
        if terminal.is_watched and not terminal.quiet:
            terminal.fact("socks5", str(listener.address), example)
        else:
            terminal.out(f"socks5 {listener.address}")
    terminal.say()


async def _listen(client: Client, wanted: Address) -> Listener:
    try:
        return await client.socks5(str(wanted))
    except ListenError as error:
        error.hint = error.hint or f"Another port:  ginnel client LINK -D {min(wanted.port + 1, 65535)}"
        raise
