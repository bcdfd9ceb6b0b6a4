"""`ginnel reload`."""

import json
from pathlib import Path

import pytest

from ginnel.cli import reload as reload_module
from ginnel.control.client import Running
from ginnel.errors import ControlError
from tests.cli.conftest import Command
from tests.cli.program import running

CHANGES = [
    {"key": "limits.links", "old": "4096", "new": "100", "effect": "for new links"},
    {"key": "listen", "old": "1", "new": "2", "effect": "at the next start"},
]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the daemon answers, in its only element; an error is raised."""
    answers: list[object] = []

    def ask(_: Path, question: str, **__: float) -> object:
        assert question == "reload"
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    monkeypatch.setattr(reload_module, "find_running", lambda _: Running("server", 7, Path("x"), ""))
    monkeypatch.setattr(reload_module, "ask", ask)
    return answers


def test_what_has_changed(run: Command, answers: list[object]) -> None:
    answers.append(CHANGES)
    assert run("reload") == (
        0,
        "key           old   new  effect\n"
        "limits.links  4096  100  for new links\n"
        "listen        1     2    at the next start\n",
        "",
    )
    assert json.loads(run("reload", "--json").out) == CHANGES
    answers[:] = [[]]
    assert run("reload") == (0, "nothing has changed\n", "")


def test_a_bad_file_is_the_daemons_word(run: Command, answers: list[object]) -> None:
    answers.append(ControlError("server.toml:9: unknown key 'listne'.", hint="Known: listen."))
    assert run("reload") == (1, "", "error: server.toml:9: unknown key 'listne'.\n  Known: listen.\n")


def test_an_odd_answer_is_told(run: Command, answers: list[object]) -> None:
    answers.append({"key": 1})
    assert run("reload").code == 1


def test_without_a_file_there_is_nothing_to_reload(run: Command, tmp_path: Path, state: Path) -> None:
    with running(tmp_path, "server", "--state", str(state)) as server:
        server.out.readline()
        result = run("reload", "--state", str(state))
    assert (result.code, result.out) == (1, "")
    assert result.err == "error: started without a configuration file: nothing to reload\n"
