"""`ginnel ping`."""

import argparse
import asyncio
import json
import signal
import time

from ginnel.api.client import Client
from ginnel.api.events import Event
from ginnel.cli._arguments import Parser, add_carrier, add_interface, add_link
from ginnel.cli._events import link_facts, warn_of_clock
from ginnel.cli._settings import carrier_of, rawtcp_of
from ginnel.cli._source import resolve_link
from ginnel.cli._terminal import Terminal
from ginnel.config import clock
from ginnel.config.mistakes import cut
from ginnel.config.places import carriers_of
from ginnel.config.units import format_duration, parse_duration
from ginnel.config.values import MAX_CONNECT_SECONDS
from ginnel.errors import ConfigError, LinkError

SUMMARY = "Ask whether the server of a share link is reachable, and how far away it is. Exit code 0 or 1."
EXAMPLES = (
    ("ginnel ping 'ginnel://…'", "set up a link, measure a few round trips"),
    ("ginnel ping link.txt -c 1 && echo up", "in a script"),
    ("ginnel ping link.txt --timeout 2s --json", "for a monitor"),
)
MAX_COUNT = 1_000_000
MAX_LINKS_OF_USER = 64
"""So many links of one user a server keeps by default; for one more a silent one makes room, or it is not answered. A
client may have several."""
_INTERVAL_SECONDS = 1.0
_PROTOCOLS = {"udp": "UDP", "rawtcp": "TCP"}
"""The carriers, as firewalls call what they let in."""


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    add_link(parser)
    add_carrier(parser)
    add_interface(parser)
    parser.add_argument("-c", "--count", metavar="N", default="3", help="how many round trips to measure (3)")
    parser.add_argument(
        "--timeout", metavar="TIME", default="10s", help="how long to wait for an answer (10s)"
    )
    parser.add_argument("--json", action="store_true", help="write one line of JSON at the end instead")


def run(parsed: argparse.Namespace) -> int:
    """Set up a link, measure, say so."""
    link = resolve_link(parsed.link)
    count = _count(parsed.count)
    timeout = parse_duration(parsed.timeout, setting="--timeout", maximum_seconds=MAX_CONNECT_SECONDS)
    if timeout <= 0:
        raise ConfigError("--timeout = 0 leaves no time to answer", setting="--timeout")
    terminal = Terminal()

    def on_event(event: Event) -> None:
        if not parsed.json:
            warn_of_clock(event, terminal)

    client = Client(
        link,
        connect_timeout_seconds=timeout,
        drain_seconds=0.0,
        carrier=carrier_of(parsed),
        rawtcp=rawtcp_of(parsed),
        on_event=on_event,
    )
    wrong = clock.complaint()
    if wrong and not parsed.json:
        terminal.warn(wrong)
    # With this handler in place, asyncio closes the link at a Ctrl-C before it raises KeyboardInterrupt.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        times = asyncio.run(_measure(client, count, timeout, None if parsed.json else terminal))
    except LinkError as error:
        if parsed.json:
            terminal.out(json.dumps({"reachable": False, "peer": error.peer, "error": str(error)}))
            return 1
        raise _with_checks(error, client) from error
    finally:
        signal.signal(signal.SIGINT, before)
    if parsed.json and client.link is not None:
        facts = {"reachable": True, "peer": client.link.peer, "rtt_seconds": times}
        terminal.out(json.dumps(facts))
    return 0


async def _measure(
    client: Client, count: int, timeout_seconds: float, terminal: Terminal | None
) -> list[float]:
    """Measure round trips, the first at once and then one a second; write each to `terminal`."""
    times: list[float] = []
    async with client:
        if terminal is not None and client.link is not None:
            terminal.out(f"reachable  {client.link.peer} · {link_facts(client.link)}")
        for number in range(count):
            before = time.monotonic()
            times.append(await client.ping(timeout_seconds))
            if terminal is not None:
                terminal.out(f"{number + 1:>9}  {format_duration(times[-1])}")
            if number + 1 < count:
                await asyncio.sleep(max(0.0, before + _INTERVAL_SECONDS - time.monotonic()))
    return times


def _with_checks(error: LinkError, client: Client) -> LinkError:
    """Add what to check, in the order in which it is likely and easy."""
    servers = client.config.own_servers()
    carriers = carriers_of(servers)
    ports = ", ".join(f"{_PROTOCOLS[server.carrier]} port {server.ports}" for server in servers)
    leaves = (
        "does UDP leave this network at all?" if "udp" in carriers else "what does `ginnel doctor LINK` find?"
    )
    error.hint = (error.hint + "\n" if error.hint else "") + (
        "Check, on the server:  is `ginnel server` running, and does `ginnel link` print this same share link?\n"
        f"In between:            does every firewall, and the hoster's, let {ports} in?\n"
        f"Here:                  {leaves}\n"
        f"Or:                    are more than {MAX_LINKS_OF_USER} links of this user up at once? "
        "`ginnel link NAME` makes another user."
    )
    return error


def _count(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MAX_COUNT:
        return int(text)
    raise ConfigError(
        f"--count = {cut(text)!r} is not possible", hint=f"Allowed: 1 to {MAX_COUNT:,}.", setting="--count"
    )
