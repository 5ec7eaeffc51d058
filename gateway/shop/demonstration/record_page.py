"""The record of a demonstration as a page that prints on A4, in the style of the acceptance sheet."""

from collections.abc import Mapping
from typing import Any, Final

from firmware_tools.language import Language, message
from gateway.shop.demonstration.record import DemonstrationState, DemonstrationStepState
from gateway.shop.sheet_page import STEP_MARKS, embed_jpeg, get_sheet_environment

_STATES: Final[Mapping[DemonstrationState, str]] = {
    "running": message("under way"),
    "done": message("done"),
    "failed": message("failed"),
    "stopped": message("stopped"),
    "interrupted": message("interrupted"),
}
_STEP_STATES: Final[Mapping[DemonstrationStepState, str]] = {
    "pending": message("not done yet"),
    "running": message("under way"),
    "waiting": message("waits for a person"),
    "done": message("done"),
    "warning": message("look at it"),
    "failed": message("failed"),
}


def render_demonstration(document: Mapping[str, Any], picture: bytes | None, language: Language) -> str:
    """Return the page of a demonstration as the REST API shows it, with its picture."""
    return (
        get_sheet_environment(language)
        .get_template("demonstration_record.html")
        .render(
            record=document,
            picture=None if picture is None else embed_jpeg(picture),
            language=language,
            marks=STEP_MARKS,
            states=_STATES,
            step_states=_STEP_STATES,
        )
    )
