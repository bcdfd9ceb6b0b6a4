"""Datagrams come out of every wrapping that captures have, and what is none is counted by its reason."""

from __future__ import annotations

import random
import struct
from collections import Counter

import pytest

from ginnel.capture.packets import Datagram, Empty, Skipped, datagrams
from ginnel.capture.source import Frame

from .blocks import ACK, FIN, PAYLOAD, PSH, RST, SYN, ethernet, ipv4, ipv6, tcp, udp

V4 = Datagram(1.5, ("192.0.2.1", 1000), ("192.0.2.2", 2000), PAYLOAD)
V6 = Datagram(1.5, ("2001:db8::1", 1000), ("2001:db8::2", 2000), PAYLOAD)
TCP4, TCP6 = V4._replace(carrier="rawtcp"), V6._replace(carrier="rawtcp")


def frame(data: bytes, link_type: int = 1, cut: int = 0) -> Frame:
    kept = data[: len(data) - cut]
    return Frame(1, 1.5, link_type, kept, len(data))


def extension(following: int, size: int = 8) -> bytes:
    return struct.pack("!BB", following, size // 8 - 1) + bytes(size - 2)


def skipped(one: Frame) -> Skipped:
    reasons: Counter[Skipped] = Counter()
    assert list(datagrams([one], reasons)) == []
    ((why, count),) = reasons.items()
    assert count == 1
    return why


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        pytest.param(frame(ethernet(ipv4(udp()))), V4, id="ethernet"),
        pytest.param(frame(ethernet(ipv4(udp())) + bytes(6)), V4, id="ethernet_trailer"),
        pytest.param(frame(ethernet(ipv6(udp()), 0x8100)), V6, id="vlan"),
        pytest.param(frame(ethernet(ipv4(udp()), 0x88A8, 0x8100)), V4, id="two_vlans"),
        pytest.param(frame(bytes(14) + b"\x08\x00" + ipv4(udp()), 113), V4, id="sll"),
        pytest.param(frame(b"\x86\xdd" + bytes(18) + ipv6(udp()), 276), V6, id="sll2"),
        pytest.param(frame(ipv4(udp()), 101), V4, id="raw"),
        pytest.param(frame(ipv6(udp()), 229), V6, id="raw_v6"),
        pytest.param(frame(ipv4(udp()), 12), V4, id="raw_of_other_systems"),
        pytest.param(frame(b"\x02\0\0\0" + ipv4(udp()), 0), V4, id="null"),
        pytest.param(frame(b"\0\0\0\x1e" + ipv6(udp()), 108), V6, id="loop"),
        pytest.param(frame(ipv4(udp(), options=bytes(8)), 101), V4, id="ip_options"),
        pytest.param(frame(ipv4(udp(), total=0), 101), V4, id="no_total_length"),
        pytest.param(frame(ipv4(udp(), fragment=0x4000), 101), V4, id="do_not_fragment"),
        pytest.param(frame(ipv4(udp(length=0)), 101), V4, id="no_udp_length"),
        pytest.param(
            frame(ipv6(extension(60) + extension(17, 24) + udp(), following=0), 101), V6, id="extensions"
        ),
        pytest.param(frame(ipv6(extension(17) + udp(), following=44), 101), V6, id="atomic_fragment"),
        pytest.param(
            frame(ipv6(struct.pack("!BB", 17, 4) + bytes(22) + udp(), following=51), 101),
            V6,
            id="authenticated",
        ),
        pytest.param(frame(ethernet(ipv4(tcp(), protocol=6))), TCP4, id="tcp"),
        pytest.param(frame(ethernet(ipv4(tcp(), protocol=6)) + bytes(6)), TCP4, id="tcp_ethernet_trailer"),
        pytest.param(frame(ethernet(ipv6(tcp(), following=6), 0x8100)), TCP6, id="tcp_vlan"),
        pytest.param(frame(ipv4(tcp(options=bytes(40)), protocol=6), 101), TCP4, id="tcp_options"),
        pytest.param(frame(ipv4(tcp(flags=FIN | ACK), protocol=6), 101), TCP4, id="tcp_end_with_payload"),
        pytest.param(
            frame(ipv6(extension(6) + tcp(), following=60), 101), TCP6, id="tcp_behind_an_extension"
        ),
    ],
)
def test_datagrams_come_out_of_every_wrapping(one: Frame, wanted: Datagram) -> None:
    assert list(datagrams([one])) == [wanted]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        pytest.param(frame(b"anything", 147), Skipped.LINK_TYPE, id="unknown_link"),
        pytest.param(frame(bytes(12) + b"\x08\x06" + bytes(28)), Skipped.NEITHER, id="arp"),
        pytest.param(frame(ipv4(udp(), protocol=132), 101), Skipped.NEITHER, id="sctp"),
        pytest.param(frame(ipv6(udp(), following=58), 101), Skipped.NEITHER, id="icmpv6"),
        pytest.param(frame(b"\x90" + bytes(40), 101), Skipped.NEITHER, id="version_9"),
        pytest.param(frame(ipv4(udp(), fragment=0x2000), 101), Skipped.FRAGMENT, id="first_fragment"),
        pytest.param(frame(ipv4(udp(), fragment=0x0010), 101), Skipped.FRAGMENT, id="later_fragment"),
        pytest.param(
            frame(ipv6(b"\x11\0\0\x01" + bytes(4) + udp(), following=44), 101),
            Skipped.FRAGMENT,
            id="v6_fragment",
        ),
        pytest.param(frame(ipv4(udp()), 101, cut=1), Skipped.TRUNCATED, id="cut_in_payload"),
        pytest.param(frame(ipv6(udp()), 101, cut=60), Skipped.TRUNCATED, id="cut_in_ipv6"),
        pytest.param(frame(ethernet(ipv4(udp())), cut=80), Skipped.TRUNCATED, id="cut_in_ethernet"),
        pytest.param(frame(ipv4(udp(), total=2000), 101), Skipped.DAMAGED, id="longer_than_it_is"),
        pytest.param(frame(ipv4(udp(), total=10), 101), Skipped.DAMAGED, id="shorter_than_its_header"),
        pytest.param(frame(b"\x42" + ipv4(udp())[1:], 101), Skipped.DAMAGED, id="header_of_8"),
        pytest.param(frame(ipv4(udp(length=2000)), 101), Skipped.DAMAGED, id="udp_longer"),
        pytest.param(frame(ipv4(udp(length=7)), 101), Skipped.DAMAGED, id="udp_of_7"),
        pytest.param(frame(ipv4(tcp(words=4), protocol=6), 101), Skipped.DAMAGED, id="tcp_header_of_16"),
        pytest.param(frame(ipv4(tcp(words=0), protocol=6), 101), Skipped.DAMAGED, id="tcp_header_of_0"),
        pytest.param(
            frame(ipv4(tcp(b"", words=15), protocol=6), 101), Skipped.DAMAGED, id="tcp_header_of_60"
        ),
        pytest.param(frame(ipv4(tcp()[:19], protocol=6), 101), Skipped.DAMAGED, id="tcp_of_19"),
        pytest.param(frame(ipv4(tcp()[:3], protocol=6), 101), Skipped.DAMAGED, id="tcp_without_ports"),
        pytest.param(frame(ipv4(tcp(), protocol=6), 101, cut=1), Skipped.TRUNCATED, id="cut_in_tcp"),
        pytest.param(frame(ipv6(tcp(), following=6), 101, cut=50), Skipped.TRUNCATED, id="cut_in_tcp_header"),
        pytest.param(
            frame(ipv4(tcp(), protocol=6, fragment=0x2000), 101), Skipped.FRAGMENT, id="tcp_fragment"
        ),
        pytest.param(frame(b"", 101), Skipped.DAMAGED, id="empty"),
        pytest.param(
            frame(ipv6(extension(0), following=0), 101), Skipped.DAMAGED, id="extensions_without_end"
        ),
    ],
)
def test_what_is_no_datagram_is_counted(one: Frame, why: Skipped) -> None:
    assert skipped(one) == why


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (SYN, Empty.SYN),
        (SYN | ACK, Empty.SYN_ACK),
        (ACK, Empty.ACK),
        (PSH | ACK, Empty.ACK),
        (FIN | ACK, Empty.FIN),
        (RST, Empty.RST),
        (RST | ACK, Empty.RST),
        (0, Empty.OTHER),
    ],
)
def test_a_segment_without_payload_is_no_datagram_and_counted_by_its_kind(flags: int, kind: Empty) -> None:
    """What fills an Ethernet frame up to its least length is no payload."""
    short = ethernet(ipv4(tcp(b"", flags=flags), protocol=6))
    filled = frame(short + bytes(60 - len(short)))
    segments: Counter[Empty] = Counter()
    reasons: Counter[Skipped] = Counter()
    ipv6_too = frame(ipv6(tcp(b"", flags=flags, options=bytes(12)), following=6), 101)
    assert list(datagrams([filled, ipv6_too], reasons, segments)) == []
    assert (segments, reasons) == (Counter({kind: 2}), Counter())


