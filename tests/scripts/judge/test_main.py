"""The program: what it prints, and the code it ends with."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from ginnel.capture import Datagram, Writer
from scripts.judge.__main__ import main, server_address

from .links import link
from .test_verdict import constant


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return tmp_path / "link.pcap"


def save(path: Path, datagrams: list[Datagram]) -> None:
    with path.open("wb") as file:
        writer = Writer(file)
        for datagram in datagrams:
            writer.write(datagram)


def test_a_clean_capture(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(capture, link(each=620))
    assert main([str(capture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("not judged: client to server: the k-th datagram of flows needs 50 flows")
    assert lines[-1].startswith("1 flows, 620 datagrams to the server and 620 from it, ")
    assert lines[-1].endswith(" tests: clean; a false alarm has a probability of 1e-06")


def test_segments_of_tcp_are_left_out(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = [one._replace(carrier="rawtcp") for one in link(each=3, spoil=constant)]
    save(capture, link(each=620) + others)
    assert main([str(capture), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["datagrams"], told["left_out"]) == ([620, 620], {"TCP segment": 6})


def test_a_capture_with_findings(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(capture, link(each=620, spoil=constant))
    assert main([str(capture), "--server", "192.0.2.2:5000"]) == 1
    assert capsys.readouterr().out.startswith("client to server, all datagrams: ")
    assert main([str(capture), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "findings"
    assert told["findings"][0]["offset"] == 7
    assert told["datagrams"] == [620, 620]


def test_too_little_and_no_capture(
    capture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(capture, link(each=3))
    assert main([str(capture)]) == 2
    assert "cannot be judged" in capsys.readouterr().out
    capture.write_bytes(b"something else")
    assert main([str(capture)]) == 2
    assert "no capture file" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert main(["-"]) == 2
    assert "the file is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", ("192.0.2.1", None)),
        ("192.0.2.1:53", ("192.0.2.1", 53)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("[2001:db8::1]:53", ("2001:db8::1", 53)),
    ],
)
def test_servers_are_read(text: str, address: tuple[str, int | None]) -> None:
    assert server_address(text) == address


@pytest.mark.parametrize("text", ["192.0.2.1:http", "192.0.2.1:70000"])
def test_a_server_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["x", "--server", text])
    assert ended.value.code == 2
