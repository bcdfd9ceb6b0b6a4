"""Users: their names, their keys, and the table of them for the engine."""

import re
from typing import Protocol

from ginnel.config.secret import Secret
from ginnel.config.state import MAX_USERS, USER_NAME, ServerState, User
from ginnel.errors import ConfigError, LimitReached

FIRST_USER = "default"
"""The user that every new server has."""


class Keys(Protocol):
    """The key functions of the engine, handed in so that policy does not depend on it."""

    def derive_user_key(self, server_private_key: bytes, user: str, generation: int) -> bytes:
        """Return a user's private key."""

    def public_key(self, private_key: bytes) -> bytes:
        """Return the public key of a private key."""


def check_user_name(name: str) -> str:
    """Return the name if a user may be called so; ConfigError that says what is allowed if not."""
    if re.fullmatch(USER_NAME, name):
        return name
    raise ConfigError(
        f"user = {name[:80]!r} is not a user name",
        hint="1 to 64 of: a to z, 0 to 9, dot, underscore, hyphen. Such as laptop or anna.phone.",
        setting="user",
    )


def with_user(state: ServerState, name: str) -> ServerState:
    """Return the state with that user in it: the same state when the user exists."""
    check_user_name(name)
    if state.user(name) is not None:
        return state
    if len(state.users) >= MAX_USERS:
        raise LimitReached(f"this server has {MAX_USERS:,} users, and no more are possible")
    return state.replaced(users=(*state.users, User(name=name)))


def user_key(state: ServerState, user: User, keys: Keys) -> Secret:
    """Return the user's private key, which goes into the user's share link."""
    return Secret(keys.derive_user_key(state.private_key.reveal(), user.name, user.generation))


def compile_users(state: ServerState, keys: Keys) -> list[tuple[str, bytes]]:
    """Return the user table as the engine takes it: names and public keys."""
    return [(user.name, keys.public_key(user_key(state, user, keys).reveal())) for user in state.users]
