"""The real program, as a person starts it."""

import json
import socket
from pathlib import Path

import pytest

from bench.programs import BenchError
from bench.subjects import Ginnel, Lab
from bench.subjects.ginnel import why_no_frames


def test_it_is_ready_and_says_what_it_holds(lab: Lab) -> None:
    with Ginnel("ginnel", "ginnel").running(lab) as running:
        host, _, port = running.via.removeprefix("socks5://").partition(":")
        with socket.create_connection((host, int(port))):
            pass
        assert running.engine_bytes is not None
        assert running.engine_bytes() > 0
        programs = [*running.server, *running.client]
        for program in programs:
            with open(f"/proc/{program.pid}/cmdline") as file:
                assert "ginnel://" not in file.read(), "arguments are open to everybody"
            with open(f"/proc/{program.pid}/environ") as file:
                assert "ginnel://" not in file.read()
    assert not any(program.alive for program in programs)
    assert (lab.directory / "ginnel" / "link").stat().st_mode & 0o777 == 0o600


def test_settings_go_to_both_ends(lab: Lab) -> None:
    subject = Ginnel("ginnel-x", "ginnel, otherwise", {"limits.tcp_buffer": "48KiB"})
    with subject.running(lab) as running:
        for program in (*running.server, *running.client):
            with open(f"/proc/{program.pid}/cmdline") as file:
                assert "\0--set\0limits.tcp_buffer=48KiB\0" in file.read()


STAND_IN = """
echo "$@" >>"$NOTES"
case $1 in server) echo ginnel://link ;; *) echo socks5 127.0.0.1:1080 ;; esac
exec sleep 60
"""


def test_a_session_is_told_to_the_server_and_the_client_follows_its_link(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    monkeypatch.setattr("bench.subjects.ginnel.PROGRAM", ("sh", "-c", STAND_IN, "ginnel"))
    with Ginnel("ginnel-kcp", "ginnel, KCP", session="kcp").running(lab):
        server, client = notes.read_text().splitlines()
    assert server.endswith(" --session kcp")
    assert "kcp" not in client.replace("ginnel-kcp", "")


def test_a_carrier_is_told_to_the_server_and_the_client_follows_its_link(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    monkeypatch.setattr("bench.subjects.ginnel.PROGRAM", ("sh", "-c", STAND_IN, "ginnel"))
    with Ginnel("ginnel-x", "ginnel, X", carrier="rawtcp").running(lab):
        server, client = notes.read_text().splitlines()
    assert f" --listen rawtcp://{lab.ends.server.address}:0 " in server
    assert "rawtcp" not in client


def test_why_no_frames_can_be_sent_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("bench.subjects.ginnel.socket.socket", refused)
    assert why_no_frames() == "raw TCP needs root, or CAP_NET_RAW"
    monkeypatch.delattr("bench.subjects.ginnel.socket.AF_PACKET")
    assert why_no_frames() == "raw TCP is for Linux"


def test_a_setting_that_it_does_not_know_is_told(lab: Lab) -> None:
    with (
        pytest.raises(BenchError, match="ginnel-x server did not say"),
        Ginnel("ginnel-x", "x", {"no.such": "1"}).running(lab),
    ):
        pytest.fail("it must not start")


def test_a_count_that_is_not_understood_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ginnel("ginnel", "ginnel").running(lab) as running:
        monkeypatch.setattr("bench.subjects.ginnel.PROGRAM", ("echo", json.dumps({"gauges": {}})))
        assert running.engine_bytes is not None
        with pytest.raises(BenchError, match="does not say how much memory"):
            running.engine_bytes()


def test_its_version_is_its_own_word() -> None:
    assert str(Ginnel("ginnel", "ginnel").version()).startswith("ginnel ")
