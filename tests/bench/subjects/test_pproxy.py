import importlib.util
import sys
from collections.abc import Callable

import pytest

from bench.subjects import Lab
from bench.subjects import pproxy as module
from bench.subjects.pproxy import Pproxy


def test_both_ends_share_a_key_of_this_run(lab: Lab, peers: Callable[..., Callable[[], list[str]]]) -> None:
    said = peers("pproxy")
    assert Pproxy().missing() is None
    with Pproxy().running(lab) as running:
        assert len(running.pids()) == 2
    server, client = (line.split() for line in said())
    assert server[2].startswith("ss://aes-128-gcm:")
    assert Pproxy().version() == "pproxy 1.2.3"
    assert client[1:] == ["-l", running.via, "-r", server[2]]


def test_a_module_of_this_interpreter_does_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("bench.subjects.base.SYSTEM_PATHS", "/nowhere")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert Pproxy().missing() is None
    assert module._program() == [sys.executable, "-m", "pproxy"]
