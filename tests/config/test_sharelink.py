"""The share link: what it carries, and how damage to it is told."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config import blocks
from ginnel.config.secret import Secret
from ginnel.config.sharelink import MAX_SERVERS, MAX_TEXT, SCHEME, ServerEntry, ShareLink
from ginnel.errors import ConfigError, ShareLinkError

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "sharelink.json").read_text())

KEYS = st.binary(min_size=32, max_size=32)
NAMES = st.from_regex(r"\A[a-z0-9_]{1,20}(\.[a-z][a-z0-9-]{0,20}[a-z0-9]){1,3}\Z")
SERVERS = st.builds(
    ServerEntry,
    host=st.one_of(st.ip_addresses().map(str), NAMES),
    port=st.integers(1, 65535),
    public_key=KEYS,
)
LABELS = st.text(st.characters(exclude_categories=["C"]), max_size=16)
LINKS = st.builds(
    ShareLink,
    psk=KEYS.map(Secret),
    private_key=KEYS.map(Secret),
    servers=st.lists(SERVERS, min_size=1, max_size=MAX_SERVERS).map(tuple),
    label=LABELS,
)


def link(**changes: Any) -> ShareLink:
    server = ServerEntry(host="203.0.113.7", port=38411, public_key=bytes(range(64, 96)))
    fields: dict[str, Any] = {
        "psk": Secret(bytes(range(32))), "private_key": Secret(bytes(range(32, 64))), "servers": (server,)
    }  # fmt: skip
    return ShareLink(**{**fields, **changes})


TEXT = link().to_text()


def rebuilt(body: bytes | None = None, at: dict[int, int] | None = None) -> str:
    """A link whose payload was changed and whose checksums fit again."""
    symbols = [value for value in blocks.values(TEXT[len(SCHEME) :]) if value is not None]
    payload = bytearray(blocks.decode(symbols) or b"")[:-4] if body is None else bytearray(body)
    for offset, value in (at or {}).items():
        payload[offset] = value
    digest = hashlib.blake2s(payload, digest_size=4, person=b"ginnel-l").digest()
    return SCHEME + blocks.encode(bytes(payload) + digest)


def complaint(text: str) -> ShareLinkError:
    with pytest.raises(ShareLinkError) as caught:
        ShareLink.parse(text)
    return caught.value


@pytest.mark.parametrize("vector", VECTORS["good"], ids=lambda vector: vector["name"])
def test_golden_vectors(vector: dict[str, Any]) -> None:
    expected = ShareLink(
        psk=Secret(bytes.fromhex(vector["psk"])),
        private_key=Secret(bytes.fromhex(vector["private_key"])),
        servers=tuple(
            ServerEntry(
                host=server["host"], port=server["port"], public_key=bytes.fromhex(server["public_key"])
            )
            for server in vector["servers"]
        ),
        session=vector["session"],
        carrier=vector["carrier"],
        label=vector["label"],
    )
    assert ShareLink.parse(vector["link"]) == expected
    assert expected.to_text() == vector["link"]


@pytest.mark.parametrize("vector", VECTORS["bad"], ids=lambda vector: vector["name"])
def test_golden_vectors_of_what_is_refused(vector: dict[str, Any]) -> None:
    error = complaint(vector["link"])
    assert str(error) == vector["error"]
    assert error.position == vector["position"]


@given(LINKS)
def test_round_trip(link: ShareLink) -> None:
    text = link.to_text()
    assert ShareLink.parse(text) == link
    assert text.removeprefix(SCHEME).isalnum()


def test_a_common_link_is_short_enough_to_copy_and_to_scan() -> None:
    # 224 characters are what a QR code of version 7 (45 x 45) holds of its compact alphabet.
    assert len(TEXT) <= 224


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
    error = complaint(rebuilt(at={0: 2}))
    assert str(error) == "the share link was made by a newer ginnel: it has format 2, this one reads 1"
    assert "Update ginnel" in error.hint


@pytest.mark.parametrize("offset", [3, 4])
def test_a_session_or_carrier_we_do_not_have(offset: int) -> None:
    assert "made by a newer ginnel" in str(complaint(rebuilt(at={offset: 1})))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({0: 0}, "its beginning makes no sense"),
        ({1: 255}, "its beginning makes no sense"),
        ({69: 5}, "a label"),  # the length of the label
        ({69: 255}, "it ends in the middle of a field"),
        ({70: 0}, "it names 0 servers"),
        ({70: 9}, "it names 9 servers"),
        ({70: 2}, "it ends in the middle of a field"),
        ({71: 2}, "a host of the unknown type 2"),
        ({71: 3}, "it ends in the middle of a field"),
        ({76: 0, 77: 0}, "a label, host or port in it is not valid"),
    ],
)
def test_fields_that_ginnel_never_writes(change: dict[int, int], why: str) -> None:
    # The checksum fits: only a program could have made these.
    error = complaint(rebuilt(at=change))
    assert why in str(error) or (why == "a label" and "not made by ginnel" in str(error))


def test_a_name_must_be_in_its_normal_form() -> None:
    payload = bytearray(1 + 2 + 2 + 64) + b"\0\x01" + b"\x03\x0bEXAMPLE.ORG" + b"\x01\xbb" + bytes(32)
    payload[0] = 1
    payload[1:3] = (len(payload) + 4).to_bytes(2, "big")
    assert "host name in it is not in its normal form" in str(complaint(rebuilt(bytes(payload))))
    good = bytes(payload).replace(b"EXAMPLE.ORG", b"example.org")
    assert ShareLink.parse(rebuilt(good)).servers[0].host == "example.org"


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


@given(st.binary(max_size=150), st.booleans())
def test_no_payload_with_a_fitting_checksum_breaks_the_parser(body: bytes, plausible: bool) -> None:
    if plausible:
        head = bytes([1]) + (3 + 2 + 64 + len(body) + 4).to_bytes(2, "big") + bytes(2 + 64)
        body = head + body
    with contextlib.suppress(ShareLinkError):
        ShareLink.parse(rebuilt(body))


def test_no_error_repeats_the_link() -> None:
    for text in (TEXT[:50] + "Z" * 16 + TEXT[66:], TEXT[:100], TEXT[9:], TEXT[:60] + "!" + TEXT[61:]):
        error = complaint(text)
        said = f"{error} {error.hint} {error!r}"
        assert not any(TEXT[at : at + 6] in said for at in range(len(SCHEME), len(TEXT) - 6))


def test_its_repr_masks_the_keys() -> None:
    for text in (repr(link()), str(link())):
        assert "(secret)" in text
        assert repr(bytes(range(32)))[2:20] not in text


def test_bounds() -> None:
    server = link().servers[0]
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    full = link(
        servers=(ServerEntry(host=longest, port=1, public_key=server.public_key),) * 8, label="x" * 64
    )
    assert len(full.to_text()) < 5_000
    assert ShareLink.parse(full.to_text()) == full
    for wrong in ({"servers": ()}, {"servers": (server,) * 9}, {"label": "x" * 65}, {"label": "\x1b[2J"}):
        with pytest.raises(ConfigError):
            ShareLink.build(**{**dict(link()), **wrong})
    for field in ({"port": 0}, {"port": 65536}, {"public_key": bytes(31)}, {"host": "a b"}):
        with pytest.raises(ConfigError):
            ServerEntry.build(**{**dict(server), **field})
