"""The text of a share link: `ginnel://` and letters that carry bytes, and how damage to them is told.

What the bytes mean is told in `sharelink`. Every format begins with its number in one byte and its length in two,
checksum included, in a first block checked like the others, so that a link that lost a letter can say how many it
had, and a newer format can be told from damage. The last four bytes are the checksum: BLAKE2s of all before it,
personalised with `ginnel-l`.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, NoReturn

from ginnel.config import blocks
from ginnel.errors import ShareLinkError

SCHEME: Final = "ginnel://"
MAX_TEXT: Final = 16_384
"""Characters that are looked at, white space included; the longest link has fewer than 6,000."""
CHECKSUM_BYTES: Final = 4
QUOTES: Final = "'\"`<>“”‘’«» \t\r\n"
"""What may stand around a link."""

# White space is what a terminal, mail or chat puts in when it wraps a line; these are what they put in unseen.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_AGAIN = "Copy it again in one piece."
Lengths = Mapping[int, range]
"""The formats that can be read, and how many bytes each can have."""


def write_text(version: int, body: bytes) -> str:
    """Write a link of this format: a secret, in one line without white space."""
    length = 1 + 2 + len(body) + CHECKSUM_BYTES
    payload = bytes([version]) + length.to_bytes(2, "big") + body
    return SCHEME + blocks.encode(payload + _checksum(payload))


def read_text(text: str, formats: Lengths) -> tuple[int, bytes]:
    """Read a link: the number of its format, and its bytes between the length and the checksum.

    White space in it, quotes around it and its case do not matter. Raises ShareLinkError, which says what is wrong,
    where, and what to do, and repeats no more of the link than one letter.
    """
    payload = _unpack(_clean(text), formats)
    if int.from_bytes(payload[1:3], "big") != len(payload):
        raise odd("its length is not its own")
    return payload[0], payload[3:-CHECKSUM_BYTES]


def odd(what: str) -> ShareLinkError:
    """The error for a checksum that fits and fields that do not: not damage, but a link that no ginnel wrote."""
    return ShareLinkError(f"this share link was not made by ginnel: {what}")


def _clean(text: str) -> str:
    """Remove what copying adds; check length and scheme."""
    if len(text) > MAX_TEXT:
        raise ShareLinkError(
            f"this is too long to be a share link: more than {MAX_TEXT:,} characters", length=len(text)
        )
    link = "".join(text.translate(_INVISIBLE).split()).strip(QUOTES)
    if not link:
        raise ShareLinkError(f"the share link is empty; one begins with {SCHEME}", length=0)
    if link[: len(SCHEME)].lower() != SCHEME:
        raise ShareLinkError(
            f"this is not a share link: it does not begin with {SCHEME}",
            hint="The server prints its link when it starts; `ginnel link` on the server prints it again.",
            length=len(link),
        )
    return link


def _unpack(link: str, formats: Lengths) -> bytes:
    """From the cleaned text to the payload, checksum verified and still in it."""
    offset = len(SCHEME)
    symbols: list[int] = []
    for position, value in enumerate(blocks.values(link[offset:]), start=offset + 1):
        if value is None:
            raise ShareLinkError(
                f"the share link is damaged: {link[position - 1]!r} (character {position}) is never part of one",
                hint=_AGAIN,
                position=position,
                length=len(link),
            )
        symbols.append(value)
    if not symbols:
        raise ShareLinkError(f"the share link ends after {SCHEME}", hint=_AGAIN, length=len(link))
    damaged = blocks.damaged_blocks(symbols)
    expected: int | None = None
    if not damaged or damaged[0].start > 0:
        expected = offset + blocks.encoded_length(_claimed_length(blocks.decode_first(symbols), formats))
    if damaged or expected is None:
        _raise_damaged(damaged, offset, len(link), expected)
    if len(link) != expected:
        _raise_wrong_length(len(link), expected)
    payload = blocks.decode(symbols)
    if payload is None or _checksum(payload[:-CHECKSUM_BYTES]) != payload[-CHECKSUM_BYTES:]:
        # Every block fits and the whole does not: damage in several places, or a link made up by hand.
        raise ShareLinkError(
            "the share link is damaged: its checksum does not match", hint=_AGAIN, length=len(link)
        )
    return payload


def _claimed_length(first: bytes, formats: Lengths) -> int:
    """Read version and length from an intact first block."""
    if len(first) < 3 or first[0] == 0:
        raise ShareLinkError("the share link is damaged: its beginning makes no sense", hint=_AGAIN)
    if first[0] not in formats:
        *others, last = map(str, sorted(formats))
        known = f"{', '.join(others)} and {last}"
        raise ShareLinkError(
            f"the share link was made by a newer ginnel: it has format {first[0]}, this one reads {known}",
            hint="Update ginnel on this machine.",
        )
    length = int.from_bytes(first[1:3], "big")
    if length not in formats[first[0]]:
        raise ShareLinkError("the share link is damaged: its beginning makes no sense", hint=_AGAIN)
    return length


def _raise_damaged(damaged: list[range], offset: int, length: int, expected: int | None) -> NoReturn:
    lengths = ""
    if expected is not None and expected != length:
        # A link that was cut in the middle of a block is damaged only there, at its very end.
        if length < expected and damaged[0].stop + offset == length:
            _raise_wrong_length(length, expected)
        lengths = f" It has {expected} characters; this one has {length}."
    where, position = "", None
    if damaged:
        # The middle of the block: at most half a block off.
        position = offset + (damaged[0].start + damaged[0].stop + 1) // 2
        where = f" (character {position} or near it)"
    raise ShareLinkError(
        f"the share link is damaged: its checksum does not match{where}",
        hint=_AGAIN + lengths,
        position=position,
        length=length,
        expected_length=expected,
    )


def _raise_wrong_length(length: int, expected: int) -> NoReturn:
    if length < expected:
        what, position = f"the share link is cut off near its end, after character {length}", length
    else:
        what, position = f"the share link goes on after its end (character {expected})", expected
    raise ShareLinkError(
        what,
        hint=f"{_AGAIN} It has {expected} characters; this one has {length}.",
        position=position,
        length=length,
        expected_length=expected,
    )


def _checksum(payload: bytes) -> bytes:
    return hashlib.blake2s(payload, digest_size=CHECKSUM_BYTES, person=b"ginnel-l").digest()
