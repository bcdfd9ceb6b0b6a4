"""The text of a share link: how damage to it is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config import blocks
from ginnel.config.linktext import MAX_TEXT, SCHEME
from ginnel.config.sharelink import ShareLink
from tests.config.test_sharelink import TEXT, complaint, link, rebuilt


@pytest.mark.parametrize(
    "copied",
    [
        TEXT.upper(),
        TEXT.lower(),
        f"  {TEXT}\r\n",
        f"'{TEXT}'",
        f"<{TEXT}>",
        f"“{TEXT}”",
        TEXT[:80] + "\n" + TEXT[80:160] + "\r\n   " + TEXT[160:],
        TEXT[:5] + "\u200b" + TEXT[5:50] + "\u00ad\ufeff" + TEXT[50:],
        TEXT[:9] + TEXT[9:].replace("0", "O").replace("1", "l"),
    ],
)
def test_what_copying_does_to_a_link_does_not_matter(copied: str) -> None:
    assert ShareLink.parse(copied) == link()


@given(st.integers(len(SCHEME), len(TEXT) - 1), st.integers(1, 31))
def test_one_wrong_letter_is_told_within_half_a_block(at: int, difference: int) -> None:
    letter = blocks.ALPHABET[blocks.ALPHABET.index(TEXT[at]) ^ difference]
    error = complaint(TEXT[:at] + letter + TEXT[at + 1 :])
    assert error.position is not None
    assert abs(error.position - (at + 1)) <= 8
    assert f"character {error.position} or near it" in str(error)
    assert error.hint == "Copy it again in one piece."


def test_a_lost_letter_is_told_with_place_and_both_lengths() -> None:
    places = {}
    for at in range(len(SCHEME) + 16, len(TEXT) - 16):
        error = complaint(TEXT[:at] + TEXT[at + 1 :])
        assert (error.length, error.expected_length) == (len(TEXT) - 1, len(TEXT))
        assert f"It has {len(TEXT)} characters; this one has {len(TEXT) - 1}." in error.hint
        places[at + 1] = error.position or 0
    # A check letter fits by chance once in 32; then the damage is told one block later.
    near = sum(abs(told - true) <= 8 for true, told in places.items())
    assert near >= 0.9 * len(places)


def test_a_lost_letter_in_the_first_block_claims_no_length() -> None:
    error = complaint(TEXT[:12] + TEXT[13:])
    assert (error.position, error.expected_length) == (17, None)
    assert error.hint == "Copy it again in one piece."


@pytest.mark.parametrize("length", [30, 57, 100, len(TEXT) - 1])
def test_a_link_that_was_cut_off(length: int) -> None:
    error = complaint(TEXT[:length])
    assert str(error) == f"the share link is cut off near its end, after character {length}"
    assert error.hint.endswith(f"It has {len(TEXT)} characters; this one has {length}.")


def test_a_link_with_something_behind_it() -> None:
    error = complaint(TEXT + "TRAIL1NGGARBAGE0" * 2)
    assert error.expected_length == len(TEXT)
    assert f"It has {len(TEXT)} characters; this one has {len(TEXT) + 32}." in error.hint


def test_a_letter_that_is_never_part_of_one() -> None:
    error = complaint(TEXT[:40] + "é" + TEXT[41:])
    assert str(error) == "the share link is damaged: 'é' (character 41) is never part of one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the share link is empty; one begins with ginnel://"),
        (" \n'' ", "the share link is empty; one begins with ginnel://"),
        ("https://example.org", "this is not a share link: it does not begin with ginnel://"),
        (TEXT.removeprefix("gi"), "this is not a share link: it does not begin with ginnel://"),
        ("ginnel://", "the share link ends after ginnel://"),
        ("ginnel:// ", "the share link ends after ginnel://"),
        ("ginnel://0", "the share link is damaged: its checksum does not match (character 10 or near it)"),
        ("x" * (MAX_TEXT + 1), f"this is too long to be a share link: more than {MAX_TEXT:,} characters"),
    ],
)
def test_what_is_no_link_at_all(text: str, message: str) -> None:
    assert str(complaint(text)) == message


def test_a_newer_format_is_told_as_such() -> None:
    error = complaint(rebuilt(at={0: 4}))
    assert (
        str(error) == "the share link was made by a newer ginnel: it has format 4, this one reads 1, 2 and 3"
    )
    assert "Update ginnel" in error.hint


def test_several_changes_that_the_blocks_miss_are_found_by_the_checksum() -> None:
    symbols = [value for value in blocks.values(TEXT[len(SCHEME) :]) if value is not None]
    payload = bytearray(blocks.decode(symbols) or b"")
    payload[20] ^= 1
    assert str(complaint(SCHEME + blocks.encode(bytes(payload)))) == (
        "the share link is damaged: its checksum does not match"
    )


@given(st.text(max_size=400) | st.text(st.sampled_from(blocks.ALPHABET), max_size=400).map(SCHEME.__add__))
def test_no_text_breaks_the_parser(text: str) -> None:
    complaint(text)


def test_no_error_repeats_the_link() -> None:
    for text in (TEXT[:50] + "Z" * 16 + TEXT[66:], TEXT[:100], TEXT[9:], TEXT[:60] + "!" + TEXT[61:]):
        error = complaint(text)
        said = f"{error} {error.hint} {error!r}"
        assert not any(TEXT[at : at + 6] in said for at in range(len(SCHEME), len(TEXT) - 6))
