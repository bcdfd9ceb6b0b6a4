"""On which line of a TOML document each key stands. `tomllib` does not say; messages need it.

Only for documents that `tomllib` has read: the scanner presumes that the text is valid TOML 1.0, and for any other it
finds fewer keys or wrong lines, but ends.
"""

import contextlib
import re
import tomllib
from bisect import bisect_right

Place = tuple[str | int, ...]
"""A key's path: names of tables, indexes in arrays, names of keys."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRINGS = tuple(
    re.compile(pattern)
    for pattern in (
        r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*"""(?:"(?!")|""(?!"))?',
        r"'''(?:[^']|'(?!''))*'''(?:'(?!')|''(?!'))?",
        r'"(?:[^"\\\n]|\\.)*"',
        r"'[^'\n]*'",
    )
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def find_lines(text: str) -> dict[Place, int]:
    """Return the line, counted from 1, on which each table, key and element of an array begins."""
    scanner = _Scanner(text)
    # What was found up to a surprise is better than nothing.
    with contextlib.suppress(IndexError, ValueError, RecursionError):
        scanner.document()
    return scanner.lines


class _Scanner:
    """Walks through the text once."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Place, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._last: dict[Place, int] = {}  # index of the last element of each array of tables

    def document(self) -> None:
        """Take all statements: headers of tables, and keys with their values."""
        table: Place = ()
        while self._skip(_BETWEEN):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Place:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        names = self._key()
        self._at += 2 if is_array else 1
        place: Place = ()
        for number, name in enumerate(names):
            place += (name,)
            self._note(place, start)
            if is_array and number == len(names) - 1:
                self._last[place] = self._last.get(place, -1) + 1
            if place in self._last:
                place += (self._last[place],)
                self._note(place, start)
        return place

    def _pair(self, table: Place) -> None:
        start = self._at
        place = table
        for name in self._key():
            place += (name,)
            self._note(place, start)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(place)

    def _value(self, place: Place) -> None:
        sign = self._text[self._at]
        if sign == "[":
            self._list(place)
        elif sign == "{":
            self._inline_table(place)
        elif sign in "\"'":
            self._string()
        else:
            self._at = _match(_SCALAR, self._text, self._at)

    def _list(self, place: Place) -> None:
        self._at += 1
        number = 0
        while self._skip(_BETWEEN) and self._text[self._at] != "]":
            self._note((*place, number), self._at)
            self._value((*place, number))
            number += 1
            self._skip(_BETWEEN)
            if self._text[self._at] == ",":
                self._at += 1
        self._at += 1

    def _inline_table(self, place: Place) -> None:
        self._at += 1
        while self._skip(_BETWEEN) and self._text[self._at] != "}":
            self._pair(place)
            self._skip(_BETWEEN)
            if self._text[self._at] == ",":
                self._at += 1
        self._at += 1

    def _key(self) -> list[str]:
        """Take a key, dotted or not, and the blanks behind it."""
        names = []
        while True:
            self._skip(_BLANK)
            if self._text[self._at] in "\"'":
                start = self._at
                self._string()
                names.append(str(tomllib.loads(f"k = {self._text[start : self._at]}")["k"]))
            else:
                start, self._at = self._at, _match(_BARE, self._text, self._at)
                names.append(self._text[start : self._at])
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _string(self) -> None:
        for pattern in _STRINGS:
            found = pattern.match(self._text, self._at)
            if found is not None:
                self._at = found.end()
                return
        raise ValueError("no string")

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go behind what the pattern matches; whether any text is left."""
        self._at = _match(pattern, self._text, self._at)
        return self._at < len(self._text)

    def _note(self, place: Place, at: int) -> None:
        self.lines.setdefault(place, bisect_right(self._breaks, at - 1) + 1)


def _match(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise ValueError("not what was presumed")
    return found.end()
