"""What an engine is told at its start, by the names that it reads: see `_engine.pyi`."""

from dataclasses import dataclass, field

Kcp = tuple[str, int, int | None]
"""Mode, lanes, and the window in segments; None: the mode needs none."""
PLAIN_KCP: Kcp = ("auto", 8, None)
"""What the engine takes where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)  # no repr: it would show keys
class ServerSetup:
    """What `Engine.server` reads, by these names."""

    listen: list[tuple[str, str, list[tuple[int, int]]]]
    """Carrier, IP address, and ranges of ports, both bounds included; `[(0, 0)]`: any port. No carrier twice."""
    psk: bytes
    previous_psk: bytes | None
    private_key: bytes
    users: list[tuple[str, bytes]]
    allow_private: bool
    replay_file: str
    rawtcp: dict[str, str] = field(default_factory=dict)
    """What is decided about the way of raw TCP: interface, source, gateway; a missing one is found out."""
    limits: dict[str, float] = field(default_factory=dict)
    """Times, sizes and counts by key, in seconds and bytes; a missing one is the default."""
    congestion: tuple[str, float | None] = ("adaptive", None)
    """What controls how fast links send, and the rate of "fixed" in bytes per second."""
    profile: dict[str, tuple[int, int]] = field(default_factory=dict)
    """How what is sent is shaped: the least and the most of each field; a missing one shapes nothing."""
    session: str = "quic"
    """What its share links ask for; a client gets whichever session it asks for."""
    kcp: Kcp = PLAIN_KCP
    """How links of the session `kcp` send."""
    log: dict[str, str] = field(default_factory=dict)
    """Levels by area; "" is that of all others."""
    key_log: str | None = None  # file for the keys of links


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)  # no repr: it would show keys
class ClientSetup:
    """What `Engine.client` reads, by these names."""

    servers: list[tuple[str, str, list[tuple[int, int]], bytes, bytes, bytes]]
    """Of each: carrier, host, ranges of ports, public key, the deployment's secret, the user's private key."""
    rawtcp: dict[str, str] = field(default_factory=dict)
    """What is decided about the way of raw TCP: interface, source, gateway; a missing one is found out."""
    limits: dict[str, float] = field(default_factory=dict)
    """Times, sizes and counts by key, in seconds and bytes; a missing one is the default."""
    congestion: tuple[str, float | None] = ("adaptive", None)
    """What controls how fast links send, and the rate of "fixed" in bytes per second."""
    profile: dict[str, tuple[int, int]] = field(default_factory=dict)
    """How what is sent is shaped: the least and the most of each field; a missing one shapes nothing."""
    session: str = "quic"
    """What its links carry."""
    kcp: Kcp = PLAIN_KCP
    """How links of the session `kcp` send."""
    links: int = 1
    """How many links there are to the server, at the same time."""
    log: dict[str, str] = field(default_factory=dict)
    """Levels by area; "" is that of all others."""
    key_log: str | None = None  # file for the keys of links
