"""Datagrams come out of every wrapping that captures have, and what is none is counted by its reason."""

from __future__ import annotations

import random
import struct
from collections import Counter

import pytest

from ginnel.capture.packets import Datagram, Skipped, datagrams
from ginnel.capture.source import Frame

from .blocks import PAYLOAD, ethernet, ipv4, ipv6, udp

V4 = Datagram(1.5, ("192.0.2.1", 1000), ("192.0.2.2", 2000), PAYLOAD)
V6 = Datagram(1.5, ("2001:db8::1", 1000), ("2001:db8::2", 2000), PAYLOAD)


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
    ],
)
def test_datagrams_come_out_of_every_wrapping(one: Frame, wanted: Datagram) -> None:
    assert list(datagrams([one])) == [wanted]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        pytest.param(frame(b"anything", 147), Skipped.LINK_TYPE, id="unknown_link"),
        pytest.param(frame(bytes(12) + b"\x08\x06" + bytes(28)), Skipped.NOT_UDP, id="arp"),
        pytest.param(frame(ipv4(udp(), protocol=6), 101), Skipped.NOT_UDP, id="tcp"),
        pytest.param(frame(ipv6(udp(), following=58), 101), Skipped.NOT_UDP, id="icmpv6"),
        pytest.param(frame(b"\x90" + bytes(40), 101), Skipped.NOT_UDP, id="version_9"),
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
        pytest.param(frame(b"", 101), Skipped.DAMAGED, id="empty"),
        pytest.param(
            frame(ipv6(extension(0), following=0), 101), Skipped.DAMAGED, id="extensions_without_end"
        ),
    ],
)
def test_what_is_no_datagram_is_counted(one: Frame, why: Skipped) -> None:
    assert skipped(one) == why


def test_any_bytes_of_any_link_type_are_a_datagram_or_a_reason() -> None:
    draw = random.Random(3)
    whole = [ethernet(ipv4(udp())), ethernet(ipv6(extension(17) + udp(), following=60), 0x8100)]
    wrapped = [(1, whole[0]), (1, whole[1]), (0, bytes(4) + whole[0][14:]), (101, whole[1][18:])]
    tried = []
    for _ in range(20_000):
        link_type, data = draw.choice(wrapped)
        spoiled = bytearray(data[: draw.randrange(len(data) + 1)])
        for _ in range(draw.randrange(4)):
            if spoiled:
                spoiled[draw.randrange(min(len(spoiled), 64))] = draw.randrange(256)
        tried.append(Frame(1, 0.0, link_type, bytes(spoiled), draw.choice((len(spoiled), len(data)))))
    reasons: Counter[Skipped] = Counter()
    found = sum(1 for _ in datagrams(tried, reasons))
    assert found + reasons.total() == len(tried)
    assert found
    assert set(reasons) >= {Skipped.NOT_UDP, Skipped.DAMAGED, Skipped.TRUNCATED, Skipped.FRAGMENT}
