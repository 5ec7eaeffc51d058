"""Events in words for people."""

import json
from dataclasses import dataclass
from typing import Any, Final

from firmware_tools.language import Message, join, message
from gateway.console.label_texts import find_label_page
from gateway.console.product_texts import COMPARISON, PRODUCTS, find_product_page
from gateway.console.site_plan_texts import STEP_TITLES
from gateway.events.event import Event
from gateway.outbox.reasons import recognise_reason
from gateway.protocol.endpoint import Scope
from gateway.runtime.timestamps import utc_text
from gateway.shop.steps import ADVICE

_TEXTS: Final = {
    "camera.found": message("A camera was found"),
    "camera.moved": message("A camera has another address now"),
    "camera.offline": message("A camera does not answer any more"),
    "camera.online": message("A camera answers"),
    "camera.trusted": message("A camera's certificate was trusted"),
    "camera.certificate_changed": message("A camera shows another certificate; nothing is sent to it"),
    "camera.duplicated": message("Two devices claim the same serial number"),
    "camera.activated": message("A camera was activated"),
    "camera.not_activated": message("A camera is not activated by this account"),
    "clock.wrong": message("The gateway's clock is wrong"),
    "clock.right": message("The gateway's clock is right again"),
    "cloud.lost": message("The cloud cannot be reached"),
    "cloud.back": message("The cloud can be reached again"),
    "disk.low": message("The disk is nearly full"),
    "disk.ok": message("The disk has room again"),
    "events.erased": message("A person's data was erased"),
    "face.added": message("A face was added"),
    "face.seen": message("A face was seen"),
    "motion.detected": message("Motion or sound was noticed"),
    "outbox.blocked": message("The account was refused by the cloud"),
    "outbox.refused": message("The cloud refused a call"),
    "fleet.cloned": message("Another gateway has this shop's certificate"),
    "fleet.clone_gone": message("The other gateway with this shop's certificate is gone"),
    "fleet.events_removed": message("The head office misses events that were removed as too old"),
    "labels.failed": message("A shelf label does not show what it should"),
    "labels.prices_expired": message("Shelf labels show prices that have ended"),
    "labels.recovered": message("Shelf labels that had failed show what they should"),
    "price.changed": message("A price changed"),
    "products.differ": message("The cloud has other products than it had taken"),
    "products.list_refused": message("A list of products was not taken"),
    "products.list_taken": message("A list of products was taken"),
    "products.prices_expired": message("Prices have ended, and labels may still show them"),
    "products.refused": message("The cloud refused a change to a product"),
    "receipt.image": message("A receipt was printed"),
    "receipt.parsed": message("A receipt was printed"),
    "receipt.text": message("A receipt was printed"),
    "shop.run_began": message("The setting up of the shop has begun"),
    "shop.run_ended": message("The setting up of the shop has ended"),
    "shop.step_done": message("A camera of the site plan is a step further"),
    "shop.step_failed": message("A camera of the site plan could not be set up"),
    "shop.step_waiting": message("A camera of the site plan waits for a person"),
    "shop.step_warning": message("A person should look at a camera of the site plan"),
    "vendor.unknown": message("The vendor reported something that is not known"),
    "vendor.unreadable": message("The vendor reported something that cannot be read"),
    "webhook.test": message("A webhook was tested"),
}
"""What happened, by type."""
FAMILIES: Final = {
    "products": message("Products"),
    "labels": message("Shelf labels"),
    "face": message("Faces"),
    "motion": message("Motion"),
    "camera": message("Cameras"),
    "outbox": message("Calls for the cloud"),
    "cloud": message("Cloud"),
    "receipt": message("Receipts"),
    "clock": message("Clock"),
    "disk": message("Disk"),
    "shop": message("Site plan"),
    "fleet": message("Head office"),
}
"""The families of types that a person filters by."""
_WORDS: Final = {
    "male": message("man"),
    "female": message("woman"),
    "stranger": message("new visitor"),
    "regular": message("regular customer"),
    "staff": message("staff"),
    "motion": message("motion"),
    "sound": message("sound"),
}
"""Values that events have, in words."""
_DETAILS: Final = (
    "gender",
    "age_range",
    "group_type",
    "group_name",
    "motion_type",
    "path",
    "meaning",
    "reason",
    "host",
    "addresses",
)
"""The members of an event's data that are shown beside its text."""
_MAX_DETAIL: Final = 120


@dataclass(frozen=True, slots=True)
class EventLink:
    """A page about what has happened."""

    address: str
    """Its address."""
    text: str
    """What it is about."""
    scope: Scope
    """The scope that it needs."""


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event as pages show it."""

    time: str
    """When it happened, in UTC."""
    text: str
    """What happened."""
    details: Message
    """What is known beside that, as a short line."""
    camera: str | None
    """The serial number of the camera; None if it is about none."""
    link: EventLink | None = None
    """The page about it; None if there is none beside that of its camera."""


def describe_type(event_type: str) -> str:
    """Return what happened, in words for people; a type that is not known as it is."""
    return _TEXTS.get(event_type, event_type)


def show_event(event: Event) -> ShownEvent:
    """Return an event in words for people."""
    text = describe_type(event.type)
    data: Any = json.loads(event.data)
    return ShownEvent(
        utc_text(event.time_ms / 1000), text, _describe_details(data), event.camera, _find_link(event.type, data)
    )


def _find_link(event_type: str, data: Any) -> EventLink | None:
    match event_type:
        case "products.refused" | "products.prices_expired":
            product_id = str(data.get("product_id", ""))
            return EventLink(find_product_page(product_id), str(data.get("name") or product_id), "pos")
        case "products.list_taken":
            return EventLink(PRODUCTS, FAMILIES["products"], "pos")
        case "products.list_refused":
            return EventLink(f"{PRODUCTS}/import", message("Import a list"), "installer")
        case "products.differ":
            return EventLink(COMPARISON, message("Compare with the cloud"), "installer")
        case "labels.failed" | "labels.recovered" | "labels.prices_expired":
            name = str(data.get("label", ""))
            return EventLink(find_label_page(name), name, "pos")
    return None


def _describe_details(data: Any) -> Message:
    """Return what is known beside that, as a short line."""
    if (step := STEP_TITLES.get(data.get("step"))) is not None:
        advice = ADVICE.get(data.get("reason"))
        return join(": ", [step] if advice is None else [step, advice])
    shown = {name: data[name] for name in _DETAILS if isinstance(data.get(name), str)}
    texts = [_describe(name, value) for name, value in shown.items() if value not in ("", "unknown")]
    return join(", ", dict.fromkeys(texts))  # a group may have the name of its type


def _describe(name: str, value: str) -> str:
    known = recognise_reason(value[:_MAX_DETAIL]) if name in ("meaning", "reason") else value[:_MAX_DETAIL]
    return _WORDS.get(value, known)
