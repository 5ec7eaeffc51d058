"""The updater of shelf labels: draws what each shows, and hands over the pictures that changed to the outbox.

Whoever changes a product marks its labels in the database. A label's newest picture alone is pushed, and only if it
looks otherwise than the one before. Only some pictures are handed over at a time: those behind them can still be
replaced, and the orders of the tills stay quick.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from firmware_tools.language import count_message, message
from gateway import __version__
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, TooLarge
from gateway.labels.draw import draw_photo
from gateway.labels.drawing import LabelDrawing, describe_picture
from gateway.labels.events import LabelPricesExpired
from gateway.labels.failure_reports import FailureReports
from gateway.labels.label import DrawnLabel, LabelContent, LabelState, StoredLabel
from gateway.labels.label_health_table import EXPIRY_ALARM_S
from gateway.labels.label_name import check_label_name, fold_label_name
from gateway.labels.label_table import LabelTable
from gateway.labels.models import find_label_model
from gateway.labels.template_folder import TemplateFolder
from gateway.outbox.item_table import ItemFilter
from gateway.outbox.model import OWN_TOKEN, Outcome
from gateway.outbox.outbox import Outbox
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.event_type import EventType
from gateway.protocol.parameters import FilePart
from gateway.runtime.metrics import Metrics
from gateway.runtime.supervisor import Service

DRAWN_AT_ONCE: Final = 50
"""How many labels are drawn before their pictures are stored."""
CHECK_INTERVAL_S: Final = 60.0
"""How often to look without a reason, in seconds: for prices that have ended, and templates that changed."""

_PUSH: Final = CATALOGUE.get("cloud", "device/esl/pushImage")
_OWN_PICTURES: Final = ItemFilter(token=OWN_TOKEN, states=("waiting", "sending"), path=_PUSH.path)
_log = logging.getLogger(__name__)


class LabelUpdater:
    """Draws labels and pushes their pictures."""

    def __init__(
        self,
        table: LabelTable,
        outbox: Outbox,
        templates: TemplateFolder,
        drawing: LabelDrawing,
        *,
        shop: Mapping[str, str],
        pushes_at_once: int,
        now: Callable[[], float],
        trusted_time: Callable[[], int | None],
        report: Callable[[EventType], None],
        metrics: Metrics,
    ) -> None:
        """`trusted_time` is the cloud's since the start, or None; `now` is the best clock at hand, in Unix seconds."""
        self.table = table
        self.templates = templates
        self.on_unconfirmed: Callable[[], None] = lambda: None
        """Called when there may be labels to ask the cloud for."""
        self.on_stored: Callable[[], None] = lambda: None
        """Called when a person has said what a label shows."""
        self._outbox = outbox
        self.drawing = drawing
        """Draws the labels."""
        self._shop = shop
        self._pushes_at_once = pushes_at_once
        self._now = now
        self._trusted_time = trusted_time
        self._report = report
        self.metrics = metrics
        """What happens to pictures is counted here."""
        self._work = asyncio.Event()
        self._items: set[int] = set()
        """Outbox items that carry pictures and have not ended, as far as is known."""
        self._ended: set[int] = set()
        self.failures = FailureReports(report)
        """Labels that do not show what they should are noted here."""
        self._drawing = asyncio.Lock()
        self._reported_expiries: set[tuple[int, int | None]] = set()

    async def open(self) -> None:
        """Take up the labels as the last run left them. Raises `StateError`."""
        await self.table.adopt()
        await self._outbox.remove([*await self.table.take_back(), *await self._find_lost_items()])
        self.failures.remember(await self.table.load([one.number for one in await self.table.list_open(["failed"])]))

    async def _find_lost_items(self) -> list[int]:
        """Return outbox items of which no label knows: their pictures were handed over, or withdrawn, in a crash."""
        known = await self.table.list_items()
        found: list[int] = []
        after: int | None = 0
        while after is not None:
            items, after = await self._outbox.list_items(_OWN_PICTURES, after=after, limit=500)
            found += [item.sequence for item in items if item.sequence not in known]
        return found

    def note_ended(self, sequences: Sequence[int]) -> None:
        """Take note of outbox items that have ended."""
        if ended := self._items.intersection(sequences):
            self._items -= ended
            self._ended |= ended
            self._work.set()

    def wake(self) -> None:
        """Look for labels to draw, or to push."""
        self._work.set()

    async def run(self, service: Service) -> None:
        """Draw and push for as long as the gateway runs."""
        await self._take_up(service)
        while True:
            service.heartbeat()
            self._work.clear()
            await self._settle_ended()
            async with self._drawing:
                is_drawing = await self._draw_some()
            await self._push_some()
            if is_drawing or self._ended or await self._note_changed_files():
                continue
            self.failures.send()
            await self._report_expired()
            service.pause()
            try:
                async with asyncio.timeout(CHECK_INTERVAL_S):
                    await self._work.wait()
            except TimeoutError:
                pass
            service.expect_turn()

    # What labels show

    async def show_product(self, name: str, *, product_id: str, template: str, model: str) -> StoredLabel:
        """Have a label show a product, from now on. Raises `InvalidRequest`."""
        found = self.templates.find(template)
        if model:
            found.find_layout(find_label_model(model))
        return await self._store(name, "product", model, product_id=product_id, template=template)

    async def show_picture(self, name: str, photo: bytes, *, model: str) -> StoredLabel:
        """Have a label show a picture. Raises `InvalidRequest`."""
        if not model and (label := await self.table.get(fold_label_name(name))) is not None:
            model = label.model
        if not model:
            reason = message("is required: a picture is made for a model")
            raise InvalidRequest([FieldError("model", reason)])
        picture = await asyncio.to_thread(draw_photo, photo, find_label_model(model))
        return await self._store(name, "picture", model, drawn=describe_picture(0, picture, None, 0))

    async def leave_to_vendor(self, name: str) -> StoredLabel:
        """Stay away from a label: the vendor's own templates draw it."""
        label = await self._store(name, "vendor", "")
        await self._withdraw([label])
        return label

    async def delete(self, name: str) -> None:
        """Forget a label. What it shows stays on it. Raises `NotFound`."""
        label = await self.get(name)
        async with self._drawing:  # the next label may get its number
            await self.table.delete(label.number)
        self.failures.forget(label.number)
        await self._withdraw([label])

    async def get(self, name: str) -> StoredLabel:
        """Return a label. Raises `NotFound`."""
        label = await self.table.get(fold_label_name(name))
        if label is None:
            raise NotFound(message("there is no label {name!r}", name=name[:40]))
        return label

    async def name_label(self, label: StoredLabel, *, esl_id: str, esl_code: str, model: str) -> None:
        """Take note of how the cloud names a label. If it was bound by code and by id, what was said last holds."""
        async with self._drawing:
            gone = await self.table.store_identity(label.number, esl_id=esl_id, esl_code=esl_code, model=model)
        for one in gone:
            self.failures.forget(one.number)
        await self._withdraw(gone)

    async def verify(self, name: str | None = None) -> int:
        """Ask one label, or all, whether they show what they should, and try again what failed. Return how many."""
        label = None if name is None else await self.get(name)
        count = await self.table.begin_verification(None if label is None else [label.number])
        self._work.set()
        self.on_unconfirmed()
        return count

    async def push(self, name: str) -> StoredLabel:
        """Push the picture of a label again, whether it shows it or not. Raises `NotFound` and `Conflict`."""
        label = await self.get(name)
        if label.content == "vendor":
            raise Conflict(message("the vendor's own templates draw the label {name!r}", name=label.name))
        await self.table.begin_verification([label.number], pushes=True)
        self._work.set()
        self.on_unconfirmed()
        return await self.get(name)

    async def note_template(self, template: str) -> None:
        """Have the labels of a template drawn again, since it changed."""
        await self.table.mark_template(template)
        self._work.set()

    async def _note_changed_files(self) -> bool:
        """Have labels drawn again whose templates somebody changed in the folder. Return whether there were any."""
        names = await asyncio.to_thread(self.templates.find_changed)
        for name in names:
            await self.table.mark_template(name)
        return bool(names)

    async def delete_template(self, name: str) -> None:
        """Delete a template of the shop, unless labels need it. Raises `NotFound` and `Conflict`."""
        count = await self.table.count_of_template(name)
        if count and not self.templates.is_replacement(name) and not self.templates.is_included(name):
            reason = count_message(
                "{count} label is drawn by the template {name!r}: bind it to another template first",
                "{count} labels are drawn by the template {name!r}: bind them to another template first",
                count,
                name=name,
            )
            raise Conflict(reason)
        await asyncio.to_thread(self.templates.delete, name)
        await self.note_template(name)

    async def _store(
        self,
        name: str,
        content: LabelContent,
        model: str,
        *,
        product_id: str = "",
        template: str = "",
        drawn: DrawnLabel | None = None,
    ) -> StoredLabel:
        if not any(self._shop.values()):
            raise Conflict(
                message("the settings name no shop of the cloud that labels belong to: set cloud.shop_id, and restart")
            )
        # What is being drawn of the product before must not come after this.
        async with self._drawing if content != "product" else contextlib.nullcontext():
            label = await self.table.store(
                check_label_name(name), model=model, content=content, product_id=product_id, template=template,
                drawn=drawn, now=int(self._now()),
            )  # fmt: skip
        self._work.set()
        self.on_unconfirmed()
        self.on_stored()
        return label

    # Drawing

    async def _draw_some(self) -> bool:
        """Draw some of the labels that can be drawn now. Return whether there were any."""
        now = self._trusted_time()
        stale = await self.table.find_stale(DRAWN_AT_ONCE, now)
        if not stale:
            return False
        # A picture with a price that has ended must not wait in the outbox while the next one is drawn.
        await self._withdraw(
            [one.label for one in stale if one.label.valid_until is not None and one.label.valid_until <= (now or 0)]
        )
        drawn, problems = await asyncio.to_thread(self.drawing.draw_all, stale)
        await self.table.store_drawn(drawn)
        self.on_unconfirmed()
        self.metrics.count_pictures("drawn", len(drawn))
        await self.table.store_failed(problems, {one.label.number: one.label.changes for one in stale})
        failed = [one.label for one in stale if one.label.number in problems]
        await self._withdraw(failed)
        self.failures.note(failed, problems)
        return True

    # Pushing

    async def _push_some(self) -> None:
        """Hand over pictures, as long as few are on their way."""
        room = self._pushes_at_once - len(self._items) - len(self._ended)
        if room <= 0:
            return
        labels = await self.table.find_unpushed(room)
        if labels:
            await self.table.begin_push([label.number for label in labels])
        for label in labels:
            picture = await self.table.get_picture(label.number)
            if picture is not None:
                await self._push(label, picture)

    async def _push(self, label: StoredLabel, picture: bytes) -> None:
        file = FilePart(f"{label.esl_id}.png", "image/png", picture)
        try:
            call = _PUSH.encode({"esl_id": label.esl_id}, files={"pic": file}, defaults=self._shop)
            status = await self._outbox.submit(call, token=OWN_TOKEN)
        except (InvalidRequest, TooLarge) as exc:
            await self.table.store_failed({label.number: exc.detail})
            self.failures.note([label], {label.number: exc.detail})
            return
        [item] = status.items
        await self.table.store_sent({label.number: item}, {label.number: label.pixel_hash})
        self._ended.add(item)  # it may have ended before it was known whose it is

    async def _withdraw(self, labels: Sequence[StoredLabel]) -> None:
        """Take pictures out of the outbox that are not to be shown any more."""
        if items := [one.item for one in labels if one.state in ("sent", "vendor") and one.item is not None]:
            self._items.difference_update(items)
            await self.table.take_back_items(items)
            await self._outbox.remove(items)

    # Outcomes

    async def _take_up(self, service: Service) -> None:
        """Settle what has ended while nobody looked, and have labels drawn again that look otherwise by now."""
        await self.table.note_drawing(__version__, await asyncio.to_thread(self.drawing.fingerprint))
        numbers = [label.number for label in await self.table.list_open(["sent"])]
        for start in range(0, len(numbers), DRAWN_AT_ONCE):
            service.expect_turn()
            labels = await self.table.load(numbers[start : start + DRAWN_AT_ONCE])
            await self._settle(labels, without_item=("waiting", ""))  # a crash, or a restored database

    async def _settle_ended(self) -> None:
        while self._ended:
            some = sorted(self._ended)[:DRAWN_AT_ONCE]
            self._ended.difference_update(some)
            if labels := await self.table.find_by_items(some):
                dropped = message("somebody dropped its picture from the outbox")
                await self._settle(labels, without_item=("failed", dropped))

    async def _settle(self, labels: Sequence[StoredLabel], *, without_item: tuple[LabelState, str]) -> None:
        """Store what became of pictures; `without_item` is what becomes of one whose item is not there any more."""
        numbers = [label.item for label in labels if label.item is not None]
        self._items.update(numbers)
        found = await self._outbox.outcomes(numbers)
        outcomes: dict[int, tuple[LabelState, str]] = {}
        for number in numbers:
            outcome = _find_state(found[number]) if number in found else without_item
            if outcome is not None:
                outcomes[number] = outcome
        self._items.difference_update(outcomes)
        await self.table.store_outcomes(outcomes, now=int(self._now()))
        problems = {
            label.number: outcomes[label.item][1]
            for label in labels
            if label.item in outcomes and outcomes[label.item][0] == "failed"
        }
        self.failures.note([label for label in labels if label.number in problems], problems)
        if pushed := sum(state == "pushed" for state, _ in outcomes.values()):
            self.metrics.count_pictures("pushed", pushed)
            self.on_unconfirmed()

    # Reports

    async def _report_expired(self) -> None:
        now = self._trusted_time()
        if now is None:
            return
        expired = await self.table.find_expired(now - EXPIRY_ALARM_S)
        new = [label for label in expired if (label.number, label.shown_until) not in self._reported_expiries]
        self._reported_expiries = {(label.number, label.shown_until) for label in expired}
        if new:
            first = new[0]
            self._report(LabelPricesExpired(labels=len(new), label=first.name, product_id=first.product_id))


def _find_state(outcome: Outcome) -> tuple[LabelState, str] | None:
    """Return the state, and the problem, that follow from what became of a picture; None as long as that is open."""
    match outcome.state:
        case "waiting":
            return None
        case "delivered":
            return "pushed", ""
        case "superseded":
            return "failed", message("another picture was pushed to it by somebody else")
        case _:
            return "failed", outcome.meaning or message("the cloud refused its picture")
