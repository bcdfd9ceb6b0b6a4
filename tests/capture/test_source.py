"""Bytes are taken whole or not at all, also from a pipe that hands out few at a time."""

from __future__ import annotations

import io
from typing import cast

import pytest

from ginnel.capture.source import PIECE, Source
from ginnel.errors import CaptureError


class Dripping(io.RawIOBase):
    """Gives one byte at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        first, self._data = self._data[:1], self._data[1:]
        return first


class Broken(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")


def source(file: io.IOBase) -> Source:
    return Source(cast(io.BytesIO, file), None)


def test_a_slow_file_is_waited_for() -> None:
    slow = source(Dripping(b"abcdef"))
    assert slow.take(4, "it") == b"abcd"
    assert slow.take_or_end(2, "it") == b"ef"
    assert slow.take_or_end(2, "it") == b""
    assert slow.offset == 6


def test_an_end_within_is_an_error_with_its_place() -> None:
    cut = source(io.BytesIO(b"abcdef"))
    cut.take(4, "the front")
    with pytest.raises(CaptureError, match=r"ends within the back: 6 of 8 bytes are missing \(byte 4\)"):
        cut.take_or_end(8, "the back")
    with pytest.raises(CaptureError, match=r"ends where more should begin"):
        source(io.BytesIO()).take(1, "more")


def test_skipping_goes_by_pieces() -> None:
    long = source(io.BytesIO(bytes(PIECE * 2 + 5)))
    long.skip(PIECE * 2 + 4, "it")
    assert long.offset == PIECE * 2 + 4


def test_a_file_that_cannot_be_read_is_our_error() -> None:
    with pytest.raises(CaptureError, match="cannot be read: Input/output error"):
        source(Broken()).take(1, "it")
