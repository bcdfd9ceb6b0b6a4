"""`ginnel secret`."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from ginnel.api.server import Server
from ginnel.config.state import StateDirectory
from tests.cli.conftest import Command
from tests.fake_engine import Engine

pytestmark = pytest.mark.usefixtures("engines")


@pytest.fixture
async def made(state: Path) -> Path:
    """A state in which a server has run."""
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    return state


async def test_a_change_from_its_beginning_to_its_end(made: Path, run: Command) -> None:
    where = "--state", str(made)
    assert run("secret", "status", *where).out == "one secret\n"
    rotated = run("secret", "rotate", *where)
    assert (rotated.code, rotated.out) == (0, "")
    assert "secret     new" in rotated.err
    assert "holds from the server's next start; it does not run now" in rotated.err
    # What to do next, in order.
    steps = [
        rotated.err.index(word) for word in ("start the server again", "ginnel link USER", "secret retire")
    ]
    assert steps == sorted(steps)
    assert run("secret", "status", *where).out == "two secrets: the current one, and the previous one\n"
    again = run("secret", "rotate", *where)
    assert again.code == 2
    assert "error: the secret before this one is still accepted" in again.err
    assert run("secret", "rotate", "--force", *where).code == 0
    retired = run("secret", "retire", *where)
    assert retired.code == 0
    assert "work no longer once the server has started again" in retired.err
    assert run("secret", "retire", *where).code == 2


async def test_no_secret_is_shown(made: Path, run: Command) -> None:
    said = "".join(
        "".join(run("secret", word, "--state", str(made))[1:]) for word in ("rotate", "status", "retire")
    )
    kept = StateDirectory(made).read()
    assert kept is not None
    assert kept.psk.reveal().hex() not in said


async def test_a_running_server_takes_it_at_once(state: Path, run: Command) -> None:
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        before = server.share_link()
        result = await asyncio.to_thread(run, "secret", "rotate", "--state", str(state))
        assert f"holds at once; process {os.getpid()} has it" in result.err
        assert "start the server again" not in result.err
        assert server.share_link() != before
        kept = StateDirectory(state).read()
        assert kept is not None
        assert Engine.made[-1].psks == [secret.reveal() for secret in kept.secrets]
        result = await asyncio.to_thread(run, "secret", "retire", "--state", str(state))
        assert "work no longer.\n" in result.err
        assert Engine.made[-1].psks == [kept.psk.reveal()]


async def test_a_running_server_that_cannot_be_told_is_named(state: Path, run: Command) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        StateDirectory(state).control_socket.unlink()
        result = run("secret", "rotate", "--state", str(state))
    assert f"next start; process {os.getpid()} could not be told" in result.err
    assert "start the server again" in result.err


async def test_json(made: Path, run: Command) -> None:
    told = [
        json.loads(run("secret", word, "--json", "--state", str(made)).out)
        for word in ("rotate", "status", "retire")
    ]
    assert told == [
        {"action": "rotate", "previous_accepted": True, "running": False, "told": False},
        {"action": "status", "previous_accepted": True, "running": False, "told": False},
        {"action": "retire", "previous_accepted": False, "running": False, "told": False},
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "error: what? An action is missing\n  Actions: status, rotate, retire.\n"),
        (["rotat"], "error: unknown action 'rotat'. Did you mean 'rotate'?\n"),
        (["retire", "--force"], "error: --force is for rotate, not for retire\n"),
        (["rotate"], "error: no server has been started with the state in"),
    ],
)
def test_what_it_refuses(run: Command, state: Path, arguments: list[str], error: str) -> None:
    result = run("secret", *arguments, "--state", str(state))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(error)
