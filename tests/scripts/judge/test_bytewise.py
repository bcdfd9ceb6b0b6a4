"""Arithmetic on rows of bytes is the arithmetic of each byte."""

from __future__ import annotations

import random

from scripts.judge.bytewise import columns, difference, exclusive


def test_rows_are_worked_on_byte_by_byte() -> None:
    draw = random.Random(1)
    ones, others = draw.randbytes(5000), draw.randbytes(5000)
    pairs = list(zip(ones, others, strict=True))
    assert difference(ones, others) == bytes((one - other) % 256 for one, other in pairs)
    assert exclusive(ones, others) == bytes(one ^ other for one, other in pairs)
    assert difference(b"", b"") == b""


def test_columns_leave_out_datagrams_that_are_too_short() -> None:
    datagrams = [b"abc", b"d", b"ef", b"ghij"]
    assert list(columns(datagrams, 1)) == [(0, b"adeg"), (1, b"bfh"), (2, b"ci"), (3, b"j")]
    assert list(columns(datagrams, 3)) == [(0, b"adeg"), (1, b"bfh")]
    assert list(columns(datagrams, 5)) == []
