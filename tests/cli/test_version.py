"""`ginnel version`."""

import json
from importlib.metadata import PackageNotFoundError

import pytest

from ginnel import _native
from ginnel.cli import version
from ginnel.errors import EngineError
from tests.cli.conftest import Command


@pytest.mark.usefixtures("engines")
def test_versions(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "program_version", lambda: "1.2.3")
    result = run("version")
    assert result.code == 0
    assert result.out.startswith("ginnel 1.2.3 (engine 0.0.fake, Python 3.")
    assert run("--version").out == run("-V").out == result.out
    assert json.loads(run("version", "--json").out).keys() == {"ginnel", "engine", "python", "system"}


def test_a_missing_engine_is_told_and_not_fatal(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise EngineError("no")

    monkeypatch.setattr(_native, "engine_version", missing)
    result = run("version")
    assert result.code == 0
    assert "engine missing" in result.out


def test_a_tree_that_was_never_installed_has_a_word_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(version, "version", unknown)
    assert version.program_version() == "(not installed)"
