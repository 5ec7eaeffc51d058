"""Ctrl-C while a command follows what the gateway does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway.cli.client import ApiClient, ApiError
from gateway.cli.command import fail


@contextlib.asynccontextmanager
async def stop_on_interrupt(api: ApiClient, path: str, text: str) -> AsyncIterator[None]:
    """Stop what runs at `path` if Ctrl-C ends the command, and end with a text that says how to go on."""
    try:
        yield
    except asyncio.CancelledError:
        with contextlib.suppress(ApiError):
            await api.call("DELETE", path)
        fail(text)
