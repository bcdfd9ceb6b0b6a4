"""Section 18.4 against the program's server: long probes and echoes, and what follows from them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.program import LOOPBACK, Server
from tests.e2e.streams import payload
from tests.e2e.targets import source

from .client import Identity, Wire
from .control import Control, long_probe
from .kcp_parameters import Parameters
from .kcp_segments import PART
from .kcp_session import Session
from .kcp_talk import Talk, dial
from .test_kcp_stream import with_target

FIRST = range(1200, 1233)
"""Lengths of the full datagrams of a session that knows no more of its path, before its profile cuts them."""
LONGEST = 1472
"""Of IPv4; what full packets lose of it is the sender's own business."""


@pytest.fixture
def talk(server: Server) -> Iterator[Talk[Session]]:
    with Wire((LOOPBACK, server.port)) as wire:
        yield dial(wire, Identity.from_link(server.link))


@pytest.mark.parametrize(
    ("named", "size"), [(1233, 1233), (1400, 1400), (LONGEST, LONGEST), (1400, 1300), (1300, 1400)]
)
def test_long_probes_are_echoed(talk: Talk[Session], named: int, size: int) -> None:
    """Also those that are not as long as they should be."""
    token = os.urandom(8)
    talk.send_control(long_probe(token, named), size)
    talk.until(lambda: Control("long echo", token) in talk.messages)


def asked(talk: Talk[Session]) -> list[int]:
    """The lengths that the server has asked for."""
    return [int.from_bytes(one.body[8:], "big") for one in talk.messages if one.kind == "long probe"]


def test_the_server_asks_for_the_longest_first(talk: Talk[Session]) -> None:
    talk.session.lanes[1].ask()
    talk.until(lambda: asked(talk))
    assert LONGEST - 200 <= asked(talk)[0] <= LONGEST


def test_it_asks_for_shorter_ones_when_three_are_not_echoed(talk: Talk[Session]) -> None:
    talk.echoes_long_up_to = 0
    talk.session.lanes[1].ask()
    talk.until(lambda: len(set(asked(talk))) == 4)
    sizes = asked(talk)
    different = sorted(set(sizes), reverse=True)
    assert sizes == [size for size in different for _ in range(3)][: len(sizes)]
    assert FIRST.start < different[-1] < different[0] <= LONGEST


@pytest.mark.parametrize("echoed", [0, 1400, LONGEST])
async def test_datagrams_are_no_longer_than_what_was_echoed(server: Server, echoed: int) -> None:
    data = payload(200_000, 1)

    def talk(one: Talk[Session], request: bytes) -> None:
        one.echoes_long_up_to = echoed
        one.longest = echoed or one.longest
        stream = one.session.open(request)
        one.until(lambda: stream.ended)
        if echoed:
            one.until(lambda: any(size <= echoed for size in asked(one)))
            one.probe()
        before = len(one.kinds)
        again = one.session.open(request)
        one.until(lambda: again.ended)
        assert again.received == b"\0" + data
        full = max(size for size, kind in one.kinds[before:] if kind != "control")
        passed = [size for size in asked(one) if size <= echoed]
        if passed:
            assert FIRST.stop <= full <= max(passed)
        else:
            assert full < FIRST.stop

    await with_target(server, source(data), talk)


async def test_to_a_peer_without_parts_nothing_goes_that_a_narrower_path_would_swallow(
    server: Server,
) -> None:
    data = payload(2_000_000, 3)

    def talk(one: Talk[Session], request: bytes) -> None:
        stream = one.session.open(request)
        one.until(lambda: stream.ended)
        assert stream.received == b"\0" + data
        assert max(size for size, kind in one.kinds if kind != "control") < FIRST.stop
        assert not asked(one)

    await with_target(server, source(data), talk, Parameters(window=1 << 22, extended=False))


async def test_a_path_that_carries_less_than_before_gets_parts(server: Server) -> None:
    data = payload(2_000_000, 2)

    def talk(one: Talk[Session], request: bytes) -> None:
        one.session.lanes[1].ask()
        one.until(lambda: asked(one))
        one.probe()
        stream = one.session.open(request)
        one.until(lambda: any(kind != "control" and size > FIRST.stop for size, kind in one.kinds))
        one.longest = FIRST.stop
        one.until(lambda: stream.ended)
        assert stream.received == b"\0" + data
        assert any(segment.command == PART for segment in one.session.seen)

    await with_target(server, source(data), talk, Parameters(window=1 << 22))
