"""The guide to firmware cards: which label and which file a camera's card needs, and what to do with it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from firmware_tools.card import CardSpec, FirmwarePath
from firmware_tools.errors import InvalidInput
from firmware_tools.language import Message, message
from firmware_tools.mac import Mac
from firmware_tools.procedure import describe_procedure
from gateway.cameras.record import CameraRecord
from gateway.console.page import ConsolePage, PageContext
from gateway.console.shop import TABS
from gateway.shop.plan_check import find_planned

KINDS: Final = {
    "update": (FirmwarePath.UPDATE, message("the camera works, and gets another version")),
    "recovery": (FirmwarePath.RECOVERY, message("the camera does not start any more")),
}
"""What a card is for, by its name in the address."""
_MAX_MAC_LENGTH: Final = 40
_BAD_MAC: Final = message("That is no MAC address: it has 12 hex digits, as 0C:25:76:0A:1B:2C on the camera's label.")


@dataclass(frozen=True, slots=True)
class CameraCard:
    """A camera, and the card that it needs."""

    mac: Mac
    """Its MAC address."""
    camera: CameraRecord | None
    """The camera; None if it stands in the site plan and was not found yet."""
    name: str
    """Its name, or the one that it shall have; else its serial number, if that is known."""
    place: str
    """Where it hangs, as the site plan says it; empty if it does not."""


async def show_cards(context: PageContext) -> web.StreamResponse:
    """List the labels of the cameras' cards, and the steps for one of them."""
    query = context.request.query
    kind = query.get("kind", "")
    kind = kind if kind in KINDS else "update"
    typed = query.get("mac", "").strip()[:_MAX_MAC_LENGTH]
    problem: Message | None = None
    spec = None
    if typed:
        try:
            spec = CardSpec(Mac.parse(typed), KINDS[kind][0])
        except InvalidInput:
            problem = _BAD_MAC
    cards = list(_list_cards(context))
    return context.render(
        "shop_cards.html",
        status=200 if problem is None else 400,
        tabs=TABS,
        cards=cards,
        card=next((one for one in cards if spec is not None and one.mac == spec.mac), None),
        kinds=KINDS,
        kind=kind,
        typed=typed,
        problem=problem,
        spec=spec,
        steps=[] if spec is None else describe_procedure(spec, context.language),
    )


def _list_cards(context: PageContext) -> Iterator[CameraCard]:
    """Yield the cameras that were found, and those of the site plan that were not."""
    registry, progress = context.gateway.registry, context.gateway.shop.progress
    planned = {(find_planned(one.planned, registry) or one).sn: one.planned for one in progress}
    for camera in registry.all():
        plan = planned.pop(camera.sn, None)
        name = camera.name or (plan.name if plan is not None else "") or camera.sn
        yield from _make_card(camera.mac, camera, name, "" if plan is None else plan.place)
    for plan in planned.values():
        yield from _make_card(plan.mac, None, plan.name or plan.label, plan.place)


def _make_card(mac: str, camera: CameraRecord | None, name: str, place: str) -> Iterator[CameraCard]:
    with contextlib.suppress(InvalidInput):  # it has not said its address, or something else said it
        yield CameraCard(Mac.parse(mac), camera, name, place)


PAGES = (ConsolePage("GET", "shop/cards", show_cards, "installer"),)