def test_a_port_leaves_the_others_out_of_either_carrier_and_of_the_counts() -> None:
    frames = [
        frame(ipv4(data, protocol=protocol), 101)
        for data, protocol in ((udp(), 17), (tcp(), 6), (tcp(b""), 6))
    ]
    for port, found in ((1000, [V4, TCP4]), (2000, [V4, TCP4]), (3000, [])):
        segments: Counter[Empty] = Counter()
        assert list(datagrams(frames, segments=segments, port=port)) == found
        assert segments.total() == bool(found)


def test_any_bytes_of_any_link_type_are_a_datagram_or_a_reason() -> None:
    draw = random.Random(3)
    whole = [ethernet(ipv4(udp())), ethernet(ipv6(extension(17) + udp(), following=60), 0x8100)]
    wrapped = [(1, whole[0]), (1, whole[1]), (0, bytes(4) + whole[0][14:]), (101, whole[1][18:])]
    wrapped += [(1, ethernet(ipv4(tcp(), protocol=6))), (101, ipv6(tcp(b"", options=bytes(12)), following=6))]
    tried = []
    for _ in range(20_000):
        link_type, data = draw.choice(wrapped)
        spoiled = bytearray(data[: draw.randrange(len(data) + 1)])
        for _ in range(draw.randrange(4)):
            if spoiled:
                spoiled[draw.randrange(min(len(spoiled), 64))] = draw.randrange(256)
        tried.append(Frame(1, 0.0, link_type, bytes(spoiled), draw.choice((len(spoiled), len(data)))))
    reasons: Counter[Skipped] = Counter()
    segments: Counter[Empty] = Counter()
    found = Counter(one.carrier for one in datagrams(tried, reasons, segments))
    assert found.total() + reasons.total() + segments.total() == len(tried)
    assert set(found) == {"udp", "rawtcp"}
    assert segments
    assert set(reasons) >= {Skipped.NEITHER, Skipped.DAMAGED, Skipped.TRUNCATED, Skipped.FRAGMENT}
