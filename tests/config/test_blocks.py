"""The letters of a share link: what they say, and what damage they find."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ginnel.config import blocks

PAYLOADS = st.binary(min_size=1, max_size=200)


def read(text: str) -> list[int]:
    return [value for value in blocks.values(text) if value is not None]


@given(PAYLOADS)
def test_round_trip(payload: bytes) -> None:
    text = blocks.encode(payload)
    assert len(text) == blocks.encoded_length(len(payload))
    assert set(text) <= set(blocks.ALPHABET)
    for written in (text, text.lower()):
        symbols = read(written)
        assert blocks.damaged_blocks(symbols) == []
        assert blocks.decode(symbols) == payload
    assert payload.startswith(blocks.decode_first(read(text))[: len(payload)])


def test_letters_that_look_alike_are_the_same() -> None:
    assert blocks.values("oOiIlL") == blocks.values("001111")


@pytest.mark.parametrize("letter", ["u", "U", "-", "_", "é", "٣", " "])
def test_other_letters_have_no_value(letter: str) -> None:
    assert blocks.values(letter) == [None] * len(letter)


@given(PAYLOADS, st.data())
def test_one_wrong_letter_is_found_in_its_block(payload: bytes, data: st.DataObject) -> None:
    symbols = read(blocks.encode(payload))
    at = data.draw(st.integers(0, len(symbols) - 1))
    symbols[at] ^= data.draw(st.integers(1, 31))
    (block,) = blocks.damaged_blocks(symbols)
    assert at in block


@given(PAYLOADS, st.data())
def test_two_letters_that_changed_places_are_found(payload: bytes, data: st.DataObject) -> None:
    symbols = read(blocks.encode(payload))
    at = data.draw(st.integers(0, len(symbols) - 1))
    other = data.draw(st.integers(at // 16 * 16, min(at // 16 * 16 + 15, len(symbols) - 1)))
    assume(symbols[at] != symbols[other])
    symbols[at], symbols[other] = symbols[other], symbols[at]
    (block,) = blocks.damaged_blocks(symbols)
    assert at in block


def test_blocks_that_changed_places_are_found() -> None:
    symbols = read(blocks.encode(bytes(range(40))))
    assert blocks.damaged_blocks(symbols[16:32] + symbols[:16] + symbols[32:]) == [range(16), range(16, 32)]


def test_a_check_letter_alone_is_no_block() -> None:
    symbols = read(blocks.encode(bytes(9)))
    assert blocks.damaged_blocks([*symbols, 0]) == [range(16, 17)]


def test_bits_left_over_must_be_zero() -> None:
    assert blocks.encode(b"\0") == "008"
    assert blocks.decode([0, 1, 0]) is None
