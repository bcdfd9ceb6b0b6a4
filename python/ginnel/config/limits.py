"""How long ginnel waits, and how much it holds: every time and bound of the engine that a person may set.

The numbers are those of the engine's own list, `crates/proto/src/limits.rs`.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from ginnel.config.bounds import Rule, Table, count, seconds, size


class Timeouts(Table):
    """Times. A field left out is the default of the role."""

    name: ClassVar[str] = "timeouts"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("keep_alive", "link_idle", may_be_equal=False),
        Rule("silence", "link_idle", may_be_equal=False),
        Rule("half_closed", "stream_idle", may_be_equal=True),
    )
    engine_names: ClassVar[Mapping[str, str]] = {"hop": "hop_interval"}

    keep_alive_seconds: Annotated[
        float | None,
        seconds(
            "1s",
            "1h",
            "How long a link may be quiet before a keep-alive is sent, give or take some.",
            client="25s",
        ),
    ] = None
    hop_seconds: Annotated[
        float | None,
        seconds(
            "1s",
            "1d",
            "How long a link stays on one of its server's ports before it hops to another, give or take some.",
            client="30s",
        ),
    ] = None
    silence_seconds: Annotated[
        float | None,
        seconds(
            "2s",
            "10min",
            "How long the server may leave packets unanswered before the link is lost.",
            client="20s",
        ),
    ] = None
    link_idle_seconds: Annotated[
        float | None,
        seconds("10s", "1h", "How long a link lives on which nothing arrives.", both="2min"),
    ] = None
    stream_idle_seconds: Annotated[
        float | None, seconds("1s", "7d", "How long a stream lives that moves no byte.", both="2h")
    ] = None
    half_closed_seconds: Annotated[
        float | None,
        seconds(
            "1s", "1d", "How long a stream lives quietly after one of its directions has ended.", both="1min"
        ),
    ] = None
    connect_seconds: Annotated[
        float | None,
        seconds(
            "100ms",
            "5min",
            "How long a target may take to accept a connection; a client waits 5 s more for the server's answer.",
            both="10s",
        ),
    ] = None
    resolve_seconds: Annotated[
        float | None, seconds("100ms", "1min", "How long the look-up of a name may take.", server="2s")
    ] = None
    step_seconds: Annotated[
        float | None,
        seconds(
            "100ms",
            "1min",
            "How long each step may take: a read of a SOCKS5 negotiation, an open request, the wait for a turn.",
            both="5s",
        ),
    ] = None
    link_wait_seconds: Annotated[
        float | None,
        seconds(
            "0s", "10min", "How long a request waits for a link that is down before it fails.", client="10s"
        ),
    ] = None
    tcp_keep_alive_seconds: Annotated[
        float | None,
        seconds(
            "1s", "2h", "How long a TCP connection may be quiet before the system probes it.", both="1min"
        ),
    ] = None


class Limits(Table):
    """Sizes and counts. A field left out is the default of the role."""

    name: ClassVar[str] = "limits"
    rules: ClassVar[tuple[Rule, ...]] = (Rule("stream_window", "link_window", may_be_equal=True),)

    tcp_buffer_bytes: Annotated[
        int | None, size("1KiB", "10MiB", "One read of a TCP connection.", server="64KiB", client="32KiB")
    ] = None
    socket_buffer_bytes: Annotated[
        int | None, size("1KiB", "10MiB", "The kernel's buffers of a TCP connection.", both="256KiB")
    ] = None
    stream_window_bytes: Annotated[
        int | None,
        size(
            "64KiB",
            "64MiB",
            "The most that may be unread on one stream, or twice that where packets are lost; it follows the path.",
            both="8MiB",
        ),
    ] = None
    link_window_bytes: Annotated[
        int | None,
        size(
            "1MiB",
            "4095MiB",
            "The most that may be unread on one link; the window follows the path and what is paused.",
            server="256MiB",
            client="512MiB",
        ),
    ] = None
    send_window_bytes: Annotated[
        int | None,
        size(
            "64KiB",
            "1GiB",
            "The most that may be written to one link and not yet acknowledged; it follows the path.",
            both="64MiB",
        ),
    ] = None
    packet_queue: Annotated[
        int | None,
        count(100, 100_000, "Packets that wait in the UDP socket to be sent.", server=5000, client=2000),
    ] = None
    packet_retries: Annotated[
        int | None, count(0, 3, "How often a packet is written again that the system did not take.", both=3)
    ] = None
    streams: Annotated[
        int | None,
        count(
            1,
            100_000,
            "Streams in all: served ones, or applications' connections.",
            server=50_000,
            client=8192,
        ),
    ] = None
    streams_per_link: Annotated[
        int | None,
        count(1, 100_000, "Streams that a client may have open on one link.", server=50_000),
    ] = None
    opens_per_second: Annotated[
        int | None,
        count(1, 1_000_000, "Streams that a client may open on one link in a second.", server=10_000),
    ] = None
    links: Annotated[int | None, count(1, 60_000, "Links in all.", server=4096)] = None
    links_per_user: Annotated[
        int | None,
        count(
            1,
            4096,
            "Links of one user; beyond it one that has been silent makes room, or the new one waits.",
            server=64,
        ),
    ] = None
    half_open: Annotated[int | None, count(16, 65_536, "Handshakes that are under way.", server=1024)] = None
    handshakes_per_prefix: Annotated[
        int | None,
        count(1, 10_000, "Handshakes that one network may try in a second.", server=32),
    ] = None
    handshakes_of_strangers: Annotated[
        int | None,
        count(1, 100_000, "Handshakes in a second of all that have not proven an address.", server=1000),
    ] = None
    memory_bytes: Annotated[
        int | None,
        size(
            "64MiB",
            "1TiB",
            "Memory of the engine: from three quarters of it on no new stream is taken in.",
            both="1GiB",
        ),
    ] = None


def tables() -> tuple[type[Table], ...]:
    """The tables of bounds."""
    return Timeouts, Limits
