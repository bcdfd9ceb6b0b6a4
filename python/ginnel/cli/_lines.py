"""Lines for a log, on a stream that may be slow, full, closed or gone: none of it holds up or ends the program."""

import json
import os
import select
import time
from collections.abc import Mapping
from typing import TextIO

_PIECE_BYTES = 4096
"""What a pipe takes at once without waiting when it says that it takes anything (PIPE_BUF)."""
_REST_MS = 20
"""How long the rest of a line that has begun may wait for room."""


class Lines:
    """Writes lines to a stream. What it does not take at once is dropped, counted, and told when it takes more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._torn = False
        self.dropped = 0
        """Lines that were dropped since that was last told."""

    def write(self, line: str) -> bool:
        """Write a line; whether it was taken."""
        if self.dropped and self._put(f"({self.dropped} lines dropped: nobody took them)"):
            self.dropped = 0
        taken = self._put(line)
        self.dropped += not taken
        return taken

    def _put(self, line: str) -> bool:
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError, AttributeError):
            return self._put_to_object(line)
        text = ("\n" if self._torn else "") + line + "\n"
        return self._put_to_descriptor(descriptor, text.encode(errors="backslashreplace"))

    def _put_to_descriptor(self, descriptor: int, data: bytes) -> bool:
        room = select.poll()
        room.register(descriptor, select.POLLOUT)
        begun = False
        try:
            self._stream.flush()
            while data:
                if not room.poll(_REST_MS if begun else 0):
                    break
                data = data[os.write(descriptor, data[:_PIECE_BYTES]) :]
                begun = True
        except (OSError, ValueError):
            pass  # a full disk, a reader that is gone: there is nowhere left to say so
        self._torn = bool(data) if begun else self._torn
        return not data

    def _put_to_object(self, line: str) -> bool:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return False
        return True


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
