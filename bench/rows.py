"""The rows of the clean benchmark: each a kind of work, and what is read from a run of it."""

from dataclasses import dataclass

from bench.load import Latency, LoadResult, Work
from bench.programs import BenchError
from bench.quantities import Unit
from bench.record import Measure, Row

KIB = 1024
GB = 1_000_000_000


@dataclass(frozen=True)
class Timed:
    """Work that goes on for a time, once a round."""

    work: Work


@dataclass(frozen=True)
class Held:
    """Connections that are idle, once a run."""

    connections: int


@dataclass(frozen=True)
class Allocated:
    """Units of work whose allocations are counted, once a run."""

    kind: str
    count: int
    connections: int


@dataclass(frozen=True)
class CleanRow:
    """A row and what is done for it."""

    info: Row
    task: Timed | Held | Allocated


def _cpu(unit: Unit) -> tuple[Measure, ...]:
    return (
        Measure(key="cpu", title="CPU, both ends", unit=unit, better="less", ratio=True),
        Measure(key="machine", title="CPU, machine", unit=unit, better="less"),
    )


def _rate(unit: Unit) -> Measure:
    return Measure(key="rate", title="rate", unit=unit, better="more", ratio=True)


_LATENCY = tuple(Measure(key=key, title=key, unit="s", better="less") for key in ("p50", "p99"))
_BULK = (_rate("bit/s"), *_cpu("s/GB"))
_UNITS = (_rate("1/s"), *_cpu("s"), *_LATENCY)
_MEMORY = (
    Measure(key="both", title="memory, both ends", unit="bytes", better="less", ratio=True),
    Measure(key="each", title="growth per connection", unit="bytes", better="less"),
    Measure(key="server", title="server", unit="bytes", better="less"),
    Measure(key="client", title="client", unit="bytes", better="less"),
    Measure(key="engine", title="by its own count", unit="bytes", better="less"),
)
_ALLOCATIONS = (
    Measure(key="allocations", title="allocations", unit="count", better="less"),
    Measure(key="bytes", title="bytes allocated", unit="bytes", better="less"),
)


def _timed(key: str, title: str, measures: tuple[Measure, ...], work: Work) -> CleanRow:
    return CleanRow(Row(key=key, title=title, measures=measures), Timed(work))


CLEAN_ROWS = (
    _timed("down-1", "bulk down, 1 stream", _BULK, Work("down", 1)),
    _timed("down-8", "bulk down, 8 streams", _BULK, Work("down", 8)),
    _timed("up-1", "bulk up, 1 stream", _BULK, Work("up", 1)),
    _timed("up-8", "bulk up, 8 streams", _BULK, Work("up", 8)),
    _timed("requests-64", "1 KiB requests, 64 connections", _UNITS, Work("requests", 64, KIB)),
    _timed("requests-400", "1 KiB requests, 400 connections", _UNITS, Work("requests", 400, KIB)),
    _timed("requests-64k", "64 KiB requests, 64 connections", _UNITS, Work("requests", 64, 64 * KIB)),
    _timed("connect-32", "new connections, 32 at a time", _UNITS, Work("connect", 32)),
    CleanRow(Row(key="idle-1000", title="memory with 1,000 idle connections", measures=_MEMORY), Held(1000)),
    CleanRow(
        Row(key="allocations-request", title="allocations per request", measures=_ALLOCATIONS),
        Allocated("requests", 20_000, 64),
    ),
    CleanRow(
        Row(key="allocations-connect", title="allocations per new connection", measures=_ALLOCATIONS),
        Allocated("connect", 5_000, 32),
    ),
)


def timed_values(kind: str, result: LoadResult) -> dict[str, float]:
    """What a run says in the units of its row's measures. BenchError when nothing got through."""
    bulk = kind in ("down", "up")
    done = result.bytes if bulk else result.requests
    if not done:
        raise BenchError(f"nothing got through: {result.errors} errors")
    amount = done / GB if bulk else done
    values = {"rate": (done * 8 if bulk else done) / result.seconds}
    if result.cpu_seconds:
        values["cpu"] = sum(result.cpu_seconds.values()) / amount
    if result.machine_cpu_seconds is not None:
        values["machine"] = result.machine_cpu_seconds / amount
    return values | ({} if bulk else latency_values(result.latency_us))


def latency_values(latency: Latency | None) -> dict[str, float]:
    """p50 and p99 in seconds, where they were measured."""
    if latency is None or not latency.count:
        return {}
    said = {"p50": latency.p50, "p99": latency.p99}
    return {key: value / 1e6 for key, value in said.items() if value is not None}
