"""What the bytes at the ends of a datagram have to do with one another, and with its length.

Headers stand at the ends, so the first and the last `HEADERS` bytes are looked at. Two bytes that are each uniform may
still be bound to each other: one the copy, the sum or any other function of the other, or of the length.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

from scripts.judge.bytewise import columns, difference, exclusive
from scripts.judge.chance import Finding, Tally
from scripts.judge.columns import HEADERS, VALUES, Test, ends, telling, values, words
from scripts.judge.traffic import ENOUGH_DATAGRAMS, Sample

DISTANCES = 1, 2, 4, 8
"""Bytes between the two that are compared."""

_UPPER = bytes(value >> 4 for value in range(VALUES))
_LOWER = bytes(value & 0xF for value in range(VALUES))

_LENGTHS: dict[str, Callable[[int], int]] = {
    "the length": lambda length: length,
    "the length's upper byte": lambda length: length >> 8,
    "the length without its lowest bits": lambda length: length >> 3,
    "the length and a carrier's header": lambda length: length + 28,
}


def judge(sample: Sample, tally: Tally, wrong: Container[tuple[str, int]] = ()) -> Iterator[Finding]:
    """Look at the bytes at both ends, but for those that are `wrong` by themselves: they are bound to much."""
    if sample.steps_only:
        return
    lengths = [len(datagram) for datagram in sample.datagrams]
    for where, datagrams in ends(sample, HEADERS):
        for offset, column in columns(datagrams, sample.least):
            if (where, offset) in wrong:
                continue
            tests = list(_with_length(column, [length for length in lengths if length > offset]))
            for distance in DISTANCES:
                if (where, offset + distance) in wrong:
                    continue
                tests += _with_neighbour(datagrams, offset, distance, sample.least)
            if not tests:
                continue
            worst = telling(tests)
            if tally.rare(worst[0], len(tests)):
                what, strength = words(worst)
                yield Finding(sample.direction, sample.name, what, where, offset, strength, worst[0])


def _with_length(column: bytes, lengths: list[int]) -> Iterator[Test]:
    """A byte against functions of its datagram's length: what is left of it must be as uniform as it was."""
    if len(set(lengths)) < 2:
        return
    for name, function in _LENGTHS.items():
        numbers = bytes([function(length) & 0xFF for length in lengths])
        yield from _named(name, values(difference(column, numbers)))
        yield from _named(name, values(exclusive(column, numbers)))


def _with_neighbour(datagrams: list[bytes], offset: int, distance: int, least: int) -> Iterator[Test]:
    """A byte against one that stands further in."""
    far = offset + distance
    reached = [datagram for datagram in datagrams if len(datagram) > far]
    if len(reached) < least:
        return
    one = bytes([datagram[offset] for datagram in reached])
    other = bytes([datagram[far] for datagram in reached])
    name = f"the byte {distance} further in"
    yield from _named(name, values(difference(one, other)))
    yield from _named(name, values(exclusive(one, other)))
    if len(reached) < ENOUGH_DATAGRAMS:
        return
    # Any function of the other byte shows in at least one pair of nibbles, for it has only 16 values for each of 16.
    for mine in (_UPPER, _LOWER):
        shifted = bytes([value << 4 for value in mine])
        for theirs in (_UPPER, _LOWER):
            joint = int.from_bytes(one.translate(shifted)) | int.from_bytes(other.translate(theirs))
            yield from _named(name, values(joint.to_bytes(len(one))))


def _named(name: str, tests: Iterable[Test]) -> Iterator[Test]:
    for log10_p, what, *numbers in tests:
        yield log10_p, f"bound to {name}: {what}", *numbers
