"""The real program, as a person starts it."""

import json
import socket

import pytest

from bench.programs import BenchError
from bench.subjects import Ginnel, Lab


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
