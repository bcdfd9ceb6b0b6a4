"""What happens on a client or server while it runs, as values that a handler can match on."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_HOPPED = "hopped"
"""The engine's word for a link that went on to another port of its server."""

_link_log = logging.getLogger("ginnel.link")
_engine_log = logging.getLogger("ginnel.engine")


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A link came up, for the first time or again."""

    peer: str
    """The other side's address, `host:port`."""
    rtt_seconds: float | None
    """How long the handshake took; only a client knows."""
    session: str
    """What the link carries: "quic" or "kcp"."""
    carrier: str
    user: str | None = None
    """Whose link it is; only a server knows."""
    clock_off_seconds: float | None = None
    """How far this machine's clock is ahead of the server's (negative: behind), when that is more than 10 s; only a
    client knows."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """A link went away; a client sets it up again by itself."""

    peer: str
    reason: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class LinkRetry:
    """A client tries to set up its link again after a pause."""

    peer: str
    seconds: float


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """The far end of a link has a new address; nothing was lost."""

    user: str | None
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class EventsDropped:
    """So many events were dropped, because they came faster than they were taken. Replies never are."""

    count: int


@dataclass(frozen=True, slots=True)
class EngineStopped:
    """The engine is gone without having been asked to: nothing works any more; close, and start anew."""

    reason: str


Event = LinkUp | LinkLost | LinkRetry | AddressChanged | EventsDropped | EngineStopped
EventHandler = Callable[[Event], None]
"""Called on the event loop, in order; it must not block."""


def read_event(name: str, facts: Mapping[str, Any]) -> Event | None:
    """Read the engine's event; None for one that this version does not know.

    Raises KeyError, TypeError or ValueError when a fact is missing or of the wrong kind.
    """
    user = None if facts.get("user") is None else str(facts["user"])
    match name:
        case "link_up":
            return LinkUp(
                peer=str(facts["peer"]),
                rtt_seconds=float(facts["rtt"]) if "rtt" in facts else None,
                session=str(facts["session"]),
                carrier=str(facts["carrier"]),
                user=user,
                clock_off_seconds=None if facts.get("clock_off") is None else float(facts["clock_off"]),
            )
        case "link_down":
            return LinkLost(peer=str(facts["peer"]), reason=str(facts["reason"]), user=user)
        case "link_retry":
            return LinkRetry(peer=str(facts["peer"]), seconds=float(facts["seconds"]))
        case "address_changed":
            return AddressChanged(user=user, old=str(facts["old"]), new=str(facts["new"]))
        case "dropped":
            return EventsDropped(count=int(facts["count"]))
        case "stopped":
            return EngineStopped(reason=str(facts["reason"]))
        case _:
            return None


def level_of(event: Event) -> int:
    """Return the level of an event in the log."""
    match event:
        case LinkLost(user=None) | LinkRetry() | EventsDropped():
            return logging.WARNING
        case EngineStopped():
            return logging.ERROR
        case _:
            return logging.INFO


def is_shown(event: Event) -> bool:
    """Whether the level of its area lets an event into the log."""
    return _log_of(event).isEnabledFor(level_of(event))


def pass_on(name: str, facts: Mapping[str, Any], handler: EventHandler | None) -> None:
    """Give the engine's event to `logging`, and to a handler.

    Events come this way and not by the engine's log, where a flood of records could cost some of them.
    """
    if name == _HOPPED:
        # Many a minute, and nothing that a person could do about it: for who looks closely.
        _link_log.debug("%s", name, extra={"facts": {"event": name, **facts}})
        return
    event = read_event(name, facts)
    if event is None:
        _engine_log.debug("event %s is not known to this version", name)
        return
    # `facts` for whoever shows records as they are, `event` for whoever knows this library.
    extra = {"facts": {"event": name, **facts}, "event": event}
    _log_of(event).log(level_of(event), "%s", name.replace("_", " "), extra=extra)
    if handler is not None:
        handler(event)


def _log_of(event: Event) -> logging.Logger:
    return _engine_log if isinstance(event, EngineStopped | EventsDropped) else _link_log
