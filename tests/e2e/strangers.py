"""What strangers send to a UDP port: noise, other protocols, and recordings of ours that were tampered with."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from itertools import pairwise

LONGEST = 1500


def of_every_length(draw: random.Random) -> list[bytes]:
    """Random bytes, one datagram of each length from nothing to a full packet."""
    return [draw.randbytes(size) for size in range(LONGEST + 1)]


def quic_packets(draw: random.Random) -> list[bytes]:
    """QUIC as of RFC 9000: Initials of known and unknown versions, version negotiation, Retry, short headers.

    An unknown version asks every QUIC server for a version negotiation packet, a short header of an unknown
    connection for a stateless reset.
    """
    packets = []
    for version in (1, 0x6B3343CF, 0x1A2A3A4A, 0xFF00001D, 0):
        for first in (0xC0, 0xC3, 0xD3, 0xE3, 0xF3):
            ids = b"\x08" + draw.randbytes(8) + b"\x08" + draw.randbytes(8)
            head = bytes([first]) + struct.pack("!I", version) + ids + b"\x00" + b"\x44\x9e"
            packets.append(head + draw.randbytes(1200 - len(head)))
    negotiation = (
        b"\x80" + bytes(4) + b"\x08" + draw.randbytes(8) + b"\x00" + struct.pack("!II", 1, 0x6B3343CF)
    )
    return [*packets, negotiation, *(b"\x40" + draw.randbytes(size) for size in (20, 41, 100, 1199))]


def wireguard_packets(draw: random.Random) -> list[bytes]:
    """Handshake initiation, response, cookie reply and transport data, in their sizes."""
    sizes = {1: 148, 2: 92, 3: 64, 4: 128}
    return [bytes([kind, 0, 0, 0]) + draw.randbytes(size - 4) for kind, size in sizes.items()]


def dns_packets(draw: random.Random) -> list[bytes]:
    """Queries, RFC 1035: A, ANY and a TXT of class CHAOS."""
    head = struct.pack("!HHHHHH", draw.getrandbits(16), 0x0100, 1, 0, 0, 0)
    questions = [
        b"\x07example\x03org\x00" + struct.pack("!HH", 1, 1),
        b"\x07example\x03org\x00" + struct.pack("!HH", 255, 1),
        b"\x07version\x04bind\x00" + struct.pack("!HH", 16, 3),
    ]
    return [head + question for question in questions]


def stun_packets(draw: random.Random) -> list[bytes]:
    """A binding request, RFC 8489, without and with padding."""
    head = struct.pack("!HHI", 1, 0, 0x2112A442) + draw.randbytes(12)
    return [head, head + bytes(100)]


def dtls_packets(draw: random.Random) -> list[bytes]:
    """A ClientHello of DTLS 1.2, RFC 6347, which asks for a HelloVerifyRequest."""
    hello = b"\xfe\xfd" + draw.randbytes(32) + b"\x00\x00" + b"\x00\x04\xc0\x2b\x00\xff" + b"\x01\x00"
    handshake = b"\x01" + len(hello).to_bytes(3, "big") + bytes(5) + len(hello).to_bytes(3, "big") + hello
    record = b"\x16\xfe\xfd" + bytes(8) + len(handshake).to_bytes(2, "big") + handshake
    return [record, b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28"]


def other_packets(draw: random.Random) -> list[bytes]:
    """NTP, SIP, a KCP push, an OpenVPN reset, and text."""
    return [
        b"\x23" + bytes(47),
        b"OPTIONS sip:nobody@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n",
        draw.randbytes(4) + b"\x51\x00\x80\x00" + bytes(16),
        b"\x38" + draw.randbytes(8) + bytes(5),
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        bytes(1200),
        b"\xff" * 1200,
    ]


SHAPES = {
    "random": of_every_length,
    "quic": quic_packets,
    "wireguard": wireguard_packets,
    "dns": dns_packets,
    "stun": stun_packets,
    "dtls": dtls_packets,
    "others": other_packets,
}


def truncated(datagram: bytes) -> list[bytes]:
    """Every beginning of it but the whole."""
    return [datagram[:size] for size in range(len(datagram))]


def flipped(datagram: bytes, draw: random.Random) -> list[bytes]:
    """One bit wrong, in each byte in turn."""
    return [
        datagram[:at] + bytes([byte ^ 1 << draw.randrange(8)]) + datagram[at + 1 :]
        for at, byte in enumerate(datagram)
    ]


def spliced(datagrams: Sequence[bytes], draw: random.Random) -> list[bytes]:
    """The beginning of one and the end of another, and two in a row."""
    made = []
    for first, second in pairwise(datagrams):
        at = draw.randrange(1, max(2, min(len(first), len(second))))
        made += [first[:at] + second[at:], first + second, first + draw.randbytes(16)]
    # A cut where one of them ends can give back the other one whole, which would be a replay and no splice.
    return [data for data in made if data not in datagrams]
