"""Types of the native module. Written by hand, and checked against the built module in `make lint`.

Only `ginnel._native` imports it.
"""

from typing import final

__all__ = [
    "Dissector",
    "Engine",
    "default_limits",
    "derive_user_key",
    "engine_version",
    "generate_private_key",
    "public_key",
]

@final
class Dissector:
    """Says what captured datagrams are, as far as the keys show it that it is given. Its tables are bounded."""

    def __new__(cls) -> Dissector: ...
    def add_server(self, psk: bytes, public_key: bytes) -> None:
        """Add a server by the secret of its deployment and its public key, 32 bytes each.

        ValueError for another length, and beyond 64 servers.
        """

    def add_own_server(self, psk: bytes, private_key: bytes) -> None:
        """Add a server by the secret of its deployment and its private key: it opens requests too."""

    def add_line(self, line: str) -> bool:
        """Add a line of a key log; False for one that is passed over. ValueError says which field is wrong."""

    def dissect(self, datagram: bytes) -> dict[str, object]:
        """Say what a datagram is: `what` is "unknown", "request", "answer" or "data".

        A request has `server` (which of those that were added), `version` and `noise` (bytes of the Noise message)
        or `fault`; opened with a private key `user` (bytes, the public key), `time_ns`, `instance` (bytes), `member`,
        `attempt`, `session`, `aes`, `session_kind`, `parameters` (bytes). An answer has `server`, `request` (which of
        the datagrams that were handed in it answers, from 1), `version` and `noise` or `fault`. Data have `to`
        ("server" or "client"), `session`, `counter`, `kind` ("session", "control" or "trimmed"), `epoch`, `padded`;
        then `sealed` ("no keys", "other keys" or "malformed"), or `link` (both session ids, the server's first),
        `aead`, `number` (of the keys), `padding`, `zeros` (that were not sent and stand in the plaintext),
        `plaintext` (bytes), and for a control message that is known `message`, with `token`, `code`, or `next_number`
        and `public_key`.
        """

    def segment(self, piece: bytes) -> int | None:
        """Return the length of the segments of what was captured before segmentation, if it is that."""

