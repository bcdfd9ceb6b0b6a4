"""Arithmetic on all bytes of a row at once, which a judgement of a million bytes needs in plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress


def columns(datagrams: Sequence[bytes], least: int) -> Iterator[tuple[int, bytes]]:
    """Each byte offset that `least` datagrams reach, with the bytes there in the order of the datagrams."""
    lengths = [len(datagram) for datagram in datagrams]
    if len(lengths) < least:
        return
    width = sorted(lengths)[-least]
    whole = b"".join([datagram[:width].ljust(width, b"\0") for datagram in datagrams])
    ends = set(lengths)
    reached: list[bool] | None = None
    for offset in range(width):
        if offset in ends:
            reached = [length > offset for length in lengths]
        column = whole[offset::width]
        yield offset, column if reached is None else bytes(compress(column, reached))


def exclusive(ones: bytes, others: bytes) -> bytes:
    """Each byte XOR its counterpart."""
    return (int.from_bytes(ones) ^ int.from_bytes(others)).to_bytes(len(ones))


def difference(ones: bytes, others: bytes) -> bytes:
    """Each byte minus its counterpart, modulo 256.

    No borrow leaves a byte: the upper bits are set aside, and their difference is put in without a carry.
    """
    upper = int.from_bytes(b"\x80" * len(ones))
    one, other = int.from_bytes(ones), int.from_bytes(others)
    lower = (one | upper) - (other & ~upper)
    return (lower ^ ((one ^ ~other) & upper)).to_bytes(len(ones))
