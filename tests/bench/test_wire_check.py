import socket
import time

import pytest

from bench import wire_check
from bench.load import LoadProgram
from bench.wire import why_no_wire
from bench.wire_settings import WireSettings

SETTINGS = WireSettings(2, 0, 50)


def test_turns_keep_their_number_however_late_they_are() -> None:
    begin = time.monotonic()
    turns = list(wire_check.paced(0.001, 0.05))
    assert len(turns) == 50
    assert turns == sorted(turns)
    assert turns[0] >= begin


def test_echoes_that_come_back_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_check, "ECHOES", 50)
    with socket.socket(type=socket.SOCK_DGRAM) as here, socket.socket(type=socket.SOCK_DGRAM) as there:
        for one in (here, there):
            one.bind(("127.0.0.1", 0))
            one.settimeout(0.3)
        here.connect(there.getsockname())
        there.connect(here.getsockname())
        times = wire_check.echo(here, there)
    assert len(times) == 50
    assert all(0 < one < 5 for one in times)


def test_a_wire_is_found_as_it_is(load: LoadProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in has no delay and loses nothing, whatever it is asked for."""
    if reason := why_no_wire():
        pytest.skip(reason)
    monkeypatch.setattr(wire_check, "PATIENCE", 0.3)
    monkeypatch.setattr(wire_check, "ECHOES", 100)
    monkeypatch.setattr(wire_check, "FLOOD_SECONDS", 0.1)
    found = wire_check.check(load, SETTINGS, 1)
    assert found.error is None
    assert found.loss == 0
    assert found.rtt_seconds is not None
    assert found.rate_bits is not None
    assert found.asked == SETTINGS.title


def test_a_wire_that_cannot_be_had_is_told(load: LoadProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = wire_check.check(load, SETTINGS, 1)
    assert found.error
    assert found.rate_bits is None
