"""`ginnel user`."""

import asyncio
import json
import shutil
import signal
from pathlib import Path

import pytest

from ginnel.api.server import Server
from ginnel.config.sharelink import ShareLink
from ginnel.config.state import StateDirectory
from ginnel.errors import NotRunning
from tests.cli.conftest import Command, Result
from tests.cli.program import running
from tests.fake_engine import Engine

pytestmark = pytest.mark.usefixtures("engines")


@pytest.fixture
def made(engines: list[Engine], state: Path) -> Path:
    """The state of a server that ran once."""

    async def once() -> None:
        async with Server(state=state, listen="127.0.0.1:4433"):
            pass

    asyncio.run(once())
    return state


def names(run: Command, state: Path) -> list[str]:
    result = run("user", "list", "--json", "--state", str(state))
    assert result.code == 0
    return [json.loads(line)["name"] for line in result.out.splitlines()]


def test_adding_prints_links_and_nothing_else_on_standard_output(run: Command, made: Path) -> None:
    result = run("user", "add", "anna", "bob", "--state", str(made), "--advertise", "a.example")
    assert result.code == 0
    links = [ShareLink.parse(line) for line in result.out.splitlines()]
    assert [link.servers[0].address for link in links] == [("a.example", 4433)] * 2
    assert links[0].servers[0].private_key != links[1].servers[0].private_key
    assert "anna                     new; the server does not run now" in result.err
    assert names(run, made) == ["default", "anna", "bob"]
    # The same link again, by either command.
    for command in (["user", "link"], ["link"]):
        again = run(*command, "bob", "--state", str(made), "--advertise", "a.example")
        assert again == (0, result.out.splitlines()[1] + "\n", "")


def test_options_may_stand_between_the_words(run: Command, made: Path) -> None:
    assert run("user", "add", "--state", str(made), "anna").code == 0
    assert run("user", "--state", str(made), "add", "bob", "--json", "carl").code == 0
    assert names(run, made) == ["default", "anna", "bob", "carl"]


def test_json_of_links(run: Command, made: Path) -> None:
    result = run("user", "add", "anna", "bob", "--json", "--state", str(made))
    assert result.err == ""
    facts = [json.loads(line) for line in result.out.splitlines()]
    assert [(fact["user"], fact["new"], fact["address"]) for fact in facts] == [
        ("anna", True, "127.0.0.1:4433"),
        ("bob", True, "127.0.0.1:4433"),
    ]
    again = json.loads(run("user", "link", "anna", "--json", "--state", str(made)).out)
    assert again == {**facts[0], "new": False}


def test_list_without_a_server(run: Command, made: Path) -> None:
    head, row = run("user", "list", "--state", str(made)).out.splitlines()
    assert head.split() == [
        "name",
        "created",
        "last",
        "seen",
        "links",
        "now",
        "from",
        "user",
        "to",
        "user",
        "streams",
    ]
    assert row.split()[0] == "default"
    assert row.split()[3:] == ["never", "-", "0", "B", "0", "B", "0"]
    fact = json.loads(run("user", "list", "--json", "--state", str(made)).out)
    assert {name: fact[name] for name in fact if name != "created"} == {
        "name": "default",
        "generation": 1,
        "last_seen": None,
        "links": None,
        "links_opened": 0,
        "streams_opened": 0,
        "bytes_received": 0,
        "bytes_sent": 0,
    }


def test_removing_and_adding_again_is_another_link(run: Command, made: Path) -> None:
    first = run("user", "add", "anna", "--state", str(made)).out
    result = run("user", "remove", "anna", "--state", str(made))
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("  removed    anna                     the server does not run now")
    assert names(run, made) == ["default"]
    assert run("user", "link", "anna", "--state", str(made)).code == 2
    assert run("user", "add", "anna", "--state", str(made)).out != first


def test_a_new_key_is_another_link(run: Command, made: Path) -> None:
    first = run("user", "link", "default", "--state", str(made)).out
    result = run("user", "rotate", "default", "--state", str(made))
    assert result.code == 0
    assert result.out != first
    assert run("link", "--state", str(made)).out == result.out


