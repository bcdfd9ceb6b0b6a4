"""Section 7: control messages."""

from __future__ import annotations

from dataclasses import dataclass

from .primitives import Refused

SIZES = {
    "probe": 8,
    "echo": 8,
    "challenge": 8,
    "challenge echo": 8,
    "close": 1,
    "rekey": 36,
    "rekey answer": 36,
    "wide probe": 8,
    "wide echo": 8,
}
"""Bytes of each message's body, in the order of their first bytes."""
KINDS = tuple(SIZES)


@dataclass(frozen=True)
class Control:
    """One message; its body is a token, a code, or a number and a public key."""

    kind: str
    body: bytes

    def to_bytes(self) -> bytes:
        """As it travels, without padding."""
        return bytes([KINDS.index(self.kind)]) + self.body

    @classmethod
    def parse(cls, data: bytes) -> Control:
        """A message of a known kind and its right length; whoever catches `Refused` ignores it."""
        if not data or data[0] >= len(KINDS) or len(data) - 1 != SIZES[KINDS[data[0]]]:
            raise Refused("no control message that is known")
        return cls(KINDS[data[0]], data[1:])


def rekey(number: int, public: bytes, kind: str = "rekey") -> Control:
    """A rekey, or the answer to one."""
    return Control(kind, number.to_bytes(4, "big") + public)
