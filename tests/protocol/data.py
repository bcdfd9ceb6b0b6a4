"""Section 6: header blocks, data datagrams, padding, trimmed packets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .primitives import Aead, Refused, aes_decrypt, aes_encrypt

BLOCK = 16
KINDS = ("session", "control", "trimmed")
EPOCH, PADDED = 8, 16
LAST_COUNTER = 2**48 - 1
LONGEST_UNTRIMMED = 1440


@dataclass(frozen=True)
class Header:
    """What the last block of a data datagram says."""

    session_id: int
    counter: int
    kind: str
    epoch: int = 0
    padded: bool = False

    def block(self, key: bytes) -> bytes:
        """As it travels."""
        flags = KINDS.index(self.kind) | EPOCH * self.epoch | PADDED * self.padded
        plain = self.session_id.to_bytes(4, "big") + self.counter.to_bytes(6, "big") + bytes([flags])
        return aes_encrypt(key, plain + bytes(5))

    @classmethod
    def read(cls, key: bytes, block: bytes) -> Header:
        """A header, if these 16 bytes are one."""
        plain = aes_decrypt(key, block)
        flags = plain[10]
        if any(plain[11:]) or flags >= 2 * PADDED or flags & 7 >= len(KINDS):
            raise Refused("this is no header")
        return cls(
            int.from_bytes(plain[:4], "big"),
            int.from_bytes(plain[4:10], "big"),
            KINDS[flags & 7],
            int(bool(flags & EPOCH)),
            bool(flags & PADDED),
        )

    def nonce(self) -> bytes:
        """The nonce of the AEAD."""
        return self.counter.to_bytes(12, "big")


def pad(payload: bytes, size: int) -> bytes:
    """A plaintext whose header says that it is padded, with so many bytes of padding."""
    return payload + bytes(size) + size.to_bytes(2, "big")


def unpad(plaintext: bytes) -> bytes:
    """The payload."""
    size = int.from_bytes(plaintext[-2:], "big")
    if len(plaintext) < 2 or size > len(plaintext) - 2:
        raise Refused("more padding than plaintext")
    return plaintext[: len(plaintext) - 2 - size]


def trim(packet: bytes) -> bytes:
    """The payload of kind 2, without all the zeros at a packet's end."""
    kept = packet.rstrip(b"\0")
    return kept + (len(packet) - len(kept)).to_bytes(2, "big")


def untrim(payload: bytes) -> bytes:
    """The packet that was trimmed."""
    if len(payload) < 2:
        raise Refused("a trimmed packet without its count")
    zeros = int.from_bytes(payload[-2:], "big")
    if len(payload) - 2 + zeros > LONGEST_UNTRIMMED:
        raise Refused("a trimmed packet of too many zeros")
    return payload[:-2] + bytes(zeros)


def seal(aead: Aead, header_key: bytes, header: Header, plaintext: bytes) -> bytes:
    """A data datagram."""
    block = header.block(header_key)
    return aead.seal(header.nonce(), block, plaintext) + block


def open_datagram(aead: Callable[[Header], Aead], header_key: bytes, datagram: bytes) -> tuple[Header, bytes]:
    """The header, and what the datagram carries without padding; `aead` finds the key, by id and epoch."""
    if len(datagram) < 2 * BLOCK:
        raise Refused("shorter than a tag and a header")
    sealed, block = datagram[:-BLOCK], datagram[-BLOCK:]
    header = Header.read(header_key, block)
    plaintext = aead(header).open(header.nonce(), block, sealed)
    return header, unpad(plaintext) if header.padded else plaintext
