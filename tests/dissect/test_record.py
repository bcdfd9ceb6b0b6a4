"""Records of datagrams, with the engine's own dissector and the golden vectors of the envelope."""

import json
from pathlib import Path
from typing import Any

import pytest

from ginnel import _native
from ginnel.capture import Datagram
from ginnel.dissect.record import MAX_KINDS, Dissection, Record
from tests.dissect.sessions import frame, segment, short

VECTORS = json.loads((Path(__file__).parents[2] / "crates/proto/tests/vectors/envelope.json").read_text())
CLIENT, SERVER = ("192.0.2.1", 4000), ("2001:db8::1", 443)


def datagram(payload: bytes) -> Datagram:
    return Datagram(1_700_000_000.1234567, CLIENT, SERVER, payload)


def one(dissection: Dissection, payload: bytes) -> Record:
    (record,) = dissection.records(datagram(payload))
    return record


def line(case: dict[str, Any]) -> str:
    """The line of a key log for a data vector, as if it went to a client. Its number has the epoch's lowest bit."""
    ids = f"00000007 {case['session']:08x}"
    return f"GINNEL_KEYS client {ids} {case['aead']} {6 + case['epoch']} {'00' * 32} {case['key']} {case['header_key']}"


@pytest.mark.parametrize("number", range(len(VECTORS["data"])))
def test_data_of_the_vectors_is_shown_with_its_keys(number: int) -> None:
    case = VECTORS["data"][number]
    payload = bytes.fromhex(case["bytes"])
    assert one(Dissection(_native.dissector()), payload)["what"] == "unknown"
    dissector = _native.dissector()
    assert dissector.add_line(line(case))
    record = one(Dissection(dissector, show_bytes=True), payload)
    assert record["what"] == "data"
    assert record["to"] == "client"
    assert {name: record[name] for name in ("counter", "kind", "epoch", "padded", "aead")} == {
        name: case[name] for name in ("counter", "kind", "epoch", "padded", "aead")
    }
    assert record["session"] == f"{case['session']:08x}"
    assert record["link"] == f"00000007-{case['session']:08x}"
    assert record["keys_number"] == 6 + case["epoch"]
    shown = bytes.fromhex(record["bytes"])
    sent = bytes.fromhex(case["payload"])
    if case["kind"] == "trimmed":
        assert shown == sent[:-2] + bytes(sent[-1])
        assert record["zeros"] == sent[-1]
    else:
        assert shown == sent
    assert ("packets" in record) == (case["kind"] != "control")
    if case["kind"] == "control":
        assert (record["message"], record["token"]) == ("probe", sent[1:].hex())
    json.dumps(record)


def test_handshakes_of_the_vectors_show_what_each_key_allows() -> None:
    for case in VECTORS["handshakes"]:
        psk, private = bytes.fromhex(case["psk"]), bytes.fromhex(case["server_private"])
        request, answer = (bytes.fromhex(case[half]["bytes"]) for half in ("request", "answer"))
        dissector = _native.dissector()
        dissector.add_server(psk, _native.public_key(private))
        user = Dissection(dissector)
        outside = {"number", "time", "source", "destination", "carrier", "length", "what"}
        record = one(user, request)
        assert record.keys() - outside == {"version", "noise"}
        assert (record["version"], record["noise"]) == (
            case["version"],
            len(bytes.fromhex(case["request"]["noise"])),
        )
        answered = one(user, answer)
        assert (answered["what"], answered["request"], answered["number"]) == ("answer", 1, 2)

        dissector = _native.dissector()
        dissector.add_own_server(psk, private)
        known = _native.public_key(bytes.fromhex(case["user_private"]))
        record = one(Dissection(dissector, {known: "laptop"}), request)
        assert (record["user"], record["user_key"]) == ("laptop", known.hex())
        hello = VECTORS["hello"][0]
        names = ("time_ns", "instance", "member", "aes")
        assert [record[name] for name in names] == [hello[name] for name in names]
        assert record["attempt"] == hello["epoch"]
        assert record["session"] == f"{hello['session']:08x}"
        json.dumps(record)


def test_without_keys_a_datagram_is_what_an_outsider_sees() -> None:
    record = one(Dissection(None), b"abc")
    assert record == {
        "number": 1,
        "time": 1_700_000_000.123457,
        "source": "192.0.2.1:4000",
        "destination": "[2001:db8::1]:443",
        "carrier": "udp",
        "length": 3,
        "what": "datagram",
    }
    assert one(Dissection(None, show_bytes=True), b"abc")["bytes"] == b"abc".hex()
    (other,) = Dissection(None).records(datagram(b"abc")._replace(carrier="rawtcp"))
    assert other == record | {"carrier": "rawtcp"}


class Fake:
    """Says of a datagram what it is told."""

    def __init__(self, found: dict[str, Any], segment: int | None = None) -> None:
        self.found = found
        self.length = segment

    def dissect(self, datagram: bytes) -> dict[str, Any]:
        return dict(self.found)

    def segment(self, piece: bytes) -> int | None:
        return self.length


