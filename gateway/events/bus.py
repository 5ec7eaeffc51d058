"""The event bus: passes the events of the log on to subscribers in this process."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from gateway.events.event import Event
from gateway.runtime.failure_log import FailureLog

Subscriber = Callable[[Sequence[Event]], None]
"""Takes new events in the event loop, at once. It must not wait."""

_log: Final = logging.getLogger(__name__)


class EventBus:
    """The subscribers of one event log."""

    def __init__(self) -> None:
        """Start without subscribers."""
        self._subscribers: dict[Subscriber, FailureLog] = {}

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Pass all events from now on to a subscriber, in order; return what ends that."""
        self._subscribers[subscriber] = FailureLog(_log, "a subscriber of events failed")
        return lambda: self._unsubscribe(subscriber)

    def publish(self, events: Sequence[Event]) -> None:
        """Pass events on to every subscriber. One that fails keeps them from no other."""
        for subscriber, failure_log in list(self._subscribers.items()):
            try:
                subscriber(events)
            except Exception as exc:
                failure_log.failed(exc, exc, traceback=True)
            else:
                failure_log.recovered()

    def _unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.pop(subscriber, None)
