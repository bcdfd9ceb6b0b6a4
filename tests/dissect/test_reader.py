"""Fields that are taken, and those that are not there."""

import pytest

from ginnel.dissect.reader import MalformedError, Reader


@pytest.mark.parametrize(
    ("data", "number"),
    [
        # RFC 9000, appendix A.1.
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
        ("4025", 37),
    ],
)
def test_numbers_of_variable_length(data: str, number: int) -> None:
    reader = Reader(bytes.fromhex(data) + b"rest")
    assert reader.varint("a number") == number
    assert reader.take(4, "the rest") == b"rest"


@pytest.mark.parametrize("data", ["", "40", "9d7f3e", "c2197c5eff14e8"])
def test_a_number_that_is_cut_off_is_wrong_where_it_begins(data: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Reader(b"x" + bytes.fromhex(data), 1).varint("a number")
    assert caught.value.at == 1
    assert "a number" in caught.value.what


def test_nothing_is_taken_beyond_the_end() -> None:
    reader = Reader(b"abcdef", 1, 4)
    assert (reader.take(2, "letters"), reader.left) == (b"bc", 1)
    with pytest.raises(MalformedError, match="2 bytes are claimed, 1 are left"):
        reader.take(2, "letters")
    assert reader.at == 3


def test_zeros_are_passed_over_up_to_the_end() -> None:
    reader = Reader(b"\0\0\0x\0", 1, 5)
    assert (reader.zeros(), reader.number(1, "a letter"), reader.zeros(), reader.left) == (2, ord("x"), 1, 0)
