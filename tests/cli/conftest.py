"""Fixtures for the command line's tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ginnel.cli._log import remove
from ginnel.cli.main import main
from ginnel.config.ports import Ports
from ginnel.config.secret import Secret
from ginnel.config.sharelink import ServerEntry, ShareLink


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_log() -> Iterator[None]:
    """What a command has installed is gone after its test."""
    yield
    remove()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in this process, with an empty home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GINNEL_LINK", raising=False)
    monkeypatch.setattr(os, "geteuid", os.getuid)

    def run(*arguments: str) -> Result:
        code = main(list(arguments))
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def link() -> str:
    """A share link that no server made."""
    server = ServerEntry(
        host="192.0.2.1",
        ports=Ports.one(5),
        public_key=bytes(32),
        psk=Secret(bytes(32)),
        private_key=Secret(bytes(range(32))),
    )
    return ShareLink(servers=(server,)).to_text()
