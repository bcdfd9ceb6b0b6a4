"""`ginnel dump`: arguments, captures, exit codes. With real links: tests/e2e/test_dump.py."""

import io
import json
import signal
import struct
import sys
from pathlib import Path

import pytest

from ginnel.capture import Datagram, Writer
from ginnel.capture.live import Live
from ginnel.cli import dump
from ginnel.errors import CaptureError
from tests.capture.blocks import ACK, SYN, classic, ethernet, ipv4, tcp
from tests.cli.conftest import Command

CLIENT, SERVER = ("192.0.2.1", 4000), ("192.0.2.2", 443)
PAYLOADS = (b"first", b"second", b"third")


def written(*payloads: bytes) -> bytes:
    file = io.BytesIO()
    writer = Writer(file)
    for number, payload in enumerate(payloads):
        source, destination = (CLIENT, SERVER) if number % 2 == 0 else (SERVER, CLIENT)
        writer.write(Datagram(1000.0 + number, source, destination, payload))
    return file.getvalue()


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "trace.pcap"
    path.write_bytes(written(*PAYLOADS))
    return path


def test_without_keys_it_shows_what_an_outsider_sees(run: Command, capture: Path) -> None:
    result = run("dump", str(capture))
    assert (result.code, result.err) == (0, "  no keys: what an outsider sees\n")
    *lines, empty, summary = result.out.splitlines()
    assert lines == [
        "     1    0.000000  192.0.2.1:4000 → 192.0.2.2:443     5",
        "     2    1.000000  192.0.2.2:443  → 192.0.2.1:4000     6",
        "     3    2.000000  192.0.2.1:4000 → 192.0.2.2:443      5",
    ]
    assert (empty, summary) == ("", "3 datagrams, 16 B, in 2.000 s")


def test_bytes_are_shown_where_they_are_asked_for(run: Command, capture: Path) -> None:
    result = run("dump", "--hex", str(capture))
    assert "        0000  66 69 72 73 74                                   first" in result.out


def test_json_is_a_line_a_datagram_and_the_summary(run: Command, capture: Path) -> None:
    result = run("dump", "--json", str(capture))
    *records, summary = [json.loads(line) for line in result.out.splitlines()]
    assert [record["length"] for record in records] == [5, 6, 5]
    assert (summary["what"], summary["datagrams"], summary["kinds"]) == ("summary", 3, {"datagram": 3})
    only = run("dump", "--json", "--stats", str(capture))
    assert json.loads(only.out) == summary