def test_nobody_left_is_said(run: Command, made: Path) -> None:
    result = run("user", "remove", "default", "--json", "--state", str(made))
    assert json.loads(result.out) == {"removed": ["default"], "running": False, "links_ended": 0}
    assert "No user yet:  ginnel user add NAME" in run("user", "list", "--state", str(made)).err


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ([], "what? An action is missing", "add, list, link, rotate, remove"),
        (["ad"], "unknown action 'ad'. Did you mean 'add'?", "Actions: add"),
        (["add"], "whom? A name is missing", "ginnel user add phone"),
        (["add", "Anna"], "user = 'Anna' is not a user name", "1 to 64 of: a to z"),
        (["add", "default"], "user 'default' exists already", "ginnel user link default"),
        (["add", "anna", "anna"], "the same name is given twice", "once"),
        (["link", "defualt"], "no user 'defualt'. Did you mean 'default'?", "ginnel user list"),
        (["remove", "default", "nobody"], "no user 'nobody'.", "ginnel user add nobody"),
        (["rotate", "nobody"], "no user 'nobody'.", "ginnel user list"),
        (["list", "default"], "`ginnel user list` lists all users and takes no name", ""),
        (["add", "anna", "--advertise", "a b"], "--advertise = 'a b'", ""),
    ],
)
def test_mistakes_change_nothing(run: Command, made: Path, words: list[str], error: str, hint: str) -> None:
    result = run("user", *words, "--state", str(made))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {error}")
    assert hint in result.err
    assert names(run, made) == ["default"]


@pytest.mark.parametrize("action", ["add", "link", "remove", "rotate"])
def test_where_no_server_has_run(run: Command, state: Path, action: str) -> None:
    result = run("user", action, "anna", "--state", str(state))
    assert result.code == 2
    assert "no server has been started with the state in" in result.err
    assert "ginnel server" in result.err
    assert not state.exists()


def unheard(*_: object) -> object:
    raise NotRunning("nobody listens there")


def test_a_running_server_knows_at_once(
    run: Command, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def user(*words: str) -> Result:
        return run("user", *words, "--state", str(state))

    with running(tmp_path, "server", "--listen", "127.0.0.1:0", "--state", str(state)) as server:
        server.out.readline()
        assert "new; the server knows" in user("add", "anna").err
        rows = user("list").out.splitlines()
        assert [row.split()[4] for row in rows[1:]] == ["0", "0"]
        assert "removed    anna                     no link was up" in user("remove", "anna").err
        assert "new key; no link was up" in user("rotate", "default").err
        # One that is stopped is no reason to show nothing.
        monkeypatch.setattr("ginnel.control.client.STEP_SECONDS", 0.05)
        server.signal(signal.SIGSTOP)
        try:
            assert [row.split()[0] for row in user("list").out.splitlines()] == ["name", "default"]
        finally:
            server.signal(signal.SIGCONT)
        # One that does not answer finds out by itself.
        monkeypatch.setattr("ginnel.api.links.control.ask", unheard)
        assert "could not be told: it notices within a second" in user("remove", "default").err
        assert StateDirectory(state).holder() == server.process.pid


def test_a_server_without_users_starts_and_says_so(run: Command, tmp_path: Path, made: Path) -> None:
    run("user", "remove", "default", "--state", str(made))
    with running(tmp_path, "server", "--state", str(made)) as server:
        said = server.read_err("Nobody may use")
        assert said == "  Nobody may use this server yet:  ginnel user add NAME\n"
    run("user", "add", "anna", "--state", str(made))
    with running(tmp_path, "server", "--listen", "127.0.0.1:4433", "--state", str(made)) as server:
        assert server.out.readline() == run("link", "anna", "--state", str(made)).out


@pytest.mark.parametrize("has_socket", [True, False])
def test_a_server_whose_database_was_replaced_is_not_said_to_notice(
    run: Command, tmp_path: Path, state: Path, has_socket: bool
) -> None:
    with running(tmp_path, "server", "--listen", "127.0.0.1:0", "--state", str(state)) as server:
        server.out.readline()
        for path in state.glob("users.sqlite3*"):
            copy = state / f"copy{path.name.removeprefix('users.sqlite3')}"
            shutil.copy(path, copy)
            copy.chmod(0o600)
        for path in state.glob("copy*"):
            path.replace(state / path.name.replace("copy", "users.sqlite3"))
        if not has_socket:
            (state / "control").unlink()
        result = run("user", "remove", "default", "--state", str(state))
        assert (result.code, result.out) == (1, "")
        assert "error: removed in the file, but the running server still serves its users" in result.err
        assert "within a second" not in result.err
        assert "Start it again" in result.err
