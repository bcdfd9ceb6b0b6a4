"""IP packets with TCP in them, written byte by byte: also those that no kernel would send.

RFC 9293 (TCP), RFC 791 and 8200 (IP), RFC 7323 (timestamps).
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

from .namespace import Namespace

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
TCP = 6
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD

LOOK_SECONDS = 0.1
SO_RCVBUFFORCE = 33
"""From asm-generic/socket.h: also beyond the limit for everybody."""

SYN_OPTIONS = bytes([2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0, 1, 3, 3, 10])
"""What a current Linux says in its SYN: MSS 1460, SACK permitted, timestamps, window scale 10."""


@dataclass(frozen=True)
class Segment:
    """One TCP segment; `replace` makes variations of it."""

    source: tuple[str, int]
    destination: tuple[str, int]
    sequence: int = 0
    acknowledgement: int = 0
    flags: int = ACK
    window: int = 64_240
    payload: bytes = b""
    options: bytes = b""
    """Padded with zeros to a multiple of four."""
    data_offset: int | None = None
    """Words of the header as it says; None: what is true."""
    checksum: int | None = None
    """None: the right one."""

    def tcp(self) -> bytes:
        """Header, options and payload."""
        options = self.options + bytes(-len(self.options) % 4)
        words = 5 + len(options) // 4 if self.data_offset is None else self.data_offset
        fields = (
            self.source[1],
            self.destination[1],
            self.sequence & 0xFFFF_FFFF,
            self.acknowledgement & 0xFFFF_FFFF,
            words << 4,
            self.flags,
            self.window,
        )
        head = struct.pack("!HHIIBBH", *fields)
        rest = struct.pack("!H", 0) + options + self.payload
        right = inet_checksum(self._pseudo(len(head) + 2 + len(rest)), head + b"\0\0" + rest)
        return head + struct.pack("!H", right if self.checksum is None else self.checksum) + rest

    def packet(self, *, fragment: int = 0, more: bool = False, payload: bytes | None = None) -> bytes:
        """The whole IP packet; with another `payload` than the segment for what `fragments` makes."""
        data = self.tcp() if payload is None else payload
        ends = ip_address(self.source[0]).packed, ip_address(self.destination[0]).packed
        if len(ends[0]) == 16:
            return struct.pack("!IHBB", 0x6000_0000, len(data), TCP, 64) + ends[0] + ends[1] + data
        offset = (0x2000 if more else 0) | fragment // 8
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 7, offset or 0x4000, 64, TCP, 0) + b"".join(
            ends
        )
        return head[:10] + struct.pack("!H", inet_checksum(head)) + head[12:] + data

    def fragments(self, at: int) -> list[bytes]:
        """The packet in two fragments (IPv4), cut `at` so many bytes of the segment: a multiple of 8."""
        data = self.tcp()
        return [
            self.packet(more=True, payload=data[:at]),
            self.packet(fragment=at, payload=data[at:]),
        ]

    def _pseudo(self, length: int) -> bytes:
        ends = ip_address(self.source[0]).packed + ip_address(self.destination[0]).packed
        return ends + (
            struct.pack("!II", length, TCP) if len(ends) == 32 else struct.pack("!BBH", 0, TCP, length)
        )


def inet_checksum(*parts: bytes) -> int:
    """RFC 1071, of parts that each have an even length but for the last."""
    data = b"".join(parts)
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def parse(packet: bytes) -> Segment | None:
    """The segment in an IP packet of a healthy sender; None when there is none in it."""
    if packet[0] >> 4 == 6:
        ends, protocol, data = (packet[8:24], packet[24:40]), packet[6], packet[40:]
    else:
        length = int.from_bytes(packet[2:4], "big")
        ends, protocol, data = (packet[12:16], packet[16:20]), packet[9], packet[20:length]
    if protocol != TCP or len(data) < 20:
        return None
    source, destination, sequence, acknowledgement, offset, flags, window, checksum, _ = struct.unpack_from(
        "!HHIIBBHHH", data
    )
    head = (offset >> 4) * 4
    return Segment(
        (str(ip_address(ends[0])), source),
        (str(ip_address(ends[1])), destination),
        sequence,
        acknowledgement,
        flags,
        window,
        data[head:],
        data[20:head],
        checksum=checksum,
    )


def hardware_address(space: Namespace, device: str) -> bytes:
    """The Ethernet address of a machine's device."""
    (said,) = json.loads(space.run("ip", "-j", "link", "show", "dev", device))
    return bytes.fromhex(said["address"].replace(":", ""))


def inject(space: Namespace, device: str, to: bytes, packets: Iterable[bytes]) -> None:
    """Put whole IP packets on a machine's wire as they are, to a hardware address, whoever they claim to be from."""

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
            for packet in packets:
                kind = ETH_P_IPV6 if packet[0] >> 4 == 6 else ETH_P_IP
                raw.sendto(packet, (device, kind, 0, 0, to))

    space.call(send)


@contextmanager
def sniffed(space: Namespace, device: str) -> Iterator[list[Segment]]:
    """The segments that pass a device during the block, as they come; for the quiet hours of a wire."""

    def listen() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        made.bind((device, ETH_P_ALL))
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        made.settimeout(LOOK_SECONDS)
        return made

    seen: list[Segment] = []
    over = threading.Event()
    with space.call(listen) as made:

        def collect() -> None:
            while not over.is_set():
                try:
                    data, (_, kind, *_) = made.recvfrom(65_536)
                except TimeoutError:
                    continue
                if kind in (ETH_P_IP, ETH_P_IPV6) and (found := parse(data)):
                    seen.append(found)

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()
