"""Metrics that grow as things happen: calls of the vendor by endpoint, result and latency; events; commits.

Names follow Prometheus' conventions: base units, `_total` for what only grows. What can be read from the gateway's
state at any moment (cameras, outbox, clock) is not here but in `gateway.api.metrics`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.errors import Problem
from gateway.protocol.event_type import EVENT_TYPES


class CountedEvent(Protocol):
    """An event of the journal."""

    @property
    def source(self) -> str:
        """Where it comes from."""

    @property
    def type(self) -> str:
        """What happened."""


Side = Literal["camera", "cloud"]
OnCall = Callable[[str, str, float], None]
"""Told of every call: its endpoint's path, `ok` or the code of the problem, and the seconds that it took."""

LATENCY_S: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The growing metrics of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "sunmi_gateway_calls", "Calls to cameras and to the cloud, by how they ended.",
            ("side", "endpoint", "result"), registry=self.registry,
        )  # fmt: skip
        self._latency = Histogram(
            "sunmi_gateway_call_duration_seconds", "How long calls to cameras and to the cloud took.",
            ("side", "endpoint"), buckets=LATENCY_S, registry=self.registry,
        )  # fmt: skip
        self._events = Counter(
            "sunmi_gateway_events", "Events recorded in the journal.", ("source", "type"), registry=self.registry
        )

    def call_counter(self, side: Side) -> OnCall:
        """Return what counts the calls of one side."""

        def count_call(endpoint: str, result: str, seconds: float) -> None:
            self._calls.labels(side, endpoint, result).inc()
            self._latency.labels(side, endpoint).observe(seconds)

        return count_call

    def count_events(self, events: Iterable[CountedEvent]) -> None:
        """Count events. Types that nobody documented count together: anything could be invented."""
        for event in events:
            self._events.labels(event.source, event.type if event.type in EVENT_TYPES else "other").inc()


@contextmanager
def measure_call(endpoint: str, on_call: OnCall) -> Iterator[None]:
    """Tell `on_call` how the block went and how long it took."""
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
        on_call(endpoint, result, perf_counter() - began)
