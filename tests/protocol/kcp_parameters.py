"""Section 18.1: what both ends of a KCP session say of themselves in the handshake."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .primitives import Refused

KIND = 1
"""The session's number in Hello."""
VERSION = 1
MOST_LANES = 16
MOST_WINDOW = 1 << 30
RANGES_AND_PARTS = 1
"""The flag that says: the sender knows commands 85 and 86."""


@dataclass(frozen=True)
class Parameters:
    """One end's; `extended` says that it knows RANGES and PART."""

    LAYOUT = struct.Struct("!BBBII")

    lanes: int = 4
    streams: int = 16
    window: int = 1 << 18
    extended: bool = True

    def to_bytes(self) -> bytes:
        """As they travel."""
        flags = RANGES_AND_PARTS * self.extended
        return self.LAYOUT.pack(VERSION, flags, self.lanes, self.streams, self.window)

    @classmethod
    def parse(cls, data: bytes) -> Parameters:
        """What follows them is ignored, as are flags that nobody knows."""
        if len(data) < cls.LAYOUT.size:
            raise Refused("parameters that are too short")
        version, flags, lanes, streams, window = cls.LAYOUT.unpack_from(data)
        if version != VERSION or not 1 <= lanes <= MOST_LANES:
            raise Refused("a version that is not known, or an impossible number of lanes")
        return cls(lanes, streams, min(window, MOST_WINDOW), bool(flags & RANGES_AND_PARTS))
