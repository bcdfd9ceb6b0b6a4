"""Users and share links of a server's state, from outside."""

import asyncio
import shutil
from pathlib import Path

import pytest

from ginnel.api.links import StoredUsers, Told, stored_link
from ginnel.api.rotation import rotate_secret
from ginnel.api.server import Server
from ginnel.config.sharelink import ShareLink
from ginnel.config.state import StateDirectory
from ginnel.errors import ConfigError, ControlError, StateError
from tests.fake_engine import Engine
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("engines")


async def test_it_is_the_link_that_the_server_printed(state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        printed = server.share_link()
    link, is_new = stored_link(state, "default")
    assert link.to_text() == printed
    assert not is_new


async def test_a_new_user_is_added_and_stays(state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    link, is_new = stored_link(state, "phone")
    assert is_new
    assert stored_link(state, "phone") == (link, False)
    async with Server(state=state) as server:
        assert server.users() == ("default", "phone")
        assert (
            ShareLink.parse(server.share_link("phone")).servers[0].private_key == link.servers[0].private_key
        )


async def test_another_address_can_be_named(state: Path, engines: list[Engine]) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    assert stored_link(state, "default", "ext.example.net")[0].servers[0].address == ("ext.example.net", 4433)
    assert stored_link(state, "default", "[2001:db8::1]:9")[0].servers[0].address == ("2001:db8::1", 9)


@pytest.mark.parametrize("made", [False, True])
def test_where_no_server_ran_there_is_no_link(state: Path, made: bool) -> None:
    if made:
        StateDirectory(state).create()
    with pytest.raises(StateError, match="no server has been started") as caught:
        stored_link(state, "default")
    assert "ginnel server" in caught.value.hint


async def test_a_name_no_user_can_have(state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    with pytest.raises(ConfigError, match="is not a user name"):
        stored_link(state, "Anna")
    with pytest.raises(ConfigError, match="advertise"):
        stored_link(state, "anna", "a b")
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        assert server.users() == ("default",)


async def test_users_are_added_listed_and_removed_without_a_server(state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    with StoredUsers(state) as users:
        assert users.add(["anna", "bob"]) == Told(False, 0)
        first = users.link("anna")
        with pytest.raises(ConfigError, match="exists already"):
            users.add(["anna"])
        assert users.rotate(["anna"]) == Told(False, 0)
        second = users.link("anna")
        assert users.remove(["anna"]) == Told(False, 0)
        with pytest.raises(ConfigError, match="no user 'anna'"):
            users.link("anna")
        records, links = users.records()
        assert ([record.user.name for record in records], links) == (["default", "bob"], None)
        users.add(["anna"])
        assert len({one.servers[0].private_key for one in (first, second, users.link("anna"))}) == 3


async def test_a_running_server_is_told_at_once(state: Path, engines: list[Engine]) -> None:
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        with StoredUsers(state) as users:
            assert await asyncio.to_thread(users.add, ["anna"]) == Told(True, 0)
            assert server.users() == ("default", "anna")
            facts = {"peer": "192.0.2.9:5", "session": "quic", "carrier": "udp", "user": "anna"}
            for _ in range(2):
                engines[0].emit("link_up", **facts)
            while (await asyncio.to_thread(users.records))[1] != {"anna": 2}:
                pass
            assert await asyncio.to_thread(users.remove, ["anna"]) == Told(True, 2)
            assert [name for name, _ in engines[0].calls[-1][1]] == ["default"]


async def test_a_server_that_cannot_be_asked_is_known_to_run(state: Path, engines: list[Engine]) -> None:
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        assert server._control is not None
        await server._control.aclose()
        with StoredUsers(state) as users:
            assert await asyncio.to_thread(users.add, ["anna"]) == Told(True, None)
        # It notices by itself.
        await until(lambda: server.users() == ("default", "anna"))


@pytest.mark.parametrize(
    ("action", "done"), [("remove", "removed"), ("rotate", "given a new key"), ("add", "added")]
)
async def test_a_server_that_does_not_take_the_change_is_told(
    state: Path, engines: list[Engine], action: str, done: str
) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        # As a restored copy does.
        database = state / "users.sqlite3"
        shutil.copy(database, state / "copy")
        for side in state.glob("users.sqlite3-*"):
            shutil.copy(side, state / side.name.replace("users.sqlite3", "copy"))
        for path in state.glob("copy*"):
            path.chmod(0o600)
            path.replace(state / path.name.replace("copy", "users.sqlite3"))
        with StoredUsers(state) as users:
            name = "anna" if action == "add" else "default"
            with pytest.raises(ControlError, match=f"^{done} in the file, but the running server") as caught:
                await asyncio.to_thread(getattr(users, action), [name])
            assert "was replaced" in str(caught.value)
            assert "Start it again" in caught.value.hint


async def test_a_server_that_is_stopped_is_not_said_to_know_soon(
    state: Path, engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ginnel.control.client.STEP_SECONDS", 0.05)
    async with Server(state=state, listen="127.0.0.1:4433"):
        with StoredUsers(state) as users, pytest.raises(ControlError, match="no answer on"):
            users.remove(["default"])  # on the server's own loop, which cannot answer meanwhile


async def test_links_ask_for_the_session_of_the_last_start(state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433", session="kcp") as server:
        printed = ShareLink.parse(server.share_link())
        assert printed.session == "kcp"
        assert ShareLink.parse(server.share_link("phone")).session == "kcp"
    assert stored_link(state, "default")[0] == printed
    assert stored_link(state, "tablet")[0].session == "kcp"
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        assert ShareLink.parse(server.share_link()).session == "quic"
    assert stored_link(state, "default")[0].session == "quic"


async def test_a_new_secret_leaves_the_session_alone(state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433", session="kcp") as server:
        before = ShareLink.parse(server.share_link())
        assert (await asyncio.to_thread(rotate_secret, state)).told
        after = ShareLink.parse(server.share_link())
        assert after.servers[0].psk != before.servers[0].psk
        assert after.session == stored_link(state, "default")[0].session == "kcp"
