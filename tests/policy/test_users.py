"""Users: keys, and the engine's table."""

from ginnel.config.roster import User
from ginnel.config.secret import Secret
from ginnel.policy.users import UserTable, user_key
from tests import fake_engine

SERVER_KEY = Secret(bytes(range(32)))


class CountingKeys:
    """The engine's key functions, with how often they were needed."""

    def __init__(self) -> None:
        self.derived: list[str] = []

    def derive_user_key(self, server_private_key: bytes, user: str, generation: int) -> bytes:
        self.derived.append(user)
        return fake_engine.derive_user_key(server_private_key, user, generation)

    def public_key(self, private_key: bytes) -> bytes:
        return fake_engine.public_key(private_key)


def test_the_table_holds_the_public_key_of_each_users_own_key() -> None:
    users = (User(name="anna"), User(name="bob", generation=2))
    private = [fake_engine.derive_user_key(bytes(range(32)), *user) for user in (("anna", 1), ("bob", 2))]
    assert UserTable(SERVER_KEY, fake_engine).compile(users) == [
        ("anna", fake_engine.public_key(private[0])),
        ("bob", fake_engine.public_key(private[1])),
    ]
    assert user_key(SERVER_KEY, users[1], fake_engine) == Secret(private[1])


def test_only_what_changed_costs_a_key() -> None:
    keys = CountingKeys()
    table = UserTable(SERVER_KEY, keys)
    many = [User(name=f"user{number}") for number in range(100)]
    before = table.compile(many)
    keys.derived.clear()
    after = table.compile([*many[1:], User(name="anna"), User(name="user0", generation=2)])
    assert keys.derived == ["anna", "user0"]
    assert after[:99] == before[1:]
    # A user who was gone in between is not remembered.
    keys.derived.clear()
    table.compile(many)
    assert keys.derived == ["user0"]
