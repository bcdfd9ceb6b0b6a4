"""Section 3: the keys of a deployment, of a user, of a link, and those that follow."""

from __future__ import annotations

from dataclasses import dataclass

from .primitives import Aead, hkdf, x25519


def user_private_key(server_private: bytes, generation: int, name: str) -> bytes:
    """The private key that a server makes for a user."""
    label = b"ginnel/1 user " + generation.to_bytes(4, "big") + name.encode()
    return hkdf(b"", server_private, label, 32)


@dataclass(frozen=True)
class DeploymentKeys:
    """What follows from the PSK and the server's public key."""

    request: bytes
    answer: bytes
    header_to_server: bytes

    @classmethod
    def derive(cls, server_public: bytes, psk: bytes) -> DeploymentKeys:
        """Before any handshake."""
        return cls(
            hkdf(server_public, psk, b"ginnel/1 handshake to server", 32),
            hkdf(server_public, psk, b"ginnel/1 handshake to client", 32),
            hkdf(server_public, psk, b"ginnel/1 header to server", 16),
        )


AEADS = ("aes-128-gcm", "chacha20-poly1305")
"""By their numbers in Welcome."""


@dataclass(frozen=True)
class DataKeys:
    """The `D` keys of one number, 32 bytes each."""

    to_server: bytes
    to_client: bytes


def data_aead(name: str, key: bytes) -> Aead:
    """A `D` key in use: AES takes half of it."""
    return Aead.aes_gcm(key[:16]) if name == AEADS[0] else Aead.chacha(key)


@dataclass(frozen=True)
class LinkKeys:
    """What follows from Noise's Split."""

    data: DataKeys
    header_to_client: bytes
    chain: bytes

    @classmethod
    def derive(cls, split: tuple[bytes, bytes]) -> LinkKeys:
        """The keys with number 0, and chain 0."""
        first, second = split
        data = DataKeys(hkdf(b"", first, b"ginnel/1 data", 32), hkdf(b"", second, b"ginnel/1 data", 32))
        return cls(
            data,
            hkdf(b"", second, b"ginnel/1 header to client", 16),
            hkdf(first, second, b"ginnel/2 chain", 32),
        )


def next_keys(
    chain: bytes, private: bytes, other: bytes, client_public: bytes, server_public: bytes
) -> tuple[bytes, DataKeys]:
    """The next chain and its `D` keys, from one's own ephemeral private key and the other's public key."""
    label = b"ginnel/2 rekey " + client_public + server_public
    new = hkdf(chain, x25519(private, other), label, 32)
    to_server = hkdf(b"", new, b"ginnel/2 data to server", 32)
    return new, DataKeys(to_server, hkdf(b"", new, b"ginnel/2 data to client", 32))
