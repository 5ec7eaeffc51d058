"""Kinship: the cloud and a camera often report the same thing; the later report says which event it likely repeats."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.protocol.events import Report, Source

WITHIN_S: Final = 20.0
"""How long after the one source the other is expected at most, in seconds."""

_MOST: Final = 256
_TRAITS: Final = ("gender", "age_range", "group_type", "motion_type")


@dataclass(slots=True)
class _Sighting:
    source: Source
    camera: str | None
    report: Report
    event_id: str
    at: float


class EventCorrelation:
    """Remembers what was reported lately. No id is shared between the sources, so likeness has to do."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._recent: deque[_Sighting] = deque(maxlen=_MOST)

    def note(self, source: Source, camera: str | None, report: Report, event_id: str) -> None:
        """Remember an event, for one that may follow from the other source."""
        self._recent.append(_Sighting(source, camera, report, event_id, self._monotonic()))

    def of(self, source: Source, camera: str | None, report: Report) -> str | None:
        """Return the id of the event of the other source that this likely repeats; each is repeated once at most."""
        earliest = self._monotonic() - WITHIN_S
        for seen in self._recent:
            if (
                seen.at >= earliest
                and seen.source != source
                and seen.report.type == report.type
                and (camera is None or seen.camera is None or seen.camera == camera)
                and _alike(seen.report, report)
            ):
                self._recent.remove(seen)
                return seen.event_id
        return None


def _alike(one: Report, other: Report) -> bool:
    """Tell whether no trait that both reports state differs."""
    return all(
        one.data[trait] == other.data[trait]
        for trait in _TRAITS
        if trait in one.data and trait in other.data and "unknown" not in (one.data[trait], other.data[trait])
    )
