"""The acceptance sheet as a page that prints on A4: one file without scripts, with the pictures in it."""

import base64
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from firmware_tools.language import Language, message
from gateway.runtime.templates import load_templates
from gateway.shop.door_line import DoorLineState
from gateway.shop.pictures import Moment
from gateway.shop.progress import PlannedCameraState
from gateway.shop.sheet import AcceptanceSheet
from gateway.shop.steps import PlanStepName, PlanStepState

if TYPE_CHECKING:  # imported only where it is used: it takes memory
    from jinja2 import Environment

SHEET_PAGE_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""The headers of the page: it has a style of its own, shows pictures of its own, and does nothing."""
MAX_EMBEDDED_BYTES: Final = 48 * 1024 * 1024
"""How many bytes of pictures a page holds at most; the others stay in the gateway."""

_STEPS: Final[Mapping[PlanStepName, str]] = {
    "find": message("Found"),
    "wifi": message("Wi-Fi"),
    "activate": message("Activated"),
    "name": message("Name"),
    "settings": message("Lens and detection"),
    "cloud": message("Cloud"),
    "subscribe": message("Reports events"),
    "picture": message("Picture"),
    "event": message("First event"),
}
STEP_MARKS: Final[Mapping[PlanStepState, str]] = {
    "pending": "…",
    "running": "…",
    "waiting": "…",
    "done": "✓",
    "skipped": "○",
    "warning": "!",
    "failed": "✗",
}
"""How a state of a step is marked on paper."""
_STATES: Final[Mapping[PlannedCameraState, str]] = {
    "pending": message("not done yet"),
    "running": message("under way"),
    "waiting": message("waits for a person"),
    "done": message("done"),
    "failed": message("failed"),
}
_MOMENTS: Final[Mapping[Moment, str]] = {
    "before": message("Before"),
    "after": message("After"),
    "now": message("At the last look"),
}
_LINES: Final[Mapping[DoorLineState, str]] = {
    "drawn": message("drawn on the picture"),
    "not_drawn": message("not drawn"),
    "unknown": message("not known"),
}


def render_sheet(sheet: AcceptanceSheet, language: Language) -> str:
    """Return the page. It reads the files of the pictures."""
    document = sheet.describe()
    return (
        get_sheet_environment(language)
        .get_template("acceptance_sheet.html")
        .render(
            sheet=document,
            pictures=_embed_pictures(sheet, document),
            language=language,
            step_labels=_STEPS,
            marks=STEP_MARKS,
            states=_STATES,
            moments=_MOMENTS,
            line_states=_LINES,
        )
    )


def _embed_pictures(sheet: AcceptanceSheet, document: Mapping[str, Any]) -> dict[str, str]:
    """Return the pictures as addresses with their content, by path; those that are too much are left out."""
    embedded: dict[str, str] = {}
    left = MAX_EMBEDDED_BYTES
    for camera in document["cameras"]:
        for picture in camera["pictures"]:
            jpeg = sheet.pictures.load(camera["sn"], picture["moment"])
            if jpeg is not None and len(jpeg) <= left:
                left -= len(jpeg)
                embedded[picture["path"]] = embed_jpeg(jpeg)
    return embedded


def embed_jpeg(jpeg: bytes) -> str:
    """Return a picture as an address that holds it."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


@lru_cache
def get_sheet_environment(language: Language) -> "Environment":
    """Return the templates of pages to print."""
    environment = load_templates(Path(__file__).with_name("templates"), language)
    environment.filters["day"] = lambda text: text.replace("T", " ").removesuffix("Z") + " UTC"
    return environment
