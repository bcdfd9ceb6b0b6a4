"""How likely chance alone is: tails of distributions, and one limit for all tests of a run.

A run makes up to a million tests. Each counts against one budget (Bonferroni): what is less likely than `FALSE_ALARM`
divided by the number of tests made is a finding, so that a whole run over random datagrams raises a false alarm with
a probability of at most `FALSE_ALARM`, however the tests depend on one another.

Probabilities are given as their logarithm to base 10, for a constant byte is less likely than a float can say.
Counts are bounded by Chernoff's inequality, which never says less than the truth. Chi-square is the one approximation:
its first three moments are the exact ones of the multinomial distribution, so that a few values per cell are enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from operator import mul
from typing import NamedTuple

FALSE_ALARM = 1e-6
"""Probability that a run over datagrams of random bytes and lengths finds anything."""

_LIMIT = math.log10(FALSE_ALARM)
_DULL = 4.0
"""Deviates below which a probability need not be worked out: it is above `FALSE_ALARM` by itself."""


class Finding(NamedTuple):
    """Something that chance does not do."""

    direction: str
    sample: str
    """Which datagrams were looked at."""
    what: str
    where: str
    """From which end an offset counts; empty for what has no offset."""
    offset: int
    strength: str
    log10_p: float
    """Logarithm to base 10 of the probability that chance does this in one test."""


@dataclass
class Tally:
    """Counts the tests of a run."""

    tests: int = 0

    def rare(self, log10_p: float, made: int = 1) -> bool:
        """Count a test (or the most telling of `made`); whether it may be a finding once all are counted."""
        self.tests += made
        return log10_p <= _LIMIT

    def keep(self, findings: Iterable[Finding]) -> list[Finding]:
        """Those that are rare among all tests that were made."""
        limit = _LIMIT - math.log10(max(self.tests, 1))
        return [finding for finding in findings if finding.log10_p <= limit]


def chi_square(counts: Iterable[int], total: int, cells: int) -> float:
    """How many standard deviations `total` values in `cells` equally likely cells are from uniform.

    Pearson's statistic, with mean, variance and third moment as for the equiprobable multinomial distribution (Haldane,
    1937), taken for a shifted gamma distribution, and that for a normal one (Wilson and Hilferty, 1931).
    Only large positive numbers mean anything.
    """
    freedom = cells - 1
    listed = list(counts)
    excess = sum(map(mul, listed, listed)) * cells / total - total - freedom
    variance = 2 * freedom * (total - 1) / total
    third = 4 * freedom * (total - 1) * (2 * total + cells - 6) / total**2
    degrees = 8 * variance**3 / third**2
    scaled = degrees + excess * math.sqrt(2 * degrees / variance)
    spread = 2 / (9 * degrees)
    cube_root = max(scaled / degrees, 0.0) ** (1 / 3)
    return float((cube_root - (1 - spread)) / math.sqrt(spread))


def upper_tail(deviates: float) -> float:
    """Logarithm of the probability that a standard normal variable is larger."""
    if deviates < _DULL:
        return 0.0
    if deviates < 30:
        return math.log10(math.erfc(deviates / math.sqrt(2)) / 2)
    return (-deviates * deviates / 2 - math.log(deviates * math.sqrt(2 * math.pi))) / math.log(10)


def at_least(count: int, of: int, share: float, ways: float = 1) -> float:
    """Bound for `count` or more of `of` independent events that each have a probability of `share`.

    `ways`: how many values were tried for the one with the highest count.
    """
    seen = count / of
    if seen <= share:
        return 0.0
    exponent = seen * math.log(seen / share)
    if count < of:
        exponent += (1 - seen) * math.log((1 - seen) / (1 - share))
    return min(0.0, (math.log(ways) - of * exponent) / math.log(10))


def either_side(count: int, of: int) -> float:
    """Bound for a coin that shows one side, whichever, as often as this."""
    return at_least(max(count, of - count), of, 0.5, ways=2)


def events(count: int, expected: float) -> float:
    """Bound for `count` or more rare events where `expected` are expected (Poisson)."""
    if count <= expected:
        return 0.0
    return (count - expected - count * math.log(count / expected)) / math.log(10)


def probability(log10_p: float) -> str:
    """A probability for people."""
    exponent = math.floor(log10_p)
    return f"p {10 ** (log10_p - exponent):.0f}e{exponent}" if log10_p > -300 else "p below 1e-300"
