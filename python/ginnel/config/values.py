"""What a person decides about a server and a client."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ginnel.config.address import Address
from ginnel.config.sharelink import ShareLink
from ginnel.config.value import Value

MAX_DRAIN_SECONDS = 3600.0
"""Longest time that a shutdown may wait for streams."""
MAX_CONNECT_SECONDS = 600.0

Drain = Annotated[float, Field(ge=0, le=MAX_DRAIN_SECONDS)]


class ServerConfig(Value):
    """A server's settings."""

    state: Path
    """Directory that keeps keys, users and the port."""
    listen: Address | None = None
    """UDP address to listen on. None: all addresses, and a port drawn at the first start and kept.
    Port 0: any free port, not kept."""
    advertise: tuple[str, int | None] | None = None
    """Host (and port, when it differs) that goes into share links. None: worked out."""
    allow_private: bool = False
    """Whether targets may be loopback, link-local, private or metadata addresses."""
    session: Literal["quic"] = "quic"
    carrier: Literal["udp"] = "udp"
    drain_seconds: Drain = 4.0
    """How long a shutdown waits for streams."""


class ClientConfig(Value):
    """A client's settings."""

    link: ShareLink
    connect_timeout_seconds: Annotated[float, Field(gt=0, le=MAX_CONNECT_SECONDS)] = 10.0
    """How long the first set-up of the link may take."""
    drain_seconds: Drain = 4.0
    """How long a shutdown waits for streams."""
