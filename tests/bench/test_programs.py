import os
import signal
import subprocess
from pathlib import Path

import pytest

from bench import processes, programs
from bench.programs import BenchError, Program, environment
from tests.bench.waiting import until


def shell(text: str, stdin: int = subprocess.DEVNULL) -> Program:
    return Program("the shell", ["sh", "-c", text], stdin=stdin)


def test_it_waits_for_a_line_and_ends_the_program() -> None:
    with shell("echo other; echo ready 5; exec sleep 60") as program:
        assert program.wait_line("ready ") == "ready 5"
        assert program.alive
        assert program.pids() == [program.pid]
    assert not program.alive


def test_what_the_program_started_ends_with_it() -> None:
    with shell("setsid sleep 60 & echo ready; wait") as program:
        program.wait_line("ready")
        until(lambda: len(program.pids()) == 2)
        child = program.pids()[1]
    until(lambda: processes.started(child) is None)


def test_a_program_that_is_deaf_to_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with shell("trap '' TERM; echo ready; while :; do sleep 60; done") as program:
        program.wait_line("ready")
        program.stop(patience=0.05)
    assert not program.alive


def test_one_that_ends_instead_says_why() -> None:
    said = "the shell did not say 'ready'; it ended with 3: one / two"
    with shell("echo one >&2; echo two >&2; exit 3") as program, pytest.raises(BenchError, match=said):
        program.wait_line("ready ")


def test_last_words_keep_secrets() -> None:
    with shell("echo bad ginnel://SECRET here >&2; exit 1") as program, pytest.raises(BenchError) as caught:
        program.wait_line("ready")
    assert "SECRET" not in str(caught.value)
    assert "ginnel://…" in str(caught.value)


def test_one_that_says_nothing_is_given_up() -> None:
    with shell("exec sleep 60") as program, pytest.raises(BenchError, match=r"did not say 'ready'$"):
        program.wait_line("ready", timeout=0.01)


def test_the_end_is_waited_for_and_must_be_good() -> None:
    with shell("echo a; echo b") as program:
        assert program.wait_end(20) == ["a", "b"]
    with (
        shell("echo no >&2; exit 2") as program,
        pytest.raises(BenchError, match="failed; it ended with 2: no"),
    ):
        program.wait_end(20)


def test_one_that_hangs_is_killed() -> None:
    with shell("sleep 60 & wait") as program:
        until(lambda: len(program.pids()) == 2)
        child = program.pids()[1]
        with pytest.raises(BenchError, match="did not end within 0 s"):
            program.wait_end(0.01)
        assert not program.alive
        until(lambda: processes.started(child) is None)


def test_a_socket_is_waited_for() -> None:
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0))"
    code += "; print('at', s.getsockname()[1], flush=True); time.sleep(60)"
    with Program("it", ["python3", "-c", code]) as program:
        port = int(program.wait_line("at ").split()[1])
        program.wait_socket(port)
        with pytest.raises(BenchError, match=f"did not open udp port {port}"):
            program.wait_socket(port, "udp", timeout=0.01)
    with pytest.raises(BenchError, match="did not open tcp port"):
        program.wait_socket(port)


def test_standard_input_is_held_until_it_is_closed() -> None:
    with shell("echo ready; cat; echo over", stdin=subprocess.PIPE) as program:
        program.wait_line("ready")
        assert program.alive
        program.close_stdin()
        program.wait_line("over")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(BenchError, match="it cannot be started: No such file or directory: /nowhere/at-all"):
        Program("it", ["/nowhere/at-all"])


def test_what_goes_into_a_file_is_in_the_error_too(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo out; echo no room >&2; exit 4"]
    with Program("it", command, log=tmp_path / "log") as program:
        until(lambda: not program.alive)
        with pytest.raises(BenchError, match="it did not open tcp port 9; it ended with 4: out / no room"):
            program.wait_socket(9)
    assert (tmp_path / "log").read_text() == "out\nno room\n"


def test_everything_that_still_runs_can_be_ended() -> None:
    one, two = shell("exec sleep 60"), shell("exec sleep 60")
    programs.stop_all()
    assert not one.alive
    assert not two.alive


def test_a_signal_goes_to_the_program_alone() -> None:
    with shell("trap 'echo heard' USR1; echo ready; while :; do sleep 0.01; done") as program:
        program.wait_line("ready")
        assert os.getsid(program.pid) != os.getsid(0)
        program.send_signal(signal.SIGUSR1)
        program.wait_line("heard")


def test_the_environment_has_nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GINNEL_LINK", "ginnel://SECRET")
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    made = environment(tmp_path, MORE="1")
    assert not {"GINNEL_LINK", "XDG_STATE_HOME"} & made.keys()
    assert (made["HOME"], made["XDG_RUNTIME_DIR"], made["MORE"]) == (str(tmp_path), str(tmp_path), "1")
