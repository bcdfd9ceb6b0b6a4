"""What the tests of the benchmark share: a stand-in for the load program, places, and made-up runs."""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.load import LoadProgram
from bench.places import LOOPBACK, Ends, Place
from bench.subjects import Lab

FAKE = Path(__file__).with_name("fake_load.py")


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


@pytest.fixture
def load(tmp_path: Path) -> LoadProgram:
    """The stand-in as a program of its own."""
    words = f'exec {shlex.quote(sys.executable)} {shlex.quote(str(FAKE))} "$@"'
    return LoadProgram(script(tmp_path / "ginnel-load", words))


@pytest.fixture
def ends() -> Ends:
    """Loopback twice."""
    return Ends(Place(LOOPBACK), Place(LOOPBACK))


@pytest.fixture
def lab(ends: Ends, load: LoadProgram, tmp_path: Path) -> Lab:
    """A lab on loopback with the stand-in."""
    return Lab(ends, load, tmp_path / "lab")


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the stand-in do something wrong."""
    return lambda words: monkeypatch.setenv("FAKE_FAULT", words)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Install a program, a shell script, before all others."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return lambda name, text: script(directory / name, text)
