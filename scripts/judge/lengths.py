"""Lengths: random bytes of a size that all share are named by that size.

Lengths are not uniform, and need not be. What is tested is that none is *favoured*: each rule says how likely one
length may be at most. Full segments of one bulk transfer may be equal, for segmentation offload wants it so; but each
flow has a size of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from scripts.judge import chance
from scripts.judge.chance import Finding, Tally
from scripts.judge.traffic import DIRECTIONS, ENOUGH_DATAGRAMS, ENOUGH_FLOWS, FIRST, Flow

SHAKING_HANDS = 3
"""Datagrams of a flow that set it up, at most."""

FIRST_SHARE = 1 / 32
"""Most likely length of one of those: at least 32 lengths must be about equally likely."""

LATER_SHARE = 1 / 4
"""Most likely length of the k-th datagram of flows, after that."""

SEGMENT = 1_000
"""Bytes from which on a datagram is taken for a full segment."""

SEGMENT_SHARE = 1 / 16
"""Largest share of flows that may have one segment size in common."""

BULK = 20
"""Full segments of one length that make a flow's segment size known."""

SMALL_SHARE = 1 / 8
"""Most likely length of a datagram that is no full segment."""


def judge(flows: Sequence[Flow], direction: int, tally: Tally) -> Iterator[Finding]:
    """Look at the lengths of one direction."""
    name = DIRECTIONS[direction]
    sequences = [
        [len(datagram) for datagram in flow.directions[direction]]
        for flow in flows
        if flow.directions[direction]
    ]
    for number in range(FIRST):
        lengths = [sequence[number] for sequence in sequences if len(sequence) > number]
        if len(lengths) < ENOUGH_FLOWS:
            break
        share = FIRST_SHARE if number < SHAKING_HANDS else LATER_SHARE
        yield from _favoured(
            name, f"datagram {number + 1} of each flow", "share the length", lengths, share, tally
        )
    sizes = list(filter(None, map(segment_size, sequences)))
    if sizes:
        yield from _favoured(name, "bulk", "flows share the segment size", sizes, SEGMENT_SHARE, tally)
    lengths = [length for sequence in sequences for length in sequence]
    if len(lengths) < ENOUGH_DATAGRAMS:
        return
    if len(set(lengths)) == 1:
        # No statistics: a flow that has nothing but full segments would still have a first and a last datagram.
        tally.rare(0.0)
        yield Finding(
            name, "all datagrams", f"have one length, {lengths[0]}", "", 0, f"all {len(lengths)}", -1000.0
        )
    small = [length for length in lengths if length < SEGMENT]
    if len(small) >= ENOUGH_FLOWS:
        yield from _favoured(
            name, "datagrams that are no full segment", "share the length", small, SMALL_SHARE, tally
        )


def segment_size(lengths: Sequence[int]) -> int | None:
    """The size of a flow's full segments, if it has sent enough of one."""
    size, count = max(Counter(lengths).items(), key=lambda item: item[1])
    return size if size >= SEGMENT and count >= BULK else None


def _favoured(
    direction: str, sample: str, what: str, lengths: Sequence[int], share: float, tally: Tally
) -> Iterator[Finding]:
    length, count = Counter(lengths).most_common(1)[0]
    log10_p = chance.at_least(count, len(lengths), share, ways=1 / share)
    if tally.rare(log10_p):
        yield Finding(direction, sample, f"{what} {length}", "", 0, f"{count} of {len(lengths)}", log10_p)
