"""Each byte offset by itself, from the front and from the end: whether what stands there is uniform.

The *steps* from one datagram to the next, modulo 256, are as uniform and independent as random bytes are. They give
away what looks uniform by itself: a counter or a clock that started anywhere, of any width and in either byte order,
for its most significant byte stands still or moves by one, wherever the rest of it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from scripts.judge import chance
from scripts.judge.bytewise import columns, difference
from scripts.judge.chance import Finding, Tally
from scripts.judge.traffic import ENOUGH_DATAGRAMS, Sample

VALUES = 256
NIBBLES = 16
ENOUGH_FOR_NIBBLES = 10 * NIBBLES
"""Values from which on chi-square tells the truth about 16 cells."""

HEADERS = 64
"""Bytes at either end where headers stand."""

BEYOND_DOUBT = -16.0
"""Logarithm of a probability that no number of tests makes likely."""

Test: TypeAlias = tuple[Any, ...]
"""Logarithm of the probability, a format of what and how strong, and the numbers for it: most are never written."""


def ends(sample: Sample, depth: int | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """The datagrams as they are and turned round, so that offset 0 is the last byte; only `depth` bytes of each."""
    yield "from the front", [datagram[:depth] for datagram in sample.datagrams]
    yield "from the end", [datagram[::-1][:depth] for datagram in sample.datagrams]


def judge(sample: Sample, tally: Tally) -> Iterator[Finding]:
    """Look at every offset of a sample."""
    # A counter that goes on from flow to flow is a header's.
    for where, datagrams in ends(sample, HEADERS if sample.steps_only else None):
        for offset, column in columns(datagrams, sample.least):
            tests = [] if sample.steps_only else [*_bits(column), *values(column)]
            steps = difference(column[1:], column[:-1])
            tests += [(log10_p, "steps: " + what, *numbers) for log10_p, what, *numbers in values(steps)]
            worst = telling(tests)
            if tally.rare(worst[0], len(tests)):
                what, strength = words(worst)
                yield Finding(sample.direction, sample.name, what, where, offset, strength, worst[0])


def values(column: bytes) -> Iterator[Test]:
    """Whether bytes are uniform: the most common one, both nibbles, and all of them where there are enough."""
    counts = Counter(column)
    total = len(column)
    count = max(counts.values())
    favoured = next(value for value, often in counts.items() if often == count)
    log10_p = chance.at_least(count, total, 1 / VALUES, ways=VALUES)
    yield log10_p, "the value {:#04x} is favoured; {} of {}", favoured, count, total
    if total >= ENOUGH_DATAGRAMS:
        deviates = chance.chi_square(counts.values(), total, VALUES)
        yield chance.upper_tail(deviates), "bytes are not uniform; {:.1f} deviations", deviates
    upper, lower = [0] * NIBBLES, [0] * NIBBLES
    for byte, often in counts.items():
        upper[byte >> 4] += often
        lower[byte & 0xF] += often
    for name, counted in (("upper", upper), ("lower", lower)):
        if total >= ENOUGH_FOR_NIBBLES:
            deviates = chance.chi_square(counted, total, NIBBLES)
            yield (
                chance.upper_tail(deviates),
                "the {} nibble is not uniform; {:.1f} deviations",
                name,
                deviates,
            )
        else:
            count = max(counted)
            log10_p = chance.at_least(count, total, 1 / NIBBLES, ways=NIBBLES)
            yield log10_p, "the {} nibble favours {}; {} of {}", name, counted.index(count), count, total


def _bits(column: bytes) -> Iterator[Test]:
    """Each bit; 7 is the most significant."""
    total = len(column)
    whole = int.from_bytes(column)
    lowest = int.from_bytes(b"\1" * total)
    for bit in range(8):
        ones = (whole >> bit & lowest).bit_count()
        often = max(ones, total - ones)
        log10_p = chance.either_side(ones, total)
        yield log10_p, "bit {} is mostly {}; {} of {}", bit, int(ones == often), often, total


def telling(tests: Sequence[Test]) -> Test:
    """Of what is wrong with one byte, one word is enough: the most exact one, where it is beyond doubt."""
    plain = [test for test in tests if test[0] < BEYOND_DOUBT and "not uniform" not in test[1]]
    return max(plain, key=_share) if plain else min(tests)


def _share(test: Test) -> tuple[bool, float]:
    """Which of two exact words says more: a value says more than one of its bits."""
    return "value" in test[1], test[-2] / test[-1]


def words(test: Test) -> tuple[str, str]:
    """What a test found, and how strong it is."""
    what, _, strength = test[1].format(*test[2:]).rpartition("; ")
    return what, strength
