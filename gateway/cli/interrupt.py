"""What Ctrl-C and the service's stop signal do to a command that goes on."""

import asyncio
import contextlib
import signal
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


def stop_signal() -> asyncio.Event:
    """Return an event that Ctrl-C or the service's stop signal sets from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    return stop
