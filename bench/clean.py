"""The clean benchmark: all subjects stay up, and the rows go over them in turns."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench import processes
from bench.plan import WARMUP_SHARE, Step, steps
from bench.programs import BenchError
from bench.rows import Allocated, CleanRow, Held, Timed, timed_values
from bench.sampling import Measured, Sampler
from bench.subjects import Lab, Running, Subject


@dataclass(frozen=True)
class CleanPlan:
    """What is to be done."""

    rows: Sequence[CleanRow]
    subjects: Sequence[Subject]
    rounds: int
    seconds: float

    def steps(self) -> list[Step[CleanRow, Subject]]:
        """All measurements. What is no rate is measured once: memory before anybody has worked, allocations last."""
        memory = [row for row in self.rows if isinstance(row.task, Held)]
        timed = [row for row in self.rows if isinstance(row.task, Timed)]
        counted = [row for row in self.rows if isinstance(row.task, Allocated)]
        everybody = [
            *steps(memory, self.subjects, 1),
            *steps(timed, self.subjects, self.rounds),
            *steps(counted, self.subjects, 1),
        ]
        return [step for step in everybody if applies(step.row, step.subject)]


def applies(row: CleanRow, subject: Subject) -> bool:
    """Whether a row has something to say about a subject: direct TCP has no memory, and few count their allocations."""
    match row.task:
        case Held():
            return subject.key != "direct"
        case Allocated():
            return subject.counts_allocations
        case Timed():
            return True


def measure_all(lab: Lab, plan: CleanPlan, sampler: Sampler) -> None:
    """Start everything, measure, and end everything. What fails is in the samples."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(lab.load.origin(lab.ends.server))
        lab = replace(lab, origin=target)
        running = {subject.key: started(stack, lab, subject) for subject in plan.subjects}
        for step in plan.steps():
            measurement = Measurement(lab, target, step.row, running[step.subject.key], plan.seconds)
            sampler.take(step.round, step.row.info.key, step.subject.key, measurement.measure)


def started(stack: contextlib.ExitStack, lab: Lab, subject: Subject) -> Running | BenchError:
    """A subject that stays up until the stack is closed, or why it did not start."""
    try:
        return stack.enter_context(subject.running(lab))
    except (BenchError, OSError) as error:
        return BenchError(f"did not start: {error}")


@dataclass(frozen=True)
class Measurement:
    """One row and one subject, once."""

    lab: Lab
    target: str
    row: CleanRow
    subject: Running | BenchError
    seconds: float

    def measure(self) -> Measured:
        """Measure once. Raises BenchError."""
        if isinstance(self.subject, BenchError):
            raise self.subject
        self.subject.check()
        match self.row.task:
            case Timed() as task:
                return self._timed(task, self.subject)
            case Held() as task:
                return self._held(task, self.subject)
            case Allocated() as task:
                return self._allocated(task)

    def _timed(self, task: Timed, subject: Running) -> Measured:
        warmup = round(self.seconds * WARMUP_SHARE, 2)
        result, raw = self.lab.load.run(
            self.lab.ends.client,
            subject.via,
            subject.forward or self.target,
            task.work,
            self.seconds,
            warmup,
            subject.pids(),
        )
        note = f"{result.errors} errors" if result.errors else None
        return Measured(timed_values(task.work.kind, result), raw, note)

    def _held(self, task: Held, subject: Running) -> Measured:
        before = {end: memory(subject, end) for end in ("server", "client")}
        target = subject.forward or self.target
        with self.lab.load.held(self.lab.ends.client, subject.via, target, task.connections) as count:
            after = {end: memory(subject, end) for end in ("server", "client")}
            engine = subject.engine_bytes() if subject.engine_bytes else None
        total = sum(after.values())
        values = {"both": float(total), "each": max(0, total - sum(before.values())) / count}
        values |= {end: float(size) for end, size in after.items() if size}
        if engine is not None:
            values["engine"] = float(engine)
        raw = {"held": count, "before": before, "after": after, "engine": engine}
        return Measured(
            values, raw, None if count == task.connections else f"held {count} of {task.connections}"
        )

    def _allocated(self, task: Allocated) -> Measured:
        # Both ends and the load in one process, on the loopback of the server's place.
        counted = self.lab.load.allocations(
            self.lab.ends.server, self.target, task.kind, task.count, task.connections
        )
        values = {"allocations": counted.allocations_per_unit, "bytes": counted.bytes_per_unit}
        return Measured(values, counted.model_dump(mode="json"))


def memory(subject: Running, end: str) -> int:
    """Resident bytes of one end with all its processes."""
    programs = subject.server if end == "server" else subject.client
    return processes.resident_bytes([pid for program in programs for pid in program.pids()])
