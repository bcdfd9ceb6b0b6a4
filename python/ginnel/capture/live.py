"""Frames from a network interface, as they pass, with the rights for that (Linux, packet(7))."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from ginnel.capture.packets import ETHERNET, RAW, Datagram, Empty, datagrams
from ginnel.capture.source import Frame
from ginnel.errors import CaptureError

TICK_SECONDS = 0.1
"""So often a caller gets to do something else while nothing passes."""

_ALL = 0x0003  # ETH_P_ALL
_LEVEL, _STATISTICS, _WITH_HEADER = 263, 6, 15  # SOL_PACKET, PACKET_STATISTICS, PACKET_VNET_HDR
_OUTGOING = 4  # PACKET_OUTGOING
_ETHERNETS, _LOOPBACK = (1, 772), 772  # ARPHRD_ETHER, ARPHRD_LOOPBACK
_FRONT = struct.Struct("=BBHHHH")
"""virtio_net_hdr: flags, kind of segmentation, length of headers, length of segments, and two of checksums."""
_SEGMENTED, _ECN = {1: "rawtcp", 4: "rawtcp", 5: "udp"}, 0x80
"""The carrier of each kind of segmentation: TCP over IPv4, TCP over IPv6, UDP. And a bit beside those of TCP."""
_LARGEST = 65_536 + 256
_BUFFER = 8 * 1024 * 1024

_GRANT = (
    "Run it as root:  sudo {program} …\n"
    "Or give that right to this Python:  sudo setcap cap_net_raw+ep {python}\n"
    "Or record with another program:  tcpdump -i {interface} -U -w - udp or tcp | ginnel dump -"
)


class Live:
    """An interface that is being listened to."""

    def __init__(
        self, interface: str, *, port: int | None = None, segments: Counter[Empty] | None = None
    ) -> None:
        """Listen. Only what is from or to `port`; TCP segments without payload are counted in `segments`."""
        self._port = port
        self._segments = segments
        self._number = 0
        self._lost = 0
        self._socket = _open(interface)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def datagrams(self, seconds: float | None = None) -> Iterator[Datagram | None]:
        """The datagrams that pass, for so long, or for ever; None at least every `TICK_SECONDS`."""
        end = None if seconds is None else time.monotonic() + seconds
        tick = time.monotonic() + TICK_SECONDS
        while end is None or time.monotonic() < end:
            if select.select([self._socket], [], [], TICK_SECONDS)[0]:
                yield from self._take()
            if time.monotonic() >= tick:
                tick = time.monotonic() + TICK_SECONDS
                yield None

    @property
    def lost(self) -> int:
        """Frames that came faster than they were taken."""
        # The kernel counts from the last question on.
        counts = self._socket.getsockopt(_LEVEL, _STATISTICS, 8)
        self._lost += struct.unpack("=II", counts)[1]
        return self._lost

    def _take(self) -> Iterator[Datagram]:
        try:
            data, (_, _, direction, hardware, _) = self._socket.recvfrom(_LARGEST)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return
            raise CaptureError(f"the interface cannot be read any more: {error.strerror or error}") from error
        # What the loopback sends it receives, and it would be seen twice.
        if hardware == _LOOPBACK and direction == _OUTGOING:
            return
        self._number += 1
        link_type = ETHERNET if hardware in _ETHERNETS else RAW
        _, segmentation, _, segment, _, _ = _FRONT.unpack_from(data)
        frame = Frame(self._number, time.time(), link_type, data[_FRONT.size :], len(data) - _FRONT.size)
        for datagram in datagrams([frame], segments=self._segments, port=self._port):
            cut = _SEGMENTED.get(segmentation & ~_ECN) == datagram.carrier
            yield from _pieces(datagram, segment if cut else 0)


def _pieces(datagram: Datagram, length: int) -> Iterator[Datagram]:
    """The datagrams that the system will cut this one into; 0 is none."""
    if not length:
        yield datagram
        return
    for at in range(0, len(datagram.payload), length):
        yield datagram._replace(payload=datagram.payload[at : at + length])


def _open(interface: str) -> socket.socket:
    if not hasattr(socket, "AF_PACKET"):
        raise CaptureError(
            "only Linux lets ginnel read from an interface",
            hint=f"Record with another program:  tcpdump -i {interface} -U -w - udp or tcp | ginnel dump -",
        )
    try:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    except PermissionError as error:
        python = os.path.realpath(sys.executable)
        raise CaptureError(
            "reading from an interface needs the right CAP_NET_RAW, which this process does not have",
            hint=_GRANT.format(program="ginnel dump", python=python, interface=interface),
        ) from error
    except OSError as error:
        raise CaptureError(f"no interface can be read: {error.strerror or error}") from error
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        # It says how the system will segment what is captured before that.
        opened.setsockopt(_LEVEL, _WITH_HEADER, 1)
        opened.bind((interface, _ALL))
    except OSError as error:
        opened.close()
        if error.errno == errno.ENODEV:
            names = ", ".join(name for _, name in socket.if_nameindex())
            raise CaptureError(f"there is no interface {interface!r}", hint=f"There are: {names}.") from error
        raise CaptureError(f"{interface} cannot be read: {error.strerror or error}") from error
    return opened
