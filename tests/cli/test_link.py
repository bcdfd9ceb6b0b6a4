"""`ginnel link`."""

import asyncio
import json
from pathlib import Path

import pytest

from ginnel.api.server import Server
from ginnel.config.sharelink import ShareLink
from tests.cli.conftest import Command
from tests.fake_engine import Engine

pytestmark = pytest.mark.usefixtures("engines")


@pytest.fixture
def printed(engines: list[Engine], state: Path) -> str:
    """The link that the server of `state` printed."""

    async def once() -> str:
        async with Server(state=state, listen="127.0.0.1:4433") as server:
            return server.share_link()

    return asyncio.run(once())


def test_the_link_that_the_server_printed(run: Command, state: Path, printed: str) -> None:
    assert run("link", "--state", str(state)) == (0, printed + "\n", "")


def test_a_new_user(run: Command, state: Path, printed: str) -> None:
    result = run("link", "phone", "--state", str(state), "--advertise", "a.example")
    assert result.code == 0
    link = ShareLink.parse(result.out)
    assert link.servers[0].address == ("a.example", 4433)
    assert link.servers[0].private_key != ShareLink.parse(printed).servers[0].private_key
    assert result.err.startswith("  user       phone                    new, in ~/state;")


def test_json(run: Command, state: Path, printed: str) -> None:
    result = run("link", "--json", "--state", str(state))
    assert json.loads(result.out) == {
        "user": "default",
        "new": False,
        "address": "127.0.0.1:4433",
        "addresses": ["127.0.0.1:4433"],
        "link": printed,
    }


def test_mistakes(run: Command, state: Path, printed: str) -> None:
    assert run("link", "Anna", "--state", str(state)).code == 2
    result = run("link", "--state", str(state / "elsewhere"))
    assert result.code == 2
    assert "no server has been started with the state in" in result.err
