"""Capture files of both kinds: classic pcap, and pcapng.

Whoever recorded the file may have meant harm: every length is checked against a bound before it is believed, and
what is wrong is a `CaptureError` that says where.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ginnel.capture import pcapng
from ginnel.capture.source import Frame, Source
from ginnel.errors import CaptureError

__all__ = ["MAX_FRAME", "Frame", "read"]

MAX_FRAME = pcapng.MAX_FRAME

_MAGICS = {
    bytes.fromhex("d4c3b2a1"): ("<", 1e6),
    bytes.fromhex("a1b2c3d4"): (">", 1e6),
    bytes.fromhex("4d3cb2a1"): ("<", 1e9),
    bytes.fromhex("a1b23c4d"): (">", 1e9),
}
"""The first four bytes of a classic file: its byte order, and how many parts a second has."""

_NO_CAPTURE = "ginnel reads pcap and pcapng, as tcpdump -w, dumpcap and Wireshark write them."


def read(source: BinaryIO | Path) -> Iterator[Frame]:
    """The frames of a capture file, in its order.

    Raises `CaptureError` where the file is damaged or ends early, after the frames before that place.
    """
    if isinstance(source, Path):
        try:
            file = source.open("rb")
        except OSError as error:
            raise CaptureError(
                f"{source}: cannot be opened: {error.strerror or error}", path=str(source)
            ) from error
        with file:
            yield from _frames(Source(file, str(source)))
    else:
        yield from _frames(Source(source, None))


def _frames(source: Source) -> Iterator[Frame]:
    magic = source.take_or_end(4, "the file header")
    if magic == pcapng.SECTION:
        yield from pcapng.frames(source)
    elif magic in _MAGICS:
        yield from _classic(source, *_MAGICS[magic])
    elif not magic:
        raise source.error("the file is empty", _NO_CAPTURE)
    else:
        raise source.error("this is no capture file", _NO_CAPTURE, offset=0)


def _classic(source: Source, order: str, parts: float) -> Iterator[Frame]:
    """The records behind the magic number of a classic file."""
    major, _minor, _zone, _sigfigs, _snaplen, network = struct.unpack(
        order + "HHiIII", source.take(20, "the file header")
    )
    if major != 2:
        raise source.error(f"version {major} of the format, and only 2 is known", _NO_CAPTURE, offset=4)
    # The upper bits say whether frames end in a checksum, which nobody who reads datagrams needs.
    link_type = network & 0x03FF_FFFF
    record = struct.Struct(order + "IIII")
    while True:
        source.packet += 1
        header = source.take_or_end(record.size, "a record header")
        if not header:
            return
        seconds, fraction, captured, length = record.unpack(header)
        if captured > MAX_FRAME:
            raise source.error(
                f"a packet of {captured} bytes, and at most {MAX_FRAME} are possible",
                "The file is damaged.",
                offset=source.offset - 8,
            )
        data = source.take(captured, "a packet")
        yield Frame(source.packet, seconds + fraction / parts, link_type, data, max(length, captured))