@final
class Engine:
    """One engine: its thread, one shard, its links, and an inbox of replies and events.

    No method waits for the network; `stats` waits for the engine's thread, for a moment.

    A command takes a `ticket`: a number above 0, chosen by the caller, unique among those in flight. It gets
    exactly one reply, read with `drain`. Commands are obeyed in the order in which they were given. A command
    raises RuntimeError when the engine is closed and when the process is a fork of the one that made it,
    OverflowError when too many are in flight, ValueError for a value that cannot be meant.
    """

    @staticmethod
    def server(config: object) -> Engine:
        """Start a server.

        Read from `config`: `listen: list[tuple[str, str, list[tuple[int, int]]]]` (carrier, IP address, ranges of
        ports, both bounds included; port 0, alone: any; no carrier twice), `rawtcp: dict[str, str]` (what is decided
        about the way of raw TCP, each if it is: `interface`, by name, `source`, an IP address, `gateway`, a hardware
        address such as "02:00:00:00:00:01"), `psk: bytes` (32), `previous_psk: bytes | None`, `private_key: bytes`
        (32), `users: list[tuple[str, bytes]]` (name and 32-byte public key), `allow_private: bool`,
        `replay_file: str`, `key_log: str | None` (a file), `limits: dict[str, float]`,
        `congestion: tuple[str, float | None]`, `profile: dict[str, tuple[int, int]]` and
        `kcp: tuple[str, int, int | None]` (as `set_limits` takes them), `session: str` ("quic" or "kcp": what its share
        links ask for; clients get whichever they ask for), `log: dict[str, str]` (as `set_log` takes it).

        Raises OSError when an address cannot be bound (errno is set; `filename` is "rawtcp" where it is raw TCP that
        cannot: EPERM when a right is missing, EOPNOTSUPP when the system is not Linux), ValueError for a bad value.
        """

    @staticmethod
    def client(config: object) -> Engine:
        """Start a client, which sets up its link at once.

        Read from `config`: `servers: list[tuple[str, str, list[tuple[int, int]], bytes, bytes, bytes]]` (of each, in
        the order in which they are tried: carrier, host name or IP address, ranges of ports, public key, psk, the
        user's private key; keys of 32 bytes), `rawtcp: dict[str, str]` (as a server's), `limits: dict[str, float]`,
        `congestion: tuple[str, float | None]`, `profile: dict[str, tuple[int, int]]` and
        `kcp: tuple[str, int, int | None]` (as `set_limits` takes them), `session: str` ("quic" or "kcp": what its links
        carry), `links: int` (how many at the same time, 1 to 16), `log: dict[str, str]` (as `set_log` takes it),
        `key_log: str | None` (a file).

        Raises OSError when no socket can be had (as a server's), ValueError for a bad value.
        """

    @property
    def local_addresses(self) -> list[tuple[str, str, int]]:
        """Of each carrier its name, host and lowest port, of a server in the order in which it listens."""

    def fileno(self) -> int:
        """A descriptor that is readable when the inbox went from empty to non-empty; `drain` resets it."""

    def drain(self) -> list[tuple[int, bool, object]]:
        """Take all that is in the inbox: `(ticket, ok, value)`, oldest first.

        Ticket 0 is an event: `value` is `(name: str, facts: dict[str, object])`. When `ok` is False, `value` is
        `(kind: str, message: str, facts: dict[str, object])`. An event named `log` is a record of the engine's log:
        `level`, `area`, `message`, and further facts by name.
        """

    def connect(self, ticket: int, timeout: float) -> None:
        """Wait until the link is up, at most `timeout` seconds.

        Reply: `{"peer": "192.0.2.1:5", "rtt": seconds, "session": "quic" or "kcp", "carrier": "udp" or
        "rawtcp"}`, or `no_answer`.
        """

    def probe(self, ticket: int, timeout: float) -> None:
        """Send one probe on the live link. Reply: the round-trip time in seconds, a float."""

    def listen_socks5(
        self, ticket: int, host: str, port: int, username: str | None, password: str | None
    ) -> None:
        """Listen for SOCKS5 on a TCP address. Reply: `(listener: int, host: str, port: int)`, or `listen`."""

    def close_listener(self, ticket: int, listener: int) -> None:
        """Stop accepting; streams that came through the listener live on. Reply: None."""

    def open(self, ticket: int, host: str, port: int) -> None:
        """Open a stream to a target. Reply: `(fd: int, stream: int)`.

        `fd` is a connected AF_UNIX stream socket, non-blocking, close-on-exec, and belongs to the caller.
        """

    def set_psks(self, ticket: int, psks: list[bytes]) -> None:
        """Replace a server's secrets, the current one first. Links that use one that is gone end."""

    def set_users(self, ticket: int, users: list[tuple[str, bytes]]) -> None:
        """Replace a server's user table: name and 32-byte public key each. Reply: None."""

    def set_allow_private(self, ticket: int, allow: bool) -> None:
        """Let a server's clients reach loopback and private addresses, or no longer. Reply: None."""

    def set_limits(
        self,
        ticket: int,
        limits: dict[str, float],
        congestion: tuple[str, float | None],
        profile: dict[str, tuple[int, int]],
        kcp: tuple[str, int, int | None],
    ) -> None:
        """Replace all limits, the controller of congestion, the profile and how KCP sends, for what begins from now on.

        `limits` by the names of `default_limits`: seconds, bytes or counts. What is not named gets its default.
        `congestion` is a name, "adaptive", "cubic" or "fixed", and for "fixed" the rate at which a link's packets
        are to arrive, in bytes per second, 12,500 to 12,500,000,000; None for the others. `profile` has the least
        and the most of each field by its name; what is not named shapes nothing. `kcp` says how links of that session
        send: the mode ("auto", "normal", "fast", "fast2", "fast3"), the lanes of a link (1 to 16), and the window of a
        lane in segments (32 to 32,768), None for "auto". Reply: None. ValueError names what is
        unknown or out of range.
        """

    def shutdown(self, ticket: int, drain: float) -> None:
        """End gracefully: `drain` seconds for the streams, then close. Reply, when all is closed: None.

        A second call with 0.0 ends it at once.
        """

    def set_log(self, levels: dict[str, str]) -> None:
        """Set the level of each area of the log, at once; the area "" stands for all that are not named ("info").

        Areas: link, handshake, stream, inbound, outbound, resolver, limits, engine. Levels: off, error, warning,
        info, debug, trace. ValueError names what there is not.
        """

    def stats(self) -> dict[str, dict[str, object]]:
        """Return all that is counted and measured.

        `{"counters": {name: int}, "gauges": {name: int}, "drops": {cause: int}, "open_time": {stage: {"count": int,
        "sum_seconds": float, "buckets": [[upper_seconds, count], …]}}, "users": {name: {"links": int, "streams": int,
        "streams_opened": int, "bytes_received": int, "bytes_sent": int}}}`
        """

    def links(self) -> list[dict[str, object]]:
        """Return what is known of the path of each link that is up, of 1,024 links at most.

        `[{"link": str (as in events), "peer": "192.0.2.1:5", "session": "quic" or "kcp", "carrier": "udp" or
        "rawtcp", "rtt_seconds": float
        (smoothed), "window": int (bytes that may be in flight), "pace": int | None (bytes per second that may be sent;
        None: as fast as the window lets), "mtu": int (bytes of the largest datagram), "sent": int, "lost": int
        (packets), "receive_window": int (bytes that the peer may have on its way to us or unread here), "send_window":
        int (bytes that may be written and not yet acknowledged), "refused": int (what the peer has sent that could not
        be; a QUIC session does not count)}]`
        """

def default_limits(role: str) -> dict[str, float]:
    """Return every limit that can be set, with its default for `client` or `server`: seconds, bytes or counts."""

def generate_private_key() -> bytes:
    """Draw an X25519 private key: 32 bytes."""

def public_key(private_key: bytes) -> bytes:
    """Compute the public key (32 bytes) of an X25519 private key (RFC 7748, section 5)."""

def derive_user_key(server_private_key: bytes, user: str, generation: int) -> bytes:
    """Derive the X25519 private key (32 bytes) of a user, always the same for the same arguments."""

def engine_version() -> str:
    """Return the engine's version, such as "0.1.0"."""
