"""Records as text."""

import sys
from typing import Any

import pytest

from ginnel.cli._dump_text import (
    FRAMES_SHOWN,
    SEGMENTS_SHOWN,
    Lines,
    describe,
    frame_text,
    hexdump,
    shortened,
    summary_lines,
)

DATA: dict[str, Any] = {
    "what": "data",
    "to": "server",
    "session": "0000000a",
    "counter": 77,
    "kind": "session",
    "epoch": 1,
    "padded": True,
}
OPENED = DATA | {"keys_number": 3, "padding": 12, "zeros": 0, "link": "a-b"}
REQUEST = {"what": "request", "version": 2, "noise": 133}
CONTENTS = {
    "user": "laptop",
    "user_key": "ab" * 32,
    "time_ns": 1_700_000_000_000_000_000,
    "instance": "cd" * 16,
    "member": 0,
    "attempt": 4,
    "session": "0000000b",
    "session_kind": "quic",
    "aes": True,
}


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"what": "datagram"}, ""),
        ({"what": "unknown"}, "unknown"),
        (REQUEST, "request  version 2, Noise 133"),
        (
            REQUEST | CONTENTS,
            "request  version 2, Noise 133  laptop, 2023-11-14 22:13:20 UTC  "
            "instance cdcdcdcd…, member 0, attempt 4  session 0000000b, quic, AES",
        ),
        ({"what": "request", "fault": "a fault"}, "request  a fault"),
        ({"what": "answer", "request": 4, "version": 1, "noise": 117}, "answer  to 4  version 1, Noise 117"),
        (
            DATA | {"sealed": "no keys"},
            "data to server  0000000a #77  session, epoch 1, padded  sealed: no keys of this link",
        ),
        (
            OPENED | {"kind": "control", "message": "probe", "token": "0102"},
            "data to server  0000000a #77  keys 3, padding 12  probe 0102",
        ),
        (
            OPENED | {"kind": "control"},
            "data to server  0000000a #77  keys 3, padding 12  unknown control message",
        ),
        (
            OPENED | {"kind": "control", "message": "close", "code": 2, "padding": 0},
            "data to server  0000000a #77  keys 3  close 2 (a newer link took its place)",
        ),
        (
            OPENED | {"kind": "control", "message": "close", "code": 200},
            "data to server  0000000a #77  keys 3, padding 12  close 200",
        ),
        (
            OPENED | {"kind": "control", "message": "rekey", "next_number": 4, "public_key": "ff"},
            "data to server  0000000a #77  keys 3, padding 12  rekey 4",
        ),
        (
            OPENED
            | {
                "zeros": 900,
                "packets": [
                    {
                        "kind": "Initial",
                        "number": 1,
                        "frames": [{"frame": "PING"}, {"frame": "PADDING", "length": 3}],
                    },
                    {"kind": "1-RTT", "number": None, "frames": [], "fault": "x (byte 3)", "rest": "beef"},
                ],
            },
            "data to server  0000000a #77  keys 3, padding 12, zeros 900  [Initial 1: PING, PADDING 3]"
            "  [1-RTT ?: malformed: x (byte 3): beef]",
        ),
    ],
)
def test_a_datagram_in_a_line(record: dict[str, Any], text: str) -> None:
    assert describe(record) == text


def test_a_user_that_is_not_known_is_told_by_its_key() -> None:
    assert "unknown user abababab…" in describe(REQUEST | CONTENTS | {"user": None})


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ({"frame": "ACK", "ranges": [[5, 9], [2, 2]], "delay": 1}, "ACK 5-9 2"),
        ({"frame": "STREAM", "stream": 4, "offset": 7, "length": 9, "fin": True}, "STREAM 4 @7+9 FIN"),
        (
            {"frame": "STREAM", "stream": 4, "offset": 0, "length": 9, "fin": False, "open": "a:80"},
            "STREAM 4 @0+9 open a:80",
        ),
        (
            {"frame": "STREAM", "stream": 4, "offset": 0, "length": 1, "fin": False, "reply": "connected"},
            "STREAM 4 @0+1 connected",
        ),
        ({"frame": "CRYPTO", "offset": 1, "length": 2}, "CRYPTO @1+2"),
        ({"frame": "MAX_STREAM_DATA", "stream": 4, "maximum": 10}, "MAX_STREAM_DATA stream 4 maximum 10"),
        ({"frame": "APPLICATION_CLOSE", "error": 3, "reason": ""}, "APPLICATION_CLOSE error 3"),
    ],
)
def test_a_frame_in_a_few_words(frame: dict[str, Any], text: str) -> None:
    assert frame_text(frame) == text


