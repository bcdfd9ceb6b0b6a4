"""The roster: who may use a server, and how much each user has used it. It survives crashes, in `users.sqlite3`.

A user who is removed leaves the last generation behind, so that the same name never gets an old key again.
"""

import difflib
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ginnel.config.database import BUSY_SECONDS, Database
from ginnel.config.mistakes import cut, is_link
from ginnel.errors import ConfigError, LimitReached, StateError

MAX_USERS = 10_000
"""More are refused: the user table is handed to the engine whole."""
MAX_REMOVED = 100_000
"""So many removed names are remembered each by itself; older ones by the highest generation among them."""
MAX_GENERATION = 2**31
USER_NAME = r"[a-z0-9._-]{1,64}"
"""What a user may be called."""
_NAME = re.compile(USER_NAME)

MIGRATIONS = (
    (
        f"""CREATE TABLE users (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE CHECK (typeof(name) = 'text' AND length(name) BETWEEN 1 AND 64),
            generation INTEGER NOT NULL
                CHECK (typeof(generation) = 'integer' AND generation BETWEEN 1 AND {MAX_GENERATION}),
            created INTEGER NOT NULL CHECK (typeof(created) = 'integer'),
            removed INTEGER CHECK (typeof(removed) IN ('integer', 'null'))
        )""",
        """CREATE TABLE usage (
            name TEXT PRIMARY KEY,
            links INTEGER NOT NULL DEFAULT 0,
            streams INTEGER NOT NULL DEFAULT 0,
            bytes_received INTEGER NOT NULL DEFAULT 0,
            bytes_sent INTEGER NOT NULL DEFAULT 0,
            last_seen INTEGER
        )""",
        # `floor`: no name gets this generation or a lower one. `run` and `batch`: the counts that came last.
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value NOT NULL)",
    ),
)
"""The steps of the schema. Only ever add one at the end: databases of every version are out there."""
_OLDEST = "SELECT number, generation FROM users WHERE removed IS NOT NULL ORDER BY removed, number LIMIT ?"


class User(NamedTuple):
    """An identity on a server. Its key follows from the server's key, the name and the generation."""

    name: str
    generation: int = 1
    """A new generation is a new key; links of the old one stop working."""


@dataclass(slots=True)
class Usage:
    """How much a user has used the server, in all or since it was written last. Bytes are streams' payload."""

    links: int = 0
    streams: int = 0
    bytes_received: int = 0
    """From the client."""
    bytes_sent: int = 0
    last_seen: int | None = None
    """Unix time."""


@dataclass(frozen=True, slots=True)
class Record:
    """A user with all that is known."""

    user: User
    created: int
    """Unix time."""
    usage: Usage


def check_user_name(name: str) -> str:
    """Return the name if a user may be called so; ConfigError that says what is allowed if not."""
    if _NAME.fullmatch(name):
        return name
    if is_link(name):
        raise ConfigError(
            "a share link is not a user name",
            hint="Name the user whose link it is; all of them:  ginnel user list",
            setting="user",
        )
    raise ConfigError(
        f"user = {cut(name)!r} is not a user name",
        hint="1 to 64 of: a to z, 0 to 9, dot, underscore, hyphen. Such as laptop or anna.phone.",
        setting="user",
    )


