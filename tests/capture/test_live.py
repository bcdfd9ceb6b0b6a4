"""Listening to an interface: the loopback, where the run may, and what is said where it may not."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from ginnel.capture import Datagram, Empty
from ginnel.capture.live import Live
from ginnel.errors import CaptureError

UDP_SEGMENT = 103
SOL_PACKET, PACKET_VNET_HDR = 263, 15
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
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_segments_of_tcp_that_the_system_will_cut_are_cut_as_it_would(host: str) -> None:
    """A frame of 2,560 bytes that says of itself that it is segments of 1,000, as raw TCP hands them to a device."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    data = bytes(range(256)) * 10
    with socket.socket(family, socket.SOCK_STREAM) as held, contextlib.ExitStack() as stack:
        try:
            held.bind((host, 0))
        except OSError as error:
            pytest.skip(f"the loopback has no {host}: {error.strerror}")
        port = held.getsockname()[1]
        live = stack.enter_context(Live("lo", port=port))
        send_merged(host, port, data, 1000)
        found = take(live, 3)
    assert [len(datagram.payload) for datagram in found] == [1000, 1000, 560]
    assert b"".join(datagram.payload for datagram in found) == data
    assert {(one.source, one.destination, one.carrier) for one in found} == {
        ((host, 9), (host, port), "rawtcp")
    }


def send_merged(host: str, port: int, payload: bytes, segment: int) -> None:
    """Put one frame on the loopback that stands for several TCP segments, from port 9 (virtio_net_hdr)."""
    tcp = struct.pack("!HHIIBBHHH", 9, port, 1, 1, 5 << 4, 0x18, 512, 0, 0) + payload
    if ":" in host:
        address = socket.inet_pton(socket.AF_INET6, host)
        packet = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + address + address + tcp
        kind, ethertype = 4, 0x86DD
    else:
        address = socket.inet_pton(socket.AF_INET, host)
        packet = (
            struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + address + address + tcp
        )
        kind, ethertype = 1, 0x0800
    front = 14 + len(packet) - len(tcp)
    offload = struct.pack("=BBHHHH", 1, kind, front + 20, segment, front, 16)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        raw.bind(("lo", ethertype))
        raw.send(offload + bytes(12) + struct.pack("!H", ethertype) + packet)


@pytest.mark.usefixtures("live")
def test_segments_without_payload_are_counted() -> None:
    """A connection of the system's own, from its beginning to its end."""
    segments: Counter[Empty] = Counter()
    found = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Live("lo", port=port, segments=segments) as live:
            with socket.create_connection(("127.0.0.1", port)) as one, server.accept()[0] as other:
                one.send(b"first")
                assert other.recv(5) == b"first"
            for datagram in live.datagrams(LIMIT):
                if datagram is not None:
                    found.append(datagram.payload)
                if segments[Empty.FIN] == 2:
                    break
    assert found == [b"first"]
    assert (segments[Empty.SYN], segments[Empty.SYN_ACK]) == (1, 1)
    assert segments[Empty.ACK] >= 1


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
    assert "tcpdump -i eth0 -U -w - udp or tcp | ginnel dump -" in caught.value.hint


def test_where_there_is_no_such_thing_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_PACKET", raising=False)
    with pytest.raises(CaptureError, match="only Linux"):
        Live("en0")
