"""Events of a client or server as lines with a time."""

from collections.abc import Callable

from ginnel.api.events import (
    AddressChanged,
    EngineStopped,
    Event,
    EventHandler,
    EventsDropped,
    LinkLost,
    LinkRetry,
    LinkUp,
    is_shown,
)
from ginnel.cli._terminal import Terminal
from ginnel.config import clock
from ginnel.config.units import format_duration


def event_lines(terminal: Terminal, on_stopped: Callable[[str], None]) -> EventHandler:
    """Return a handler that writes a line for each event that matters; `on_stopped` gets the engine's end.

    Events are records of the log as well; `_log` leaves their lines to this, and writes them itself as JSON.
    """

    def handle(event: Event) -> None:
        match event:
            case EngineStopped(reason):
                on_stopped(reason)
            case _ if not terminal.is_json and is_shown(event):
                terminal.event(*describe(event))
                warn_of_clock(event, terminal)
            case _:
                pass  # in JSON it is a record of the log

    return handle


def describe(event: Event) -> tuple[str, str]:
    """Say an event in a name and a text."""
    match event:
        case LinkUp():
            who = f"{event.user} from {event.peer}" if event.user else event.peer
            return "link up", f"{who} · {link_facts(event)}"
        case LinkLost():
            who = f"{event.user} at {event.peer}" if event.user else event.peer
            return "link lost", f"{who}: {event.reason}"
        case LinkRetry():
            return "retry", f"trying {event.peer} again in {format_duration(event.seconds)}"
        case AddressChanged():
            who = f"{event.user}: " if event.user else ""
            return "address", f"{who}{event.old} is now {event.new}; nothing was lost"
        case EventsDropped():
            return "dropped", f"{event.count} events, which came too fast to show"
        case EngineStopped():
            return "stopped", event.reason


def warn_of_clock(event: Event, terminal: Terminal) -> None:
    """Warn when a link came up and showed that this machine's clock is off."""
    if isinstance(event, LinkUp) and event.clock_off_seconds is not None and not terminal.is_json:
        terminal.warn(clock.off(event.clock_off_seconds))


def link_facts(link: LinkUp) -> str:
    """Say how a link is: `41 ms · quic over udp`; a server does not know the time."""
    session = f"{link.session} over {link.carrier}"
    return session if link.rtt_seconds is None else f"{format_duration(link.rtt_seconds)} · {session}"
