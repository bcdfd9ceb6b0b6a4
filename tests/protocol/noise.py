"""Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, from the Noise specification (revision 34).

<- s
...
-> e, es, s, ss
<- e, ee, se, psk
"""

from __future__ import annotations

from .primitives import TAG, Aead, Refused, blake2s, hkdf, public_key, x25519

NAME = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
KEY = 32


class Symmetric:
    """The specification's SymmetricState, with the CipherState inside it (its sections 5.1 and 5.2)."""

    def __init__(self, prologue: bytes) -> None:
        # The name is longer than a hash, so its hash begins the chain.
        self.chain = self.hash = blake2s(NAME)
        self.key = b""
        self.count = 0
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        """Take `data` into the transcript."""
        self.hash = blake2s(self.hash + data)

    def mix_key(self, secret: bytes) -> None:
        """The next chaining key and cipher key."""
        both = hkdf(self.chain, secret, b"", 2 * KEY)
        self.chain, self.key, self.count = both[:KEY], both[KEY:], 0

    def mix_key_and_hash(self, secret: bytes) -> None:
        """What a pre-shared key does."""
        three = hkdf(self.chain, secret, b"", 3 * KEY)
        self.chain, self.key, self.count = three[:KEY], three[2 * KEY :], 0
        self.mix_hash(three[KEY : 2 * KEY])

    def mix_ephemeral(self, public: bytes) -> None:
        """The token e; with a pre-shared key in the pattern it goes into the keys as well (section 9.2)."""
        self.mix_hash(public)
        self.mix_key(public)

    def encrypt(self, plaintext: bytes) -> bytes:
        """EncryptAndHash."""
        sealed = Aead.chacha(self.key).seal(self._nonce(), self.hash, plaintext)
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        """DecryptAndHash."""
        plaintext = Aead.chacha(self.key).open(self._nonce(), self.hash, sealed)
        self.mix_hash(sealed)
        return plaintext

    def _nonce(self) -> bytes:
        """Noise counts in little-endian; only ginnel's own integers are big-endian."""
        nonce = bytes(4) + self.count.to_bytes(8, "little")
        self.count += 1
        return nonce

    def split(self) -> tuple[bytes, bytes]:
        """Two raw keys; the initiator sends under the first."""
        both = hkdf(self.chain, b"", b"", 2 * KEY)
        return both[:KEY], both[KEY:]


def cut(message: bytes, *sizes: int) -> list[bytes]:
    """The fields of a message, and what is left."""
    fields = []
    for size in sizes:
        if len(message) < size:
            raise Refused("a Noise message is too short")
        fields.append(message[:size])
        message = message[size:]
    return [*fields, message]


class Initiator:
    """The client's end. `ephemeral` is its ephemeral private key, used for one handshake."""

    def __init__(self, prologue: bytes, private: bytes, server: bytes, psk: bytes, ephemeral: bytes) -> None:
        self._private, self._server, self._psk, self._ephemeral = private, server, psk, ephemeral
        self._state = Symmetric(prologue)
        self._state.mix_hash(server)

    def write(self, payload: bytes) -> bytes:
        """Message 1."""
        state, public = self._state, public_key(self._ephemeral)
        state.mix_ephemeral(public)
        state.mix_key(x25519(self._ephemeral, self._server))
        static = state.encrypt(public_key(self._private))
        state.mix_key(x25519(self._private, self._server))
        return public + static + state.encrypt(payload)

    def read(self, message: bytes) -> tuple[bytes, tuple[bytes, bytes]]:
        """The payload of message 2, and the two outputs of Split."""
        public, sealed = cut(message, KEY)
        state = self._state
        state.mix_ephemeral(public)
        state.mix_key(x25519(self._ephemeral, public))
        state.mix_key(x25519(self._private, public))
        state.mix_key_and_hash(self._psk)
        return state.decrypt(sealed), state.split()


class Responder:
    """The server's end. `client` and `client_ephemeral` are public keys, known once message 1 was read."""

    def __init__(self, prologue: bytes, private: bytes, psk: bytes) -> None:
        self._private, self._psk = private, psk
        self._state = Symmetric(prologue)
        self._state.mix_hash(public_key(private))
        self.client = self.client_ephemeral = b""

    def read(self, message: bytes) -> bytes:
        """The payload of message 1."""
        self.client_ephemeral, static, sealed = cut(message, KEY, KEY + TAG)
        state = self._state
        state.mix_ephemeral(self.client_ephemeral)
        state.mix_key(x25519(self._private, self.client_ephemeral))
        self.client = state.decrypt(static)
        state.mix_key(x25519(self._private, self.client))
        return state.decrypt(sealed)

    def write(self, payload: bytes, ephemeral: bytes) -> tuple[bytes, tuple[bytes, bytes]]:
        """Message 2, and the two outputs of Split."""
        state, public = self._state, public_key(ephemeral)
        state.mix_ephemeral(public)
        state.mix_key(x25519(ephemeral, self.client_ephemeral))
        state.mix_key(x25519(ephemeral, self.client))
        state.mix_key_and_hash(self._psk)
        return public + state.encrypt(payload), state.split()
