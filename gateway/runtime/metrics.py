"""Counters and histograms of the gateway: calls of the vendor by endpoint, result and latency, and events.

Names follow Prometheus' conventions. Gauges, which are read from the gateway's state (cameras, outbox, clock), are in
`gateway.api.metrics`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.errors import Problem
from gateway.protocol.event_type import EVENT_TYPES


class CountedEvent(Protocol):
    """An event, as far as it is counted."""

    @property
    def source(self) -> str:
        """The source."""

    @property
    def type(self) -> str:
        """The type."""


Side = Literal["camera", "cloud"]
OnCall = Callable[[str, str, float], None]
"""Takes each call: the endpoint's path, `ok` or the code of the problem, and the duration in seconds."""

_BUCKETS_S: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "sunmi_gateway_calls", "Calls to cameras and to the cloud, by result.",
            ("side", "endpoint", "result"), registry=self.registry,
        )  # fmt: skip
        self._latency = Histogram(
            "sunmi_gateway_call_duration_seconds", "How long calls to cameras and to the cloud took.",
            ("side", "endpoint"), buckets=_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self._events = Counter(
            "sunmi_gateway_events", "Events recorded in the event log.", ("source", "type"), registry=self.registry
        )

    def call_counter(self, side: Side) -> OnCall:
        """Return a function that counts the calls of one side."""

        def count_call(endpoint: str, result: str, seconds: float) -> None:
            self._calls.labels(side, endpoint, result).inc()
            self._latency.labels(side, endpoint).observe(seconds)

        return count_call

    def count_events(self, events: Iterable[CountedEvent]) -> None:
        """Count events. All unknown types count as one, since a report can name any type."""
        for event in events:
            self._events.labels(event.source, event.type if event.type in EVENT_TYPES else "other").inc()


@contextmanager
def measure_call(endpoint: str, *observers: OnCall) -> Iterator[None]:
    """Report the result and duration of the block to each observer."""
    began = perf_counter()
    result = "cancelled"
    try:
        yield
        result = "ok"
    except Problem as problem:
        result = problem.code
        raise
    except Exception:
        result = "internal_error"
        raise
    finally:
        duration_s = perf_counter() - began
        for observe in observers:
            observe(endpoint, result, duration_s)
