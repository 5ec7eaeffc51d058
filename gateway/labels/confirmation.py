"""Confirmation: asks the cloud whether labels show their pictures, and how they are.

The cloud takes a picture at once, and an access point brings it to the label later. The vendor's state does not say
which picture it is about. So a label is asked only after the cloud has taken its last picture.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple

from firmware_tools.language import message
from gateway.cloud.pages import PAGE_SIZE
from gateway.errors import CloudRefusedAccount, Problem, VendorRefused
from gateway.labels.cloud_labels import (
    BOUND_ELSEWHERE,
    INVALID_LABEL_CODES,
    NOT_ACTIVATED,
    NOT_BOUND,
    PUSH_FAILED,
    PUSHED,
    WAITING_FOR_DATA,
    CloudLabels,
    LabelReading,
)
from gateway.labels.events import LabelsRecovered
from gateway.labels.label import LabelState, OpenLabel, StoredLabel
from gateway.labels.models import LABEL_MODELS
from gateway.labels.updater import LabelUpdater
from gateway.protocol.event_type import EventType
from gateway.runtime.supervisor import Service

FIRST_DELAY_S: Final = 2.0
"""How long after the cloud has taken a picture its label is asked, in seconds."""
MAX_DELAY_S: Final = 60.0
"""How long at most between two questions about a label, as long as it may still confirm in time."""
LATE_DELAY_S: Final = 600.0
"""How long between two questions about a label that did not confirm in time."""
RETRY_DELAY_S: Final = 10.0
MAX_RETRY_DELAY_S: Final = 3600.0
"""How long until a picture is pushed again that a label did not take; twice as long each time."""
REPORTED_FAILURES: Final = 3
"""After how many failures in a row a label is reported."""
CLOUD_RETRY_S: Final = 15.0
"""How long nothing is asked after the cloud did not answer."""
TURN_INTERVAL_S: Final = 0.2
"""How long at least between two looks, in seconds: so that many labels are asked for together."""
_CONCURRENCY: Final = 8
_ASKED_PER_S: Final = 80
"""How many labels are asked for in a second at most: the cloud is not ours alone."""
_CHUNK: Final = 200

_BOUND_ELSEWHERE: Final = message("it belongs to another shop at the cloud: unbind it there, then try it again here")

_log = logging.getLogger(__name__)


class _Question(NamedTuple):
    """When a label is asked next."""

    item: int | None
    """The outbox item that carried its picture."""
    state: LabelState
    """The label's state."""
    due_at: float
    """The monotonic time."""
    delay_s: float
    """How long that was after the question before."""
    began_at: float
    """Since when its picture is awaited, as monotonic time."""


