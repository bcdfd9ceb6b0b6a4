"""`ginnel stats`."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ginnel.cli._arguments import Parser
from ginnel.cli._running import add_which, find_running
from ginnel.cli._table import rough_rate, rough_size, table
from ginnel.cli._terminal import Terminal
from ginnel.config.units import format_duration
from ginnel.control.client import ask
from ginnel.errors import ControlError

SUMMARY = (
    "Show the figures of a running server or client: links, streams, traffic, drops, times to open a stream."
)
EXAMPLES = (
    ("ginnel stats", "of the one process of ginnel that runs here"),
    ("ginnel stats --pid 4711", "of one among several"),
    ("ginnel stats --json | jq .drops", "every figure, for a script"),
)
_QUANTILES = (0.5, 0.99)


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    add_which(parser)
    parser.add_argument("--json", action="store_true", help="write everything as JSON")
    parser.set_defaults(command="stats")


def run(parsed: argparse.Namespace) -> int:
    """Ask and show."""
    running = find_running(parsed)
    stats = ask(running.path, "stats")
    if not isinstance(stats, dict):
        raise ControlError("the answer is not understood", hint="Is it the same version of ginnel?")
    terminal = Terminal()
    if parsed.json:
        terminal.out(json.dumps(stats))
        return 0
    for line in describe(stats, _memory(running.process)):
        terminal.out(line)
    return 0


def describe(stats: Mapping[str, Any], memory: int | None) -> list[str]:
    """Say the figures in lines."""
    gauges, counters, drops = (_counts(stats, name) for name in ("gauges", "counters", "drops"))
    uptime = format_duration(float(stats.get("uptime_seconds", 0)))
    facts = [
        (
            str(stats.get("role", "?")),
            f"process {stats.get('pid')}, version {stats.get('version')}, up {uptime}",
        ),
        ("links", _now_and_ever(gauges.get("links", 0), counters.get("links_up", 0))),
        (
            "streams",
            _now_and_ever(
                gauges.get("streams", 0),
                counters.get("streams_opened", 0) + counters.get("streams_accepted", 0),
            ),
        ),
        (
            "traffic",
            f"{rough_size(counters.get('bytes_received', 0))} in, {rough_size(counters.get('bytes_sent', 0))} out",
        ),
        ("drops", _drops(drops)),
    ]
    flows, renewed = gauges.get("flows", 0), counters.get("flows_renewed", 0)
    if flows or renewed:
        facts.insert(2, ("flows", f"{flows:,} now" + (f", {renewed:,} renewed" if renewed else "")))
    path = _path(stats)
    if path:
        facts.insert(2, ("path", path))
    if memory is not None:
        facts.append(("memory", rough_size(memory)))
    lines = table(facts, right=(False, False))
    stages = stats.get("open_time")
    if isinstance(stages, Mapping) and stages:
        lines += ["", *_stages(stages)]
    return lines


def quantile(buckets: Sequence[Sequence[float]], share: float) -> float | None:
    """Return the upper bound of the bucket in which the share of all times is reached; None when there are none.

    `buckets` are pairs: the longest time that a bucket takes in, and how many times are in it.
    """
    total = sum(count for _, count in buckets)
    wanted = max(1, math.ceil(total * share))
    reached = 0.0
    for upper, count in sorted(tuple(bucket) for bucket in buckets):
        reached += count
        if reached >= wanted:
            return upper
    return None


def _path(stats: Mapping[str, Any]) -> str:
    """What is known of the path where there is one link; of several, the JSON tells."""
    links = stats.get("links")
    if not isinstance(links, list) or len(links) != 1 or not isinstance(links[0], Mapping):
        return ""
    link = links[0]
    session, carrier = link.get("session"), link.get("carrier")
    pace, sent, lost = link.get("pace"), link.get("sent", 0), link.get("lost", 0)
    shown = [
        format_duration(float(link.get("rtt_seconds", 0))),
        "not paced" if pace is None else f"paced at {rough_rate(pace * 8)}",
        f"window {rough_size(link.get('window', 0))}",
        f"{lost:,} of {sent:,} packets lost",
    ]
    if isinstance(session, str):
        shown.insert(1, f"{session} over {carrier}" if isinstance(carrier, str) else session)
    return ", ".join(shown)


def _stages(stages: Mapping[str, Any]) -> list[str]:
    rows = [("opening a stream", "p50", "p99", "count")]
    for name, histogram in stages.items():
        buckets = histogram.get("buckets", [])
        times = (quantile(buckets, share) for share in _QUANTILES)
        p50, p99 = ("-" if time is None else format_duration(time) for time in times)
        rows.append((f"  {name.replace('_', ' ')}", p50, p99, f"{histogram.get('count', 0):,}"))
    return table(rows, right=(False, True, True, True))


def _counts(stats: Mapping[str, Any], name: str) -> Mapping[str, int]:
    counts = stats.get(name)
    return counts if isinstance(counts, Mapping) else {}


def _now_and_ever(now: int, ever: int) -> str:
    return f"{now:,} now, {ever:,} since the start"


def _drops(drops: Mapping[str, int]) -> str:
    causes = [(count, cause) for cause, count in drops.items() if count]
    if not causes:
        return "none"
    listed = ", ".join(
        f"{cause.replace('_', ' ')} {count:,}" for count, cause in sorted(causes, reverse=True)
    )
    return f"{sum(count for count, _ in causes):,}: {listed}"


def _memory(process: int) -> int | None:
    """Return how much memory the process has in use, in bytes."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None
