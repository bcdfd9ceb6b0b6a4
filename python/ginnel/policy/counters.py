"""What each user has used, from the engine's figures to the roster: a crash loses a little and counts nothing twice.

The engine counts from its own start on. What has grown since the last look is collected here, and goes to the roster
in numbered batches: a batch that failed is tried again as it was, and the roster takes each number once.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ginnel.config.roster import Usage

_RUN_BYTES = 8
# Ours, and the engine's name for it.
_FIGURES = {"streams": "streams_opened", "bytes_received": "bytes_received", "bytes_sent": "bytes_sent"}


class Book(Protocol):
    """Where batches go: a `Roster`."""

    def count(self, run: str, batch: int, usage: Mapping[str, Usage]) -> None:
        """Add a batch, unless this run has added it already."""


class Counters:
    """The counts of one run of a server. At most two entries a user: one that grows, one that is being written."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._run = secrets.token_hex(_RUN_BYTES)
        self._clock = clock
        self._seen: dict[str, dict[str, int]] = {}
        self._grown: dict[str, Usage] = {}
        self._batch: dict[str, Usage] = {}
        self._number = 0

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to write."""
        return bool(self._batch or self._grown)

    def waiting(self) -> tuple[int, Usage]:
        """Return of how many users something waits to be written, and its sum."""
        total = Usage()
        for usage in (*self._batch.values(), *self._grown.values()):
            total.links += usage.links
            total.streams += usage.streams
            total.bytes_received += usage.bytes_received
            total.bytes_sent += usage.bytes_sent
        return len(self._batch.keys() | self._grown.keys()), total

    def link_up(self, name: str) -> None:
        """Count a link of a user."""
        usage = self._grown.setdefault(name, Usage())
        usage.links += 1
        usage.last_seen = int(self._clock())

    def link_down(self, name: str) -> None:
        """A link of a user has gone: until now, that user was here."""
        self._grown.setdefault(name, Usage()).last_seen = int(self._clock())

    def take(self, figures: Mapping[str, Mapping[str, Any]]) -> None:
        """Collect what has grown in the engine's figures, which are by user."""
        for name, figure in figures.items():
            now = {ours: int(figure.get(theirs, 0)) for ours, theirs in _FIGURES.items()}
            before = self._seen.get(name, {})
            for ours, value in now.items():
                # Less than before: the engine has forgotten the user in between, and begun anew.
                more = value - before.get(ours, 0) if value >= before.get(ours, 0) else value
                if more:
                    usage = self._grown.setdefault(name, Usage())
                    setattr(usage, ours, getattr(usage, ours) + more)
                    usage.last_seen = int(self._clock())
            self._seen[name] = now
            if figure.get("links"):
                self._grown.setdefault(name, Usage()).last_seen = int(self._clock())
        for name in self._seen.keys() - figures.keys():
            del self._seen[name]

    def forget(self, names: Iterable[str]) -> None:
        """Drop what was not written yet of users that are gone; a new user of the same name begins at nothing."""
        for name in names:
            self._grown.pop(name, None)
            self._batch.pop(name, None)

    def write(self, book: Book) -> None:
        """Write what has been collected. When that raises, all of it is kept for the next call."""
        while self._batch or self._grown:
            if not self._batch:
                self._batch, self._grown = self._grown, {}
                self._number += 1
            # A copy: `forget` may come while another thread writes.
            book.count(self._run, self._number, dict(self._batch))
            self._batch = {}
