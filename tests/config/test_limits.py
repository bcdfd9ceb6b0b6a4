"""The numbers themselves, as they are promised."""

import pytest

from ginnel.config.bounds import ROLES, Table
from ginnel.config.limits import Limits, Timeouts, tables
from ginnel.errors import ConfigError

S, MIN, H, D = 1.0, 60.0, 3600.0, 86400.0
KIB, MIB, GIB = 2**10, 2**20, 2**30

# key: lowest, highest, a server's default, a client's
PROMISED: dict[type[Table], dict[str, tuple[float, float, float | None, float | None]]] = {
    Timeouts: {
        "keep_alive": (1 * S, 1 * H, None, 25),
        "hop": (1 * S, 1 * D, None, 30),
        "silence": (2 * S, 10 * MIN, None, 20),
        "link_idle": (10 * S, 1 * H, 120, 120),
        "stream_idle": (1 * S, 7 * D, 7200, 7200),
        "half_closed": (1 * S, 1 * D, 60, 60),
        "connect": (0.1, 5 * MIN, 10, 10),
        "resolve": (0.1, 1 * MIN, 2, None),
        "step": (0.1, 1 * MIN, 5, 5),
        "link_wait": (0, 10 * MIN, None, 10),
        "tcp_keep_alive": (1 * S, 2 * H, 60, 60),
    },
    Limits: {
        "tcp_buffer": (KIB, 10 * MIB, 64 * KIB, 32 * KIB),
        "socket_buffer": (KIB, 10 * MIB, 256 * KIB, 256 * KIB),
        "stream_window": (64 * KIB, 64 * MIB, 8 * MIB, 8 * MIB),
        "link_window": (MIB, 4095 * MIB, 256 * MIB, 512 * MIB),
        "send_window": (64 * KIB, GIB, 64 * MIB, 64 * MIB),
        "packet_queue": (100, 100_000, 5000, 2000),
        "packet_retries": (0, 3, 3, 3),
        "streams": (1, 100_000, 50_000, 8192),
        "streams_per_link": (1, 100_000, 50_000, None),
        "opens_per_second": (1, 1_000_000, 10_000, None),
        "links": (1, 60_000, 4096, None),
        "links_per_user": (1, 4096, 64, None),
        "half_open": (16, 65_536, 1024, None),
        "handshakes_per_prefix": (1, 10_000, 32, None),
        "handshakes_of_strangers": (1, 100_000, 1000, None),
        "memory": (64 * MIB, 1024 * GIB, GIB, GIB),
    },
}


@pytest.mark.parametrize("table", tables())
def test_bounds_and_defaults(table: type[Table]) -> None:
    found = {
        name.removesuffix("_seconds").removesuffix("_bytes"): (
            bound.kind.low,
            bound.kind.high,
            bound.server,
            bound.client,
        )
        for name, bound in table.bounds().items()
    }
    assert found == PROMISED[table]


@pytest.mark.parametrize("table", tables())
def test_each_number_at_its_bounds_is_taken_and_beyond_is_not(table: type[Table]) -> None:
    for name, bound in table.bounds().items():
        whole = isinstance(bound.kind.low, int)
        for value in (bound.kind.low, bound.kind.high):
            assert getattr(table(**{name: value}), name) == value
        for value in (bound.kind.low - (1 if whole else 0.001), bound.kind.high + 1):
            with pytest.raises(ConfigError, match=f"^{name} = .* is too (small|large)$"):
                table(**{name: value})


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (Timeouts(silence_seconds=120.0), "silence_seconds = 120 must be less than link_idle_seconds"),
        (Timeouts(keep_alive_seconds=120.0), "keep_alive_seconds = 120 must be less than link_idle_seconds"),
        (Timeouts(stream_idle_seconds=59.0), "half_closed_seconds = 60 is more than stream_idle_seconds"),
        (Limits(link_window_bytes=MIB), "stream_window_bytes = .* is more than link_window_bytes"),
    ],
)
def test_rules(table: Table, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        table.filled("client")


def test_defaults_keep_the_rules() -> None:
    for table in tables():
        for role in ROLES:
            table().filled(role)
