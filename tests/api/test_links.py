"""Share links made from a server's state, without the server."""

from pathlib import Path

import pytest

from ginnel.api.links import share_link, stored_link
from ginnel.api.server import Server
from ginnel.config.address import Address
from ginnel.config.sharelink import ShareLink
from ginnel.config.state import StateDirectory
from ginnel.errors import ConfigError, StateError
from tests.fake_engine import Engine

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
        assert ShareLink.parse(server.share_link("phone")).private_key == link.private_key


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
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        with pytest.raises(ConfigError, match="is not a user name"):
            stored_link(state, "Anna")
        assert server._state is not None
        with pytest.raises(ValueError, match="no user 'anna'"):
            share_link(server._state, "anna", Address("192.0.2.1", 1))
