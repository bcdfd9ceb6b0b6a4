"""Frames of the mux, whole and damaged."""

import struct

import pytest

from ginnel.dissect.frames import Frame
from ginnel.dissect.mux import MAX_STREAMS, Lane, Openings, begins_with_frame
from ginnel.dissect.reader import MalformedError, Reader
from tests.dissect.sessions import frame

SYN, FIN, PSH, NOP, UPD, RST, STP, GRT = range(8)
TARGET = b"\x01\x03\x01a\x00\x50"


def read(
    data: bytes, openings: Openings | None = None, number: int = 7, *, client: bool = True
) -> list[Frame]:
    return list(Lane(openings or Openings(), "link", from_client=client).frames(Reader(data), number))


def test_every_frame_with_its_fields() -> None:
    data = frame(SYN, 1) + frame(FIN, 1) + frame(PSH, 3, b"abc") + frame(NOP, 0)
    data += frame(UPD, 1, struct.pack("<II", 2**32 - 1, 65536)) + frame(RST, 1, b"\2\0\0\0")
    data += frame(STP, 1, b"\3\0\0\0") + frame(GRT, 0, b"\0\1\0\0")
    assert read(data) == [
        Frame("SYN", {"stream": 1}),
        Frame("FIN", {"stream": 1}),
        Frame("PSH", {"stream": 3, "length": 3}),
        Frame("NOP", {"stream": 0}),
        Frame("UPD", {"stream": 1, "consumed": 2**32 - 1, "window": 65536}),
        Frame("RST", {"stream": 1, "error": 2}),
        Frame("STP", {"stream": 1, "error": 3}),
        Frame("GRT", {"stream": 0, "streams": 256}),
    ]


def test_the_first_data_of_a_stream_say_what_it_is_for_each_time_they_come() -> None:
    openings = Openings()
    opening = frame(SYN, 1) + frame(PSH, 1, TARGET)
    for _ in range(2):
        assert read(opening, openings)[1].facts == {"stream": 1, "length": 6, "open": "a:80"}
        assert read(frame(PSH, 1, b"\1"), openings, client=False)[0].facts["reply"] == "refused"
    # Later data of both directions, and what looks the same on another link.
    assert read(frame(PSH, 1, TARGET), openings, 8)[0].facts == {"stream": 1, "length": 6}
    assert read(frame(PSH, 1, b"\1"), openings, 8, client=False)[0].facts == {"stream": 1, "length": 1}
    other = Lane(openings, "other", from_client=True)
    assert "open" not in next(other.frames(Reader(frame(PSH, 1, TARGET)), 7)).facts


def test_the_target_may_come_in_a_segment_of_its_own() -> None:
    openings = Openings()
    assert read(frame(SYN, 1), openings) == [Frame("SYN", {"stream": 1})]
    assert read(frame(PSH, 1, TARGET), openings, 8)[0].facts["open"] == "a:80"


def test_streams_of_a_server_open_no_target() -> None:
    assert read(frame(SYN, 2) + frame(PSH, 2, b"\1"), client=False)[1].facts == {"stream": 2, "length": 1}


def test_a_frame_that_goes_on_in_the_next_segment_says_what_is_here() -> None:
    assert read(frame(PSH, 3, b"abc", length=65_535)) == [
        Frame("PSH", {"stream": 3, "length": 65_535, "here": 3})
    ]
    assert read(frame(NOP, 0) + frame(UPD, 1, b"abc", length=8))[1] == Frame("UPD", {"stream": 1, "here": 3})
    assert read(frame(NOP, 0) + b"\2\0\0")[1] == Frame("?", {"here": 3})


@pytest.mark.parametrize(
    ("data", "what", "at"),
    [
        (frame(NOP, 0, version=1), "a frame of the unknown version 1", 8),
        (frame(8, 0), "a frame of the unknown command 8", 9),
        (frame(SYN, 1, b"x"), "SYN with 1 bytes, where 0 belong", 10),
        (frame(UPD, 1, bytes(9)), "UPD with 9 bytes, where 8 belong", 10),
        (frame(GRT, 0, length=65_535), "GRT with 65535 bytes, where 4 belong", 10),
        (frame(PSH, 1), "PSH without data", 10),
    ],
)
def test_what_is_malformed_says_where_after_the_frames_before(data: bytes, what: str, at: int) -> None:
    frames = Lane(Openings(), "link", from_client=True).frames(Reader(frame(NOP, 0) + data), 7)
    assert next(frames).name == "NOP"
    with pytest.raises(MalformedError) as caught:
        next(frames)
    assert (caught.value.what, caught.value.at) == (what, at)


def test_what_begins_with_a_frame() -> None:
    assert begins_with_frame(frame(GRT, 0))
    for data in (b"", frame(NOP, 0)[:7], frame(NOP, 0, version=3), frame(8, 0)):
        assert not begins_with_frame(data)


def test_streams_that_are_followed_have_a_bound() -> None:
    openings = Openings()
    for number in range(MAX_STREAMS + 1):
        openings.begin("link", number)
    assert not openings.is_first("link", 0, (1, 0), from_client=True)
    assert openings.is_first("link", 1, (1, 0), from_client=True)
    assert openings.is_first("link", MAX_STREAMS, (1, 0), from_client=True)
