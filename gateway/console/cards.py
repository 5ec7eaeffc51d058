"""The guide to firmware cards: which label and which file a camera's card needs, and what to do with it."""

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

    camera: CameraRecord
    """The camera."""
    mac: Mac
    """Its MAC address."""


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
    return context.render(
        "shop_cards.html",
        status=200 if problem is None else 400,
        tabs=TABS,
        cards=list(_list_cards(context)),
        kinds=KINDS,
        kind=kind,
        typed=typed,
        problem=problem,
        spec=spec,
        steps=[] if spec is None else describe_procedure(spec, context.language),
    )


def _list_cards(context: PageContext) -> Iterator[CameraCard]:
    for camera in context.gateway.registry.all():
        try:
            yield CameraCard(camera, Mac.parse(camera.mac))
        except InvalidInput:  # it has not said its address, or something else said it
            continue


PAGES = (ConsolePage("GET", "shop/cards", show_cards, "installer"),)