class Roster:
    """The users of a server. Every method raises StateError for a database that cannot be used."""

    def __init__(self, path: Path, *, create: bool = False, patience: float = BUSY_SECONDS) -> None:
        self._database = Database(path, MIGRATIONS, create=create, patience=patience)
        self._version = self._database.data_version()

    def close(self) -> None:
        """Close it. May be called twice."""
        self._database.close()

    def has_changed(self) -> bool:
        """Whether another connection has changed something since the last call. StateError when it is gone."""
        before, self._version = self._version, self._database.data_version()
        return self._version != before

    def users(self) -> tuple[User, ...]:
        """Return the users, in the order in which they were added."""
        rows = self._database.rows(
            "SELECT name, generation FROM users WHERE removed IS NULL ORDER BY created, number"
        )
        return tuple(self._user(*row) for row in rows)

    def records(self) -> list[Record]:
        """Return the users with what they have used."""
        rows = self._database.rows(
            "SELECT users.name, generation, created, links, streams, bytes_received, bytes_sent, last_seen"
            " FROM users LEFT JOIN usage ON users.name = usage.name WHERE removed IS NULL"
            " ORDER BY created, number"
        )
        return [
            Record(
                self._user(name, generation),
                created,
                Usage(links or 0, streams or 0, received or 0, sent or 0, last_seen),
            )
            for name, generation, created, links, streams, received, sent, last_seen in rows
        ]

    def find(self, name: str) -> User:
        """Return the user of that name; ConfigError that names the nearest one when there is none."""
        user = self._find(check_user_name(name))
        if user is None:
            raise self._unknown(name)
        return user

    def add(self, names: Sequence[str]) -> tuple[User, ...]:
        """Add users: all of them, or none. ConfigError for a name that is bad or taken, LimitReached."""
        for name in names:
            check_user_name(name)
        with self._database.transaction():
            self._check_room(len(names))
            for name in names:
                if self._find(name) is not None:
                    raise ConfigError(
                        f"user {name!r} exists already",
                        hint=f"Its link again:  ginnel user link {name}",
                        setting="user",
                    )
                self._add(name)
            return tuple(self.find(name) for name in names)

    def ensure(self, name: str) -> tuple[User, bool]:
        """Return the user of that name, added when there was none, and whether it was."""
        check_user_name(name)
        user = self._find(name)
        if user is not None:
            return user, False
        with self._database.transaction():
            is_new = self._find(name) is None
            if is_new:
                self._check_room(1)
                self._add(name)
            return self.find(name), is_new

    def ensure_first(self, name: str) -> None:
        """Add the user that a new server has, unless there ever was one."""
        with self._database.transaction():
            if not self._database.rows("SELECT 1 FROM users LIMIT 1") and not self._fact("floor"):
                self._add(name)

    def remove(self, names: Iterable[str]) -> None:
        """Remove users, with what was counted: all of them, or none. ConfigError for a name that is unknown."""
        with self._database.transaction():
            for name in names:
                self.find(name)
                self._database.rows("UPDATE users SET removed = ? WHERE name = ?", (_now(), name))
                self._database.rows("DELETE FROM usage WHERE name = ?", (name,))
            self._forget_oldest()

    def rotate(self, names: Iterable[str]) -> tuple[User, ...]:
        """Give users new keys: their links so far end. All of them, or none."""
        names = tuple(names)
        with self._database.transaction():
            for name in names:
                self.find(name)
                self._database.rows("UPDATE users SET generation = generation + 1 WHERE name = ?", (name,))
            return tuple(self.find(name) for name in names)

    def take_over(self, users: Iterable[User]) -> None:
        """Add users that another file kept, unless they are known here: also as removed."""
        with self._database.transaction():
            for user in users:
                self._database.rows(
                    "INSERT OR IGNORE INTO users (name, generation, created) VALUES (?, ?, ?)",
                    (user.name, user.generation, _now()),
                )

    def count(self, run: str, batch: int, usage: Mapping[str, Usage]) -> None:
        """Add to what users have used. A batch that is written again, after a doubtful failure, counts once.

        `run` names who counts, `batch` goes up. Users that were removed meanwhile are left out.
        """
        with self._database.transaction():
            if self._fact("run") == run and (self._fact("batch") or 0) >= batch:
                return
            self._set_fact("run", run)
            self._set_fact("batch", batch)
            for name, more in usage.items():
                self._database.rows(
                    "INSERT INTO usage (name) SELECT name FROM users WHERE name = ? AND removed IS NULL"
                    " ON CONFLICT (name) DO NOTHING",
                    (name,),
                )
                self._database.rows(
                    "UPDATE usage SET links = links + ?, streams = streams + ?, bytes_received = bytes_received + ?,"
                    " bytes_sent = bytes_sent + ?, last_seen = coalesce(?, last_seen) WHERE name = ?",
                    (
                        more.links,
                        more.streams,
                        more.bytes_received,
                        more.bytes_sent,
                        more.last_seen,
                        name,
                    ),
                )

    def _user(self, name: object, generation: object) -> User:
        # Not with pydantic: there may be 10,000, and they are read again at each change.
        if isinstance(name, str) and _NAME.fullmatch(name) and isinstance(generation, int):
            return User(name, generation)
        raise StateError(
            f"{self._database.path} is damaged: a user in it has no proper name or generation",
            hint="Restore it from a copy.",
            path=str(self._database.path),
        )

    def _find(self, name: str) -> User | None:
        rows = self._database.rows(
            "SELECT name, generation FROM users WHERE name = ? AND removed IS NULL", (name,)
        )
        return self._user(*rows[0]) if rows else None

    def _check_room(self, more: int) -> None:
        ((count,),) = self._database.rows("SELECT count(*) FROM users WHERE removed IS NULL")
        if count + more > MAX_USERS:
            raise LimitReached(
                f"this server has {count:,} users, and more than {MAX_USERS:,} are not possible",
                hint="Remove some first:  ginnel user remove NAME",
            )

    def _add(self, name: str) -> None:
        rows = self._database.rows("SELECT generation FROM users WHERE name = ?", (name,))
        last = max(self._fact("floor") or 0, rows[0][0] if rows else 0)
        self._database.rows(
            "INSERT INTO users (name, generation, created) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " generation = excluded.generation, created = excluded.created, removed = NULL",
            (name, last + 1, _now()),
        )

    def _forget_oldest(self) -> None:
        """Keep the number of removed names bounded; `floor` keeps their keys dead."""
        ((count,),) = self._database.rows("SELECT count(*) FROM users WHERE removed IS NOT NULL")
        if count <= MAX_REMOVED:
            return
        excess = (int(count) - MAX_REMOVED,)
        ((highest,),) = self._database.rows(f"SELECT max(generation) FROM ({_OLDEST})", excess)  # noqa: S608 - a constant
        self._set_fact("floor", max(highest, self._fact("floor") or 0))
        self._database.rows(f"DELETE FROM users WHERE number IN (SELECT number FROM ({_OLDEST}))", excess)  # noqa: S608 - a constant

    def _unknown(self, name: str) -> ConfigError:
        names = [user.name for user in self.users()]
        near = difflib.get_close_matches(name, names, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        return ConfigError(
            f"no user {name!r}.{guess}",
            hint=f"All users:  ginnel user list     A new one:  ginnel user add {name}",
            setting="user",
        )

    def _fact(self, name: str) -> Any:
        rows = self._database.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def _set_fact(self, name: str, value: object) -> None:
        self._database.rows("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _now() -> int:
    return int(time.time())
