"""The kinds of values that a setting can have: each reads, checks, spells and describes one.

`read` takes what a TOML file holds, `read_text` what stands in a flag or in the environment. Both raise
`Unusable`, which says what is wrong and what would be right.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ginnel.config.mistakes import Unusable, did_you_mean, is_link, written
from ginnel.config.units import (
    duration_range,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
    rate_range,
    rate_with_unit,
    size_range,
    spell_duration,
)

_FLAG_WORDS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "off", "0"), False
)


class Kind(ABC):
    """What a setting's value can be. Values are spelled as TOML writes them."""

    example: str
    """A value that is right, as TOML writes it."""
    absent: str = "the default"
    """What people are shown where there is no value."""

    @property
    def range(self) -> str:
        """The sentence on what is allowed; empty when the kind says it all."""
        return ""

    @abstractmethod
    def read(self, value: object, name: str) -> Any:
        """Read a value from a file."""

    def read_text(self, text: str, name: str) -> Any:
        """Read a value from a flag or from the environment."""
        return self.read(text, name)

    def spell(self, value: Any) -> str:
        """Write a value as TOML."""
        return json.dumps(str(value), ensure_ascii=False)

    def show(self, value: Any) -> str:
        """Write a value for people."""
        return str(value)

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Describe it as JSON schema."""

    def text(self, value: object, name: str, hint: str = "") -> str:
        """Return the value if it is a string."""
        if not isinstance(value, str):
            raise Unusable(name, value, "is not a string", hint or f"Such as {self.example}.")
        return value


class Bounded(Kind):
    """A number between two bounds, with a note that its errors add: the default."""

    low: float
    high: float
    note: str

    def check(self, value: float, name: str) -> None:
        """Refuse a number outside the bounds, and one that is none."""
        if not self.low <= value <= self.high:
            # NaN is neither too small nor too large.
            what = (
                "is too small"
                if value < self.low
                else "is too large"
                if value > self.high
                else "is not a number"
            )
            raise Unusable(name, value, what, f"{self.range}{self.note}")

    def noted(self, note: str) -> Self:
        """The same bounds with another note."""
        return replace(self, note=note)  # type: ignore[type-var]  # each of its classes is a dataclass


@dataclass(frozen=True, slots=True)
class Duration(Bounded):
    """A time in seconds."""

    low: float
    high: float
    note: str = ""
    example = '"25s"'

    @property
    def range(self) -> str:
        """The times that are allowed."""
        return duration_range(self.low, self.high)

    def read(self, value: object, name: str) -> float:
        """Read a string with a unit."""
        if type(value) in (int, float):
            right = f'Write "{written(value)}s" for seconds, in quotes. Units: ms, s, min, h, d.'
            raise Unusable(name, value, "has no unit", right)
        return parse_duration(
            self.text(value, name),
            setting=name,
            minimum_seconds=self.low,
            maximum_seconds=self.high,
            needs_unit=True,
            note=self.note,
        )

    def spell(self, value: float) -> str:
        """Write it with a unit, in quotes."""
        return f'"{spell_duration(value, "")}"'

    def show(self, value: float) -> str:
        """Write it with a unit."""
        return spell_duration(value)

    def schema(self) -> dict[str, Any]:
        """A string with a unit; the bounds are for people."""
        return {"type": "string", "pattern": r"^ *[0-9]{1,9}(\.[0-9]{1,9})? ?(ms|s|m|min|h|d) *$"}


@dataclass(frozen=True, slots=True)
class Size(Bounded):
    """A size in bytes."""

    low: int
    high: int
    note: str = ""
    example = '"64KiB"'

    @property
    def range(self) -> str:
        """The sizes that are allowed."""
        return size_range(self.low, self.high)

    def read(self, value: object, name: str) -> int:
        """Read a string with a unit."""
        if type(value) in (int, float):
            number = written(value)
            right = f'Write "{number}KiB", or "{number}B" for bytes, in quotes. Units: B, KiB, MiB, GiB.'
            raise Unusable(name, value, "has no unit", right)
        return parse_size(
            self.text(value, name),
            setting=name,
            minimum_bytes=self.low,
            maximum_bytes=self.high,
            note=self.note,
        )

    def spell(self, value: int) -> str:
        """Write it with a unit, in quotes."""
        return f'"{format_size(value, "")}"'

    def show(self, value: int) -> str:
        """Write it with a unit."""
        return format_size(value)

    def schema(self) -> dict[str, Any]:
        """A string with a unit; the bounds are for people."""
        return {"type": "string", "pattern": r"^ *[0-9]{1,15}(\.[0-9]{1,9})? ?([kKMGT]i?)?B *$"}


@dataclass(frozen=True, slots=True)
class Rate(Bounded):
    """A rate in bits per second."""

    low: int
    high: int
    note: str = ""
    example = '"184 Mbit/s"'
    absent = "none"

    @property
    def range(self) -> str:
        """The rates that are allowed."""
        return rate_range(self.low, self.high)

    def read(self, value: object, name: str) -> int:
        """Read a string with a unit."""
        if type(value) in (int, float):
            raise Unusable(name, value, "has no unit", f"{rate_with_unit(written(value))}, in quotes.")
        return parse_rate(
            self.text(value, name),
            setting=name,
            minimum_bits_per_second=self.low,
            maximum_bits_per_second=self.high,
            note=self.note,
        )

    def spell(self, value: int) -> str:
        """Write it with a unit, in quotes."""
        return f'"{format_rate(value)}"'

    def show(self, value: int) -> str:
        """Write it with a unit."""
        return format_rate(value)

    def schema(self) -> dict[str, Any]:
        """A string with a unit; the bounds are for people."""
        unit = "[kKmMgGtT]?[bB]([iI][tT][sS]?(/[sS]|[pP][sS])?|[pP][sS])"
        return {"type": "string", "pattern": rf"^ *[0-9]{{1,15}}(\.[0-9]{{1,9}})? ?{unit} *$"}


@dataclass(frozen=True, slots=True)
class Count(Bounded):
    """A whole number."""

    low: int
    high: int
    note: str = ""
    example = "1000"

    @property
    def range(self) -> str:
        """The numbers that are allowed."""
        return f"Allowed: {self.low:,} to {self.high:,}."

    def read(self, value: object, name: str) -> int:
        """Read an integer."""
        if type(value) is not int:
            raise Unusable(
                name, value, "is not a whole number", f"Write it without quotes. {self.range}{self.note}"
            )
        self.check(value, name)
        return value

    def read_text(self, text: str, name: str) -> int:
        """Read digits."""
        digits = text.strip().replace("_", "").replace(",", "")
        if not (digits.removeprefix("-").isdecimal() and digits.isascii() and len(digits) < 20):
            raise Unusable(name, text, "is not a whole number", f"{self.range}{self.note}")
        self.check(int(digits), name)
        return int(digits)

    def spell(self, value: int) -> str:
        """Write the digits."""
        return str(value)

    def show(self, value: int) -> str:
        """Write it with commas."""
        return f"{value:,}"

    def schema(self) -> dict[str, Any]:
        """An integer with its bounds."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Flag(Kind):
    """True or false."""

    example = "true"

    def read(self, value: object, name: str) -> bool:
        """Read a boolean."""
        if type(value) is not bool:
            raise Unusable(name, value, "is neither true nor false", "Write true or false, without quotes.")
        return value

    def read_text(self, text: str, name: str) -> bool:
        """Read true or false, yes or no, on or off, 1 or 0."""
        word = text.strip().lower()
        if word not in _FLAG_WORDS:
            raise Unusable(name, text, "is neither true nor false", "Write true or false.")
        return _FLAG_WORDS[word]

    def spell(self, value: bool) -> str:
        """Write it in TOML's words."""
        return "true" if value else "false"

    show = spell

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of some words."""

    words: tuple[str, ...]
    example: str

    @property
    def range(self) -> str:
        """The words."""
        return f"One of: {', '.join(self.words)}."

    def read(self, value: object, name: str) -> str:
        """Read one of the words."""
        word = self.text(value, name, self.range)
        if word not in self.words:
            guess = did_you_mean(word.lower(), self.words).strip()
            raise Unusable(name, value, "is not one of its words", f"{guess} {self.range}".strip())
        return word

    def schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class FilePath(Kind):
    """A file or directory. A relative one in a file counts from the file's own directory: see `resolve`."""

    example: str = '"link.txt"'

    def read(self, value: object, name: str) -> Path:
        """Read a path."""
        text = self.text(value, name)
        if not text.strip() or "\0" in text or is_link(text):
            raise Unusable(name, value, "is not a path", f"Such as {self.example}.")
        return Path(text)

    def schema(self) -> dict[str, Any]:
        """A string that is not empty."""
        return {"type": "string", "minLength": 1}


def resolve(path: Path, base: Path | None, name: str) -> Path:
    """Where a path leads: `~` is the home directory, and a relative one counts from `base`."""
    try:
        path = path.expanduser()
    except RuntimeError as error:
        right = "Write ~/… for your own home directory."
        raise Unusable(
            name, str(path), "begins with a home directory that this machine does not know", right
        ) from error
    return path if base is None else base / path
