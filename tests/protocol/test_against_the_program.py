"""A client that was written from PROTOCOL.md talks to the program's server.

Silence is shown without waiting for it: what must not be answered is sent first, then a good request or probe from the
same socket, and the first datagram that comes back answers that one.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.program import LOOPBACK, Server

from .client import LIMIT, Attempt, Client, Identity, Wire
from .control import Control
from .envelope import VERSIONS
from .primitives import Refused, public_key

ACCEPTED_SKEW = 120.0


@pytest.fixture
def who(server: Server) -> Identity:
    """The server's user, as one newly started client."""
    return Identity.from_link(server.link)


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A socket of this client."""
    with Wire((LOOPBACK, server.port)) as socket:
        yield socket


def ignored(wire: Wire, who: Identity, *datagrams: bytes) -> None:
    """Send these: nothing but a good request and a good probe after them is answered."""
    for datagram in datagrams:
        wire.send(datagram)
    Client(wire, replace(who, instance=os.urandom(16))).probe()
    assert wire.empty()


@pytest.mark.parametrize("aes", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_handshake_is_answered_and_a_probe_echoed(
    wire: Wire, who: Identity, version: int, aes: bool
) -> None:
    attempt = Attempt(replace(who, aes=aes), version)
    wire.send(attempt.datagram)
    answer = wire.receive()
    assert len(answer) <= len(attempt.datagram)
    client = Client(wire, replace(who, aes=aes), version)
    welcome = client.link.welcome
    assert abs(welcome.time_ns - time.time_ns()) < 1e9 * LIMIT
    assert aes or welcome.aead == "chacha20-poly1305"
    first, second = client.probe(), client.probe()
    assert (first.kind, first.epoch, second.counter) == ("control", 0, first.counter + 1)


def test_the_answer_is_that_of_its_request_alone(wire: Wire, who: Identity) -> None:
    first, second = Attempt(who), Attempt(who)
    wire.send(first.datagram)
    answer = wire.receive()
    with pytest.raises(Refused):
        second.read(answer)
    first.read(answer)


def test_a_short_request_has_an_answer_no_longer_than_itself(wire: Wire, who: Identity) -> None:
    attempt = Attempt(who, size=0)
    wire.send(attempt.datagram)
    answer = wire.receive()
    assert len(answer) <= len(attempt.datagram) < 200
    attempt.read(answer)


def test_junk_is_ignored(wire: Wire, who: Identity) -> None:
    ignored(wire, who, *(os.urandom(size) for size in (1, 16, 43, 265, 1200)))


def test_a_replayed_request_is_not_answered(wire: Wire, who: Identity) -> None:
    attempt = Attempt(who, size=1000)
    wire.send(attempt.datagram)
    attempt.read(wire.receive())
    ignored(wire, who, attempt.datagram, attempt.wrapped(1100))


@pytest.mark.parametrize("late", [ACCEPTED_SKEW + LIMIT, -ACCEPTED_SKEW - LIMIT])
def test_a_wrong_clock_is_not_answered(wire: Wire, who: Identity, late: float) -> None:
    ignored(wire, who, Attempt(who, late=late).datagram)


@pytest.mark.parametrize("late", [ACCEPTED_SKEW - LIMIT, LIMIT - ACCEPTED_SKEW])
def test_a_clock_that_is_a_little_wrong_is_answered(wire: Wire, who: Identity, late: float) -> None:
    attempt = Attempt(who, late=late)
    wire.send(attempt.datagram)
    attempt.read(wire.receive())


def test_who_is_unknown_is_not_answered(wire: Wire, who: Identity) -> None:
    stranger = replace(who, private=os.urandom(32))
    other_deployment = replace(who, psk=os.urandom(32))
    other_server = replace(who, server_public=public_key(os.urandom(32)))
    ignored(wire, who, *(Attempt(one).datagram for one in (stranger, other_deployment, other_server)))


@pytest.mark.parametrize("version", [0, 3, 255])
def test_another_version_is_not_answered(wire: Wire, who: Identity, version: int) -> None:
    ignored(wire, who, Attempt(who, version).datagram)


def test_another_kind_of_session_is_not_answered(wire: Wire, who: Identity) -> None:
    ignored(wire, who, Attempt(who, kind=2).datagram)


def test_new_keys(wire: Wire, who: Identity) -> None:
    client = Client(wire, who)
    assert client.probe().epoch == 0
    assert client.rekey().epoch == 0, "the server seals with the former keys until it has seen the next ones"
    assert client.probe().epoch == 1
    assert client.probe(number=0).epoch == 1, "the former key opens for a while, and seals nothing"
    assert client.probe().epoch == 1


@pytest.mark.long
def test_the_keys_after_the_next(wire: Wire, who: Identity) -> None:
    """Real time passes: a server takes no other keys for the 15 s in which the former ones still open."""
    client = Client(wire, who)
    client.rekey()
    client.probe()
    question, began = client.link.ask_for_keys(), time.monotonic()
    while True:
        wire.send(client.link.seal_control(question))
        wire.send(client.link.seal_control(Control("probe", os.urandom(8))))
        message = client.control()[1]
        if message.kind == "rekey answer":
            break
        time.sleep(0.5)
    assert client.control()[1].kind == "echo"
    client.link.take_keys(message)
    assert time.monotonic() - began > 10
    assert client.probe().epoch == 0
    assert client.probe(number=1).epoch == 0
    wire.send(client.link.seal_control(Control("probe", os.urandom(8)), number=0))
    client.probe()


def test_a_repeated_rekey_has_the_same_answer_and_another_one_none(wire: Wire, who: Identity) -> None:
    client = Client(wire, who)
    question = client.link.ask_for_keys()
    answers = []
    for _ in range(2):
        wire.send(client.link.seal_control(question))
        answers.append(client.control()[1])
    assert answers[0] == answers[1]
    number = question.body[:4]
    for body in (number + os.urandom(32), bytes(4) + question.body[4:], b"\0\0\0\2" + os.urandom(32)):
        wire.send(client.link.seal_control(Control("rekey", body)))
    assert client.probe().epoch == 0
    client.link.take_keys(answers[0])
    assert client.probe().epoch == 1
    # The former keys still open, so it is too early for others.
    wire.send(client.link.seal_control(Control("rekey", b"\0\0\0\2" + os.urandom(32))))
    assert client.probe().epoch == 1


def test_a_public_key_of_small_order_makes_no_keys(wire: Wire, who: Identity) -> None:
    client = Client(wire, who)
    wire.send(client.link.seal_control(Control("rekey", b"\0\0\0\1" + bytes(32))))
    assert client.probe().epoch == 0
    client.rekey()
    assert client.probe().epoch == 1


def test_version_1_has_no_later_keys(wire: Wire, who: Identity) -> None:
    client = Client(wire, who, version=1)
    client.probe()
    wire.send(client.link.seal_control(client.link.ask_for_keys()))
    assert client.probe().epoch == 0


def test_each_datagram_counts_once(wire: Wire, who: Identity) -> None:
    client = Client(wire, who)
    message = Control("probe", os.urandom(8))
    datagram = client.link.seal_control(message)
    wire.send(datagram)
    assert client.control()[1].body == message.body
    wire.send(datagram)
    client.probe()


def test_late_datagrams_count_within_the_window(wire: Wire, who: Identity) -> None:
    client = Client(wire, who)
    late = [client.link.seal_control(Control("probe", bytes([number] * 8))) for number in range(3)]
    client.link.skip(4096 - 2)
    client.probe()
    # It is 4,097 below the highest, then 4,096, then 4,095.
    for datagram in late:
        wire.send(datagram)
    assert client.control()[1].body == bytes([2] * 8)
    client.probe()


@pytest.mark.parametrize(
    ("where", "bits"),
    [*((10, bits) for bits in (0x02, 0x06, 0x20, 0x40, 0x80)), *((where, 1) for where in range(11, 16))],
)
def test_a_header_with_unknown_bits_is_refused(wire: Wire, who: Identity, where: int, bits: int) -> None:
    client = Client(wire, who)
    client.probe()
    # With no bits set it is a good one: the rest of it is no reason for silence.
    message = Control("probe", os.urandom(8))
    wire.send(client.link.seal_oddly(message, where, 0))
    assert client.control()[1].body == message.body
    wire.send(client.link.seal_oddly(message, where, bits))
    client.probe()


def test_unknown_control_messages_are_ignored(wire: Wire, who: Identity) -> None:
    client = Client(wire, who)
    for payload in (b"", b"\7", b"\xff" + bytes(8), b"\0" + bytes(7), b"\0" + bytes(9)):
        wire.send(client.link.seal("control", payload, padding=24))
    client.probe()


def test_a_closed_link_is_nobodys(wire: Wire, who: Identity) -> None:
    client = Client(wire, who)
    client.probe()
    wire.send(client.link.seal_control(Control("close", b"\0")))
    ignored(wire, who, client.link.seal_control(Control("probe", os.urandom(8))))


def test_a_newer_link_of_the_same_identity_takes_the_place_of_the_older(
    server: Server, wire: Wire, who: Identity
) -> None:
    older = Client(wire, who)
    older.probe()
    with Wire((LOOPBACK, server.port)) as another:
        Client(another, who).probe()
    assert older.control()[1] == Control("close", b"\2")


def test_an_older_attempt_takes_nothing_away(wire: Wire, who: Identity) -> None:
    early = Attempt(who)
    client = Client(wire, who)
    client.probe()
    wire.send(early.datagram)
    late = early.read(wire.receive())
    wire.send(late.seal_control(Control("probe", os.urandom(8))))
    client.probe()


def challenged(client: Client, moved: Wire) -> Control:
    """Probe from another address until that is a candidate, for which it may be too early; what is sent there."""
    while True:
        moved.send(client.link.seal_control(Control("probe", os.urandom(8))))
        with contextlib.suppress(TimeoutError):
            return Control.parse(client.link.open(moved.receive(0.3))[1])


def test_another_address_is_believed_once_it_echoed_a_challenge(
    server: Server, wire: Wire, who: Identity
) -> None:
    client = Client(wire, who)
    client.probe()
    with Wire((LOOPBACK, server.port)) as moved:
        challenge = challenged(client, moved)
        assert challenge.kind == "challenge"
        assert client.control()[1].kind == "echo", "it goes to the proven address"
        moved.send(client.link.seal_control(Control("challenge echo", challenge.body)))
        token = os.urandom(8)
        moved.send(client.link.seal_control(Control("probe", token)))
        client.wire = moved
        while (message := client.control()[1]).kind == "challenge":
            pass  # It was repeated before the echo came.
        assert message == Control("echo", token)
