"""Reports of labels that do not show what they should: each label once, and many labels in one event."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from gateway.labels.events import LabelsFailed
from gateway.labels.label import StoredLabel
from gateway.protocol.event_type import EventType

REPORT_INTERVAL_S: Final = 60.0
"""How long at least between two events, in seconds: labels of one access point fail one after the other."""

_log = logging.getLogger(__name__)


class FailureReports:
    """Collects labels that fail, and reports them together."""

    def __init__(self, report: Callable[[EventType], None]) -> None:
        self._report = report
        self._problems: dict[int, str] = {}
        """What is wrong with labels that are known to fail, by their numbers in the database."""
        self._unsent: dict[int, StoredLabel] = {}
        self._sent_at: float | None = None
        self._collecting = 0

    @property
    def count(self) -> int:
        """How many labels are known to fail, reported or not."""
        return len(self._problems)

    def remember(self, labels: Sequence[StoredLabel]) -> None:
        """Take note of labels that were reported before the gateway started."""
        self._problems.update({label.number: label.problem for label in labels})

    def note(self, labels: Sequence[StoredLabel], problems: Mapping[int, str]) -> None:
        """Take note of labels that fail, for the next event. `problems` are by the labels' numbers."""
        for label in labels:
            problem = problems[label.number]
            if self._problems.get(label.number) != problem:
                self._problems[label.number] = problem
                self._unsent[label.number] = label

    def forget(self, number: int) -> bool:
        """Take note that a label shows what it should. Return whether it was reported."""
        was_known = self._problems.pop(number, None) is not None
        return self._unsent.pop(number, None) is None and was_known

    def send(self) -> None:
        """Report what was noted, unless more is being collected, or the last event is too young."""
        now = time.monotonic()
        is_early = self._sent_at is not None and now - self._sent_at < REPORT_INTERVAL_S
        if not self._unsent or self._collecting or is_early:
            return
        first = self._unsent[min(self._unsent)]
        reason = self._problems[first.number]
        _log.warning("%d labels do not show what they should; the first, %s: %s", len(self._unsent), first.name, reason)
        event = LabelsFailed(labels=len(self._unsent), label=first.name, product_id=first.product_id, reason=reason)
        self._unsent.clear()
        self._sent_at = now
        self._report(event)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Report what is noted meanwhile only at the end."""
        self._collecting += 1
        try:
            yield
        finally:
            self._collecting -= 1
            self.send()
