"""The users of a running server: read from the roster, told to the engine, counted."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ginnel import _native
from ginnel._native import Native
from ginnel.config.roster import Roster, User
from ginnel.config.secret import Secret
from ginnel.errors import ClosedError, GinnelError
from ginnel.policy.counters import Counters
from ginnel.policy.users import UserTable

_WATCH_SECONDS = 0.5
"""How soon a change of the roster is noticed when nobody says so on the control socket."""
_COUNT_SECONDS = 30.0
"""How often counts are written: so much a crash may lose."""
_DRAIN_COUNT_SECONDS = 0.5
"""How often the engine's figures are read while it ends: it takes them with it."""

_BOOK_PATIENCE_SECONDS = 0.5
"""How long the writing of counts waits for other processes; what was not written is written the next time."""
_LAST_PATIENCE_SECONDS = 3.0
"""The same at the end, where there is no next time."""

_TOLD = 100
"""So many users of one change are named in the log."""

_log = logging.getLogger("ginnel.users")


class ServedUsers:
    """Keeps the engine's user table as the roster says, and the roster's counts as the engine says."""

    def __init__(
        self, roster: Roster, open_book: Callable[[float], Roster], server_private_key: Secret
    ) -> None:
        """Take over the roster; `open_book` opens it once more, with so much patience, to write counts."""
        self._roster = roster
        self._open_book = open_book
        self._table = UserTable(server_private_key, _native)
        self._users = self._roster.users()
        self._native: Native | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._links: Counter[str] = Counter()
        self._counters = Counters()
        self._book: Roster | None = None
        self._writing = asyncio.Lock()
        self._said: str | None = None
        self._count_failed = False
        self._patience = _BOOK_PATIENCE_SECONDS
        self._process = os.getpid()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the users."""
        return tuple(user.name for user in self._users)

    def compiled(self) -> list[tuple[str, bytes]]:
        """Return the table of the users for the engine."""
        return self._table.compile(self._users)

    def attach(self, native: Native) -> None:
        """Serve with this engine, which was started with the compiled table."""
        self._native = native
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._count())]

    def ensure(self, name: str) -> User:
        """Return the user of that name, who is added and told to the engine when there was none."""
        user, is_new = self._roster.ensure(name)
        if is_new or user not in self._users:
            self._refresh()
            if self._native is not None:
                self._native.set_users(self.compiled())
        return user

    async def reread(self) -> int:
        """Take the roster as it is now; when the engine knows it, return how many links that has ended.

        Raises StateError; the users stay as they were then.
        """
        gone = self._refresh()
        if gone is None or self._native is None:
            return 0
        ended = self._end_counts(gone)
        # No pause since the reading: tables reach the engine in the order in which they were read.
        await self._native.replace_users(self.compiled())
        return ended

    async def written(self) -> dict[str, int]:
        """Write the counts now; return how many links each user has at the moment."""
        await self._write()
        return {name: count for name, count in self._living().items() if count > 0}

    def link_up(self, name: str) -> None:
        """A link of a user came up."""
        self._links[name] += 1
        self._counters.link_up(name)

    def link_down(self, name: str) -> None:
        """A link of a user has ended."""
        self._links[name] -= 1
        if self._links[name] <= 0:
            del self._links[name]
        self._counters.link_down(name)

    def drain(self) -> None:
        """The engine is about to end, and takes its figures with it: look at them until then."""
        self._take()
        self._tasks.append(asyncio.create_task(self._follow()))

    async def aclose(self) -> None:
        """Write what was counted, and close."""
        if os.getpid() != self._process:
            return  # a fork: SQLite's locks and the counts are the parent's
        for task in self._tasks:
            task.cancel()
        await self._write_last()
        self._roster.close()
        if self._book is not None:
            self._book.close()

    def _refresh(self) -> list[str] | None:
        """Read the users; the names whose keys so far are worth nothing now, or None when nothing has changed."""
        # First: what changes after it is noticed the next time.
        self._roster.has_changed()
        users = self._roster.users()
        before, self._users = self._users, users
        self._said = None
        if before == users:
            return None
        gone, new = set(before) - set(users), set(users) - set(before)
        for what, whose in (("gone", gone), ("new", new)):
            for user in sorted(whose, key=lambda user: user.name)[:_TOLD]:
                _log.info(
                    "a key is %s", what, extra={"facts": {"user": user.name, "generation": user.generation}}
                )
        return [user.name for user in gone]

    def _end_counts(self, gone: list[str]) -> int:
        """Forget what was counted of users that are gone; return how many links end: also those of old keys."""
        if not gone:
            return 0
        living = self._living()
        self._take()
        # With a new key, a user is the same user still.
        self._counters.forget(set(gone) - {user.name for user in self._users})
        return sum(living.get(name, 0) for name in gone)

    def _living(self) -> Mapping[str, int]:
        """How many links each user has: the engine's figures, else from its events, of which some may be dropped."""
        figures = self._figures()
        if figures is None:
            return self._links
        return {name: int(figure.get("links", 0)) for name, figure in figures.items()}

    def _figures(self) -> Mapping[str, Mapping[str, Any]] | None:
        """What the engine has counted for each user; None when it does not say, or has ended."""
        try:
            stats: Mapping[str, Any] = self._native.stats() if self._native is not None else {}
        except GinnelError:
            return None
        figures = stats.get("users")
        return figures if isinstance(figures, Mapping) else None

    def _take(self) -> None:
        figures = self._figures()
        if figures is not None:
            self._counters.take(figures)

    async def _watch(self) -> None:
        """Notice changes of the roster that nobody told us of."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                if self._roster.has_changed():
                    await self.reread()
            except ClosedError:
                return
            except GinnelError as error:
                # Said once; the server goes on with the users it knows.
                if str(error) != self._said:
                    _log.warning("users stay as they are: %s", error)
                self._said = str(error)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_DRAIN_COUNT_SECONDS)
            self._take()

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(_COUNT_SECONDS)
            await self._write()

    async def _write(self) -> None:
        """Write what was counted; what cannot be written is kept for the next time."""
        self._take()
        async with self._writing:
            try:
                await self._write_in_thread()
                self._count_failed = False
            except GinnelError as error:
                if not self._count_failed:
                    _log.warning("counts of users wait to be written: %s", error)
                self._count_failed = True

    async def _write_last(self) -> None:
        """Write what was counted, with more patience; say what is lost when that fails."""
        self._take()
        async with self._writing:
            if self._book is not None:
                self._book.close()
            self._book, self._patience = None, _LAST_PATIENCE_SECONDS
            try:
                await self._write_in_thread()
            except GinnelError as error:
                users, lost = self._counters.waiting()
                _log.error(
                    "counts of %d users are lost (%d streams, %d bytes): %s",
                    users,
                    lost.streams,
                    lost.bytes_received + lost.bytes_sent,
                    error,
                )

    async def _write_in_thread(self) -> None:
        """Write in a thread, and on a connection of its own: the disk may take its time.

        Whoever is cancelled waits for the thread all the same: its connection must not be closed under it.
        """
        writing = asyncio.ensure_future(asyncio.to_thread(self._write_now))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            writing.exception()  # looked at; what was not written still waits
            raise

    def _write_now(self) -> None:
        if not self._counters.is_waiting:
            return
        if self._book is None:
            self._book = self._open_book(self._patience)
        self._counters.write(self._book)
