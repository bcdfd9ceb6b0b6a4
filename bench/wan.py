"""The lossy laboratory: one long download with small requests beside it, on a fresh wire for every measurement.

Nothing is left of one measurement in the next: namespaces, wire, origin and subject are all new. Within a round every
subject gets the same seed. The work has no warm-up, for how a sender starts is a part of what is measured.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.load import LoadProgram, LoadResult, WireCounts, Work
from bench.plan import Step, steps
from bench.programs import BenchError
from bench.record import Measure, Row
from bench.rows import latency_values
from bench.sampling import Measured, Sampler
from bench.subjects import Lab, Subject
from bench.wire import wire
from bench.wire_settings import WireSettings

BESIDE = 6
"""Loops of small requests beside the download: about a hundred requests a second at 50 ms, 1 % of the wire's rate."""
STEADY_SHARE = 1 / 3
"""Part of the time that is the start; the rest is the steady state."""
MEASURES = (
    Measure(key="mean", title="mean", unit="bit/s", better="more"),
    Measure(key="steady", title="steady", unit="bit/s", better="more"),
    Measure(key="first", title="first 10 MB", unit="s", better="less"),
    Measure(key="sent", title="sent per delivered", unit="ratio", better="less"),
    Measure(key="p50", title="request p50", unit="RTT", better="less"),
    Measure(key="p99", title="request p99", unit="RTT", better="less"),
)


@dataclass(frozen=True)
class WanPlan:
    """What is to be done."""

    wires: Sequence[WireSettings]
    subjects: Sequence[Subject]
    rounds: int
    seconds: float
    seed: int

    def steps(self) -> list[Step[WireSettings, Subject]]:
        """All measurements."""
        return list(steps(self.wires, self.subjects, self.rounds))


def row(settings: WireSettings) -> Row:
    """A wire as a row of the report."""
    return Row(key=settings.key, title=settings.title, measures=MEASURES)


def measure_all(load: LoadProgram, plan: WanPlan, sampler: Sampler) -> None:
    """Measure every subject on every wire."""
    for step in plan.steps():
        sampler.take(step.round, step.row.key, step.subject.key, partial(measure, load, plan, step))


def measure(load: LoadProgram, plan: WanPlan, step: Step[WireSettings, Subject]) -> Measured:
    """One download of one subject on a fresh wire. Raises BenchError."""
    settings, work = step.row, Work("down", 1, beside=BESIDE)
    with (
        tempfile.TemporaryDirectory(prefix="ginnel-bench-") as directory,
        wire(load, settings, plan.seed + step.round) as running,
        load.origin(running.ends.server) as target,
        step.subject.running(Lab(running.ends, load, Path(directory), target)) as subject,
    ):
        before = running.drained()
        result, raw = load.run(
            running.ends.client,
            subject.via,
            subject.forward or target,
            work,
            plan.seconds,
            pids=subject.pids(),
        )
        after = running.drained()
    values = wan_values(result, settings) | sent_per_delivered(before, after)
    raw["wire"] = {"before": before.model_dump(), "after": after.model_dump()}
    note = f"{result.errors} errors" if result.errors else None
    return Measured(values, raw, note)


def wan_values(result: LoadResult, settings: WireSettings) -> dict[str, float]:
    """What a run says in the units of MEASURES. BenchError when nothing got through."""
    if not result.bytes:
        raise BenchError(f"nothing got through: {result.errors} errors")
    values = {"mean": result.bytes * 8 / result.seconds}
    steady = result.intervals[round(len(result.intervals) * STEADY_SHARE) :]
    if steady:
        values["steady"] = sum(steady) * 8 / (result.seconds * len(steady) / len(result.intervals))
    if result.first_10mb_seconds is not None:
        values["first"] = result.first_10mb_seconds
    rtt = settings.rtt_ms / 1e3
    return values | {key: seconds / rtt for key, seconds in latency_values(result.beside).items() if rtt}


def sent_per_delivered(before: WireCounts, after: WireCounts) -> dict[str, float]:
    """Bytes of IP packets that entered the wire towards the client, per byte that left it there.

    Counted from when the subject was ready until nothing was under way any more; all packets count, also those of the
    requests beside, acknowledgements, and what is sent again although it had arrived.
    """
    out = after.back.bytes_out - before.back.bytes_out
    return {"sent": (after.back.bytes_in - before.back.bytes_in) / out} if out > 0 else {}
