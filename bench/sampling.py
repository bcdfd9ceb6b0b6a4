"""Taking samples: whatever goes wrong is the sample's own affair, and the rest goes on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.machine import load_average
from bench.programs import BenchError
from bench.progress import Progress
from bench.record import Run, Sample

GIVE_UP_AFTER = 2
"""Failures in a row after which a cell is not tried again: one that hangs would cost its time-out in every round."""


@dataclass(frozen=True)
class Measured:
    """What a measurement told."""

    values: dict[str, float]
    raw: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


class Sampler:
    """Puts samples into a run and shows how far it is."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self._run = run
        self._progress = progress
        self._failures: Counter[tuple[str, str]] = Counter()

    def take(self, number: int, row: str, subject: str, measure: Callable[[], Measured]) -> None:
        """Measure once, unless this cell has failed too often."""
        cell = row, subject
        self._progress.begin(f"round {number + 1} · {row} · {subject}")
        if self._failures[cell] >= GIVE_UP_AFTER:
            self._progress.end("given up")
            return
        try:
            measured = measure()
        except (BenchError, OSError) as error:
            self._failures[cell] += 1
            sample = Sample(
                row=row, subject=subject, round=number, error=str(error), load_average=load_average()
            )
        else:
            self._failures[cell] = 0
            sample = Sample(
                row=row,
                subject=subject,
                round=number,
                values=measured.values,
                note=measured.note,
                raw=measured.raw,
                load_average=load_average(),
            )
        self._run.samples.append(sample)
        self._progress.end(sample.error or "")
