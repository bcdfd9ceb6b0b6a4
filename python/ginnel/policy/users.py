"""Users: their keys, and the table of them for the engine."""

from collections.abc import Iterable
from typing import Protocol

from ginnel.config.roster import User
from ginnel.config.secret import Secret

FIRST_USER = "default"
"""The user that every new server has."""


class Keys(Protocol):
    """The key functions of the engine, handed in so that policy does not depend on it."""

    def derive_user_key(self, server_private_key: bytes, user: str, generation: int) -> bytes:
        """Return a user's private key."""

    def public_key(self, private_key: bytes) -> bytes:
        """Return the public key of a private key."""


def user_key(server_private_key: Secret, user: User, keys: Keys) -> Secret:
    """Return the user's private key, which goes into the user's share link."""
    return Secret(keys.derive_user_key(server_private_key.reveal(), user.name, user.generation))


class UserTable:
    """Compiles users into the table that the engine takes: names and public keys.

    A key costs two multiplications on the curve, a tenth of a millisecond; it is kept for as long as its user stays,
    so that a change among 10,000 users costs as much as what has changed.
    """

    def __init__(self, server_private_key: Secret, keys: Keys) -> None:
        self._server_private_key = server_private_key
        self._keys = keys
        # By name and generation; never more than the users of the last table.
        self._known: dict[tuple[str, int], bytes] = {}

    def compile(self, users: Iterable[User]) -> list[tuple[str, bytes]]:
        """Return the table."""
        before, self._known = self._known, {}
        for user in users:
            identity = user.name, user.generation
            self._known[identity] = before.get(identity) or self._public_key(user)
        return [(name, key) for (name, _), key in self._known.items()]

    def _public_key(self, user: User) -> bytes:
        return self._keys.public_key(user_key(self._server_private_key, user, self._keys).reveal())
