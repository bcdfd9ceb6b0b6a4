"""What a client or server has counted and measured since its start."""

from typing import TypedDict


class OpenTime(TypedDict):
    """How long one stage of opening a stream took, over all streams."""

    count: int
    sum_seconds: float
    buckets: list[tuple[float, int]]
    """The longest time that a bucket takes in, and how many it holds; shortest first, empty ones left out.

    A time is in the first bucket that takes it in, whose bound is at most 1.25 times the time.
    """


class Usage(TypedDict):
    """What one user uses and has used, whatever links it came by."""

    links: int
    streams: int
    streams_opened: int
    bytes_received: int
    """Bytes that the user sent in streams, open requests included."""
    bytes_sent: int
    """Bytes that the user got in streams."""


class LinkStats(TypedDict):
    """One link that is up, and what it has learnt about its path."""

    link: str
    """Its name, as in events."""
    peer: str
    """Address and port of the far end."""
    session: str
    """What it carries: "quic" or "kcp"."""
    carrier: str
    """What carries it: "udp" or "rawtcp"."""
    rtt_seconds: float
    """The round-trip time, smoothed."""
    window: int
    """Bytes that may be in flight from here."""
    pace: int | None
    """Bytes per second that may be sent; None: as fast as the window lets."""
    mtu: int
    """Bytes of the largest datagram."""
    sent: int
    """Packets sent from here; of KCP segments."""
    lost: int
    """Those of them that were lost."""
    receive_window: int
    """Bytes that the far end may have on its way to us, or unread here."""
    send_window: int
    """Bytes that may be written here and not yet acknowledged."""
    refused: int
    """What the far end has sent that could not be, such as numbers outside the window. QUIC does not count it."""


class Stats(TypedDict):
    """All that is counted and measured, at one moment."""

    counters: dict[str, int]
    """What only grows: datagrams and their bytes, links and streams since the start; of raw TCP `flows_renewed` (flows
    of a client that took another's place) and `flows_greeted` (a server's answers to requests for a connection)."""
    gauges: dict[str, int]
    """What there is now: links, streams, flows of raw TCP, handshakes half open, bytes of memory."""
    drops: dict[str, int]
    """What was thrown away, by cause: datagrams, segments of raw TCP (`segment_…`), frames for which its sockets
    had no room (`frames`), events, records of the log."""
    open_time: dict[str, OpenTime]
    """By stage. At a client: queued, opened, connected, first_byte; at a server: requested, connected, first_byte.

    Each stage is measured from the end of the one before.
    """
    users: dict[str, Usage]
    """By name, those that have had a link; empty at a client."""
    links: list[LinkStats]
    """The links that are up, 1,024 at most; `gauges` says how many there are."""
