"""Which running server or client is meant."""

import signal
from pathlib import Path

import pytest

from ginnel.cli import _running
from ginnel.control.client import Running
from ginnel.errors import NotRunning
from tests.cli.conftest import Command
from tests.cli.program import running


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Default places in the test's own directory: what a program's environment needs for it."""
    for name in ("run", "state"):
        (tmp_path / name).mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(_running, "default_state_directory", lambda: tmp_path / "state" / "ginnel")
    return {"XDG_RUNTIME_DIR": str(tmp_path / "run")}


def test_nobody(run: Command, places: dict[str, str]) -> None:
    for command in ("stats", "reload"):
        result = run(command)
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("error: no ginnel of this user is running here\n")
        assert "ginnel server, or ginnel client LINK" in result.err
        assert f"ginnel {command} --state DIR" in result.err


def test_no_server_of_that_state(run: Command, places: dict[str, str], state: Path) -> None:
    result = run("stats", "--state", str(state))
    assert result.code == 1
    assert "error: no server runs with the state in" in result.err
    assert f"ginnel server --state '{state}'" in result.err


def test_the_only_one_needs_no_name(run: Command, tmp_path: Path, places: dict[str, str], link: str) -> None:
    with running(tmp_path, "client", link, **places) as client:
        client.out.readline()
        assert f"process {client.process.pid}," in run("stats").out
        assert f"process {client.process.pid}," in run("stats", "--pid", str(client.process.pid)).out
    # Killed: what it left behind is nobody.
    assert run("stats").code == 1
    assert list((tmp_path / "run" / "ginnel").iterdir()) == []


def test_of_several_one_must_be_chosen(
    run: Command, tmp_path: Path, places: dict[str, str], link: str
) -> None:
    server_state = str(tmp_path / "state" / "ginnel")
    with (
        running(tmp_path, "server", "--state", server_state, **places) as server,
        running(tmp_path, "client", link, **places) as client,
    ):
        server.out.readline()
        client.out.readline()
        result = run("stats")
        assert (result.code, result.out) == (2, "")
        assert result.err.splitlines() == [
            "error: 2 processes of ginnel run here: say which",
            f"  server, process {server.process.pid}:  ginnel stats --state '{server_state}'",
            f"  client, process {client.process.pid}:  ginnel stats --pid {client.process.pid}",
        ]
        for word in (["--state", server_state], ["--pid", str(server.process.pid)]):
            assert f"process {server.process.pid}," in run("stats", *word).out
        client.signal(signal.SIGTERM)
        client.end()
        assert f"process {server.process.pid}," in run("stats").out


def test_a_server_elsewhere_is_found_by_its_process(
    run: Command, tmp_path: Path, places: dict[str, str]
) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "elsewhere"), **places) as server:
        server.out.readline()
        assert f"process {server.process.pid}," in run("stats", "--pid", str(server.process.pid)).out


def test_a_server_without_a_socket_is_not_taken_for_none(
    run: Command, tmp_path: Path, places: dict[str, str], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unheard(_: Path) -> Running:
        raise NotRunning("nobody listens there")

    with running(tmp_path, "server", "--state", str(state), **places) as server:
        server.out.readline()
        monkeypatch.setattr(_running, "who", unheard)
        result = run("stats", "--state", str(state))
        assert result.code == 1
        assert f"(process {server.process.pid}) has no control socket" in result.err


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--pid", "x"], 2, "--pid = 'x' is no process id"),
        (["--pid", "0"], 2, "--pid = '0' is no process id"),
        (["--pid", str(2**29)], 1, f"process {2**29} is no ginnel of this user"),
        (["--pid", "1", "--state", "x"], 2, "--state and --pid are two ways"),
        (["--state", ""], 2, "state is empty"),
    ],
)
def test_mistakes(run: Command, places: dict[str, str], words: list[str], code: int, error: str) -> None:
    result = run("stats", *words)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"error: {error}")


def test_who_does_not_answer_is_one_of_them_all_the_same(
    run: Command, tmp_path: Path, places: dict[str, str], link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_state = str(tmp_path / "state" / "ginnel")
    with (
        running(tmp_path, "server", "--state", server_state, **places) as server,
        running(tmp_path, "client", link, **places) as client,
    ):
        server.out.readline()
        client.out.readline()
        monkeypatch.setattr("ginnel.control.client.STEP_SECONDS", 0.2)
        for one, other in ((client, server), (server, client)):
            one.signal(signal.SIGSTOP)
            for command in ("stats", "reload"):
                result = run(command)
                assert (result.code, result.out) == (2, "")
                assert (
                    "2 processes of ginnel run here (1 of them does not answer: stopped or busy?)"
                    in result.err
                )
                assert str(other.process.pid) in result.err
            result = run("stats", "--pid", str(one.process.pid))
            assert result.code == 1
            assert f"process {one.process.pid}, a " in result.err
            assert "does not answer: stopped or busy?" in result.err
            one.signal(signal.SIGCONT)
        server.signal(signal.SIGSTOP)
        client.signal(signal.SIGTERM)
        client.end()
        for words in ([], ["--state", server_state]):
            result = run("stats", *words)
            assert result.code == 1
            assert "does not answer: stopped or busy?" in result.err
        server.signal(signal.SIGCONT)
