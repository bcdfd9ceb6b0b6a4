"""Whether bytes look uniformly random: Pearson's chi-square against 256 equally likely values.

There is no seed to replay, so the limit is set where chance does not get. A statistic is turned into a standard
normal deviate (Wilson and Hilferty, 1931), and `LIMIT` deviates are exceeded with probability 1.3e-12; a run makes
some 10,000 such tests, which leaves 1.3e-8 for a false alarm. A constant byte exceeds it by hundreds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

LIMIT = 7.0

VALUES = 256

ENOUGH = 5 * VALUES
"""Observations below which the statistic is not chi-square distributed: five per value, as is usual."""


def deviation(values: Iterable[int]) -> float:
    """How many standard deviations the values are from uniform; only large positive numbers mean anything."""
    counts = Counter(values)
    total = counts.total()
    statistic = sum(count * count for count in counts.values()) * VALUES / total - total
    freedom = VALUES - 1
    spread = 2 / (9 * freedom)
    return float(((statistic / freedom) ** (1 / 3) - (1 - spread)) / spread**0.5)


def columns(datagrams: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each byte offset that enough datagrams reach, with the bytes there in the order of the datagrams."""
    for offset in range(max(map(len, datagrams))):
        column = bytes(datagram[offset] for datagram in datagrams if len(datagram) > offset)
        if len(column) < ENOUGH:
            return
        yield offset, column


def suspicious_offsets(datagrams: Sequence[bytes]) -> list[str]:
    """Every byte offset that is not uniform, or whose steps from one datagram to the next are not.

    The steps catch what is uniform in itself: a counter's low byte, and a byte that changes seldom.
    """
    found = []
    for offset, column in columns(datagrams):
        steps = ((after - before) % VALUES for before, after in pairwise(column))
        for what, values in (("bytes", column), ("steps", steps)):
            if (excess := deviation(values)) > LIMIT:
                found.append(f"{what} at offset {offset} of {len(column)} datagrams: {excess:.1f} deviations")
    return found


def repeated_values(datagrams: Sequence[bytes]) -> list[str]:
    """Byte offsets at which one value fills a third of a few datagrams, too few for chi-square.

    With 30 datagrams ten equal bytes at one offset have a probability of 6e-15, times 1,500 offsets.
    """
    found = []
    for offset in range(max(map(len, datagrams))):
        column = [datagram[offset] for datagram in datagrams if len(datagram) > offset]
        value, count = Counter(column).most_common(1)[0]
        if len(column) >= 30 and count * 3 >= len(column):
            found.append(f"byte {value:#04x} at offset {offset} in {count} of {len(column)} datagrams")
    return found
