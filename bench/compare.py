"""What has changed between two runs: row by row, old → new, and which changes stand out of the spread of both."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.quantities import show
from bench.record import Measure, RecordError, Row, Run
from bench.summary import Summary, cell, ratio_to_base


@dataclass(frozen=True)
class Change:
    """One measure of one cell in both runs; one of the two may be missing."""

    row: Row
    subject: str
    measure: Measure
    old: Summary | None
    new: Summary | None

    @property
    def share(self) -> float | None:
        """By how much of the old value it changed: 0.1 is 10 % more."""
        if self.old is None or self.new is None or not self.old.median:
            return None
        return self.new.median / self.old.median - 1

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the spreads have nothing in common, else nothing."""
        if self.old is None or self.new is None or not self.new.apart(self.old):
            return ""
        more = self.new.median > self.old.median
        return "better" if more == (self.measure.better == "more") else "worse"


def check_kinds(old: Run, new_kind: str) -> None:
    """Raise RecordError where the two are not of the same kind."""
    if old.kind != new_kind:
        raise RecordError(f"a run of the kind {old.kind} says nothing about one of the kind {new_kind}")


def changes(old: Run, new: Run) -> Iterator[Change]:
    """Every measure that one of the runs has, in the order of the new one and then of the old one."""
    rows = {row.key: row for row in (*old.rows, *new.rows)}
    order = list(dict.fromkeys([*(row.key for row in new.rows), *(row.key for row in old.rows)]))
    subjects = list(dict.fromkeys(one.key for one in (*new.subjects, *old.subjects)))
    for key in order:
        for subject in subjects:
            for measure in rows[key].measures:
                change = Change(
                    rows[key],
                    subject,
                    measure,
                    cell(old, key, subject, measure),
                    cell(new, key, subject, measure),
                )
                if change.old or change.new:
                    yield change
                if measure.ratio and old.base == new.base:
                    yield from _ratio(old, new, change)


def _ratio(old: Run, new: Run, change: Change) -> Iterator[Change]:
    """The same measure as a ratio to the base, which the machine's mood changes less."""
    key, subject, measure = change.row.key, change.subject, change.measure
    before, now = (ratio_to_base(run, key, subject, measure) for run in (old, new))
    if before and now:
        named = measure.model_copy(update={"title": f"{measure.title} × {new.base}", "unit": "ratio"})
        yield Change(change.row, subject, named, before, now)


def warnings(old: Run, new: Run) -> list[str]:
    """What else differs between the two, so that their figures cannot be laid beside each other just so."""
    pairs = {f"machine.{key}": value for key, value in old.machine.model_dump().items()}
    other = {f"machine.{key}": value for key, value in new.machine.model_dump().items()}
    for run, facts in ((old, pairs), (new, other)):
        facts |= {"place": run.place, "seconds": run.options.get("seconds"), "finished": run.finished}
    return [
        f"warning: {key}: {value} then, {other.get(key)} now"
        for key, value in pairs.items()
        if other.get(key) != value
    ]


def text(old: Run, new: Run, name: str) -> list[str]:
    """The comparison in lines."""
    titles = {one.key: one.title for one in (*old.subjects, *new.subjects)}
    lines = [f"Compared with {name}, {old.date}, commit {old.commit or 'unknown'}", *warnings(old, new)]
    found = list(changes(old, new))
    width = max((len(titles[change.subject]) for change in found), default=0)
    label = max((len(change.measure.title) for change in found), default=0)
    row = None
    for change in found:
        if change.row.key != row:
            row = change.row.key
            lines += ["", change.row.title]
        lines.append(
            f"  {titles[change.subject]:<{width}}  {change.measure.title:<{label}}  {_words(change)}".rstrip()
        )
    better, worse = (sum(change.verdict == word for change in found) for word in ("better", "worse"))
    both = sum(bool(change.old and change.new) for change in found)
    return [
        *lines,
        "",
        f"{both} measures in both: {better} better and {worse} worse beyond the spread of both runs",
    ]


def _words(change: Change) -> str:
    unit = change.measure.unit
    if change.new is None and change.old is not None:
        return f"{show(change.old.median, unit):>14} → nothing now"
    if change.old is None and change.new is not None:
        return f"{'nothing':>14} → {show(change.new.median, unit)}"
    if change.old is None or change.new is None:
        return ""
    share = "" if change.share is None else f"{change.share:+.1%}"
    mark = f"  {change.verdict}" if change.verdict else ""
    return f"{show(change.old.median, unit):>14} → {show(change.new.median, unit):<14}{share:>9}{mark}"
