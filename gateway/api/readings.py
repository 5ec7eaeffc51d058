"""Readings for what must answer also when the database does not: the status and the metrics."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final, TypeVar

from gateway.errors import StateError

_READ_TIMEOUT_S: Final = 3.0
"""How long a reading may take, in seconds: a dying disk may never respond."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


async def try_read(reading: Awaitable[T]) -> T | None:
    """Return what was read; None if that fails or takes too long. The supervisor reports the database itself."""
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            return await reading
    except (StateError, TimeoutError):
        return None
    except Exception:
        _log.exception("a part of the gateway's state cannot be read")
        return None
