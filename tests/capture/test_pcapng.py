"""pcapng: both byte orders, several interfaces and sections, clocks of any resolution, and what is damaged."""

from __future__ import annotations

import io
import struct

import pytest

from ginnel.capture.files import Frame, read
from ginnel.capture.pcapng import MAX_INTERFACES
from ginnel.errors import CaptureError

from .blocks import block, enhanced, interface, option, section, simple


def frames(data: bytes) -> list[Frame]:
    return list(read(io.BytesIO(data)))


@pytest.mark.parametrize("order", ["<", ">"])
def test_packets_of_several_interfaces(order: str) -> None:
    file = (
        section(order)
        + interface(1, order=order)
        + interface(113, order=order)
        + enhanced(b"first", 3_500_000, 0, order)
        + enhanced(b"second", 1 << 40, 1, order, length=900)
        + simple(b"third", order=order)
    )
    assert frames(file) == [
        Frame(1, 3.5, 1, b"first", 5),
        Frame(2, (1 << 40) / 1e6, 113, b"second", 900),
        Frame(3, 0.0, 1, b"third", 5),
    ]


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        (b"", 4.096),
        (option(9, b"\x09"), 0.004096),
        (option(9, b"\x8a"), 4000.0),
        (option(9, b"\x06") + option(14, struct.pack("<q", 100)), 104.096),
        (option(2, b"eth0") + option(9, b"\x03"), 4096.0),
        (option(0, b"") + option(9, b"\x03"), 4.096),
    ],
)
def test_clocks_of_any_resolution(options: bytes, seconds: float) -> None:
    file = section() + interface(options=options) + enhanced(b"x", 4_096_000)
    assert frames(file)[0].time == pytest.approx(seconds)


def test_unknown_blocks_are_passed_over_and_a_section_begins_anew() -> None:
    file = (
        block(0x0A0D0D0A, section()[8:-4] + option(4, b"somebody"))
        + block(5, bytes(300_000))
        + interface(1)
        + enhanced(b"little")
        + section(">")
        + interface(101, order=">")
        + enhanced(b"big", order=">")
    )
    assert [(frame.link_type, frame.data) for frame in frames(file)] == [(1, b"little"), (101, b"big")]


def test_a_simple_packet_is_cut_at_the_snap_length() -> None:
    file = section() + interface(snap_length=4) + simple(b"abcd", length=60)
    assert frames(file) == [Frame(1, 0.0, 1, b"abcd", 60)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (section() + enhanced(b"x"), "interface 0, and 0 are described"),
        (section() + simple(b"x"), "without length or interface"),
        (section() + interface() + simple(b"x", length=60), "too small a block"),
        (
            section() + interface() + block(6, struct.pack("<IIIII", 0, 0, 0, 9, 9) + b"four"),
            "9 bytes in too",
        ),
        (section() + interface() + block(6, b"short"), "too short"),
        (section() + block(1, b"few"), "too short"),
        (section() + block(1, bytes(8) + struct.pack("<HH", 9, 100)), "longer than its block"),
        (section() + interface() * (MAX_INTERFACES + 1), "more than"),
        (section() + struct.pack("<II", 5, 10), "claims 10 bytes"),
        (section() + interface()[:-4] + bytes(4), "20 at its front and 0 at its end"),
        (section()[:12] + struct.pack("<H", 9) + section()[14:], "version 9"),
        (section()[:8] + bytes(20), "byte-order magic"),
        (section()[:4] + struct.pack("<I", 20) + section()[8:], "section header of 20 bytes"),
        (section()[:20], "ends within a section header"),
        (section() + interface() + enhanced(b"x")[:-2], "ends within the end of a block"),
    ],
)
def test_what_is_damaged_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(CaptureError, match=words) as caught:
        frames(data)
    assert caught.value.offset is not None
    assert caught.value.offset <= len(data)
