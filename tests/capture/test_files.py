"""Capture files are read whoever wrote them, and refused with a place where they are damaged."""

from __future__ import annotations

import io
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ginnel.capture import datagrams
from ginnel.capture.files import MAX_FRAME, Frame, read
from ginnel.errors import CaptureError

from .blocks import classic, enhanced, ethernet, interface, ipv4, ipv6, section, simple, udp

WHOLE = (
    classic(ethernet(ipv4(udp())), ethernet(ipv6(udp()))),
    section() + interface() + enhanced(ethernet(ipv4(udp()))) + simple(ethernet(ipv6(udp()))),
    classic(ipv6(udp()), order=">", link_type=101),
)


def frames(data: bytes) -> list[Frame]:
    return list(read(io.BytesIO(data)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction"), [(0xA1B2C3D4, 250_000), (0xA1B23C4D, 250_000_000)])
def test_classic_files_of_every_kind(order: str, magic: int, fraction: int) -> None:
    file = classic(b"first", b"second", order=order, magic=magic, link_type=101, fraction=fraction)
    assert frames(file) == [Frame(1, 1.25, 101, b"first", 5), Frame(2, 2.25, 101, b"second", 6)]


def test_a_frame_that_the_capture_cut_keeps_its_length() -> None:
    file = bytearray(classic(b"cut"))
    struct.pack_into("<I", file, 24 + 12, 1500)
    assert frames(bytes(file)) == [Frame(1, 1.5, 1, b"cut", 1500)]


def test_the_upper_bits_of_the_link_type_are_no_part_of_it() -> None:
    assert frames(classic(b"x", link_type=0xF000_0001))[0].link_type == 1


def test_a_path_is_opened_and_named_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "here.pcap"
    path.write_bytes(classic(b"one"))
    assert [frame.data for frame in read(path)] == [b"one"]
    path.write_bytes(classic(b"one")[:-1])
    with pytest.raises(
        CaptureError, match=r"here\.pcap: .*1 of 3 bytes are missing \(packet 1, byte 40\)"
    ) as e:
        list(read(path))
    assert (e.value.path, e.value.packet, e.value.offset) == (str(path), 1, 40)
    with pytest.raises(CaptureError, match="cannot be opened: No such file"):
        list(read(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"GET / HTTP/1.1", "no capture file"),
        (classic()[:10], "ends within the file header"),
        (classic(b"one")[:30], "ends within a record header"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 3, 0, 0, 0, 0, 1), "version 3"),
        (classic() + struct.pack("<IIII", 0, 0, MAX_FRAME + 1, 0), f"{MAX_FRAME + 1} bytes"),
    ],
)
def test_what_is_damaged_is_refused_with_a_place(data: bytes, words: str) -> None:
    with pytest.raises(CaptureError, match=words) as caught:
        frames(data)
    assert caught.value.offset is not None
    assert f"byte {caught.value.offset})" in str(caught.value)
    assert caught.value.hint


def test_frames_before_the_damage_come_out() -> None:
    reading = read(io.BytesIO(classic(b"good", b"bad")[:-1]))
    assert next(reading).data == b"good"
    with pytest.raises(CaptureError, match="packet 2"):
        next(reading)


@pytest.mark.parametrize(
    "claim",
    [
        classic() + struct.pack("<IIII", 0, 0, MAX_FRAME, 0),
        section() + struct.pack("<II", 0x0BAD, 0xFFFF_FFFC),
        section() + struct.pack("<II", 6, MAX_FRAME),
        section()[:4] + struct.pack("<I", 0xFFFF_FFFC) + section()[8:],
    ],
)
def test_a_length_that_lies_takes_no_memory(claim: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CaptureError):
            frames(claim)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 250_000


@settings(max_examples=400)
@given(st.data())
def test_nothing_but_our_error_comes_out(data: st.DataObject) -> None:
    """Random bytes behind a good beginning, and whole files with bytes changed and cut."""
    kind = data.draw(st.integers(0, 2))
    start = data.draw(st.sampled_from(WHOLE))
    if kind == 0:
        file = start[: data.draw(st.sampled_from((0, 4, 24, 28)))] + data.draw(st.binary(max_size=200))
    else:
        spoiled = bytearray(start)
        for at, value in data.draw(
            st.lists(st.tuples(st.integers(0, len(start) - 1), st.integers(0, 255)), max_size=6)
        ):
            spoiled[at] = value
        file = bytes(spoiled[: data.draw(st.integers(0, len(start))) if kind == 1 else None])
    # Any other error ends the test.
    with suppress(CaptureError):
        for datagram in datagrams(read(io.BytesIO(file))):
            assert len(datagram.payload) <= len(file)
