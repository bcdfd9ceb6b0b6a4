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
    "long probe": 10,
    "long echo": 8,
}
"""Bytes of each message's body, in the order of their first bytes."""
KINDS = tuple(SIZES)
TOKEN = 8
ECHOES = {"probe": "echo", "wide probe": "wide echo", "long probe": "long echo"}
"""What asks for an echo, and which."""


@dataclass(frozen=True)
class Control:
    """One message; its body is a token (in a long probe with a length), a code, or a number and a public key."""

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


def long_probe(token: bytes, size: int) -> Control:
    """The question whether a datagram of `size` bytes arrives; its own datagram has to have them."""
    return Control("long probe", token + size.to_bytes(2, "big"))


def echo(message: Control) -> Control | None:
    """The answer to a probe of any kind; None to all else."""
    kind = ECHOES.get(message.kind)
    return None if kind is None else Control(kind, message.body[:TOKEN])


def rekey(number: int, public: bytes, kind: str = "rekey") -> Control:
    """A rekey, or the answer to one."""
    return Control(kind, number.to_bytes(4, "big") + public)
