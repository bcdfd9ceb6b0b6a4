"""A stream through the program's server, by a QUIC that was written from section 11: the whole way of a byte."""

from __future__ import annotations

import asyncio
import copy
import ipaddress
import json
import os
from typing import Any

import pytest

from tests.e2e.program import LOOPBACK, Server
from tests.e2e.streams import payload
from tests.e2e.targets import echo, refusing, serve

from .client import Client, Identity, Wire
from .control import Control
from .data import Header, trim, untrim
from .envelope import VERSIONS
from .packets import Reader
from .session import ClientSession, decode_parameters
from .test_vectors import VECTORS

ONLY_A_SERVER_SENDS = {0x00, 0x02, 0x0D, 0x10}
"""Original destination id, reset token, preferred address, retry's source id (RFC 9000, section 18.2)."""
OPEN: dict[str, Any] = json.loads((VECTORS / "open.json").read_text())


def open_request(address: tuple[str, int]) -> bytes:
    """Section 12: a TCP stream to an IPv4 address."""
    return b"\1\1" + ipaddress.IPv4Address(address[0]).packed + address[1].to_bytes(2, "big")


class Talk:
    """A client whose link carries a session with one stream."""

    def __init__(self, wire: Wire, who: Identity, version: int) -> None:
        self.client, self.session, self._version = Client(wire, who, version), ClientSession(), version

    def send(self, plaintext: bytes) -> None:
        """A datagram of the session; since version 2 without the zeros at its end."""
        seal = self.client.link.seal
        whole = self._version == 1 or not plaintext.endswith(bytes(16))
        sealed = seal("session", plaintext) if whole else seal("trimmed", trim(plaintext), padding=40)
        self.client.wire.send(sealed)

    def receive(self) -> None:
        """One datagram, and what it asks for in return."""
        self._take(*self.client.link.open(self.client.wire.receive()))

    def _take(self, header: Header, payload: bytes) -> None:
        if header.kind == "control":
            return
        assert self._version > 1 or header.kind == "session"
        self.session.receive(untrim(payload) if header.kind == "trimmed" else payload)
        if (answer := self.session.respond()) is not None:
            self.send(answer)

    def answered(self) -> bool:
        """Whether the session says anything until two probes, one after the other, have been echoed."""
        answers = 0
        for _ in range(2):
            token = os.urandom(8)
            self.client.wire.send(self.client.link.seal_control(Control("probe", token)))
            while True:
                header, payload = self.client.link.open(self.client.wire.receive())
                if header.kind == "control":
                    break
                answers += 1
                self._take(header, payload)
            assert Control.parse(payload) == Control("echo", token)
        return answers > 0

    def receive_bytes(self, size: int) -> bytes:
        """So many bytes of the stream."""
        while len(self.session.stream.data) < size:
            self.receive()
        return self.session.stream.data


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stream_to_an_echo_and_its_end(server: Server, version: int) -> None:
    first, second = payload(300, 1), payload(700, 2)

    def talk(target: tuple[str, int]) -> None:
        with Wire((LOOPBACK, server.port)) as wire:
            one = Talk(wire, Identity.from_link(server.link), version)
            one.send(one.session.begin(open_request(target) + first))
            assert one.receive_bytes(301) == b"\0" + first
            while not one.session.parameters:
                one.receive()
            one.send(one.session.write(second, end=True))
            while not one.session.stream.ended:
                one.receive()
            assert one.session.stream.data == b"\0" + first + second
            promises(one)

    async with serve(echo) as target:
        await asyncio.to_thread(talk, target.address)


def promises(talk: Talk) -> None:
    """Welcome's parameters are none that only a server sends, and its true limits are not lower."""
    assert talk.session.confirmed
    early, true = decode_parameters(talk.client.link.welcome.parameters), talk.session.parameters
    assert true is not None
    assert not early.keys() & ONLY_A_SERVER_SENDS
    assert (true[0x00], true[0x0F]) == (talk.session.first_id, b"")
    for limit in (0x04, 0x06, 0x08):
        assert Reader(true[limit]).varint() >= Reader(early[limit]).varint() > 0


def refusal(server: Server, version: int, request: bytes) -> bytes:
    """What the server says to an open request, all of it; it wants no more of the stream."""
    with Wire((LOOPBACK, server.port)) as wire:
        one = Talk(wire, Identity.from_link(server.link), version)
        one.send(one.session.begin(request + b"more"))
        while not one.session.stream.ended:
            one.receive()
        assert one.session.stopped == 2
        return one.session.stream.data


@pytest.mark.parametrize("version", VERSIONS)
def test_a_target_that_refuses(server: Server, version: int) -> None:
    with refusing() as target:
        assert refusal(server, version, open_request(target)) == b"\1"


@pytest.mark.parametrize("case", OPEN["refused"], ids=lambda case: case["why"])
def test_open_requests_that_are_wrong(server: Server, case: dict[str, str]) -> None:
    reply = next(reply["code"] for reply in OPEN["replies"] if reply["reply"] == case["reply"])
    assert refusal(server, 2, bytes.fromhex(case["bytes"])) == bytes([reply])


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_packet_whose_check_does_not_fit_is_dropped(server: Server, version: int) -> None:
    def talk(target: tuple[str, int]) -> None:
        with Wire((LOOPBACK, server.port)) as wire:
            one = Talk(wire, Identity.from_link(server.link), version)
            one.send(one.session.begin(open_request(target)))
            while not one.session.parameters:
                one.receive()
            one.session.skip_to(0x123456)
            forged = bytearray(copy.deepcopy(one.session).write(b"evil"))
            assert forged[-2:] == b"\x12\x34"
            forged[-1] ^= 1
            one.send(bytes(forged))
            one.send(one.session.write(b"true"))
            assert one.receive_bytes(5) == b"\0true"

    async with serve(echo) as target:
        await asyncio.to_thread(talk, target.address)


@pytest.mark.parametrize(("size", "taken"), [(1199, False), (1200, True), (1472, True), (1473, False)])
async def test_how_long_a_first_datagram_is(server: Server, size: int, taken: bool) -> None:
    """With the spare bytes it has 1,200 at least, and 1,440 without them at most if its zeros are trimmed."""

    def talk(target: tuple[str, int]) -> None:
        with Wire((LOOPBACK, server.port)) as wire:
            one = Talk(wire, Identity.from_link(server.link), 2)
            one.send(one.session.begin(open_request(target), size))
            assert one.answered() == taken
            if taken:
                assert one.receive_bytes(1) == b"\0"

    async with serve(echo) as target:
        await asyncio.to_thread(talk, target.address)
