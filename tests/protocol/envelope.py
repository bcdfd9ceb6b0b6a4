"""Sections 5.1 to 5.3: the outer layer of a handshake, Hello and Welcome."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .keys import AEADS
from .primitives import Refused, blake2s, xchacha_open, xchacha_seal

NONCE = 24
OVERHEAD = 43
"""Nonce, version, length, tag."""
LONGEST = 1200
SHORTEST_REQUEST = 265
VERSIONS = (1, 2)
PARAMETERS = 160
SESSIONS = ("quic", "kcp")
"""By their numbers in Hello."""


def prologue(version: int) -> bytes:
    """Noise's prologue."""
    return f"ginnel/{version}".encode()


def wrap(key: bytes, nonce: bytes, aad: bytes, version: int, noise: bytes, size: int) -> bytes:
    """A handshake datagram of `size` bytes."""
    body = struct.pack("!BH", version, len(noise)) + noise
    return nonce + xchacha_seal(key, nonce, aad, body.ljust(size - NONCE - 16, b"\0"))


def unwrap(key: bytes, aad: bytes, datagram: bytes) -> tuple[int, bytes]:
    """Version and Noise message."""
    if not OVERHEAD <= len(datagram) <= LONGEST:
        raise Refused("not the length of a handshake datagram")
    body = xchacha_open(key, datagram[:NONCE], aad, datagram[NONCE:])
    version, length = struct.unpack_from("!BH", body)
    if version not in VERSIONS or length > len(body) - 3:
        raise Refused("unknown version, or a length beyond the body")
    return version, body[3 : 3 + length]


def fingerprint(noise: bytes) -> bytes:
    """What the replay cache remembers of a request (section 5.6)."""
    return blake2s(noise, 16)


def journal_entry(time_ns: int, noise_fingerprint: bytes) -> bytes:
    """A line of the journal (section 5.6)."""
    return time_ns.to_bytes(8, "big") + noise_fingerprint


def with_length(parameters: bytes) -> bytes:
    """The last field of both payloads."""
    return bytes([len(parameters)]) + parameters


def last_field(data: bytes) -> bytes:
    """The parameters, with nothing behind them."""
    if not data or data[0] != len(data) - 1 or data[0] > PARAMETERS:
        raise Refused("parameters of a wrong length")
    return data[1:]


@dataclass(frozen=True)
class Hello:
    """The payload of message 1."""

    FIXED = struct.Struct("!Q16sHIIBB")

    time_ns: int
    instance: bytes
    member: int
    epoch: int
    session_id: int
    aes: bool
    kind: int = 0
    parameters: bytes = b""

    def to_bytes(self) -> bytes:
        """As it travels."""
        fields = (self.time_ns, self.instance, self.member, self.epoch, self.session_id, self.aes, self.kind)
        return self.FIXED.pack(*fields) + with_length(self.parameters)

    @classmethod
    def parse(cls, data: bytes) -> Hello:
        """As a server reads it: unknown capabilities mean nothing, an unknown kind of session is refused."""
        if len(data) <= cls.FIXED.size:
            raise Refused("Hello is too short")
        time_ns, instance, member, epoch, session_id, capabilities, kind = cls.FIXED.unpack_from(data)
        if kind >= len(SESSIONS):
            raise Refused("an unknown kind of session")
        parameters = last_field(data[cls.FIXED.size :])
        return cls(time_ns, instance, member, epoch, session_id, bool(capabilities & 1), kind, parameters)


@dataclass(frozen=True)
class Welcome:
    """The payload of message 2."""

    FIXED = struct.Struct("!QIB")

    time_ns: int
    session_id: int
    aead: str
    parameters: bytes

    def to_bytes(self) -> bytes:
        """As it travels."""
        fixed = self.FIXED.pack(self.time_ns, self.session_id, AEADS.index(self.aead))
        return fixed + with_length(self.parameters)

    @classmethod
    def parse(cls, data: bytes) -> Welcome:
        """As a client reads it."""
        if len(data) <= cls.FIXED.size:
            raise Refused("Welcome is too short")
        time_ns, session_id, aead = cls.FIXED.unpack_from(data)
        if aead >= len(AEADS):
            raise Refused("an unknown AEAD")
        return cls(time_ns, session_id, AEADS[aead], last_field(data[cls.FIXED.size :]))
