"""Every frame of QUIC, and every way in which one goes wrong."""

import pytest

from ginnel.dissect.frames import Fact, Frame, frames
from ginnel.dissect.reader import MalformedError, Reader
from tests.dissect.sessions import varint


def read(data: bytes, *, from_client: bool = True) -> list[Frame]:
    return list(frames(Reader(data), from_client=from_client))


V = varint
BIG = (1 << 62) - 1


@pytest.mark.parametrize(
    ("data", "name", "facts"),
    [
        (b"\x00\x00\x00", "PADDING", {"length": 3}),
        (b"\x01", "PING", {}),
        (b"\x04" + V(4) + V(1) + V(70_000), "RESET_STREAM", {"stream": 4, "error": 1, "final_size": 70_000}),
        (b"\x05" + V(8) + V(2), "STOP_SENDING", {"stream": 8, "error": 2}),
        (b"\x06" + V(10) + V(3) + b"abc", "CRYPTO", {"offset": 10, "length": 3}),
        (b"\x07" + V(2) + b"\xab\xcd", "NEW_TOKEN", {"token": "abcd"}),
        (b"\x10" + V(BIG), "MAX_DATA", {"maximum": BIG}),
        (b"\x11" + V(4) + V(9), "MAX_STREAM_DATA", {"stream": 4, "maximum": 9}),
        (b"\x12" + V(5), "MAX_STREAMS_BIDI", {"maximum": 5}),
        (b"\x13" + V(5), "MAX_STREAMS_UNI", {"maximum": 5}),
        (b"\x14" + V(5), "DATA_BLOCKED", {"limit": 5}),
        (b"\x15" + V(4) + V(5), "STREAM_DATA_BLOCKED", {"stream": 4, "limit": 5}),
        (b"\x16" + V(5), "STREAMS_BLOCKED_BIDI", {"limit": 5}),
        (b"\x17" + V(5), "STREAMS_BLOCKED_UNI", {"limit": 5}),
        (
            b"\x18" + V(2) + V(1) + b"\x03idx" + bytes(16),
            "NEW_CONNECTION_ID",
            {"sequence": 2, "retire_prior_to": 1, "id": b"idx".hex()},
        ),
        (b"\x19" + V(3), "RETIRE_CONNECTION_ID", {"sequence": 3}),
        (b"\x1a" + b"12345678", "PATH_CHALLENGE", {"data": b"12345678".hex()}),
        (b"\x1b" + b"12345678", "PATH_RESPONSE", {"data": b"12345678".hex()}),
        (
            b"\x1c" + V(10) + V(6) + V(4) + b"a\x1b[m",
            "CONNECTION_CLOSE",
            {"error": 10, "frame_type": 6, "reason": "a\\x1b[m"},
        ),
        (b"\x1d" + V(3) + V(0), "APPLICATION_CLOSE", {"error": 3, "reason": ""}),
        (b"\x1e", "HANDSHAKE_DONE", {}),
        (b"\x1f", "IMMEDIATE_ACK", {}),
        (b"\x30abc", "DATAGRAM", {"length": 3}),
        (b"\x31" + V(2) + b"ab", "DATAGRAM", {"length": 2}),
        (
            V(0xAF) + V(1) + V(10) + V(25_000) + V(2),
            "ACK_FREQUENCY",
            {"sequence": 1, "threshold": 10, "max_delay_us": 25_000, "reordering": 2},
        ),
    ],
)
def test_each_frame_says_what_stands_in_it(data: bytes, name: str, facts: dict[str, Fact]) -> None:
    assert read(data) == [Frame(name, facts)]
    if name not in ("PADDING", "DATAGRAM"):
        # Its end is found, and what is cut off is told.
        assert read(data + b"\x01") == [Frame(name, facts), Frame("PING", {})]
        for end in range(1, len(data)):
            with pytest.raises(MalformedError):
                read(data[:end])


def test_ranges_of_an_acknowledgement_count_down() -> None:
    # RFC 9000, section 19.3.1: 90 to 100, 80 to 85, 7.
    data = b"\x02" + V(100) + V(44) + V(2) + V(10) + V(3) + V(5) + V(71) + V(0)
    assert read(data) == [Frame("ACK", {"ranges": [[90, 100], [80, 85], [7, 7]], "delay": 44})]
    counted = b"\x03" + V(0) + V(0) + V(0) + V(0) + V(1) + V(2) + V(3)
    assert read(counted) == [
        Frame("ACK", {"ranges": [[0, 0]], "delay": 0, "ect0": 1, "ect1": 2, "ce": 3}),
    ]


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (b"\x02" + V(5) + V(0) + V(0) + V(6), 4),
        (b"\x02" + V(5) + V(0) + V(1) + V(2) + V(2), 5),
        (b"\x02" + V(5) + V(0) + V(1) + V(2) + V(0) + V(2), 6),
        # So many ranges that nobody counts to them.
        (b"\x02" + V(5) + V(0) + V(BIG) + V(0), 12),
    ],
)
def test_ranges_below_zero_or_without_end_are_refused(data: bytes, at: int) -> None:
    with pytest.raises(MalformedError) as caught:
        read(data)
    assert caught.value.at == at


REQUEST = b"\x01\x03\x0bexample.org\x01\xbb"


@pytest.mark.parametrize("bits", range(8))
def test_streams_with_and_without_offset_length_and_end(bits: int) -> None:
    data = bytes([0x08 | bits]) + V(4)
    data += V(7) if bits & 4 else b""
    data += V(len(REQUEST)) if bits & 2 else b""
    (frame, *rest) = read(data + REQUEST + (b"\x01" if bits & 2 else b""))
    expected: dict[str, Fact] = {
        "stream": 4,
        "offset": 7 if bits & 4 else 0,
        "length": len(REQUEST),
        "fin": bool(bits & 1),
    }
    if not bits & 4:
        expected["open"] = "example.org:443"
    assert frame == Frame("STREAM", expected)
    assert rest == ([Frame("PING", {})] if bits & 2 else [])


def test_only_the_beginning_of_a_clients_own_stream_is_an_opening() -> None:
    def opening(stream: int, *, from_client: bool, data: bytes = REQUEST) -> set[str]:
        frame = b"\x0a" + V(stream) + V(len(data)) + data
        return read(frame, from_client=from_client)[0].facts.keys() & {"open", "reply"}

    assert opening(0, from_client=True) == {"open"}
    assert opening(4, from_client=False) == {"reply"}
    assert opening(1, from_client=True) == opening(2, from_client=True) == set()
    assert opening(0, from_client=True, data=b"") == set()


def test_a_frame_that_nobody_knows_is_told_after_those_before_it() -> None:
    found: list[Frame] = []
    with pytest.raises(MalformedError, match="unknown type 0x21") as caught:
        found.extend(frames(Reader(b"\x01\x21\x01"), from_client=True))
    assert caught.value.at == 1
