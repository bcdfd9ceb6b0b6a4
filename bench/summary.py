"""What many samples say together: the median, the spread, and ratios of what was measured in the same round."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.record import Measure, Run


@dataclass(frozen=True)
class Summary:
    """One measure of one cell."""

    median: float
    low: float
    high: float
    count: int

    def apart(self, other: "Summary") -> bool:
        """Whether the spreads, lowest to highest, have no value in common. One sample decides nothing."""
        if self.count < 2 or other.count < 2:
            return False
        return self.low > other.high or self.high < other.low


def summarize(values: Iterable[float]) -> Summary | None:
    """Median and extremes; None without a value."""
    known = list(values)
    if not known:
        return None
    return Summary(statistics.median(known), min(known), max(known), len(known))


def ratios(ours: Mapping[int, float], base: Mapping[int, float]) -> list[float]:
    """The ratio of each round in which both were measured.

    What slows the machine down for a while slows both, so that a ratio spreads less than its parts.
    """
    return [value / base[number] for number, value in ours.items() if base.get(number)]


def cell(run: Run, row: str, subject: str, measure: Measure) -> Summary | None:
    """The summary of one measure in one cell of a run."""
    return summarize(run.values(row, subject, measure.key).values())


def ratio_to_base(run: Run, row: str, subject: str, measure: Measure) -> Summary | None:
    """The paired ratios of a cell to the base of its run; None for the base itself, and where one is missing."""
    if subject == run.base:
        return None
    return summarize(ratios(run.values(row, subject, measure.key), run.values(row, run.base, measure.key)))