def test_packets_of_the_session_are_read_in_their_direction() -> None:
    plaintext = short(3, b"\x08\x00\x01\x03\x01a\x00\x50")
    found = {
        "what": "data",
        "session": 1,
        "kind": "session",
        "plaintext": plaintext,
        "link": (1, 2),
        "number": 0,
    }
    record = one(Dissection(Fake(found | {"to": "server"})), b"x")
    ((frame,),) = [packet["frames"] for packet in record["packets"]]
    assert frame == {
        "frame": "STREAM",
        "stream": 0,
        "offset": 0,
        "length": 6,
        "fin": False,
        "open": "a:80",
    }
    record = one(Dissection(Fake(found | {"to": "client"})), b"x")
    assert record["packets"][0]["frames"][0]["reply"] == "refused"
    record = one(Dissection(Fake(found | {"to": "client", "plaintext": b"\x00"})), b"x")
    assert record["packets"] == [
        {
            "kind": "?",
            "number": None,
            "frames": [],
            "fault": "a packet without the fixed bit (byte 0)",
            "rest": "00",
        }
    ]


def test_what_was_captured_before_segmentation_is_many_datagrams() -> None:
    opener = Fake({"what": "unknown"}, segment=1000)
    dissection = Dissection(opener)
    lengths = [record["length"] for record in dissection.records(datagram(bytes(2500)))]
    assert lengths == [1000, 1000, 500]
    assert one(dissection, bytes(1472))["number"] == 4, "no longer than any that is sent"
    opener.length = None
    assert one(dissection, bytes(2500))["length"] == 2500


def test_a_line_of_a_key_log_says_what_is_wrong_with_it_and_not_what_stands_there() -> None:
    dissector = _native.dissector()
    assert not dissector.add_line("# a remark")
    secret = "ab" * 31 + "xy"
    with pytest.raises(ValueError, match="the key to the server has not 64 hexadecimal digits") as caught:
        dissector.add_line(f"GINNEL_KEYS client 00000001 00000002 aes-128-gcm 0 {secret} {secret} {secret}")
    assert "abab" not in str(caught.value)
    with pytest.raises(ValueError, match="psk: 32 bytes are needed, here are 3"):
        dissector.add_server(b"abc", bytes(32))


OPENED = {"what": "data", "session": 2, "kind": "trimmed", "link": (1, 2), "number": 0}
OPENING = segment(81, frame(0, 1) + frame(2, 1, b"\x01\x03\x01a\x00\x50"))


def asked(session: int, kind: str) -> dict[str, Any]:
    """A request that the server's private key opens."""
    return {"what": "request", "session": session, "session_kind": kind}


def test_segments_of_kcp_are_read_in_their_direction() -> None:
    fake = Fake(OPENED | {"to": "server", "plaintext": OPENING + bytes(5)})
    dissection = Dissection(fake)
    record = one(dissection, b"x")
    assert "packets" not in record
    assert record["segments"] == [
        {
            "segment": "PUSH",
            "lane": 3,
            "number": 7,
            "una": 5,
            "window": 128,
            "time_ms": 1000,
            "length": 22,
            "frames": [
                {"frame": "SYN", "stream": 1},
                {"frame": "PSH", "stream": 1, "length": 6, "open": "a:80"},
            ],
        },
        {"segment": "PADDING", "length": 5, "frames": []},
    ]
    json.dumps(record)
    fake.found |= {"to": "client", "plaintext": segment(81, frame(2, 1, b"\1"))}
    assert one(dissection, b"x")["segments"][0]["frames"][0]["reply"] == "refused"
    fake.found |= {"plaintext": segment(81, b"abc", length=9)}
    (bad,) = one(dissection, b"x")["segments"]
    assert (bad["fault"], bad["rest"]) == ("PUSH of 9 bytes, 3 are left (byte 20)", "09000000616263")


def test_the_request_says_which_session_a_link_has() -> None:
    fake = Fake(asked(2, "kcp"))
    dissection = Dissection(fake)
    one(dissection, b"x")
    # Neither a packet of padding nor a damaged one looks like KCP.
    for plaintext, name in ((bytes(40), "PADDING"), (b"\xff", "?")):
        fake.found = OPENED | {"to": "server", "plaintext": plaintext}
        assert [part["segment"] for part in one(dissection, b"x")["segments"]] == [name]
        assert "packets" in one(Dissection(fake), b"x")
    fake.found = asked(2, "quic")
    one(dissection, b"x")
    fake.found = OPENED | {"to": "server", "plaintext": OPENING}
    assert one(dissection, b"x")["packets"][0]["fault"] == "a packet without the fixed bit (byte 0)"


def test_links_whose_session_is_remembered_have_a_bound() -> None:
    fake = Fake({})
    dissection = Dissection(fake)
    for session in range(MAX_KINDS + 1):
        fake.found = asked(session, "quic")
        one(dissection, b"x")
    for session, known in ((0, False), (1, True), (MAX_KINDS, True)):
        fake.found = OPENED | {"to": "server", "plaintext": OPENING, "link": (9, session)}
        assert ("packets" in one(dissection, b"x")) is known
