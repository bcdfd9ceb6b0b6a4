"""The load program, `ginnel-load`: how it is started, what it prints, and what of that is believed."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.places import Place
from bench.programs import BenchError, Program

TIMEOUT = 20.0
"""Seconds that a run may take longer than it was told to: connections, the last answers, a busy machine."""
ALLOCATIONS_TIMEOUT = 120.0
HOLD_TIMEOUT = 60.0

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]


class _Said(BaseModel):
    """Something that the load program printed as JSON. Keys that are not known here are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it. BenchError says which key is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BenchError(
                f"the load program's answer is not understood: {place + ': ' if place else ''}{first['msg']}"
            ) from None


class Latency(_Said):
    """Times in microseconds, from the first byte of a request to the last of its answer."""

    p50: Amount | None
    p99: Amount | None
    max: Amount | None
    count: Count


class LoadResult(_Said):
    """One run of the load program."""

    work: str
    via: str
    connections: Count
    seconds: Annotated[float, Field(gt=0)]
    bytes: Count
    requests: Count
    errors: Count
    rate_bits: Amount | None
    per_second: Amount | None
    latency_us: Latency | None
    cpu_seconds: dict[str, Amount]
    machine_cpu_seconds: Amount | None
    intervals: list[Count]
    """Bytes in each 100 ms."""
    first_10mb_seconds: Amount | None
    beside: Latency | None = None


class Allocations(_Said):
    """What one unit of work costs ginnel in calls of the allocator, both ends together."""

    work: str
    count: Annotated[int, Field(gt=0)]
    allocations_per_unit: Amount
    bytes_per_unit: Amount


class Direction(_Said):
    """What the wire counted in one direction. Bytes are those of IP packets."""

    packets_in: Count
    bytes_in: Count
    lost: Count
    overflowed: Count
    packets_out: Count
    bytes_out: Count

    @property
    def under_way(self) -> int:
        """Packets that are still in the wire."""
        return self.packets_in - self.lost - self.overflowed - self.packets_out


class WireCounts(_Said):
    """What the wire counted: there is from the client to the server."""

    there: Direction
    back: Direction


S = TypeVar("S", bound=_Said)


@dataclass(frozen=True)
class Work:
    """What a run is to do."""

    kind: str
    """`down`, `up`, `requests` or `connect`."""
    connections: int
    size: int | None = None
    """Bytes of an answer."""
    beside: int = 0
    """Loops of small requests beside it."""

    def arguments(self) -> list[str]:
        """As the load program wants it."""
        words = ["--work", self.kind, "--connections", str(self.connections)]
        words += ["--size", str(self.size)] if self.size is not None else []
        return words + (["--beside", str(self.beside)] if self.beside else [])


@dataclass(frozen=True)
class LoadProgram:
    """The load program at a path."""

    path: Path

    def run(
        self,
        place: Place,
        via: str,
        target: str,
        work: Work,
        seconds: float,
        warmup: float = 0.0,
        pids: Sequence[int] = (),
    ) -> tuple[LoadResult, dict[str, Any]]:
        """Let it work, and give what it measured, read and as it was said. BenchError when it fails or hangs."""
        words = ["run", "--via", via, "--target", target, *work.arguments(), "--seconds", f"{seconds:g}"]
        words += ["--warmup", f"{warmup:g}"] if warmup else []
        words += ["--pids", ",".join(map(str, pids))] if pids else []
        with Program("the load program", place.command(str(self.path), *words)) as program:
            said = _last(program.wait_end(warmup + seconds + TIMEOUT))
        return LoadResult.parse(said), json.loads(said)

    @contextlib.contextmanager
    def held(self, place: Place, via: str, target: str, connections: int) -> Iterator[int]:
        """Hold idle connections; how many there are. BenchError when there is none."""
        words = ["run", "--via", via, "--target", target, *Work("hold", connections).arguments()]
        command = place.command(str(self.path), *words)
        with Program("the load program", command, stdin=subprocess.PIPE) as program:
            said = program.wait_line("held ", HOLD_TIMEOUT).split()
            count = int(said[1]) if len(said) == 2 and said[1].isdecimal() else 0
            if not count:
                raise program.failure(f"held none of {connections} connections")
            yield count

    @contextlib.contextmanager
    def origin(self, place: Place) -> Iterator[str]:
        """An origin, and its address."""
        words = "origin", "--listen", f"{place.address}:0"
        with Program("the origin", place.command(str(self.path), *words)) as program:
            yield _address(program)

    @contextlib.contextmanager
    def relay(
        self, place: Place, listen: str, *, to: str | None = None, threads: int = 1
    ) -> Iterator[tuple[Program, str]]:
        """A plain relay and its address: `to` somewhere, or else where each connection asks for by SOCKS."""
        words = ["relay", "--listen", f"{listen}:0", *(["--to", to] if to else ["--socks"])]
        words += ["--threads", str(threads)] if threads > 1 else []
        with Program("the relay", place.command(str(self.path), *words)) as program:
            yield program, _address(program)

    def allocations(self, place: Place, target: str, kind: str, count: int, connections: int) -> Allocations:
        """Count ginnel's allocations while it does `count` units of work. BenchError when that fails."""
        words = ["allocations", "--work", kind, "--count", str(count), "--connections", str(connections)]
        command = place.command(str(self.path), *words, "--target", target)
        with Program("the count of allocations", command) as program:
            return Allocations.parse(_last(program.wait_end(ALLOCATIONS_TIMEOUT)))


def default_path() -> Path:
    """Where make puts it."""
    return Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release" / "ginnel-load"


def _last(lines: list[str]) -> str:
    return next((line for line in reversed(lines) if line.strip()), "")


def _address(program: Program) -> str:
    said = program.wait_line("listening ").split()
    if len(said) != 2 or not said[1].rpartition(":")[2].isdecimal():
        raise program.failure(f"says {' '.join(said)!r}, not 'listening ADDRESS'")
    return said[1]