SEGMENT = {"lane": 3, "number": 7, "una": 5, "window": 128, "time_ms": 9, "length": 0, "frames": []}


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ({"segment": "ACK"}, "[ACK lane 3 #7, una 5]"),
        ({"segment": "WINS"}, "[WINS lane 3 #7, una 5, window 128]"),
        ({"segment": "PUSH", "length": 18}, "[PUSH lane 3 #7, una 5, +18]"),
        (
            {
                "segment": "PUSH",
                "length": 30,
                "frames": [
                    {"frame": "SYN", "stream": 1},
                    {"frame": "PSH", "stream": 1, "length": 6, "open": "a:80"},
                    {"frame": "PSH", "stream": 3, "length": 1, "reply": "connected"},
                    {"frame": "UPD", "stream": 1, "consumed": 5, "window": 9},
                    {"frame": "PSH", "stream": 5, "length": 900, "here": 4},
                ],
            },
            "[PUSH lane 3 #7, una 5, +30: SYN stream 1, PSH 1 +6 open a:80, PSH 3 +1 connected,"
            " UPD stream 1 consumed 5 window 9, PSH 5 +900 (4 here)]",
        ),
        ({"segment": "RANGES", "ranges": [[20, 30], [9, 9]]}, "[RANGES lane 3 #7, una 5: 20-30 9]"),
        ({"segment": "PART", "length": 4, "offset": 8, "total": 90}, "[PART lane 3 #7, una 5, @8+4 of 90]"),
        (
            {"segment": "PUSH", "length": 9, "fault": "a fault (byte 2)", "rest": "ab"},
            "[PUSH lane 3 #7, una 5, +9: malformed: a fault (byte 2): ab]",
        ),
    ],
)
def test_a_segment_in_a_few_words(segment: dict[str, Any], text: str) -> None:
    assert describe(OPENED | {"segments": [SEGMENT | segment]}).endswith(f"padding 12  {text}")


def test_segments_that_have_no_lane_and_how_many_more_there_are() -> None:
    padding = {"segment": "PADDING", "length": 9, "frames": []}
    broken = {"segment": "?", "frames": [], "fault": "a fault (byte 0)", "rest": ""}
    text = describe(OPENED | {"segments": [padding, broken]})
    assert text.endswith("  [PADDING +9]  [?: malformed: a fault (byte 0)]")
    text = describe(OPENED | {"segments": [padding] * (SEGMENTS_SHOWN + 2)})
    assert text.count("PADDING") == SEGMENTS_SHOWN
    assert text.endswith("  and 2 more")


def test_a_packet_of_many_frames_says_how_many_more() -> None:
    packet = {"kind": "1-RTT", "number": 1, "frames": [{"frame": "PING"}] * (FRAMES_SHOWN + 2)}
    text = describe(OPENED | {"packets": [packet]})
    assert text.count("PING") == FRAMES_SHOWN
    assert text.endswith("and 2 more]")


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("192.0.2.1:443", "192.0.2.1:443"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("[2001:db8:1111:2222:3333:4444:5555:6666]:443", "[2001:db8:1…55:6666]:443"),
    ],
)
def test_long_addresses_keep_both_ends(endpoint: str, text: str) -> None:
    assert shortened(endpoint) == text


def test_bytes_in_rows() -> None:
    rows = hexdump(b"0123456789abcdef\x1b[m")
    assert rows == [
        "        0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef",
        "        0010  1b 5b 6d                                         .[m",
    ]
    assert hexdump(b"") == []


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"number": 1, "time": 5.0, "source": "a:1", "destination": "b:2", "length": 9, "what": "unknown"}
    record["carrier"] = "udp"
    assert "\x1b" not in Lines().of(record)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31munknown\x1b[0m" in Lines().of(record)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in Lines().of(record)


def test_the_carrier_is_told_from_where_one_is_not_udp() -> None:
    record = {"number": 1, "time": 5.0, "source": "a:1", "destination": "b:2", "length": 9, "what": "unknown"}
    lines = Lines()
    told = [lines.of(record | {"carrier": carrier}) for carrier in ("udp", "rawtcp", "udp")]
    assert [line.partition("→ ")[2] for line in told] == [
        "b:2     9  unknown",
        "b:2  rawtcp     9  unknown",
        "b:2  udp        9  unknown",
    ]


def test_the_summary_in_lines() -> None:
    summary = {
        "datagrams": 1200,
        "bytes": 2048,
        "seconds": 1.5,
        "kinds": {"request": 1, "data": 1199},
        "links": [
            {"link": "a-b", "datagrams": 1000, "keys": [0, 1]},
            {"session": "0c", "to": "server", "datagrams": 199},
        ],
        "more_links": 3,
        "targets": ["a:1", "b:2"],
        "sealed": {"no keys": 199},
        "malformed": 2,
        "segments": {"syn": 2, "syn-ack": 1, "ack": 1100},
        "skipped": {"neither UDP nor TCP": 4},
        "lost": 5,
    }
    assert summary_lines(summary) == [
        "1,200 datagrams, 2 KiB, in 1.500 s: 1 request, 1,199 data",
        "link a-b: 1,000 datagrams, keys 0 1",
        "session 0c to server: 199 datagrams",
        "and more links, of which 3 datagrams are",
        "targets: a:1, b:2",
        "sealed: 199 no keys",
        "malformed: 2",
        "TCP segments without payload: 2 syn, 1 syn-ack, 1,100 ack",
        "frames left out: 4 neither UDP nor TCP",
        "lost: 5 frames came faster than they were taken",
    ]
