"""What comes again: equal beginnings and endings, bits that echo others, and anything that a compressor finds."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

from scripts.judge import chance
from scripts.judge.chance import Finding, Tally
from scripts.judge.traffic import Sample

WIDTHS = 4, 8
"""Bytes of the beginnings and endings that are compared."""

LAGS = range(1, 129)
"""Bits between those that are compared."""

ECHOING = 500_000
"""Bytes of a sample that are compared with themselves: four million coins are enough."""


def judge(sample: Sample, tally: Tally) -> Iterator[Finding]:
    """Look at a sample as a whole."""
    if sample.steps_only:
        return
    for where, width, shortened in _ends(sample.datagrams):
        pairs = sum(count * (count - 1) // 2 for count in Counter(shortened).values())
        possible = len(shortened) * (len(shortened) - 1) / 2
        log10_p = chance.events(pairs, possible / 2 ** (8 * width)) if pairs else 0.0
        if tally.rare(log10_p):
            what = f"equal {width} bytes {where} in two datagrams"
            yield Finding(sample.direction, sample.name, what, "", 0, f"{pairs} pairs", log10_p)
    blob = b"".join(sample.datagrams)
    if len(blob) * 8 <= LAGS.stop:
        return
    tests = [(test, 1) for test in (*_pooled(blob), _balance(blob), _compressed(blob))]
    tests.append((_echo(blob[:ECHOING]), len(LAGS)))
    for (what, strength, log10_p), made in tests:
        if tally.rare(log10_p, made):
            yield Finding(sample.direction, sample.name, what, "", 0, strength, log10_p)


def between(one: Sequence[bytes], other: Sequence[bytes], tally: Tally) -> Iterator[Finding]:
    """Beginnings and endings that both directions have: an identifier which an answer takes from its question."""
    for (where, width, ours), (_, _, theirs) in zip(_ends(one), _ends(other), strict=True):
        counts = Counter(theirs)
        pairs = sum(counts[shortened] for shortened in ours)
        possible = len(ours) * len(theirs)
        log10_p = chance.events(pairs, possible / 2 ** (8 * width)) if pairs else 0.0
        if tally.rare(log10_p):
            what = f"equal {width} bytes {where} in a datagram and one the other way"
            yield Finding("both directions", "all datagrams", what, "", 0, f"{pairs} pairs", log10_p)


def _ends(datagrams: Sequence[bytes]) -> Iterator[tuple[str, int, list[bytes]]]:
    for width in WIDTHS:
        long_enough = [datagram for datagram in datagrams if len(datagram) >= width]
        yield "at the front", width, [datagram[:width] for datagram in long_enough]
        yield "at the end", width, [datagram[-width:] for datagram in long_enough]


def _pooled(blob: bytes) -> Iterator[tuple[str, str, float]]:
    """All bytes together, and all pairs of bytes where there are enough."""
    for name, width in (("bytes", 1), ("pairs of bytes", 2)):
        total, cells = len(blob) // width, 256**width
        if total >= 3 * cells:
            view = memoryview(blob[: total * width])
            counts = Counter(view if width == 1 else view.cast("H"))
            deviates = chance.chi_square(counts.values(), total, cells)
            what = f"{name} are not uniform, taken all together"
            yield what, f"{deviates:.1f} deviations", chance.upper_tail(deviates)


def _balance(blob: bytes) -> tuple[str, str, float]:
    """Whether there are as many ones as zeros."""
    ones, bits = int.from_bytes(blob).bit_count(), len(blob) * 8
    return "ones and zeros are not equally many", f"{ones / bits:.2%} ones", chance.either_side(ones, bits)


def _echo(blob: bytes) -> tuple[str, str, float]:
    """How often a bit is as the one a few places before it; for random bits that is a coin of its own."""
    bits = len(blob) * 8
    whole = int.from_bytes(blob)
    found = []
    for lag in LAGS:
        differing = ((whole ^ whole >> lag) & (1 << bits - lag) - 1).bit_count()
        found.append((chance.either_side(differing, bits - lag), lag, 1 - differing / (bits - lag)))
    log10_p, lag, share = min(found)
    return f"bits echo those {lag} before", f"{share:.2%} equal", log10_p


def _compressed(blob: bytes) -> tuple[str, str, float]:
    """Only one in 256^n texts can be written n bytes shorter, whatever the compressor: there are no more short ones."""
    saved = len(blob) - len(zlib.compress(blob, 9))
    log10_p = min(0.0, (1 - 8 * saved) * math.log10(2)) if saved > 0 else 0.0
    return "can be compressed", f"{saved} of {len(blob)} bytes less", log10_p
