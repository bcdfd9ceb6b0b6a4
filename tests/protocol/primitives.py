"""What section 2 lists: hashes and derivation from the standard library, ciphers and X25519 from `cryptography`.

Keys, nonces and public keys are bytes. What does not open raises `Refused`.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

HASH = 32
TAG = 16


class Refused(Exception):
    """What came from the other end is not what it must be."""


def blake2s(data: bytes, size: int = HASH) -> bytes:
    """BLAKE2s (RFC 7693) with an output of `size` bytes."""
    return hashlib.blake2s(data, digest_size=size).digest()


def hkdf(salt: bytes, secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF (RFC 5869), extract and expand, with HMAC over BLAKE2s-256."""
    extracted = hmac.digest(salt, secret, "blake2s")
    block = made = b""
    for number in range(1, -(-size // HASH) + 1):
        block = hmac.digest(extracted, block + label + bytes([number]), "blake2s")
        made += block
    return made[:size]


def public_key(private: bytes) -> bytes:
    """The public key of an X25519 private key (RFC 7748); both 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x25519(private: bytes, public: bytes) -> bytes:
    """The shared secret; a public key of small order is refused."""
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    except ValueError as error:
        raise Refused("a public key of small order") from error


def aes_encrypt(key: bytes, block: bytes) -> bytes:
    """AES-128 of one block."""
    return Cipher(AES(key), ECB()).encryptor().update(block)  # noqa: S305 - one block, as section 6.2 has it


def aes_decrypt(key: bytes, block: bytes) -> bytes:
    """The inverse of `aes_encrypt`."""
    return Cipher(AES(key), ECB()).decryptor().update(block)  # noqa: S305 - one block, as section 6.2 has it


class Aead:
    """AES-128-GCM (RFC 5116) or ChaCha20-Poly1305 (RFC 8439), with a nonce of 12 bytes."""

    def __init__(self, cipher: AESGCM | ChaCha20Poly1305) -> None:
        self._cipher = cipher

    @classmethod
    def aes_gcm(cls, key: bytes) -> Aead:
        """With a key of 16 bytes."""
        return cls(AESGCM(key))

    @classmethod
    def chacha(cls, key: bytes) -> Aead:
        """With a key of 32 bytes."""
        return cls(ChaCha20Poly1305(key))

    def seal(self, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Ciphertext and tag."""
        return self._cipher.encrypt(nonce, plaintext, aad)

    def open(self, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
        """The plaintext."""
        try:
            return self._cipher.decrypt(nonce, sealed, aad)
        except InvalidTag as error:
            raise Refused("the AEAD does not open") from error


def xchacha_seal(key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
    """XChaCha20-Poly1305 with a nonce of 24 bytes: ChaCha20-Poly1305 under a key that HChaCha20 makes."""
    return Aead.chacha(hchacha20(key, nonce[:16])).seal(bytes(4) + nonce[16:], aad, plaintext)


def xchacha_open(key: bytes, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
    """The inverse of `xchacha_seal`."""
    return Aead.chacha(hchacha20(key, nonce[:16])).open(bytes(4) + nonce[16:], aad, sealed)


COLUMNS = (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)
DIAGONALS = (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)
"""The double round of ChaCha20 (RFC 8439, section 2.3)."""


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The key that XChaCha20 makes of a key and 16 bytes of nonce: ChaCha20's rounds, with no last addition."""
    words = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for a, b, c, d in COLUMNS + DIAGONALS:
            for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                words[x] = (words[x] + words[y]) & 0xFFFF_FFFF
                mixed = words[z] ^ words[x]
                words[z] = (mixed << turn | mixed >> 32 - turn) & 0xFFFF_FFFF
    return struct.pack("<8I", *words[:4], *words[12:])