class LabelConfirmation:
    """Asks for labels as long as they have not confirmed their pictures."""

    def __init__(
        self,
        updater: LabelUpdater,
        cloud_labels: CloudLabels,
        *,
        confirm_within_s: float,
        now: Callable[[], float],
        report: Callable[[EventType], None],
    ) -> None:
        """Report a label that does not confirm within `confirm_within_s` seconds."""
        self._updater = updater
        self._table = updater.table
        self._cloud_labels = cloud_labels
        self.first_delay_s = FIRST_DELAY_S
        self.retry_delay_s = RETRY_DELAY_S
        self._confirm_within_s = confirm_within_s
        self._now = now
        self._report = report
        self._questions: dict[int, _Question] = {}
        self._failures: dict[int, int] = {}
        self._work = asyncio.Event()

    def wake(self) -> None:
        """Look again for labels to ask for."""
        self._work.set()

    async def run(self, service: Service) -> None:
        """Ask for as long as the gateway runs."""
        while True:
            service.heartbeat()
            self._work.clear()
            try:
                with self._updater.failures.collect():
                    await self._identify_all(service)
                    wait_s = await self._confirm_due(service)
            except Problem as exc:  # the cloud does not answer, or refuses the account
                _log.debug("labels cannot be asked for: %s", exc)
                service.pause()
                await asyncio.sleep(CLOUD_RETRY_S)
                service.expect_turn()
                continue
            service.pause()
            await asyncio.sleep(TURN_INTERVAL_S)
            try:
                async with asyncio.timeout(wait_s):
                    await self._work.wait()
            except TimeoutError:
                pass
            service.expect_turn()

    # Identity

    async def _identify_all(self, service: Service) -> None:
        """Find out how the cloud names labels, and their models."""
        while labels := await self._table.find_unidentified(_CHUNK):
            for label in labels:
                service.expect_turn()
                await self._identify(label)

    async def _identify(self, label: StoredLabel) -> None:
        now = int(self._now())
        try:
            if label.esl_id:
                found = await self._cloud_labels.read(esl_id=label.esl_id, now=now)
            else:
                found = await self._cloud_labels.identify(label.name, now=now)
        except CloudRefusedAccount:
            raise
        except VendorRefused as exc:
            is_elsewhere = exc.vendor_code == BOUND_ELSEWHERE
            await self._fail(label, _BOUND_ELSEWHERE if is_elsewhere else exc.detail)
            return
        if not await self._is_kept(label):
            return
        model_name = found.reading.model_name or ""
        if not label.model and model_name not in LABEL_MODELS:
            reason = message(
                "the vendor's documents do not list its model {model!r}: say which of {known} has its size and colours",
                model=model_name,
                known=", ".join(LABEL_MODELS),
            )
            await self._fail(label, reason)
            return
        code = found.esl_code or ("" if label.name == found.esl_id else label.name)
        await self._updater.name_label(label, esl_id=found.esl_id, esl_code=code, model=model_name)
        await self._table.store_reading(label, found.reading.describe(), state=label.state, problem="", now=now)
        self._updater.wake()

    # Confirming

    async def _confirm_due(self, service: Service) -> float | None:
        """Ask for the labels that are due. Return when the next ones are; None if none is."""
        is_open = await self._table.list_open(["pushed", "retrying"])
        self._schedule(is_open)
        now = time.monotonic()
        due = [label for label in is_open if self._questions[label.number].due_at <= now]
        if repeated := [label.number for label in due if label.state == "retrying"]:
            await self._table.push_again(repeated)
            for number in repeated:
                del self._questions[number]
            self._updater.wake()
        loaded = await self._table.load([label.number for label in due if label.state == "pushed"])
        asked = [label for label in loaded if label.state == "pushed"]
        if len(asked) > len(is_open) // PAGE_SIZE + 1:  # to list all takes fewer calls
            asked = self._leave_waiting(asked, await self._cloud_labels.list_states(on_page=service.expect_turn))
        recovered: list[StoredLabel] = []
        for start in range(0, len(asked), _CONCURRENCY):
            service.expect_turn()
            some = asked[start : start + _CONCURRENCY]
            for label, is_recovered in zip(some, await _gather([self._ask(label) for label in some]), strict=True):
                recovered += [label] if is_recovered else []
            await asyncio.sleep(len(some) / _ASKED_PER_S)
        if recovered:
            self._report(LabelsRecovered(labels=len(recovered), label=recovered[0].name))
        if not self._questions:
            return None
        return max(0.0, min(question.due_at for question in self._questions.values()) - time.monotonic())

    def _schedule(self, labels: Sequence[OpenLabel]) -> None:
        """Have these labels asked for, and no others."""
        now = time.monotonic()
        numbers = {label.number for label in labels}
        self._questions = {number: one for number, one in self._questions.items() if number in numbers}
        for label in labels:
            known = self._questions.get(label.number)
            if known is None or known.item != label.item or known.state != label.state:
                is_retry = label.state == "retrying"
                delay_s = self._find_retry_delay(label.number) if is_retry else self.first_delay_s
                self._questions[label.number] = _Question(label.item, label.state, now + delay_s, delay_s, now)

    def _find_retry_delay(self, number: int) -> float:
        return min(self.retry_delay_s * 2.0 ** min(self._failures.get(number, 1) - 1, 30), MAX_RETRY_DELAY_S)

    def _leave_waiting(self, labels: Sequence[StoredLabel], states: Mapping[str, int]) -> list[StoredLabel]:
        """Return the labels that have something to say: the list says that the others wait still."""
        left: list[StoredLabel] = []
        for label in labels:
            if states.get(label.esl_id) == WAITING_FOR_DATA and not self._is_late(label):
                self._ask_later(label)
            else:
                left.append(label)
        return left

    def _is_late(self, label: StoredLabel) -> bool:
        return time.monotonic() - self._questions[label.number].began_at >= self._confirm_within_s

    def _ask_later(self, label: StoredLabel) -> None:
        known = self._questions[label.number]
        delay_s = LATE_DELAY_S if self._is_late(label) else min(known.delay_s * 2, MAX_DELAY_S)
        self._questions[label.number] = known._replace(due_at=time.monotonic() + delay_s, delay_s=delay_s)

    async def _ask(self, label: StoredLabel) -> bool:
        """Ask for a label. Return whether it had failed before, and shows its picture now."""
        try:
            found = await self._cloud_labels.read(esl_id=label.esl_id, now=int(self._now()))
        except CloudRefusedAccount:
            raise
        except VendorRefused as exc:
            if exc.vendor_code in INVALID_LABEL_CODES:
                await self._fail(label, exc.detail)
            else:
                self._ask_later(label)
            return False
        return await self._note(label, found.reading)

    async def _note(self, label: StoredLabel, reading: LabelReading) -> bool:
        number, state, problem = label.number, label.state, ""
        if reading.status == PUSHED:
            state = "shown"
        elif reading.status == PUSH_FAILED:
            state, problem = "retrying", message("the label did not take the picture; it is pushed again")
        elif reading.status in (NOT_ACTIVATED, NOT_BOUND):
            reason = message("the cloud says that it is not activated, or not bound to a shop")
            state, problem = "failed", reason
        elif self._is_late(label):
            seconds = round(self._confirm_within_s)
            problem = message("the label did not confirm the picture within {seconds} s", seconds=seconds)
        now = int(self._now())
        if not await self._table.store_reading(label, reading.describe(), state=state, problem=problem, now=now):
            return False  # it has another picture meanwhile
        if state == "shown":
            self._failures.pop(number, None)
            if label.pushed_at is not None and (label.shown_at is None or label.shown_at < label.pushed_at):
                self._updater.metrics.count_confirmation(max(0, now - label.pushed_at))
            return self._updater.failures.forget(number)
        self._failures[number] = self._failures.get(number, 0) + (state == "retrying")
        if problem and (state != "retrying" or self._failures[number] == REPORTED_FAILURES):
            self._updater.failures.note([label], {number: problem})
        if state == label.state:
            self._ask_later(label)
        return False

    async def _is_kept(self, label: StoredLabel) -> bool:
        """Tell whether nobody has forgotten a label meanwhile: its number may be that of another one by now."""
        kept = await self._table.get(label.name)
        return kept is not None and kept.number == label.number

    async def _fail(self, label: StoredLabel, problem: str) -> None:
        if not await self._is_kept(label):
            return
        await self._table.store_failed({label.number: problem})
        self._updater.failures.note([label], {label.number: problem})


async def _gather(questions: Sequence[Coroutine[Any, Any, bool]]) -> list[bool]:
    """Await all, then raise what one of them raised."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [bool(answer) for answer in answers]
