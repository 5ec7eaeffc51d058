"""Logging of calls to cameras and to the cloud: the endpoint, the result and the duration, never the content."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from gateway.protocol.endpoint import Side
from gateway.runtime.logs.request import REQUEST_ID

_MAX_REMEMBERED: Final = 10_000

_log = logging.getLogger("gateway.calls")


def call_logger(side: Side, camera: str = "") -> Callable[[str, str, float], None]:
    """Return a function that logs calls to the cloud, or to the camera with this serial number, at debug level.

    It takes the endpoint's path, `ok` or the code of the problem, and the duration in seconds.
    """

    def log_call(endpoint: str, result: str, seconds: float) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            fields = {
                "side": side,
                "camera": camera,
                "endpoint": endpoint,
                "result": result,
                "duration_ms": round(1000 * seconds, 1),
            }
            _log.debug("called %s", endpoint, extra={"fields": fields})

    return log_call


class RequestOrigins:
    """The requests that submitted the items of the outbox, so that later calls are logged with the ids of those.

    Only the latest are remembered, only while calls are logged, and only until the gateway stops.
    """

    def __init__(self) -> None:
        self._requests: dict[int, str] = {}

    def note(self, sequences: Iterable[int]) -> None:
        """Remember that the present request submitted these items."""
        if _log.isEnabledFor(logging.DEBUG):
            self._requests.update(dict.fromkeys(sequences, REQUEST_ID.get()))
            while len(self._requests) > _MAX_REMEMBERED:
                del self._requests[next(iter(self._requests))]

    def resume(self, sequences: Iterable[int]) -> None:
        """Log from now on with the ids of the requests that submitted these items."""
        found = dict.fromkeys(self._requests.get(one, "") for one in sequences) if self._requests else {}
        REQUEST_ID.set(",".join(filter(None, found)))
