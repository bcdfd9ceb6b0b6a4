"""Sets of ports: one, or ranges of them, between which a client can hop."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ginnel.config.mistakes import Unusable
from ginnel.errors import ConfigError

MAX_PORTS = 256
"""Ports of one server, as in the engine: each is a socket, and a hole in a firewall."""
MAX_RANGES = 16
"""Ranges of one server: so many a share link carries."""
MAX_PORT = 65535

_RIGHT = f"Such as 4433, 5000-5100 or 4433,5000-5100: at most {MAX_PORTS} ports in {MAX_RANGES} ranges."


@dataclass(frozen=True, slots=True)
class Ports:
    """A set of ports: ranges in ascending order that do not touch, both bounds included.

    Made of any ranges, which may overlap and stand in any order. Port 0, alone, lets the system choose. Raises
    ConfigError for what is no such set.
    """

    ranges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        """Bring the ranges into their one form, and refuse what is none."""
        ranges = _merged(self.ranges)
        object.__setattr__(self, "ranges", ranges)
        what = _complaint(ranges)
        if what:
            raise ConfigError(f"a set of ports {what}", hint=_RIGHT, setting="ports")

    @classmethod
    def one(cls, port: int) -> "Ports":
        """One port."""
        return cls(((port, port),))

    @classmethod
    def run(cls, first: int, count: int) -> "Ports":
        """So many ports in a row, from `first` on, or as near to it as there is room."""
        first = min(first, MAX_PORT + 1 - count)
        return cls(((first, first + count - 1),))

    @classmethod
    def parse(cls, text: str, *, setting: str, whole: str | None = None) -> "Ports":
        """Read ports and ranges with commas between them; `whole` is the value that they are a part of.

        Raises Unusable, a ConfigError, which says what would be right.
        """
        shown = text if whole is None else whole
        ranges = []
        for piece in text.split(",")[: MAX_PORTS + 1]:
            first, dash, last = (part.strip() for part in piece.partition("-"))
            bounds = [_number(first), _number(last if dash else first)]
            low, high = bounds
            if low is None or high is None:
                right = "A port is a number from 0 to 65535; several are written 4433,5000-5100."
                raise Unusable(setting, shown, "has no valid port", right)
            if low > high:
                right = f"Write {high}-{low}." if high else "A range begins with its least port, from 1 on."
                raise Unusable(setting, shown, "has a range that runs backwards", right)
            ranges.append((low, high))
        what = _complaint(_merged(ranges))
        if what:
            raise Unusable(setting, shown, what, _RIGHT)
        return cls(tuple(ranges))

    @property
    def first(self) -> int:
        """The lowest."""
        return self.ranges[0][0]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and any(first <= port <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        return None
    return int(text) if int(text) <= MAX_PORT else None


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1 and first <= last:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return tuple(merged)


def _complaint(ranges: tuple[tuple[int, int], ...]) -> str:
    """What is wrong with a set of ports; nothing where it is right."""
    if not ranges:
        return "has no port"
    if any(type(bound) is not int or not 0 <= bound <= MAX_PORT for one in ranges for bound in one):
        return "has no valid port"
    if any(first > last for first, last in ranges):
        return "has a range that runs backwards"
    if ranges[0][0] == 0 and ranges != ((0, 0),):
        return "has port 0, which stands for any free port, beside others"
    count = sum(last - first + 1 for first, last in ranges)
    if count > MAX_PORTS:
        return f"has {count:,} ports"
    return f"has {len(ranges)} ranges" if len(ranges) > MAX_RANGES else ""


ANY_PORT = Ports.one(0)
"""The system chooses one."""
