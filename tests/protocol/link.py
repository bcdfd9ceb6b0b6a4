"""A link between two ends: its ids, counters and keys."""

from __future__ import annotations

import os
import random

from . import control, data
from .control import Control
from .data import Header
from .envelope import Welcome
from .keys import LinkKeys, data_aead, next_keys
from .primitives import Aead, Refused, aes_decrypt, aes_encrypt, public_key

DRAW = random.SystemRandom()


class Link:
    """One end of a link, the client's or the server's: seals, opens, and changes a client's keys (sections 6 and 8).

    `ids` are its own session id and the other end's.
    """

    def __init__(
        self,
        ids: tuple[int, int],
        welcome: Welcome,
        keys: LinkKeys,
        header_to_server: bytes,
        *,
        is_client: bool = True,
    ) -> None:
        (self._own_id, self._other_id), self.welcome, self._is_client = ids, welcome, is_client
        both = header_to_server, keys.header_to_client
        self._header_out, self._header_in = both if is_client else both[::-1]
        self._data, self._chain = [keys.data], keys.chain
        self._counter = DRAW.getrandbits(46)
        self._ephemeral = b""

    @property
    def number(self) -> int:
        """The number of the newest keys."""
        return len(self._data) - 1

    def seal(self, kind: str, payload: bytes, *, padding: int = 0, number: int | None = None) -> bytes:
        """The next datagram, under the newest keys or those of `number`."""
        number = self.number if number is None else number
        plaintext = data.pad(payload, padding) if padding else payload
        header = Header(self._other_id, self._counter, kind, number & 1, bool(padding))
        self._counter += 1
        return data.seal(self._aead(number, out=True), self._header_out, header, plaintext)

    def seal_control(self, message: Control, *, number: int | None = None) -> bytes:
        """A control message, padded as it should be."""
        return self.seal("control", message.to_bytes(), padding=DRAW.randint(24, 119), number=number)

    def seal_oddly(self, message: Control, where: int, bits: int) -> bytes:
        """An authentic datagram whose header has some bits set, in byte `where`, that should not be."""
        header = Header(self._other_id, self._counter, "control")
        self._counter += 1
        plain = bytearray(aes_decrypt(self._header_out, header.block(self._header_out)))
        plain[where] |= bits
        block = aes_encrypt(self._header_out, bytes(plain))
        aead = self._aead(self.number, out=True)
        return aead.seal(header.nonce(), block, message.to_bytes()) + block

    def skip(self, count: int) -> None:
        """Use none of the next counters."""
        self._counter += count

    def open(self, datagram: bytes) -> tuple[Header, bytes]:
        """What the other end sent."""
        return data.open_datagram(self._key, self._header_in, datagram)

    def _key(self, header: Header) -> Aead:
        """By the epoch: the newest keys, or the ones before them."""
        if header.session_id != self._own_id:
            raise Refused("the session id of another link")
        number = self.number - ((self.number - header.epoch) & 1)
        if number < 0:
            raise Refused("an epoch that has not come")
        return self._aead(number, out=False)

    def _aead(self, number: int, *, out: bool) -> Aead:
        keys = self._data[number]
        return data_aead(self.welcome.aead, keys.to_server if out == self._is_client else keys.to_client)

    def ask_for_keys(self) -> Control:
        """The message rekey."""
        self._ephemeral = os.urandom(32)
        return control.rekey(self.number + 1, public_key(self._ephemeral))

    def take_keys(self, answer: Control) -> None:
        """Use the next keys from now on."""
        number, server_public = int.from_bytes(answer.body[:4], "big"), answer.body[4:]
        if answer.kind != "rekey answer" or number != self.number + 1:
            raise Refused("no answer to our rekey")
        ours = public_key(self._ephemeral)
        self._chain, keys = next_keys(self._chain, self._ephemeral, server_public, ours, server_public)
        self._data.append(keys)
