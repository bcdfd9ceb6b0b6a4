"""`ginnel stats`."""

import json
import os
from pathlib import Path

import pytest

from ginnel.cli import stats as stats_module
from ginnel.cli.stats import describe, quantile
from tests.cli.conftest import Command
from tests.cli.program import running
from tests.fake_engine import LINK

STATS = {
    "counters": {
        "links_up": 5, "streams_opened": 0, "streams_accepted": 1234, "bytes_received": 1536, "bytes_sent": 2**30
    },
    "gauges": {"links": 2, "streams": 7, "half_open": 0},
    "drops": {"forged": 0, "no_room": 5, "not_ours": 1000},
    "open_time": {
        "requested": {"count": 4, "sum_seconds": 1.0, "buckets": [[0.001, 2], [0.5, 2]]},
        "first_byte": {"count": 0, "sum_seconds": 0.0, "buckets": []},
    },
    "users": {},
    "role": "server", "pid": 7, "version": "1.2.3", "uptime_seconds": 90.0,
}  # fmt: skip


def test_a_person_gets_a_table() -> None:
    assert describe(STATS, 45 * 2**20) == [
        "server   process 7, version 1.2.3, up 90 s",
        "links    2 now, 5 since the start",
        "streams  7 now, 1,234 since the start",
        "traffic  1.5 KiB in, 1 GiB out",
        "drops    1,005: not ours 1,000, no room 5",
        "memory   45 MiB",
        "",
        "opening a stream     p50     p99  count",
        "  requested       1.0 ms  500 ms      4",
        "  first byte           -       -      0",
    ]


@pytest.mark.parametrize(
    ("pace", "shown"), [(23_000_000, "paced at 184 Mbit/s"), (None, "not paced")], ids=["paced", "unpaced"]
)
def test_the_path_of_the_one_link_is_told(pace: int | None, shown: str) -> None:
    lines = describe({**STATS, "links": [{**LINK, "pace": pace}]}, None)
    assert lines[2] == f"path     41 ms, quic over udp, {shown}, window 977 KiB, 30 of 2,000 packets lost"
    assert describe({**STATS, "links": [LINK, LINK]}, None) == describe(STATS, None)


@pytest.mark.parametrize(
    ("now", "renewed", "shown"),
    [
        (3, 0, ["flows    3 now"]),
        (1, 1234, ["flows    1 now, 1,234 renewed"]),
        (0, 2, ["flows    0 now, 2 renewed"]),
        (0, 0, []),
    ],
)
def test_flows_of_raw_tcp_are_told_where_there_are_any(now: int, renewed: int, shown: list[str]) -> None:
    counts = {"gauges": {"flows": now}, "counters": {"flows_renewed": renewed, "flows_greeted": 9}}
    lines = describe({**STATS, **counts}, None)
    assert [line for line in lines if line.startswith("flows")] == shown


def test_an_engine_that_says_little_breaks_nothing() -> None:
    assert describe({"role": "client"}, None)[-1] == "drops    none"


@pytest.mark.parametrize(
    ("share", "upper"), [(0.01, 1.0), (0.5, 1.0), (0.51, 2.0), (0.98, 2.0), (0.99, 3.0), (1.0, 3.0)]
)
def test_quantiles_are_bounds_of_buckets(share: float, upper: float) -> None:
    assert quantile([[3.0, 2], [1.0, 50], [2.0, 48]], share) == upper


def test_of_one_time_every_quantile_is_that_time() -> None:
    assert quantile([[1.0, 1]], 0.5) == quantile([[1.0, 1]], 0.99) == 1.0
    assert quantile([], 0.5) is None


def test_of_a_server(run: Command, tmp_path: Path, state: Path) -> None:
    with running(tmp_path, "server", "--state", str(state)) as server:
        server.out.readline()
        result = run("stats", "--state", str(state), "--json")
        assert result.code == 0
        stats = json.loads(result.out)
        assert stats.pop("uptime_seconds") >= 0
        assert stats.pop("version")
        assert stats["gauges"] == {"links": 1}
        assert (stats["role"], stats["pid"], stats["state"]) == ("server", server.process.pid, str(state))
        shown = run("stats", "--state", str(state)).out
        assert shown.startswith(f"server   process {server.process.pid}, version ")
        assert "memory   " in shown


def test_memory_is_that_of_the_process() -> None:
    memory = stats_module._memory(os.getpid())
    assert memory is not None
    assert 2**20 < memory < 2**40
    assert stats_module._memory(2**30) is None
