"""What a person sees."""

import io
import re
import sys
from pathlib import Path

import pytest

from ginnel.cli._terminal import Terminal, qr_code, short_path
from ginnel.errors import GinnelError


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.title("ginnel")
    terminal.fact("listening", "udp 192.0.2.1:5", "kept")
    terminal.fact("user", "default")
    terminal.event("link lost", "because")
    terminal.out("ginnel://…")
    out, err = capsys.readouterr()
    assert out == "ginnel://…\n"
    assert re.sub(r"\d\d:\d\d:\d\d", "TIME", err) == (
        "  ginnel\n\n"
        "  listening  udp 192.0.2.1:5          kept\n"
        "  user       default\n"
        "  TIME  link lost  because\n"
    )
    assert not terminal.is_watched


def test_quiet_leaves_results_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=True)
    terminal.title("ginnel")
    terminal.fact("a", "b")
    terminal.event("a", "b")
    terminal.say("c")
    terminal.out("result")
    terminal.warn("careful")
    terminal.error(GinnelError("wrong", hint="do this\nthen that"))
    assert capsys.readouterr() == ("result\n", "warning: careful\nerror: wrong\n  do this\n  then that\n")


@pytest.mark.parametrize(
    ("variables", "coloured", "watched"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, False, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_colour_only_on_a_terminal_that_wants_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], coloured: bool, watched: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.setattr(sys, "stderr", screen)
    terminal = Terminal()
    terminal.error(GinnelError("wrong"))
    assert screen.getvalue() == ("\x1b[31merror:\x1b[0m wrong\n" if coloured else "error: wrong\n")
    assert terminal.is_watched is watched


def test_the_home_directory_is_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert short_path(tmp_path / "a" / "b") == "~/a/b"
    assert short_path(Path("/var/lib/ginnel")) == "/var/lib/ginnel"


def test_a_qr_code_fits_a_terminal(link: str) -> None:
    lines = qr_code(link).split("\n")
    assert len(lines) <= 26
    assert {len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines} == {2 + 45 + 4}
