"""Waiting for readiness, never for time."""

import asyncio
from collections.abc import Callable

GIVE_UP_SECONDS = 30
"""Only a test that fails waits so long."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not condition():  # noqa: ASYNC110 - what tests wait for here has no event to await
            await asyncio.sleep(0)
