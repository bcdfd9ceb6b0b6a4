"""How far a run is, on standard error: a bar on a terminal, else a line for each measurement."""

import shutil
import time
from typing import TextIO

BAR = 24
"""Characters."""


class Progress:
    """Counts steps. Nothing is measured while it writes."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total, self._done = total, 0
        self._stream = stream
        self._bar = stream.isatty()
        self._began = time.monotonic()
        self._label = ""

    def begin(self, label: str) -> None:
        """A step begins."""
        self._label = label
        if self._bar:
            self._draw()

    def end(self, words: str = "") -> None:
        """A step is over; words are what went wrong."""
        self._done += 1
        if words:
            self.note(f"{self._label}: {words}")
        if self._bar:
            self._draw()
        elif not words:
            self._write(f"{self._done}/{self._total}  {self._label}\n")

    def note(self, words: str) -> None:
        """A line that stays."""
        self._write(("\r\x1b[K" if self._bar else "") + words + "\n")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._write("\r\x1b[K")

    def _draw(self) -> None:
        filled = BAR * self._done // max(self._total, 1)
        line = (
            f"[{'#' * filled}{'·' * (BAR - filled)}] {self._done}/{self._total}  {self._label}{self._left()}"
        )
        self._write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])

    def _left(self) -> str:
        if self._done < 3:
            return ""
        seconds = (time.monotonic() - self._began) / self._done * (self._total - self._done)
        return f"  · {seconds / 60:.0f} min left" if seconds >= 90 else f"  · {seconds:.0f} s left"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
