"""When the link may use the shop's line: never much of it, and after the calls of tills."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from gateway.runtime.token_bucket import TokenBucket

MAX_BYTES_PER_S: Final = 128 * 1024
"""How much of the shop's line is used in each direction, in bytes per second."""
BURST_BYTES: Final = 256 * 1024
MAX_YIELD_S: Final = 10.0
"""How long the tills' calls go first at most, so that the head office hears of a busy shop, too."""
_YIELD_INTERVAL_S: Final = 0.05


class LinkThrottle:
    """Holds back one direction of the link."""

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        """`is_busy` tells whether calls of tills are under way."""
        self._is_busy = is_busy
        self._bucket = TokenBucket(MAX_BYTES_PER_S, BURST_BYTES)

    async def wait(self) -> None:
        """Wait until the line has room and no call of a till is under way."""
        give_up_at = time.monotonic() + MAX_YIELD_S
        await asyncio.sleep(self._bucket.delay_s())
        while self._is_busy() and time.monotonic() < give_up_at:  # noqa: ASYNC110  nobody is told when calls end
            await asyncio.sleep(_YIELD_INTERVAL_S)

    def take(self, size: int) -> None:
        """Take note of bytes that were sent or received."""
        self._bucket.take(size)
