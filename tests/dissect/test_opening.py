"""The open request and its reply."""

import json
from pathlib import Path

import pytest

from ginnel.dissect.opening import reply, request

VECTORS = json.loads((Path(__file__).parents[2] / "crates/proto/tests/vectors/open.json").read_text())


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\x01\x01\xc0\x00\x02\x01\x01\xbb", "192.0.2.1:443"),
        (b"\x01\x03\x0bexample.org\x00\x50GET /", "example.org:80"),
        (b"\x01\x04" + bytes.fromhex("20010db8000000000000000000000001") + b"\x00\x50", "[2001:db8::1]:80"),
    ],
)
def test_a_target_is_shown_whatever_follows_it(data: bytes, shown: str) -> None:
    assert request(data) == shown


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x02", "unknown kind of stream 2"),
        (b"\x01\x02", "unknown type of address 2"),
        (b"\x01\x01\xc0", "an address: 4 bytes are claimed, 1 are left"),
        (b"\x01\x03\x04a\x1b[m\x00\x50", "a name that is none"),
        (b"\x01\x03\x00\x00\x50", "a name that is none"),
        (b"\x01\x03\x02ab\x00", "the port: 2 bytes are claimed, 1 are left"),
        (b"\x01", "the type of address"),
    ],
)
def test_what_is_no_request_is_told_with_its_bytes(data: bytes, what: str) -> None:
    shown = request(data)
    assert what in shown
    assert data.hex() in shown
    assert shown.isprintable()


def test_replies_are_those_of_the_protocol() -> None:
    assert [reply(bytes([code])) for code in (0, 1, 6, 9)] == [
        "connected",
        "refused",
        "not allowed",
        "failed",
    ]
    assert reply(b"\x0a") == "(unknown reply 10)"


def test_every_request_of_the_vectors_is_read() -> None:
    assert VECTORS["requests"]
    for case in VECTORS["requests"]:
        assert request(bytes.fromhex(case["bytes"])) == case["target"]
