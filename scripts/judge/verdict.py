"""All tests of a capture together, and what comes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ginnel.capture import Datagram
from scripts.judge import columns, fields, lengths, relations, repeats
from scripts.judge.chance import Finding, Tally, probability
from scripts.judge.traffic import (
    DIRECTIONS,
    ENOUGH_DATAGRAMS,
    ENOUGH_FLOWS,
    Sample,
    Traffic,
    samples,
    sort,
)


@dataclass
class Verdict:
    """What is to be said of a capture."""

    flows: int
    datagrams: tuple[int, int]
    tests: int
    findings: list[Finding]
    judged: list[str]
    """What was looked at."""
    missing: list[str]
    """What was not, and what it would have taken."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Frames and datagrams that were not judged, by reason."""

    @property
    def word(self) -> str:
        """`findings`, `unjudged` (a direction of which nothing could be judged) or `clean`."""
        if self.findings:
            return "findings"
        return "clean" if len({line.split(":")[0] for line in self.judged}) == len(DIRECTIONS) else "unjudged"


def judge(datagrams: Iterable[Datagram], server: tuple[str, int | None] | None = None) -> Verdict:
    """Judge the datagrams of a capture; without `server` it is found out."""
    traffic = sort(datagrams, server)
    tally = Tally()
    found: list[Finding] = []
    judged: list[str] = []
    missing: list[str] = []
    for direction, name in enumerate(DIRECTIONS):
        count = len(traffic.in_order[direction])
        for sample in samples(traffic, direction):
            judged.append(f"{name}: {sample.name} ({len(sample.datagrams)})")
            found += _sample(sample, tally)
        found += lengths.judge(traffic.flows, direction, tally)
        missing += _missing(traffic, direction, name, count)
    one, other = ([*packets[:3000]] for packets in traffic.in_order)
    found += repeats.between(one, other, tally)
    left_out = Counter({"several datagrams in one": traffic.merged, "not of the server": traffic.strangers})
    return Verdict(
        len(traffic.flows),
        (len(traffic.in_order[0]), len(traffic.in_order[1])),
        tally.tests,
        _merged(tally.keep(found)),
        judged,
        missing,
        {reason: count for reason, count in left_out.items() if count},
    )


def _sample(sample: Sample, tally: Tally) -> Iterator[Finding]:
    wrong = set()
    for finding in columns.judge(sample, tally):
        wrong.add((finding.where, finding.offset))
        yield _named(sample, finding)
    yield from relations.judge(sample, tally, wrong)
    yield from repeats.judge(sample, tally)


def _named(sample: Sample, finding: Finding) -> Finding:
    """A finding with the field that moves there, if one does."""
    turned = finding.where == "from the end"
    datagrams = [datagram[::-1] if turned else datagram for datagram in sample.datagrams]
    what = fields.describe(datagrams, finding.offset, turned)
    if what is None:
        return finding
    return finding._replace(what=f"{finding.what}: {what}")


def _missing(traffic: Traffic, direction: int, name: str, count: int) -> Iterator[str]:
    if count < ENOUGH_DATAGRAMS:
        yield f"{name}: every offset of all datagrams needs {ENOUGH_DATAGRAMS}, there are {count}"
    flows = sum(1 for flow in traffic.flows if flow.directions[direction])
    if flows < ENOUGH_FLOWS:
        yield f"{name}: the k-th datagram of flows needs {ENOUGH_FLOWS} flows, there are {flows}"


def _merged(findings: list[Finding]) -> list[Finding]:
    """Neighbouring offsets with the same fault are one finding, the strongest of them."""
    merged: list[Finding] = []
    last = -1
    for finding in sorted(findings, key=lambda one: (*one[:4], one.offset)):
        if merged and finding.where and finding[:4] == merged[-1][:4] and finding.offset == last + 1:
            merged[-1] = min(merged[-1], finding, key=lambda one: one.log10_p)
        else:
            merged.append(finding)
        last = finding.offset
    return sorted(merged, key=lambda one: one.log10_p)


def line(finding: Finding) -> str:
    """A finding for people."""
    place = f" at offset {finding.offset} {finding.where}" if finding.where else ""
    strength = f"{finding.strength}, " if finding.strength else ""
    return (
        f"{finding.direction}, {finding.sample}: {finding.what}{place} "
        f"({strength}{probability(finding.log10_p)})"
    )
