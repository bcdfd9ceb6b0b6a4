"""A run as it is kept: what was measured, on which machine, with which programs, every raw value. One JSON file."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.quantities import Unit

MAX_BYTES = 256 * 1024 * 1024
"""A file larger than this is none of ours."""

Kind = Literal["clean", "wan"]


class RecordError(Exception):
    """A file that cannot be used; the message names it and says why."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measure(_Part):
    """One thing that a row tells of a subject. The first measure of a row is its main one."""

    key: str
    title: str
    unit: Unit
    better: Literal["more", "less"]
    ratio: bool = False
    """Whether the table compares it with the base."""


class Row(_Part):
    """A kind of work, or a cell of the lossy laboratory."""

    key: str
    title: str
    measures: tuple[Measure, ...]


class SubjectInfo(_Part):
    """A subject of the run."""

    key: str
    title: str
    version: str | None = None
    missing: str | None = None
    """Why it took no part."""


class Sample(_Part):
    """What one measurement told, or why it failed."""

    row: str
    subject: str
    round: int
    values: dict[str, float] = {}
    """By the keys of the row's measures, in their units without prefix: seconds, bit/s, bytes."""
    error: str | None = None
    note: str | None = None
    raw: dict[str, Any] = {}
    load_average: float | None = None
    """Of the machine over the last minute, after the measurement."""


class Machine(_Part):
    """Where it ran."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    python: str


class WireCheck(_Part):
    """What the wire of a cell does, measured with packets of our own before anything else."""

    row: str
    asked: str
    rtt_seconds: float | None = None
    rate_bits: float | None = None
    loss: float | None = None
    """Share of packets lost per direction."""
    error: str | None = None


class Run(BaseModel):
    """Everything about one run."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    form: Literal[1] = 1
    """Of the file. A reader refuses a file of another form."""
    kind: Kind
    date: str
    """When it began, ISO 8601 with the offset from UTC."""
    finished: bool = False
    commit: str | None
    machine: Machine
    load_average: float | None
    """Of the machine over the last minute, before the run."""
    place: str
    base: str
    """The subject with which ratios compare."""
    options: dict[str, Any]
    rows: list[Row]
    subjects: list[SubjectInfo]
    wires: list[WireCheck] = []
    samples: list[Sample] = []

    def of(self, row: str, subject: str) -> list[Sample]:
        """The samples of a cell, in the order of their rounds."""
        return [sample for sample in self.samples if (sample.row, sample.subject) == (row, subject)]

    def values(self, row: str, subject: str, measure: str) -> dict[int, float]:
        """What a cell measured, by round."""
        return {
            sample.round: sample.values[measure]
            for sample in self.of(row, subject)
            if sample.error is None and measure in sample.values
        }


def save(run: Run, path: Path) -> None:
    """Write the file; one that is there is replaced as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(
        json.dumps(run.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    beside.replace(path)


def read(path: Path) -> Run:
    """Read a file. Raises RecordError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecordError(f"{path}: larger than {MAX_BYTES >> 20} MiB, so no run of make bench")
        return Run.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            f"{path}: no run of make bench: {place + ': ' if place else ''}{first['msg']}"
        ) from None


def newest(directory: Path, kind: Kind) -> Path:
    """The last file of a kind in a directory; their names begin with the date. Raises RecordError."""
    found = sorted(directory.glob(f"{kind}-*.json"))
    if not found:
        raise RecordError(f"{directory}: holds no run of the kind {kind} yet")
    return found[-1]
