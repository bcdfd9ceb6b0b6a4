"""Lines for a log, on a stream that may be slow, full, closed or gone: none of it holds up or ends the program."""

import json
import os
import select
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import TextIO

_MOST_BYTES = 256 * 1024
"""So much may wait for a stream that takes nothing."""
_NOTICE_BYTES = 100
"""More than the line takes that tells how many were dropped: it is told when another line follows."""


class Lines:
    """Writes lines to a stream. What finds no room in the queue is dropped, counted, and told when there is room.

    A thread does the writing, because nothing else is sure not to wait: a terminal that says that it takes something
    may still not take all of it, and O_NONBLOCK would hold for every process that shares the stream. It is a daemon,
    for which the end of the process does not wait.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.dropped = 0
        """Lines that were dropped since that was last told."""
        self._queue: deque[tuple[bytes, int]] = deque()
        """What waits, and how many lines are lost with it."""
        self._bytes = 0
        self._changed = threading.Condition()
        self._has_writer = False
        self._torn = False

    def write(self, line: str) -> bool:
        """Hand over a line, without waiting; whether there was room for it."""
        with self._changed:
            has_room = self._bytes + len(line) + _NOTICE_BYTES <= _MOST_BYTES
            if (
                self.dropped
                and has_room
                and self._put(f"({self.dropped} lines dropped: nobody took them)", self.dropped)
            ):
                self.dropped = 0
            taken = self._put(line, 1)
            self.dropped += not taken
            return taken

    def flush(self, seconds: float) -> bool:
        """Wait until everything is written, but not longer; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue, seconds)

    def _put(self, line: str, count: int) -> bool:
        try:
            self.stream.fileno()
        except (OSError, ValueError, AttributeError):
            return self._put_to_object(line)
        data = f"{line}\n".encode(self.stream.encoding or "utf-8", "backslashreplace")
        if self._bytes + len(data) > _MOST_BYTES or not self._start_writer():
            return False
        self._queue.append((data, count))
        self._bytes += len(data)
        self._changed.notify_all()
        return True

    def _start_writer(self) -> bool:
        if not self._has_writer:
            try:
                threading.Thread(target=self._write_queue, name="ginnel lines", daemon=True).start()
            except RuntimeError:  # no more threads, or the interpreter is at its end
                return False
            self._has_writer = True
        return True

    def _write_queue(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue))
                data, count = self._queue[0]
            written = self._write(data)
            with self._changed:
                # Only now: what is being written takes room as well, and is not flushed yet.
                self._queue.popleft()
                self._bytes -= len(data)
                self.dropped += 0 if written else count
                self._changed.notify_all()

    def _write(self, data: bytes) -> bool:
        rest = b"\n" + data if self._torn else data
        begun = False
        try:
            while rest:
                # Asked anew each time: a number that was closed may be another file by now.
                rest = rest[write_some(self.stream.fileno(), rest) :]
                begun = True
        except (OSError, ValueError):
            pass  # a full disk, a reader that is gone: there is nowhere left to say so
        self._torn = bool(rest) if begun else self._torn
        return not rest

    def _put_to_object(self, line: str) -> bool:
        try:
            self.stream.write(line + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            return False
        return True


def write_some(descriptor: int, data: bytes) -> int:
    """Write, and wait for it as long as it takes; how many bytes were taken."""
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:  # another process that shares it made it so
            room = select.poll()
            room.register(descriptor, select.POLLOUT)
            room.poll()


_latest: Lines | None = None


def lines_of(stream: TextIO) -> Lines:
    """The lines of a stream: for all who write to standard error the same, so that their lines stay in order."""
    global _latest
    if _latest is None or _latest.stream is not stream:
        _latest = Lines(stream)
    return _latest


def one_line(text: str) -> str:
    """Escape what would break a line or command a terminal."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def json_line(when: float, level: str, area: str, message: str, facts: Mapping[str, object]) -> str:
    """Say a record of a log as a JSON object; `when` is in seconds since 1970."""
    seconds, milliseconds = divmod(int(when * 1000), 1000)
    clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    shown = {
        "time": f"{clock}.{milliseconds:03}Z",
        "level": level,
        "area": area,
        "message": message,
        "facts": facts,
    }
    return json.dumps(shown, default=str)


def key_values(facts: Mapping[str, object]) -> str:
    """Say facts as `key=value`; a value that could be taken for something else is in quotes."""
    return " ".join(f"{name}={_shown(value)}" for name, value in facts.items())


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    plain = text.isprintable() and text and not any(letter in " \"'=" for letter in text)
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
