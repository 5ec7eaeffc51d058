"""What the shop's doctor does not find good, in the bucket `reported`: when it has changed."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from gateway.fleet.documents import FindingsReport, ReportedFinding
from gateway.fleet.failures import MessageRefused
from gateway.fleet.link_part import LinkPart
from gateway.fleet.subjects import REPORTED, bucket_subject, findings_key
from gateway.runtime.clock import PeerClock
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.timestamps import utc_text

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection

FIRST_AFTER_S: Final = 60.0
"""How long after the start the doctor looks first: by then the services have begun to work."""
INTERVAL_S: Final = 1800.0
"""How often it looks at most."""
MAX_FINDINGS: Final = 50
"""How many findings are reported at most; the failures come first."""
MAX_TEXT: Final = 500
"""The longest text of a finding."""

_log: Final = logging.getLogger(__name__)


class FindingsReporter(LinkPart):
    """Has the doctor make its cheap checks from time to time, and reports what it finds."""

    def __init__(
        self,
        shop: str,
        clock: PeerClock,
        supervisor: Supervisor,
        *,
        find_out: Callable[[], Awaitable[Sequence[ReportedFinding]]],
        on_change: Callable[[], None],
    ) -> None:
        """`find_out` makes the checks, and must cost little; `on_change` is called when findings are to be sent."""
        self._subject = bucket_subject(REPORTED, findings_key(shop))
        self._clock = clock
        self._supervisor = supervisor
        self._find_out = find_out
        self._on_change = on_change
        self._next_at = time.monotonic() + FIRST_AFTER_S
        self._has_turned = False
        """Whether the present connection has completed a turn; before that the doctor would find the link failing."""
        self._job: asyncio.Task[None] | None = None
        self._findings: tuple[ReportedFinding, ...] | None = None
        """What was found last; None before the first time."""
        self._reported: tuple[ReportedFinding, ...] | None = None
        """What the head office has; None if it may have anything."""
        self._refusals = FailureLog(_log, "the head office does not take the findings of this shop")

    async def begin(self, _: "FleetConnection") -> None:
        """Report at once what was found last: a new connection may lead to another cluster."""
        self._reported = None
        self._has_turned = False

    async def work(self, connection: "FleetConnection") -> bool:
        """Have the doctor look if it is time, and report what it has found. Raises `HeadOfficeUnavailable`."""
        now = time.monotonic()
        is_due = now >= self._next_at and (self._job is None or self._job.done())
        if is_due and self._has_turned:
            self._next_at = now + INTERVAL_S
            self._job = self._supervisor.start_job("findings for the head office", self._examine())
        if self._findings is not None and self._findings != self._reported:
            report = FindingsReport(findings=self._findings, time=utc_text(self._clock.now()))
            try:
                await connection.publish(self._subject, report.model_dump_json().encode())
            except MessageRefused as refused:
                self._refusals.failed(refused.reason)
            else:
                self._refusals.recovered()
            self._reported = report.findings
        is_first, self._has_turned = not self._has_turned, True
        return is_due and is_first

    async def close(self) -> None:
        """End the checks that are under way."""
        if self._job is not None:
            self._job.cancel()
            await asyncio.wait({self._job})

    async def _examine(self) -> None:
        found = sorted(await self._find_out(), key=lambda one: one.status != "failed")
        self._findings = tuple(
            one.model_copy(update={"text": one.text[:MAX_TEXT], "advice": one.advice[:MAX_TEXT]})
            for one in found[:MAX_FINDINGS]
        )
        self._on_change()
