"""Section 18.3: the frames of the mux, cut out of a pipe."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .primitives import Refused

VERSION = 2
HEADER = struct.Struct("<BBHI")
UPDATE = struct.Struct("<II")
LENGTHS = {"SYN": 0, "FIN": 0, "PSH": None, "NOP": 0, "UPD": 8, "RST": 4, "STP": 4, "GRT": 4}
"""In the order of their numbers; PSH has any but 0."""
NAMES = tuple(LENGTHS)
WITHOUT_STREAM = {"NOP", "GRT"}
LONGEST = 65_535


@dataclass(frozen=True)
class Frame:
    """One of them; stream 0 is none."""

    name: str
    stream: int = 0
    data: bytes = b""

    def to_bytes(self) -> bytes:
        """As it travels."""
        return HEADER.pack(VERSION, NAMES.index(self.name), len(self.data), self.stream) + self.data

    @property
    def code(self) -> int:
        """The code of RST and STP, the number of streams of GRT."""
        return int.from_bytes(self.data, "little")


def coded(name: str, stream: int, code: int) -> Frame:
    """RST, STP or GRT."""
    return Frame(name, stream, code.to_bytes(4, "little"))


def update(stream: int, consumed: int, window: int) -> Frame:
    """UPD: both numbers, the first modulo 2^32."""
    return Frame("UPD", stream, UPDATE.pack(consumed & 0xFFFF_FFFF, window))


class Pipe:
    """What has come of one lane, up to the frame that is not whole yet."""

    def __init__(self) -> None:
        self._rest = b""

    def frames(self, more: bytes) -> Iterator[Frame]:
        """All that are whole now; violations raise."""
        self._rest += more
        while len(self._rest) >= HEADER.size:
            version, command, length, stream = HEADER.unpack_from(self._rest)
            if version != VERSION or command >= len(NAMES):
                raise Refused("another version, or an unknown command")
            name = NAMES[command]
            if length == 0 if name == "PSH" else length != LENGTHS[name]:
                raise Refused("a length that is not the command's")
            if (stream == 0) != (name in WITHOUT_STREAM):
                raise Refused("a stream where there must be none, or none where there must be one")
            end = HEADER.size + length
            if len(self._rest) < end:
                return
            data, self._rest = self._rest[HEADER.size : end], self._rest[end:]
            yield Frame(name, stream, data)