@pytest.mark.parametrize("when", ["counted", "written"])
def test_ctrl_c_leaves_no_record_counted_and_not_shown(
    run: Command, capture: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """It comes while the second is being shown: that is shown to its end, and then there is the summary."""
    write = dump._write

    def interrupted(line: str) -> None:
        second = '"number": 2' in line
        if second and when == "counted":
            signal.raise_signal(signal.SIGINT)
        write(line)
        if second and when == "written":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(dump, "_write", interrupted)
    before = signal.getsignal(signal.SIGINT)
    result = run("dump", "--json", str(capture))
    assert signal.getsignal(signal.SIGINT) == before
    *records, summary = [json.loads(line) for line in result.out.splitlines()]
    assert (len(records), summary["datagrams"]) == (2, 2)


def test_a_port_leaves_the_others_out(run: Command, capture: Path) -> None:
    assert run("dump", "--stats", str(capture), "--port", "443").out.startswith("3 datagrams")
    assert run("dump", "--stats", str(capture), "--port", "80").out.startswith("0 datagrams")


def test_frames_without_a_datagram_are_counted(run: Command, tmp_path: Path) -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    path = tmp_path / "trace.pcap"
    path.write_bytes(written(b"one") + struct.pack("<IIII", 1, 0, len(arp), len(arp)) + arp)
    result = run("dump", "--stats", str(path))
    assert result.out.splitlines() == [
        "1 datagrams, 3 B, in 0.000 s",
        "frames left out: 1 neither UDP nor TCP",
    ]


def test_the_payloads_of_tcp_are_datagrams_and_other_segments_are_counted(
    run: Command, tmp_path: Path
) -> None:
    path = tmp_path / "trace.pcap"
    segments = [tcp(b"", flags=SYN), tcp(b"", flags=SYN | ACK), tcp(b"", flags=ACK), tcp(b"first")]
    path.write_bytes(classic(*(ethernet(ipv4(segment, protocol=6)) for segment in segments)))
    result = run("dump", str(path))
    assert result.out.splitlines() == [
        "     1    0.000000  192.0.2.1:1000 → 192.0.2.2:2000  rawtcp     5",
        "",
        "1 datagrams, 5 B, in 0.000 s",
        "TCP segments without payload: 1 syn, 1 syn-ack, 1 ack",
    ]
    result = run("dump", "--json", str(path), "--port", "2000")
    record, summary = [json.loads(line) for line in result.out.splitlines()]
    assert (record["carrier"], record["length"]) == ("rawtcp", 5)
    assert summary["segments"] == {"syn": 1, "syn-ack": 1, "ack": 1}
    assert summary["skipped"] == {}
    summary = json.loads(run("dump", "--json", str(path), "--port", "443").out)
    assert (summary["datagrams"], summary["segments"]) == (0, {})


def test_a_share_link_shows_what_is_not_its_deployments(run: Command, capture: Path, link: str) -> None:
    result = run("dump", str(capture), "--link", link)
    assert result.code == 0
    assert "share link: handshakes, and headers to the server" in result.err
    assert result.out.count("unknown") == 3 + 1


def test_the_link_comes_from_the_environment_too(
    run: Command, capture: Path, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GINNEL_LINK", link)
    assert "share link" in run("dump", str(capture)).err


def test_a_capture_that_is_cut_is_shown_up_to_there(run: Command, capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-3])
    result = run("dump", str(capture))
    assert result.code == 2
    assert result.out.count(" → ") == 2
    assert "2 datagrams" in result.out
    assert "error: " in result.err
    assert "the file ends within a packet: 3 of" in result.err


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "the file is empty"), (b"GIF89a" + bytes(40), "this is no capture file")],
)
def test_what_is_no_capture_is_refused(run: Command, tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "trace.pcap"
    path.write_bytes(content)
    result = run("dump", str(path))
    assert result.code == 2
    assert what in result.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "no capture is given"),
        (["x.pcap", "--interface", "lo"], "a file and an interface are given"),
        (["x.pcap", "--seconds", "5"], "--seconds needs --interface"),
        (["-", "--link", "-"], "standard input is both the capture and the share link"),
        (["ginnel://0123"], "this is no capture file"),
        (["nowhere.pcap"], "nowhere.pcap: cannot be opened: No such file or directory"),
        (["x.pcap", "--port", "70000"], "a port is a number from 1 to 65535"),
        (["x.pcap", "--port", "0"], "a port is a number from 1 to 65535"),
        (["--interface", "lo", "--seconds", "-1"], "a number of seconds above 0"),
        (["--interface", "lo", "--seconds", "nan"], "a number of seconds above 0"),
        (["x.pcap", "--key-log", "nowhere.log"], "the key log 'nowhere.log' cannot be opened"),
        (["x.pcap", "--state", "nowhere"], "there is no state of a server in nowhere"),
        (["x.pcap", "--state", ""], "state is empty"),
        (["x.pcap", "--key-log", "~nobody-here/x"], "begins with a home directory"),
        (["~nobody-here/x"], "begins with a home directory"),
        (["x.pcap", "--state", "ginnel://0123"], "state is a share link"),
        (["x.pcap", "--link", "nowhere.txt"], "'nowhere.txt' is neither a share link nor a file"),
    ],
)
def test_mistakes_are_told(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("dump", *arguments)
    assert (result.code, result.out.count(" → ")) == (2, 0)
    assert what in result.err


def test_what_comes_late_is_shown_with_keys_that_come_later(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live, a key is written down when its link begins; what has passed until then waits a moment for it."""
    session = 0xA1A2A3A4
    vectors = Path(__file__).parents[2] / "crates/proto/tests/vectors/envelope.json"
    case = json.loads(vectors.read_text())["data"][0]
    assert case["session"] == session
    log = tmp_path / "keys.log"
    log.write_text("# nothing yet\n")
    line = f"GINNEL_KEYS client 00000007 {session:08x} {case['aead']} 0 {'00' * 32} {case['key']} {case['header_key']}"

    def datagrams(_: Live, seconds: float | None) -> object:
        assert seconds == 3.0
        yield Datagram(1000.0, SERVER, CLIENT, bytes.fromhex(case["bytes"]))
        half = len(line) // 2
        log.write_text("# nothing yet\n" + line[:half])
        yield None
        log.write_text("# nothing yet\n" + line + "\n")
        signal.raise_signal(signal.SIGINT)
        yield None
        yield Datagram(1001.0, SERVER, CLIENT, b"after Ctrl-C")

    monkeypatch.setattr(Live, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Live, "__exit__", lambda *_: None)
    monkeypatch.setattr(Live, "datagrams", datagrams)
    monkeypatch.setattr(Live, "lost", 7)
    result = run("dump", "--interface", "lo", "--seconds", "3", "--key-log", str(log), "--json")
    assert result.code == 0
    record, summary = [json.loads(line) for line in result.out.splitlines()]
    assert (record["what"], record["aead"], summary["lost"]) == ("data", case["aead"], 7)


def test_an_interface_that_cannot_be_read_is_told(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise CaptureError("no such right", hint="Ask for it.")

    monkeypatch.setattr(Live, "__init__", refuse)
    result = run("dump", "--interface", "lo")
    assert (result.code, result.out) == (2, "")
    assert "error: no such right\n  Ask for it.\n" in result.err


def test_standard_input_is_a_capture_too(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written(*PAYLOADS))))
    assert run("dump", "-", "--stats").out.startswith("3 datagrams")


def test_its_help_says_which_key_shows_what() -> None:
    assert all(word in dump.SUMMARY for word in ("share link", "state", "key log"))
