"""Waiting for readiness, never for time."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something is so. The test's own time-out is the bound."""
    while not condition():  # noqa: ASYNC110 - what tests wait for here has no event to await
        await asyncio.sleep(0)
