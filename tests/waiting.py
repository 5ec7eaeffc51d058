"""Waiting for what nothing announces."""

import asyncio
from collections.abc import Callable

_TIMEOUT_S = 40


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(_TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.005)
