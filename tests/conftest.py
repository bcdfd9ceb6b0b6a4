"""Fixtures for all tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ginnel
from tests import fake_engine
from tests.fake_engine import Engine


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Engine]]:
    """Put the fake engine in the native module's place; the engines that the test makes, in order."""
    monkeypatch.setitem(sys.modules, "ginnel._engine", fake_engine)
    monkeypatch.setattr(ginnel, "_engine", fake_engine, raising=False)
    made: list[Engine] = []
    monkeypatch.setattr(Engine, "made", made)
    monkeypatch.setattr(Engine, "busy_ports", set())
    monkeypatch.setattr(Engine, "answer_connect", True)
    monkeypatch.setattr(Engine, "rights", True)
    yield made
    for engine in made:
        engine.release()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A directory for a server's state, not made yet."""
    return tmp_path / "state"
