"""The first moments of the program, as a process."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.program import running
from tests.cli.test_client import catches_sigterm

# Quoted: the interpreter may stand in a directory with a space in its name.
PROGRAM = f"{shlex.quote(sys.executable)} -m tests.cli.program"


def shell(line: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """Run a line of shell, in which $G is the program; only a shell closes streams."""
    return subprocess.run(
        ["sh", "-c", line.replace("$G", PROGRAM)],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home)},
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["version", "--help", "version --help"])
def test_a_closed_stream_is_no_drama(tmp_path: Path, command: str, closed: str) -> None:
    result = shell(f"$G {command} {closed}", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_closed_standard_input_is_empty(tmp_path: Path) -> None:
    result = shell("$G client - <&-", tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: standard input is empty\n")


def test_a_mistake_that_nobody_can_be_told_still_has_its_code(tmp_path: Path) -> None:
    assert shell("$G server --listen x 2>&-", tmp_path).returncode == 2


def test_a_server_without_standard_output_serves(tmp_path: Path) -> None:
    line = f"exec $G server --state '{tmp_path}/state' --listen 0 >&-"
    with subprocess.Popen(
        ["sh", "-c", line.replace("$G", PROGRAM)], stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        said = ""
        while "Ctrl-C" not in said:
            said = server.stderr.readline()
            assert said, "it ended"
        server.send_signal(signal.SIGTERM)
        assert "Traceback" not in server.communicate(timeout=30)[1]
        assert server.returncode == 0


@pytest.mark.parametrize(
    "command", ["version", "--help", "version --help", "keygen --json", "server --listen 0"]
)
def test_a_full_disk_under_standard_output(tmp_path: Path, command: str) -> None:
    # Root's state would be the machine's own.
    state = f" --state '{tmp_path}/state'" if command.startswith("server") else ""
    result = shell(f"$G {command}{state} > /dev/full", tmp_path)
    assert result.returncode == 1
    assert "error: cannot write to standard output: No space left on device\n" in result.stderr
    assert "Exception" not in result.stderr


def test_a_full_disk_under_standard_error_ends_nothing(tmp_path: Path) -> None:
    assert (
        shell(
            f"$G link --state '{tmp_path}/state' 2> /dev/full; $G version 2> /dev/full", tmp_path
        ).returncode
        == 0
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay_seconds", [0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5])
def test_a_signal_at_any_moment_of_the_start_ends_a_server_with_0(
    tmp_path: Path, delay_seconds: float, number: signal.Signals
) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "state"), "--listen", "0") as server:
        while not catches_sigterm(server.process):
            pass
        time.sleep(delay_seconds)
        server.signal(number)
        code, _, said = server.end()
    assert code == 0
    assert "Traceback" not in said


def test_a_hangup_before_run_has_begun_does_not_end_it(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('role = "server"\nstate = "state"\n')
    with running(tmp_path, "run", "-c", str(file)) as server:
        while not catches_sigterm(server.process):
            pass
        server.signal(signal.SIGHUP)
        assert server.out.readline().startswith("ginnel://")
        server.signal(signal.SIGTERM)
        assert server.end()[0] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_another_command_ends_as_a_shell_expects(
    tmp_path: Path, link: str, number: signal.Signals, code: int
) -> None:
    with running(tmp_path, "ping", "-c", "1000", link) as ping:
        ping.out.readline()
        ping.signal(number)
        ended, _, said = ping.end()
    assert (ended, said) == (code, "")


def full_pipe() -> tuple[int, int]:
    """A pipe that takes nothing more: the end to read from, and the one to write to."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"." * 4096):
            pass
    os.set_blocking(writer, True)
    return reader, writer


@pytest.mark.parametrize("full", ["stdout", "stderr"])
def test_a_full_stream_at_the_start_keeps_no_server_from_its_end(tmp_path: Path, full: str) -> None:
    reader, writer = full_pipe()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, full: writer}
    command = [sys.executable, "-m", "tests.cli.program", "server", "--state", str(tmp_path / "state")]
    with subprocess.Popen(command, env={**os.environ, "HOME": str(tmp_path)}, **streams) as server:  # type: ignore[call-overload]  # streams by name
        try:
            if full == "stderr":
                assert server.stdout.readline().startswith(b"ginnel://")
            else:
                assert any(b"Share link" in line for line in server.stderr)
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
        finally:
            server.kill()
            os.close(reader)
            os.close(writer)


def test_a_server_begun_with_nohup_ignores_the_hangup(tmp_path: Path) -> None:
    line = f"trap '' HUP; exec $G server --state '{tmp_path}/state' --listen 0"
    with subprocess.Popen(
        ["sh", "-c", line.replace("$G", PROGRAM)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("ginnel://")
        status = Path(f"/proc/{server.pid}/status").read_text()
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        assert ignored & 1 << (signal.SIGHUP - 1)
        server.send_signal(signal.SIGTERM)
        assert server.communicate(timeout=30)[0] == ""
        assert server.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["server", "--log-format", "json", "--listne"], {}),
        (["server", "--log-format=JSON", "extra"], {}),
        (["client", "--log-format", "json", "ginnel://x"], {}),
        (["client", "ginnel://x"], {"GINNEL_LOG_FORMAT": "json"}),
        (["run"], {"GINNEL_LOG_FORMAT": "json"}),
        (["run", "-c", "FILE"], {}),
    ],
)
def test_errors_of_the_start_are_json_where_that_is_wanted(
    tmp_path: Path, arguments: list[str], variables: dict[str, str]
) -> None:
    file = tmp_path / "server.toml"
    file.write_text('role = "server"\nstate = "state"\nlistne = 1\nlog.format = "json"\n')
    words = [str(file) if word == "FILE" else word for word in arguments]
    with running(tmp_path, *words, **variables) as program:
        code, _, said = program.end()
    assert code == 2
    assert [json.loads(line)["level"] for line in said.splitlines()] == ["error"]
