"""Listening to an interface: the loopback, where the run may, and what is said where it may not."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from ginnel.capture import Datagram
from ginnel.capture.live import Live
from ginnel.errors import CaptureError

UDP_SEGMENT = 103
LIMIT = 20.0
"""Seconds after which a datagram that has not come will not come."""


@pytest.fixture
def live() -> None:
    """The right to read from interfaces."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except (AttributeError, PermissionError):
        pytest.skip("reading from an interface needs CAP_NET_RAW, which this run does not have")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two UDP sockets on the loopback, the first connected to the second."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        other.bind(("127.0.0.1", 0))
        one.bind(("127.0.0.1", 0))
        one.connect(other.getsockname())
        yield one, other


def take(live: Live, count: int) -> list[Datagram]:
    """The next datagrams."""
    found: list[Datagram] = []
    for datagram in live.datagrams(LIMIT):
        if datagram is not None:
            found.append(datagram)
        if len(found) >= count:
            break
    return found


@pytest.mark.usefixtures("live")
def test_each_datagram_is_seen_once(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    port = other.getsockname()[1]
    with Live("lo", port=port) as live:
        for payload in (b"first", b"", b"third"):
            one.send(payload)
        one.sendto(b"end", other.getsockname())
        found = take(live, 4)
        assert live.lost == 0
    assert [datagram.payload for datagram in found] == [b"first", b"", b"third", b"end"]
    assert {(datagram.source, datagram.destination) for datagram in found} == {
        (one.getsockname(), other.getsockname())
    }
    assert sorted(datagram.time for datagram in found) == [datagram.time for datagram in found]


@pytest.mark.usefixtures("live")
def test_what_the_system_will_segment_is_cut_as_it_would(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    with contextlib.suppress(OSError):
        one.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
    if one.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT) != 1000:
        pytest.skip("this system does not segment UDP")
    data = bytes(range(256)) * 10
    with Live("lo", port=other.getsockname()[1]) as live:
        one.send(data)
        found = take(live, 3)
    assert [len(datagram.payload) for datagram in found] == [1000, 1000, 560]
    assert b"".join(datagram.payload for datagram in found) == data


@pytest.mark.usefixtures("live")
def test_it_ends_in_time_and_lets_its_caller_do_other_things() -> None:
    with Live("lo", port=9) as live:
        assert set(live.datagrams(0.25)) == {None}


@pytest.mark.usefixtures("live")
def test_an_interface_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(CaptureError, match="there is no interface 'nowhere0'") as caught:
        Live("nowhere0")
    assert "lo" in caught.value.hint


def test_the_right_that_is_missing_is_named_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "AF_PACKET", 17, raising=False)
    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(CaptureError, match="CAP_NET_RAW") as caught:
        Live("eth0")
    assert "sudo ginnel dump" in caught.value.hint
    assert "setcap cap_net_raw+ep /" in caught.value.hint
    assert "tcpdump -i eth0" in caught.value.hint


def test_where_there_is_no_such_thing_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_PACKET", raising=False)
    with pytest.raises(CaptureError, match="only Linux"):
        Live("en0")
