"""From arguments to a run that can begin: who takes part, what is done, for how long, and the empty record of it."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench import clean, places, wan
from bench.load import LoadProgram
from bench.machine import commit, load_average, now, this_machine
from bench.options import FULL, QUICK, QUICK_WAN_CELLS, WAN_CELLS
from bench.plan import seconds_each
from bench.programs import BenchError
from bench.progress import Progress
from bench.record import Kind, Row, Run, SubjectInfo
from bench.rows import CLEAN_ROWS, Timed
from bench.sampling import Sampler
from bench.subjects import Lab, Subject, clean_subjects, wan_subjects
from bench.subjects.base import find
from bench.wire_check import check
from bench.wire_settings import parse_cell

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """A run without a sample, and what fills it."""

    run: Run
    work: Callable[[], None]


def prepare_clean(options: argparse.Namespace, load: LoadProgram) -> Prepared:
    """The clean benchmark. Raises BenchError for a subject or a row that does not exist."""
    scope = QUICK if options.quick else FULL
    subjects = chosen(clean_subjects(), options.subjects, lambda one: one.key, "subject")
    rows = chosen(CLEAN_ROWS, options.rows, lambda one: one.info.key, "row")
    present = [one for one in subjects if not one.missing()]
    rounds = options.rounds or scope.rounds
    timed = sum(isinstance(row.task, Timed) for row in rows)
    seconds = options.seconds or seconds_each(
        scope.budget, rounds * timed * len(present), scope.shortest, scope.longest
    )
    plan = clean.CleanPlan(rows, present, rounds, seconds)
    place = where(options)
    facts = {"rounds": rounds, "seconds": seconds, "quick": options.quick}
    run = empty("clean", options, facts, place, [row.info for row in rows], subjects)

    def work() -> None:
        ends = (
            places.loopback() if place == "loopback" else places.veth_pair(offloads=options.offload == "on")
        )
        with (
            ends as made,
            tempfile.TemporaryDirectory(prefix="ginnel-bench-") as directory,
            progress(len(plan.steps())) as bar,
        ):
            clean.measure_all(Lab(made, load, Path(directory)), plan, Sampler(run, bar))

    return Prepared(run, work)


def where(options: argparse.Namespace) -> str:
    """The best place that can be had. BenchError when offloads are to be switched and cannot be."""
    reason = "--loopback was asked for" if options.loopback else places.why_no_namespaces()
    if options.offload == "on":
        return "loopback" if reason else "network namespaces"
    if reason is None and find("ethtool") is None:
        reason = "ethtool not installed"
    if reason:
        raise BenchError(f"--offload off is for network namespaces: {reason}")
    return "network namespaces, offloads off"


def prepare_wan(options: argparse.Namespace, load: LoadProgram) -> Prepared:
    """The lossy laboratory. BenchError: no such subject. CellError: no such wire."""
    scope = QUICK if options.quick else FULL
    cells = options.cell or (QUICK_WAN_CELLS if options.quick else WAN_CELLS)
    wires = list(dict.fromkeys(parse_cell(text, options.rate) for text in cells))
    subjects = chosen(wan_subjects(options.rate), options.subjects, lambda one: one.key, "subject")
    present = [one for one in subjects if not one.missing()]
    rounds, seconds = options.rounds or 1, options.seconds or scope.wan_seconds
    plan = wan.WanPlan(wires, present, rounds, seconds, options.seed)
    facts = {
        "rounds": rounds,
        "seconds": seconds,
        "quick": options.quick,
        "seed": options.seed,
        "rate": options.rate,
    }
    run = empty("wan", options, facts, "network namespaces", [wan.row(one) for one in wires], subjects)

    def work() -> None:
        with progress(len(wires) + len(plan.steps())) as bar:
            for settings in wires:
                bar.begin(f"the wire of {settings.key}")
                run.wires.append(found := check(load, settings, options.seed))
                bar.end(found.error or "")
            wan.measure_all(load, plan, Sampler(run, bar))

    return Prepared(run, work)


def chosen(
    all_of_them: Sequence[T], names: Sequence[str] | None, name: Callable[[T], str], what: str
) -> list[T]:
    """Those that are named, in their usual order; all when none is. BenchError for a name that none has."""
    known = [name(one) for one in all_of_them]
    wrong = [one for one in names or [] if one not in known]
    if wrong:
        raise BenchError(f"no {what} is called {', '.join(wrong)}; there are {', '.join(known)}")
    return [one for one in all_of_them if names is None or name(one) in names]


def empty(
    kind: Kind,
    options: argparse.Namespace,
    facts: dict[str, Any],
    place: str,
    rows: list[Row],
    subjects: Sequence[Subject],
) -> Run:
    """The record of a run that has not begun."""
    return Run(
        kind=kind,
        date=now().isoformat(),
        commit=commit(),
        machine=this_machine(),
        load_average=load_average(),
        place=place,
        base=options.base,
        options=facts,
        rows=rows,
        subjects=[about(one) for one in subjects],
    )


def about(subject: Subject) -> SubjectInfo:
    """A subject as the record names it."""
    missing = subject.missing()
    version = None if missing else subject.version()
    return SubjectInfo(key=subject.key, title=subject.title, version=version, missing=missing)


@contextlib.contextmanager
def progress(total: int) -> Iterator[Progress]:
    """Shows how far a run is, on standard error."""
    bar = Progress(total, sys.stderr)
    try:
        yield bar
    finally:
        bar.close()
