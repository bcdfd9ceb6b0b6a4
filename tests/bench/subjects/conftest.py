"""Peers that are not there: stand-ins under their names."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import fake_peer

PEER = Path(str(fake_peer.__file__))


@pytest.fixture
def peers(installed: Callable[[str, str], Path], tmp_path: Path) -> Callable[..., Callable[[], list[str]]]:
    """Install stand-ins; what they were started with can be read."""

    def install(*names: str, log: str = "log") -> Callable[[], list[str]]:
        notes = tmp_path / log
        for name in names:
            words = shlex.join([sys.executable, str(PEER), name, str(notes)])
            installed(name, f'exec {words} "$@"')
        return lambda: notes.read_text().splitlines()

    return install


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any of them."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("bench.subjects.base.SYSTEM_PATHS", "/nowhere")
