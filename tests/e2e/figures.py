"""What a running server says of itself: `ginnel stats --json`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .program import Server, ginnel

Figures = Mapping[str, Mapping[str, int]]
"""Counters, gauges and drops, each by name."""


TRIES = 5
"""How often a server is asked: one that has just been under fire may have no time for questions yet."""


def figures(server: Server) -> Figures:
    """Ask the server."""
    for _ in range(TRIES):
        asked = ginnel("stats", "--json", "--pid", str(server.process.pid), home=server.state.parent)
        if asked.exit_code == 0:
            break
    assert asked.exit_code == 0, asked.describe()
    said: Figures = json.loads(asked.stdout[0])
    return said


def dropped(before: Figures, after: Figures) -> dict[str, int]:
    """What was dropped between two looks, by cause."""
    return {cause: count - before["drops"][cause] for cause, count in after["drops"].items()}


def links(seen: Figures) -> tuple[int, int, int]:
    """Links that are up, that ever were, and handshakes that wait to become one."""
    return seen["gauges"]["links"], seen["counters"]["links_up"], seen["gauges"]["half_open"]
