"""Event correlation: finds the event of the other source that reports the same thing.

Cloud and camera often report the same thing, without a common id. So it is guessed by type, camera, time and traits.
The later event names the earlier one as `related_to`.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.protocol.event_type import Source
from gateway.protocol.vendor_report import VendorReport

MAX_INTERVAL_S: Final = 20.0
"""Reports of two sources further apart than this are not related, in seconds."""
MAX_RECENT: Final = 256
"""How many events are remembered."""
_TRAITS: Final = ("gender", "age_range", "group_type", "motion_type")


@dataclass(frozen=True, slots=True)
class _RecentEvent:
    event_id: str
    source: Source
    camera: str | None
    report: VendorReport
    received_at: float
    """Monotonic seconds."""


class EventCorrelation:
    """Remembers the events of the last seconds, and finds related ones among them."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start with none."""
        self._monotonic = monotonic
        self._recent: deque[_RecentEvent] = deque(maxlen=MAX_RECENT)

    def remember(self, event_id: str, source: Source, camera: str | None, report: VendorReport) -> None:
        """Remember an event, so that one of the other source can be related to it."""
        self._recent.append(_RecentEvent(event_id, source, camera, report, self._monotonic()))

    def take_related(self, source: Source, camera: str | None, report: VendorReport) -> str | None:
        """Return the id of the event of the other source that likely reports the same; forget that event."""
        earliest = self._monotonic() - MAX_INTERVAL_S
        for recent in self._recent:
            if (
                recent.received_at >= earliest
                and recent.source != source
                and recent.report.type == report.type
                and (camera is None or recent.camera is None or recent.camera == camera)
                and _traits_agree(recent.report, report)
            ):
                self._recent.remove(recent)
                return recent.event_id
        return None


def _traits_agree(one: VendorReport, other: VendorReport) -> bool:
    """Return whether no trait differs that both reports know."""
    for trait in _TRAITS:
        known = {getattr(report.event, trait, None) for report in (one, other)} - {None, "unknown"}
        if len(known) > 1:
            return False
    return True
