"""A started program: its lines, its end, and what is shown when it goes wrong."""

import os
import sys
import threading

import pytest

from scripts import demo_program
from scripts.demo_program import Program, ProgramError, without_secrets

READY_THEN_WAIT = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('ready 1', flush=True)
signal.pause()
"""


def start(code: str, on_end: threading.Event | None = None) -> Program:
    return Program("it", [sys.executable, "-c", code], os.environ, on_end.set if on_end else lambda: None)


def test_it_is_ready_when_it_says_so_and_ends_on_sigterm() -> None:
    with start("print('first', flush=True)\n" + READY_THEN_WAIT) as program:
        assert program.wait_line("ready ", 30) == "ready 1"
        assert program.wait_line("first", 0) == "first"


def test_an_end_before_it_is_ready_shows_its_standard_error_without_secrets() -> None:
    with (
        pytest.raises(ProgramError) as caught,
        start("import sys; sys.exit('no port for ginnel://secret left')") as program,
    ):
        program.wait_line("ready ", 30)
    words = str(caught.value)
    assert "did not write a line that begins with 'ready '" in words
    assert "no port for ginnel://… left" in words
    assert "secret" not in words


def test_silence_is_an_error_after_the_timeout() -> None:
    with start(READY_THEN_WAIT) as program:
        program.wait_line("ready ", 30)
        with pytest.raises(ProgramError, match="'never'"):
            program.wait_line("never", 0)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('ready 1', flush=True)", "ended by itself"),
        (
            READY_THEN_WAIT.replace("sys.exit(0)", "sys.exit(3)"),
            "did not end cleanly on SIGTERM; it ended with 3",
        ),
        (READY_THEN_WAIT.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN"), "did not end within"),
    ],
)
def test_an_end_that_is_not_clean_is_an_error(monkeypatch: pytest.MonkeyPatch, code: str, words: str) -> None:
    ended = threading.Event()
    if "SIG_IGN" in code:
        monkeypatch.setattr(demo_program, "STOP_TIMEOUT", 0.1)
    with pytest.raises(ProgramError, match=words), start(code, ended) as program:
        program.wait_line("ready ", 30)
        if words == "ended by itself":
            assert ended.wait(30)
            program.errors.join()


def test_the_first_error_is_the_one_that_shows() -> None:
    with pytest.raises(KeyError), start("") as program:
        program.output.join()
        raise KeyError("mine")


def test_only_the_last_lines_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_program, "KEPT_LINES", 3)
    with start("for n in range(9): print(n)\n" + READY_THEN_WAIT) as program:
        program.wait_line("ready ", 30)
        assert program.output.lines() == ["7", "8", "ready 1"]


def test_a_share_link_is_cut_down_to_its_scheme() -> None:
    assert without_secrets("run 'ginnel://9QZ-_a' or ginnel://x now") == "run 'ginnel://…' or ginnel://… now"
