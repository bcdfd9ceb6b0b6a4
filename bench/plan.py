"""Who is measured when, and for how long.

Every row goes over all subjects before the next row begins, so that what is compared stands close together in time;
every other round goes backwards (A B C, C B A), so that a slow drift of the machine favours nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")
S = TypeVar("S")

OVERHEAD_SECONDS = 0.15
"""What a measurement takes beside its own time: starting the load program, connections, the last answers."""
WARMUP_SHARE = 0.15
"""Part of a measurement before it, which does not count: connections open, windows grow."""


@dataclass(frozen=True)
class Step(Generic[R, S]):
    """One measurement."""

    round: int
    row: R
    subject: S


def steps(rows: Sequence[R], subjects: Sequence[S], rounds: int) -> Iterator[Step[R, S]]:
    """All measurements in their order."""
    for number in range(rounds):
        ordered = subjects if number % 2 == 0 else list(reversed(subjects))
        for row in rows:
            for subject in ordered:
                yield Step(number, row, subject)


def seconds_each(budget: float, count: int, shortest: float, longest: float) -> float:
    """Seconds for each of `count` measurements so that they fit a budget, warm-up and overhead included."""
    each = (budget / max(count, 1) - OVERHEAD_SECONDS) / (1 + WARMUP_SHARE)
    return round(min(max(each, shortest), longest), 2)
