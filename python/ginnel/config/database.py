"""A small SQLite database that only its owner may read, whose schema has a version.

A crash at any moment leaves it as before or after a transaction (write-ahead log, synchronous=FULL). What SQLite or
the system refuses comes as StateError, with what would be right. One `Database` is used by one thread at a time.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ginnel.config.private import check_private, told
from ginnel.errors import StateError

MAX_BYTES = 256 * 1024 * 1024
"""A longer file is refused unread: it is not ours."""
BUSY_SECONDS = 5.0
"""How long a change waits for that of another process."""

_APPLICATION = 0x67696E6E  # "ginn", where SQLite keeps whose file it is
_SIDES = ("-wal", "-shm", "-journal")
_LITTLE_ROOM = 64 * 1024
"""A disk with less is full: SQLite needs 32 KiB for the index of its log, and does not say what it lacks."""


class Database:
    """An open database, of the newest version of its schema.

    `migrations` are the steps of the schema, in order, each a list of statements: so many are its version. `create`
    says that there may be none yet; without it, a missing or empty one is a loss.
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[Sequence[str]],
        *,
        create: bool = False,
        patience: float = BUSY_SECONDS,
    ) -> None:
        self.path = path
        self._migrations = migrations
        self._patience = patience
        # Never opened by ourselves where it exists: closing it again would take away the locks that SQLite holds in
        # this process, which are the process's and not the descriptor's.
        status = self._make() if create else None
        status = status or self._look()
        self._file = status.st_dev, status.st_ino
        with self._told():
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,  # transactions are ours
                timeout=patience,
                check_same_thread=False,
            )
        try:
            self._open(create)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it. May be called twice."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run a statement and return its rows."""
        with self._told():
            return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside happen, or none; no other process writes meanwhile."""
        self._check_place()
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")

    def data_version(self) -> int:
        """Return a number that differs when another connection has changed something. Costs microseconds.

        Raises StateError when the file is gone, or another stands in its place.
        """
        self._check_place()
        return int(self.rows("PRAGMA data_version")[0][0])

    def _check_place(self) -> None:
        """SQLite would go on with a file that has lost its name, and nobody would ever see what it writes."""
        status = self._look()
        if (status.st_dev, status.st_ino) != self._file:
            raise StateError(
                f"{self.path} was replaced while it was in use",
                hint="Start the server again: it then reads the new one.",
                path=str(self.path),
            )

    def _make(self) -> os.stat_result | None:
        """Make the file, empty, before SQLite touches it: for its owner alone. None: it is there already."""
        with told("make", self.path.parent):
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                return None
            try:
                os.fchmod(descriptor, 0o600)  # whatever the umask; SQLite gives its other files the same
                return os.fstat(descriptor)
            finally:
                os.close(descriptor)

    def _look(self) -> os.stat_result:
        """Check what stands there, and beside it."""
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            raise StateError(
                f"{self.path} is missing", hint=_restore(self.path), path=str(self.path)
            ) from None
        except OSError as error:
            with told("look at", self.path.parent):
                raise error
        check_private(self.path, status, stat.S_ISREG, 0o600)
        for side in _SIDES:
            beside = self.path.with_name(self.path.name + side)
            # SQLite of another process may take it away meanwhile.
            with contextlib.suppress(FileNotFoundError):
                check_private(beside, beside.lstat(), stat.S_ISREG, 0o600)
        return status

    def _open(self, create: bool) -> None:
        if self.path.stat().st_size > MAX_BYTES:
            raise self._damaged(f"it is longer than {MAX_BYTES:,} bytes")
        version = self._check_owner(create)
        # Only now: it would change a file that is not ours.
        self.rows("PRAGMA journal_mode=WAL")
        self.rows("PRAGMA synchronous=FULL")
        self.rows("PRAGMA trusted_schema=OFF")
        if version < len(self._migrations):
            self._migrate()
        complaints = self.rows("PRAGMA quick_check(1)")
        if complaints != [("ok",)]:
            raise self._damaged("SQLite's own check fails")

    def _check_owner(self, create: bool) -> int:
        """Return the version of the schema; refuse the database of another program, and a newer one."""
        application = self.rows("PRAGMA application_id")[0][0]
        version = int(self.rows("PRAGMA user_version")[0][0])
        is_empty = not version and not application and not self.rows("SELECT 1 FROM sqlite_master LIMIT 1")
        if is_empty and create:
            return 0
        if is_empty:
            raise self._damaged("it is empty")
        if application != _APPLICATION or version < 1:
            raise self._damaged("it is the database of another program")
        if version > len(self._migrations):
            raise StateError(
                f"{self.path} was written by a newer ginnel (version {version}; this one reads "
                f"{len(self._migrations)})",
                hint="Update ginnel on this machine.",
                path=str(self.path),
            )
        return version

    def _migrate(self) -> None:
        """Take the schema to its newest version, in one transaction."""
        with self.transaction():
            # Asked again under the lock: another process may have done it.
            version = int(self.rows("PRAGMA user_version")[0][0])
            for step in self._migrations[version:]:
                for statement in step:
                    self.rows(statement)
            self.rows(f"PRAGMA application_id={_APPLICATION}")
            self.rows(f"PRAGMA user_version={max(version, len(self._migrations))}")
        with told("write", self.path.parent):
            # The name of a new file lasts only with its directory.
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _damaged(self, why: str) -> StateError:
        return StateError(f"{self.path} is damaged: {why}", hint=_restore(self.path), path=str(self.path))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell SQLite's refusals."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _explain(self, error: sqlite3.Error) -> StateError:
        # Names such as SQLITE_IOERR_SHMSIZE; errors that Python finds itself have none.
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or name == "SQLITE_ERROR":
            # SQLITE_ERROR is a schema that lacks what every version of ours has.
            return self._damaged(str(error))
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StateError(
                f"{self.path} is held by another program for more than {self._patience:g} s",
                hint=f"Which one:  fuser -v '{self.path}'",
                path=str(self.path),
            )
        why, hint = self._circumstances(name, str(error))
        return StateError(f"cannot use {self.path}: {why}", hint=hint, path=str(self.path))

    def _circumstances(self, name: str, message: str) -> tuple[str, str]:
        """Find out what is wrong around the file, which SQLite does not tell apart."""
        where = self.path.parent
        with contextlib.suppress(OSError):
            disk = os.statvfs(where)
            if disk.f_flag & os.ST_RDONLY:
                return (
                    "the disk is read-only",
                    f"Make it writable:  findmnt -T '{where}'\nOr another place:  --state DIR",
                )
            if name == "SQLITE_FULL" or disk.f_bavail * disk.f_frsize < _LITTLE_ROOM:
                return "the disk is full", f"Make room there:  df -h '{where}'\nNothing was changed."
        if not os.access(self.path, os.R_OK | os.W_OK):
            return "you may not read and write it", f"chmod 600 '{self.path}'"
        if not os.access(where, os.W_OK | os.X_OK):
            return "you may not write in its directory", f"chmod 700 '{where}'"
        return message, f"Look at the disk and the directory:  ls -la '{where}'"


def _restore(path: Path) -> str:
    return (
        f"Restore it from a copy (with {path.name}-wal, where there was one). Or move it and server.json away to\n"
        "start anew: share links made so far then stop working."
    )
