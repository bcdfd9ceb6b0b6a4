"""Users: names, keys, the engine's table."""

import pytest

from ginnel.config.secret import Secret
from ginnel.config.state import MAX_USERS, ServerState, User
from ginnel.errors import ConfigError, LimitReached
from ginnel.policy.users import check_user_name, compile_users, user_key, with_user
from tests import fake_engine

STATE = ServerState(psk=Secret(bytes(32)), private_key=Secret(bytes(range(32))))


@pytest.mark.parametrize("name", ["a", "default", "anna.phone", "x_1-2", "0" * 64])
def test_names_that_a_user_can_have(name: str) -> None:
    assert check_user_name(name) == name
    assert with_user(STATE, name).users == (User(name=name),)


@pytest.mark.parametrize("name", ["", "Anna", "a b", "a\n", "ä", "a/b", "x" * 65, "ginnel://"])
def test_names_that_no_user_can_have(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a user name") as caught:
        with_user(STATE, name)
    assert "1 to 64" in caught.value.hint


def test_a_user_that_exists_changes_nothing() -> None:
    state = with_user(STATE, "anna")
    assert with_user(state, "anna") is state


def test_there_is_a_most() -> None:
    full = STATE.replaced(users=tuple(User(name=str(number)) for number in range(MAX_USERS)))
    with pytest.raises(LimitReached, match="10,000 users"):
        with_user(full, "more")


def test_the_table_holds_the_public_key_of_each_users_own_key() -> None:
    state = STATE.replaced(users=(User(name="anna"), User(name="bob", generation=2)))
    table = compile_users(state, fake_engine)
    private = [fake_engine.derive_user_key(bytes(range(32)), *user) for user in (("anna", 1), ("bob", 2))]
    assert table == [
        ("anna", fake_engine.public_key(private[0])),
        ("bob", fake_engine.public_key(private[1])),
    ]
    assert user_key(state, state.users[1], fake_engine) == Secret(private[1])
