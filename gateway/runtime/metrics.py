"""What the gateway counts: calls of the vendor by endpoint, result and duration, and events."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, time
from typing import Final, Literal, Protocol

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
PictureStep = Literal["drawn", "pushed", "shown"]
"""What happens to a picture of a shelf label: drawn, taken by the cloud, confirmed by the label."""
OnCall = Callable[[str, str, float], None]
"""Takes each call: the endpoint's path, `ok` or the code of the problem, and the duration in seconds."""

BUCKETS_S: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper bounds of the buckets in which durations are counted, in seconds."""


@dataclass(slots=True)
class Tally:
    """How often something happened."""

    value: int = 0
    """How often."""
    since: float = field(default_factory=time)
    """When counting began, in Unix seconds."""


@dataclass(slots=True)
class Durations:
    """How long calls took."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    """How many took at most each of `BUCKETS_S`, and more than the one before it; the last took longer than all."""
    sum_s: float = 0.0
    """The sum, in seconds."""
    since: float = field(default_factory=time)
    """When counting began, in Unix seconds."""


class Metrics:
    """What one gateway has counted. `gateway.api.metrics` shows it: Prometheus' own library takes 2 MB of memory."""

    def __init__(self) -> None:
        self.calls: defaultdict[tuple[Side, str, str], Tally] = defaultdict(Tally)
        """Calls by side, endpoint and result."""
        self.durations: defaultdict[tuple[Side, str], Durations] = defaultdict(Durations)
        """How long calls took, by side and endpoint."""
        self.events: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
        """Recorded events by source and type."""
        self.label_pictures: defaultdict[PictureStep, Tally] = defaultdict(Tally)
        """Pictures of shelf labels, by what happened to them."""
        self.label_confirmation_s = 0.0
        """How long labels took to show them after the cloud had taken them, as a sum in seconds."""

    def call_counter(self, side: Side) -> OnCall:
        """Return a function that counts the calls of one side."""

        def count_call(endpoint: str, result: str, seconds: float) -> None:
            self.calls[side, endpoint, result].value += 1
            durations = self.durations[side, endpoint]
            durations.buckets[bisect_left(BUCKETS_S, seconds)] += 1
            durations.sum_s += seconds

        return count_call

    def count_pictures(self, step: PictureStep, count: int) -> None:
        """Count pictures of shelf labels."""
        if count:
            self.label_pictures[step].value += count

    def count_confirmation(self, seconds: float) -> None:
        """Count a picture that a label shows, so long after the cloud had taken it."""
        self.count_pictures("shown", 1)
        self.label_confirmation_s += seconds

    def count_events(self, events: Iterable[CountedEvent]) -> None:
        """Count events. All unknown types count as one, since a report can name any type."""
        for event in events:
            self.events[event.source, event.type if event.type in EVENT_TYPES else "other"].value += 1


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
