"""The wire with a stand-in that passes packets on; needs root, as the laboratory does."""

import subprocess
from collections.abc import Callable

import pytest

from bench import programs
from bench import wire as module
from bench.load import LoadProgram
from bench.programs import BenchError
from bench.wire import wire
from bench.wire_settings import MTU, WireSettings

SETTINGS = WireSettings(50, 1, 200)


@pytest.fixture(autouse=True)
def root() -> None:
    if reason := module.why_no_wire():
        pytest.skip(reason)


def namespaces() -> set[str]:
    said = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in said.splitlines() if line.startswith("ginnel-bench-")}


def test_two_places_reach_each_other_through_it_and_it_counts(load: LoadProgram) -> None:
    with wire(load, SETTINGS, 1) as running:
        client, server = running.ends.client, running.ends.server
        assert {client.namespace, server.namespace} <= namespaces()
        before = running.counts()
        code = f"import socket; socket.create_connection(('{server.address}', 1), 5)"
        done = subprocess.run(
            client.command("python3", "-c", code), capture_output=True, text=True, check=False
        )
        assert "ConnectionRefusedError" in done.stderr, "reached, and refused there"
        after = running.drained()
        assert after.there.packets_in > before.there.packets_in
        assert after.back.bytes_out > before.back.bytes_out
        shown = subprocess.run(
            client.command("ip", "link", "show"), capture_output=True, text=True, check=True
        )
        assert f"mtu {MTU}" in shown.stdout
    assert not {client.namespace, server.namespace} & namespaces()


def test_why_there_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TUN", "/nowhere/tun")
    assert module.why_no_wire() == "/nowhere/tun cannot be opened"


@pytest.mark.parametrize("wrong", ["silent wire", "an unknown argument"])
def test_a_wire_that_does_not_start_leaves_nothing(
    load: LoadProgram, fault: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    before = namespaces()
    fault(wrong)
    if wrong == "an unknown argument":
        monkeypatch.setattr(WireSettings, "arguments", lambda self, seed: ["--surprise"])
    else:
        monkeypatch.setattr(programs, "START_TIMEOUT", 0.5)
    with pytest.raises(BenchError, match="the wire did not say 'ready'"), wire(load, SETTINGS, 1):
        pytest.fail("it is not ready")
    assert namespaces() <= before


def test_a_wire_that_does_not_count_is_told(
    load: LoadProgram, fault: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault("wire without counts")
    monkeypatch.setattr(module, "COUNT_TIMEOUT", 0.2)
    with wire(load, SETTINGS, 1) as running, pytest.raises(BenchError, match="does not say what it counted"):
        running.counts()
