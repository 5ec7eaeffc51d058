"""The customer flow of the shop, day by day, in the stream `flow`: each day once it is final, the present one so far.

The cloud counts, and the gateway asks it, as for anybody who wants the numbers in the shop. A day is final two days
later. A message says up to which day the stream has all final ones, so that a new connection goes on there.
"""

import asyncio
import hashlib
import logging
import re
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from gateway.cloud.customer_flow.queries import FINAL_AFTER
from gateway.errors import Problem, StateError, VendorRefused
from gateway.fleet.documents import DayFlow
from gateway.fleet.failures import MessageRefused
from gateway.fleet.link_part import LinkPart
from gateway.fleet.subjects import FLOW, flow_subject
from gateway.runtime.clock import PeerClock
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from gateway.cloud.customer_flow import CustomerFlow
    from gateway.fleet.connection import FleetConnection

FINAL_TO: Final = "Sunmi-Final-To"
"""The header with the day up to which the stream had every final day; empty if it had none."""
ACCOUNT: Final = "Sunmi-Account"
"""The header with a digest of the shop of the cloud whose numbers they are: those of another one are sent over."""
INTERVAL_S: Final = 900.0
"""How often the cloud is asked at most."""
MAX_DAYS: Final = 35
"""How many days back a shop that was offline, or a head office that is new, gets."""
PAUSE_S: Final = 1.0
"""The pause between two past days: the shop's own calls come first."""

_ONE_DAY: Final = timedelta(days=1)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_log: Final = logging.getLogger(__name__)


class FlowUplink(LinkPart):
    """Sends the numbers of days."""

    def __init__(
        self,
        shop: str,
        flow: Callable[[], "CustomerFlow"],
        clock: PeerClock,
        supervisor: Supervisor,
        *,
        account: str,
        on_change: Callable[[], None],
    ) -> None:
        """`flow` returns the customer flow, which takes memory; `on_change` is called when numbers are to be sent.

        `account` is which shop of which application at the cloud they are of.
        """
        self._shop = shop
        self._flow = flow
        self._clock = clock
        self._supervisor = supervisor
        self._account = hashlib.sha256(account.encode()).hexdigest()[:32]
        self._on_change = on_change
        self._next_at = 0.0
        self._job: asyncio.Task[None] | None = None
        self._ready: deque[DayFlow] = deque()
        """What is to be sent, the oldest day first."""
        self._sent: dict[date, DayFlow] = {}
        """What was sent of each of the last days."""
        self._final_to: date | None = None
        """Up to this day the stream has every final one; None before the first look."""
        self._settled: set[date] = set()
        """Days after that of which the stream has the final numbers, or of which there are none."""
        self._without_numbers: set[date] = set()
        """Past days of which the cloud has no numbers."""
        self._refusals = FailureLog(_log, "the head office does not take the customer flow of a day, which is skipped")

    async def begin(self, connection: "FleetConnection") -> None:
        """Ask a new connection's stream what it has. Raises `HeadOfficeUnavailable`."""
        await self._stop()
        headers = await connection.read_last(FLOW, flow_subject(self._shop)) or {}
        is_own = headers.get(ACCOUNT) == self._account
        self._final_to = _parse_day(headers.get(FINAL_TO, "")) if is_own else None
        self._ready.clear()
        self._sent.clear()
        self._settled.clear()
        self._next_at = 0.0

    async def work(self, connection: "FleetConnection") -> bool:
        """Ask the cloud if it is time, and send what it has told. Raises `HeadOfficeUnavailable`."""
        now = time.monotonic()
        if now >= self._next_at and (self._job is None or self._job.done()):
            self._next_at = now + INTERVAL_S
            self._job = self._supervisor.start_job("customer flow for the head office", self._collect())
        while self._ready:
            await self._send(connection, self._ready[0])
            self._ready.popleft()
        return False

    async def close(self) -> None:
        """End what is under way."""
        await self._stop()

    async def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            await asyncio.wait({self._job})

    async def _send(self, connection: "FleetConnection", flow: DayFlow) -> None:
        sent = {date.fromisoformat(flow.day)} if flow.final else set()
        final_to = self._find_final_to(self._settled | sent)
        headers = {FINAL_TO: "" if final_to is None else str(final_to), ACCOUNT: self._account}
        try:
            await connection.publish(flow_subject(self._shop, flow.day), flow.model_dump_json().encode(), headers)
        except MessageRefused as refused:
            self._refusals.failed(f"{flow.day}: {refused.reason}")
        else:
            self._refusals.recovered()
        settled = self._settled | sent  # more days may be settled since
        self._final_to = final_to = self._find_final_to(settled)
        self._settled = {day for day in settled if final_to is None or day > final_to}

    def _find_final_to(self, settled: set[date]) -> date | None:
        final_to = self._final_to
        while final_to is not None and final_to + _ONE_DAY in settled:
            final_to += _ONE_DAY
        return final_to

    async def _collect(self) -> None:
        """Ask for the past days that the head office does not have, and for the present one."""
        try:
            numbers = await self._read_today()
            if not self._clock.known:
                return
            today = _parse_day(numbers["date"] or "")
            await self._collect_past(today or datetime.fromtimestamp(self._clock.now(), UTC).date())
        except (Problem, StateError) as exc:
            _log.debug("the customer flow for the head office is not to be had now: %s", exc)
            return
        if today is not None:
            self._offer(_make_day(str(today), numbers, final=False))

    async def _read_today(self) -> dict[str, Any]:
        """Return the numbers of the present day; without a date if there are none yet."""
        try:
            return await self._flow().today({})
        except VendorRefused as exc:  # as before the first customer
            _log.debug("the cloud has no customer flow of the present day: %s", exc)
            return {"date": None}

    async def _collect_past(self, today: date) -> None:
        first = today - timedelta(days=MAX_DAYS)
        self._final_to = max(first - _ONE_DAY, self._final_to or first - _ONE_DAY)
        self._sent = {day: flow for day, flow in self._sent.items() if day >= first}
        self._without_numbers = {day for day in self._without_numbers if day >= first}
        day = self._final_to
        while (day := day + _ONE_DAY) < today:
            if day in self._without_numbers:
                self._settled.add(day)
            elif day not in self._sent or not self._sent[day].final:
                await self._collect_day(day)
                await asyncio.sleep(PAUSE_S)

    async def _collect_day(self, day: date) -> None:
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        is_over = self._clock.now() >= (begin + FINAL_AFTER).timestamp()
        try:
            numbers = await self._flow().history({}, day, day)
        except VendorRefused as exc:  # as for a day before the shop was opened
            _log.debug("the cloud has no customer flow of %s: %s", day, exc)
            if is_over:
                self._without_numbers.add(day)
                self._settled.add(day)
            return
        # Numbers that one of the endpoints does not have for a day never become final by themselves.
        is_final = numbers["final"] or (is_over and not numbers["unavailable"])
        self._offer(_make_day(str(day), numbers, final=is_final))

    def _offer(self, flow: DayFlow) -> None:
        day = date.fromisoformat(flow.day)
        if self._sent.get(day) == flow:
            return
        self._sent[day] = flow
        self._ready.append(flow)
        self._on_change()


def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _make_day(day: str, numbers: dict[str, Any], *, final: bool) -> DayFlow:
    """Return the numbers of a day as the gateway shows them: those that do not change by themselves."""
    members = DayFlow.model_fields.keys() - {"day", "final"}
    return DayFlow.model_validate({name: numbers[name] for name in members} | {"day": day, "final": final})
