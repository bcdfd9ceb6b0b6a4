"""Ctrl-C, SIGTERM and SIGHUP: one way out, taken once, and never between a start and the note that it has to be ended.

The first signal raises KeyboardInterrupt wherever the run is; all others are ignored, for the clean-up that follows has
limits of its own. Within `held()` the signal waits, so that no program or namespace is made that nobody knows of.
"""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


class Interrupts:
    """What has come so far. There is one for the process: `INTERRUPTS`."""

    def __init__(self) -> None:
        self._depth = 0
        self._pending = False
        self.seen = False

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if self.seen:
            return
        if self._depth:
            self._pending = True
            return
        self.seen = True
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the block is over."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._pending and not self._depth:
                self._pending, self.seen = False, True
                raise KeyboardInterrupt

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Take the signals within the block, and give them back after it."""
        before = {number: signal.signal(number, self.handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._pending = self.seen = False


INTERRUPTS = Interrupts()
