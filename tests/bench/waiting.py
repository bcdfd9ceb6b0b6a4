"""Waiting for what a process does, in a test without a loop."""

import time
from collections.abc import Callable

GIVE_UP_SECONDS = 30
"""Only a test that fails waits so long."""


def until(condition: Callable[[], object]) -> None:
    """Look again and again until something is so."""
    end = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)
