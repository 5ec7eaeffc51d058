"""The page of one camera: what is known of it, by what evidence, and what has happened to it."""

import time
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message
from gateway.api.readings import try_read
from gateway.cameras.record import CameraRecord
from gateway.console.camera_report import FOUND_BY, report_camera
from gateway.console.event_texts import show_event
from gateway.console.page import ConsolePage, PageContext
from gateway.events.event import EventFilter
from gateway.runtime.timestamps import utc_text

_EVENTS: Final = 20


@dataclass(frozen=True, slots=True)
class ShownAddress:
    """An address of a camera as the page shows it."""

    address: str
    """`host:port`."""
    interface: str
    """The network interface where it was seen; empty if unknown."""
    evidence: Message
    """How it became known."""
    age_s: float | None
    """How long ago it was seen or reached there, in seconds; None if not since the gateway started."""
    is_proved: bool
    """Whether the camera has proved itself there since the gateway started."""


async def show_camera(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("camera.html", **await _gather(context))


async def show_camera_part(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("camera_state.html", **await _gather(context))


async def _gather(context: PageContext) -> dict[str, Any]:
    gateway = context.gateway
    camera = gateway.registry.get(context.sn)
    events = await try_read(gateway.event_log.read_latest(EventFilter(camera=camera.sn), limit=_EVENTS))
    return {
        "report": report_camera(camera, started_at=gateway.started_at),
        "camera": camera,
        "addresses": _list_addresses(camera),
        "first_seen": utc_text(camera.first_seen),
        "clock_offset_s": gateway.cameras.clock_offset_s(camera.sn),
        "events": [show_event(one) for one in events or []],
    }


def _list_addresses(camera: CameraRecord) -> list[ShownAddress]:
    now = time.monotonic()
    return [
        ShownAddress(
            address,
            seen.interface,
            FOUND_BY[seen.found_by],
            None if seen.seen_at is None else max(0.0, now - seen.seen_at),
            address == camera.verified_address,
        )
        for address in camera.candidate_addresses()
        for seen in [camera.addresses[address]]
    ]


PAGES = (
    ConsolePage("GET", "cameras/{sn}", show_camera, "pos"),
    ConsolePage("GET", "cameras/{sn}/state", show_camera_part, "pos", shows="part"),
)
