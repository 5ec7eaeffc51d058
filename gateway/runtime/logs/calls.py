"""What is logged of calls to cameras and to the cloud: which, how it ended, how long it took. Never what was in it."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from gateway.protocol.endpoint import Side
from gateway.runtime.logs.request import REQUEST_ID

_MOST_REMEMBERED: Final = 10_000

_log = logging.getLogger("gateway.calls")


def call_logger(side: Side, camera: str = "") -> Callable[[str, str, float], None]:
    """Return what logs the calls to the cloud, or to the camera with this serial number, at debug level.

    It is told the endpoint's path, `ok` or the code of the problem, and the seconds that the call took.
    """

    def called(endpoint: str, result: str, seconds: float) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            fields = {
                "side": side,
                "camera": camera,
                "endpoint": endpoint,
                "result": result,
                "duration_ms": round(1000 * seconds, 1),
            }
            _log.debug("called %s", endpoint, extra={"fields": fields})

    return called


class RequestOrigins:
    """Which requests brought what waits in the outbox, so that a call that is made later is logged with their ids.

    They are remembered while calls are logged, the latest of them, and in this life of the gateway alone.
    """

    def __init__(self) -> None:
        self._requests: dict[int, str] = {}

    def note(self, sequences: Iterable[int]) -> None:
        """Note that the present request brought these items."""
        if _log.isEnabledFor(logging.DEBUG):
            self._requests.update(dict.fromkeys(sequences, REQUEST_ID.get()))
            while len(self._requests) > _MOST_REMEMBERED:
                del self._requests[next(iter(self._requests))]

    def resume(self, sequences: Iterable[int]) -> None:
        """Let the present request be the one that brought these items, or all that did."""
        found = dict.fromkeys(self._requests.get(one, "") for one in sequences) if self._requests else {}
        REQUEST_ID.set(",".join(filter(None, found)))
