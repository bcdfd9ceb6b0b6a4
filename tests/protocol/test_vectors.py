"""The golden vectors, made again from their fixed keys and randomness, and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .control import Control, rekey
from .data import Header, open_datagram, pad, seal, trim, unpad, untrim
from .envelope import Hello, Welcome, fingerprint, journal_entry, prologue, unwrap, wrap
from .keys import AEADS, DataKeys, DeploymentKeys, LinkKeys, data_aead, next_keys, user_private_key
from .noise import Initiator, Responder
from .primitives import Refused, hchacha20, public_key, x25519

VECTORS = Path(__file__).parents[2] / "crates/proto/tests/vectors"
ENVELOPE: dict[str, Any] = json.loads((VECTORS / "envelope.json").read_text())
CHECKED = {"keys", "handshakes", "hello", "welcome", "headers", "data", "control", "rekey", "replay"}

Case = dict[str, Any]


def cases(section: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", ENVELOPE[section])


def some(case: Case, *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def test_no_section_is_left_out() -> None:
    assert set(ENVELOPE) - {"about"} == CHECKED


def test_hchacha20() -> None:
    """The example of draft-irtf-cfrg-xchacha-03, section 2.2.1."""
    key, nonce = bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")
    made = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    assert hchacha20(key, nonce).hex() == made


def test_public_keys_of_small_order_are_refused() -> None:
    for public in (bytes(32), b"\1" + bytes(31)):
        with pytest.raises(Refused):
            x25519(bytes(range(32)), public)


def test_keys() -> None:
    keys = ENVELOPE["keys"]
    server_private, server_public, psk, first, second = some(
        keys, "server_private", "server_public", "psk", "split_to_server", "split_to_client"
    )
    assert public_key(server_private) == server_public
    deployment, link = DeploymentKeys.derive(server_public, psk), LinkKeys.derive((first, second))
    assert [deployment.request, deployment.answer, deployment.header_to_server] == some(
        keys, "handshake_to_server", "handshake_to_client", "header_to_server"
    )
    assert [link.data.to_server, link.data.to_client, link.header_to_client] == some(
        keys, "data_to_server", "data_to_client", "header_to_client"
    )
    for user in keys["users"]:
        private = user_private_key(server_private, user["generation"], user["user"])
        assert [private, public_key(private)] == some(user, "private", "public")


@cases("handshakes")
def test_a_client_makes_the_request_and_reads_the_answer(case: Case) -> None:
    psk, server_private, user_private = some(case, "psk", "server_private", "user_private")
    request, answer, server = case["request"], case["answer"], public_key(server_private)
    version, keys = case["version"], DeploymentKeys.derive(server, psk)
    ephemeral, nonce, hello, noise, datagram = some(
        request, "ephemeral_private", "nonce", "hello", "noise", "bytes"
    )
    initiator = Initiator(prologue(version), user_private, server, psk, ephemeral)
    assert initiator.write(hello) == noise
    assert wrap(keys.request, nonce, b"", version, noise, len(datagram)) == datagram
    assert fingerprint(noise).hex() == request["digest"]
    welcome, noise, datagram = some(answer, "welcome", "noise", "bytes")
    assert unwrap(keys.answer, nonce, datagram) == (version, noise)
    payload, split = initiator.read(noise)
    assert payload == welcome
    assert_link(case, split)


@cases("handshakes")
def test_a_server_reads_the_request_and_makes_the_answer(case: Case) -> None:
    psk, server_private, user_private = some(case, "psk", "server_private", "user_private")
    request, answer, server = case["request"], case["answer"], public_key(server_private)
    version, keys = case["version"], DeploymentKeys.derive(server, psk)
    request_nonce, hello, noise, datagram = some(request, "nonce", "hello", "noise", "bytes")
    assert unwrap(keys.request, b"", datagram) == (version, noise)
    responder = Responder(prologue(version), server_private, psk)
    assert responder.read(noise) == hello
    assert responder.client == public_key(user_private)
    ephemeral, nonce, welcome, noise, datagram = some(
        answer, "ephemeral_private", "nonce", "welcome", "noise", "bytes"
    )
    made, split = responder.write(welcome, ephemeral)
    assert made == noise
    assert wrap(keys.answer, nonce, request_nonce, version, noise, len(datagram)) == datagram
    assert_link(case, split)


def assert_link(case: Case, split: tuple[bytes, bytes]) -> None:
    link = LinkKeys.derive(split)
    assert [link.data.to_server, link.data.to_client, link.header_to_client] == some(
        case, "data_to_server", "data_to_client", "header_to_client"
    )
    # Version 1 has no later keys and so no chain.
    assert case["chain"] == (link.chain.hex() if case["version"] > 1 else "")


@cases("handshakes")
def test_a_changed_version_authenticates_nothing(case: Case) -> None:
    responder = Responder(prologue(3 - case["version"]), *some(case, "server_private", "psk"))
    with pytest.raises(Refused):
        responder.read(bytes.fromhex(case["request"]["noise"]))


@cases("hello")
def test_hello(case: Case) -> None:
    instance, parameters, data = some(case, "instance", "params", "bytes")
    assert case["kind"] == "quic"
    hello = Hello(
        case["time_ns"],
        instance,
        case["member"],
        case["epoch"],
        case["session"],
        case["aes"],
        parameters=parameters,
    )
    assert hello.to_bytes() == data
    assert Hello.parse(data) == hello
    for bad in (data + b"\0", data[:-1]):
        with pytest.raises(Refused):
            Hello.parse(bad)


@cases("welcome")
def test_welcome(case: Case) -> None:
    parameters, data = some(case, "params", "bytes")
    welcome = Welcome(case["time_ns"], case["session"], case["aead"], parameters)
    assert welcome.to_bytes() == data
    assert Welcome.parse(data) == welcome
    for bad in (data + b"\0", data[:-1]):
        with pytest.raises(Refused):
            Welcome.parse(bad)


def header(case: Case) -> Header:
    return Header(case["session"], case["counter"], case["kind"], case["epoch"], case["padded"])


@cases("headers")
def test_headers(case: Case) -> None:
    key, block = some(case, "key", "block")
    assert header(case).block(key) == block
    assert Header.read(key, block) == header(case)
    with pytest.raises(Refused):
        Header.read(key, block[::-1])


@cases("data")
def test_data(case: Case) -> None:
    header_key, key, datagram, payload, plaintext = some(
        case, "header_key", "key", "bytes", "payload", "plaintext"
    )
    assert case["aead"] in AEADS
    aead = data_aead(case["aead"], key)
    assert seal(aead, header_key, header(case), plaintext) == datagram
    assert open_datagram(lambda _: aead, header_key, datagram) == (header(case), payload)
    if case["padded"]:
        assert pad(payload, len(plaintext) - len(payload) - 2) == plaintext
    else:
        assert payload == plaintext
    if case["kind"] == "trimmed":
        assert trim(untrim(payload)) == payload
    with pytest.raises(Refused):
        open_datagram(lambda _: aead, header_key, bytes([datagram[0] ^ 1]) + datagram[1:])


def test_padding_and_zeros_that_cannot_be_are_refused() -> None:
    for plaintext in (b"", b"\0", b"\0\1", b"\0\0\2"):
        with pytest.raises(Refused):
            unpad(plaintext)
    assert len(untrim(b"x" + (1439).to_bytes(2, "big"))) == 1440
    for payload in (b"\0", b"x" + (1440).to_bytes(2, "big")):
        with pytest.raises(Refused):
            untrim(payload)


@cases("control")
def test_control(case: Case) -> None:
    (data,) = some(case, "bytes")
    name, _, code = (
        case["message"].partition(" ") if "close" in case["message"] else (case["message"], "", "")
    )
    if code:
        message = Control(name, bytes([int(code)]))
    elif name.startswith("rekey"):
        message = rekey(int.from_bytes(data[1:5], "big"), data[5:], name)
    elif name == "long probe":
        message = Control(name, bytes.fromhex(case["token"]) + data[-2:])
    else:
        message = Control(name, bytes.fromhex(case["token"]))
    assert message.to_bytes() == data
    assert Control.parse(data) == message
    with pytest.raises(Refused):
        Control.parse(data + b"\0")


@cases("rekey")
def test_rekey(case: Case) -> None:
    before, chain, to_server, to_client = some(
        case, "chain_before", "chain", "data_to_server", "data_to_client"
    )
    client, server = some(case, "client_private", "server_private")
    publics = some(case, "client_public", "server_public")
    assert [public_key(client), public_key(server)] == publics
    for own, other in ((client, publics[1]), (server, publics[0])):
        assert next_keys(before, own, other, *publics) == (chain, DataKeys(to_server, to_client))


def test_rekeys_follow_each_other() -> None:
    first, second = ENVELOPE["rekey"]
    assert second["chain_before"] == first["chain"]


@cases("replay")
def test_journal(case: Case) -> None:
    digest, entry = some(case, "digest", "bytes")
    assert journal_entry(case["time_ns"], digest) == entry
