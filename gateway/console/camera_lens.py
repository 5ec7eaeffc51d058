"""The lens and the settings of a camera: zoom, focus, rotation, night vision, LED, detection, and the memory card."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.console.camera_actions import ask_again, is_confirmed
from gateway.console.detection_schedule import DAYS, DetectionSchedule
from gateway.console.page import ConsolePage, PageContext
from gateway.console.parameter_form import ParameterField, make_fields, read_arguments
from gateway.console.site_page import is_fragment
from gateway.errors import CameraResponseMalformed, FieldError, InvalidRequest, NotFound, Problem, VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Choice

READ_TIMEOUT_S: Final = 20.0
"""How long the camera has to answer all questions of the page, in seconds. It answers one after the other."""
MAX_ROTATIONS: Final = 8

_LABELS: Final[dict[str, Message]] = {
    "zoom": message("Zoom"),
    "focus": message("Focus"),
    "focus_x": message("Focus point, percent from the left"),
    "focus_y": message("Focus point, percent from the top"),
    "irmode": message("Infrared light"),
    "led_switch": message("LED"),
    "rotation": message("Rotation"),
    "motion_level": message("Sensitivity to motion, 3 is the most sensitive"),
    "audio_level": message("Sensitivity to sound, 3 is the most sensitive"),
    "name": message("Name"),
}
"""The words for the vendor's parameters."""
_CHOICES: Final[dict[str, dict[int, Message]]] = {
    "irmode": {0: message("off"), 1: message("on"), 2: message("automatic (recommended)")},
    "led_switch": {0: message("off"), 1: message("on")},
    "rotation": {angle: message("{angle} degrees", angle=angle) for angle in (0, 90, 180, 270)},
}
"""The words for the vendor's values."""
CARD_STATES: Final[dict[int, Message]] = {
    0: message("no card"),
    1: message("not formatted"),
    2: message("works"),
    4: message("ejected"),
}
"""The states of a memory card; any other is not known."""


@dataclass(frozen=True, slots=True)
class CameraSetting:
    """Something that a person sets."""

    title: Message
    """What it is."""
    endpoint: Endpoint
    """The call that sets it."""
    button: Message = message("Set it")  # noqa: RUF009  immutable
    """What the button says."""
    sliders: tuple[str, ...] = ()
    """The parameters that are shown as sliders."""


def _get(path: str) -> Endpoint:
    return CATALOGUE.get("camera", path)


SETTINGS: Final[Mapping[str, CameraSetting]] = {
    "zoom": CameraSetting(message("Zoom"), _get("config/setZoom"), sliders=("zoom",)),
    "auto-focus": CameraSetting(message("Focus by itself"), _get("config/autoFocus"), message("Focus here")),
    "focus": CameraSetting(message("Focus by hand"), _get("config/manualFocus"), sliders=("focus",)),
    "reset-lens": CameraSetting(message("Zoom and focus as at the factory"), _get("config/resetZoomFocus")),
    "rotation": CameraSetting(message("Rotation"), _get("config/setRotation")),
    "infrared": CameraSetting(message("Night vision"), _get("config/setIrMode")),
    "led": CameraSetting(message("LED"), _get("config/setLedSwitch")),
    "name": CameraSetting(message("Name"), _get("config/updateName")),
}
"""The settings by the name in their address."""
_DETECTION: Final = _get("config/setDynamicDetect")
_FORMAT: Final = _get("config/formatMemoryCard")
_READS: Final = (
    "config/getZoomFocusConf",
    "config/getRotationAngles",
    "config/getRotation",
    "config/getIrMode",
    "config/getLedSwitch",
    "config/getDynamicDetect",
    "config/getMemoryCardStatus",
)


async def show_lens(context: PageContext) -> web.StreamResponse:
    """Show the page; its settings come when the camera has answered."""
    camera = context.gateway.registry.get(context.sn)
    return context.render("lens.html", camera=camera, title=camera.name or camera.sn)


async def show_settings(context: PageContext) -> web.StreamResponse:
    """Show the settings as the camera has them, as part of the page."""
    return await _render_settings(context)


async def _render_settings(
    context: PageContext,
    problem: Problem | None = None,
    *,
    failed: str = "",
    done: str = "",
    given: Mapping[str, Any] | None = None,
) -> web.Response:
    camera = context.gateway.registry.get(context.sn)
    values, read_problem = await _read_values(context)
    values = {"name": camera.name, **values, **(given or {})}
    field_errors = problem.field_errors if isinstance(problem, InvalidRequest) else ()
    schedule = DetectionSchedule.from_camera(*(values.get(one) for one in ("weekday", "start_time", "stop_time")))
    return context.render(
        "lens_settings.html",
        status=200,
        camera=camera,
        settings=SETTINGS,
        fields={name: _make_fields(one, values, field_errors * (failed == name)) for name, one in SETTINGS.items()},
        levels=_make_level_fields(values, field_errors * (failed == "detection")),
        schedule=schedule or DetectionSchedule.from_form(is_always=True, days=(), start="", stop=""),
        schedule_is_known=schedule is not None,
        schedule_errors=dict(field_errors) if failed == "detection" else {},
        days=DAYS,
        card=CARD_STATES.get(values.get("card", -1)),
        card_is_known="card" in values,
        has_faces=camera.model == "FM020",
        problem=problem if not field_errors else None,
        read_problem=read_problem,
        done=done,
    )


async def _read_values(context: PageContext) -> tuple[dict[str, Any], Problem | None]:
    """Ask the camera for its settings; return what it said, and why something is missing."""
    values: dict[str, Any] = {}
    problem: Problem | None = None
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            for path in _READS:
                try:
                    response = await context.gateway.cameras.call(context.sn, _get(path).encode({}))
                except Problem as exc:
                    problem = exc
                    # Else it is away, or cannot be called at all; older firmware lacks some calls.
                    if not isinstance(exc, CameraResponseMalformed | VendorRefused):
                        break
                else:
                    _take(values, path, response.data)
    except TimeoutError:
        problem = NotFound(message("The camera did not answer everything in time."))
    return values, problem


def _take(values: dict[str, Any], path: str, data: Any) -> None:
    """Take the numbers of a response. What the camera says is not trusted: everything else is left out."""
    if not isinstance(data, dict):
        return
    if path == "config/getRotationAngles":
        angles = data.get("angles")
        texts = [str(one) for one in angles[:MAX_ROTATIONS]] if isinstance(angles, list) else []
        values["angles"] = [text for text in texts if text.isascii() and text.isdigit() and len(text) < 4]
        return
    numbers = {name: value for name, value in data.items() if type(value) is int}
    if path == "config/getMemoryCardStatus":
        numbers = {"card": numbers["status"]} if "status" in numbers else {}
    for name in ("focus_x", "focus_y"):
        if (other := name.replace("focus_", "focused_")) in numbers:
            numbers[name] = numbers.pop(other)
    values.update(numbers)


def _make_fields(
    setting: CameraSetting, values: Mapping[str, Any], field_errors: Sequence[FieldError]
) -> list[ParameterField]:
    fields = make_fields(setting.endpoint, values=values, labels=_LABELS, field_errors=field_errors)
    angles = values.get("angles")
    shown = []
    for field in fields:
        if (words := _CHOICES.get(field.parameter.name)) is not None:
            choices = [Choice(value, meaning) for value, meaning in words.items()]
            field = replace(field, parameter=replace(field.parameter, choices=tuple(choices)))
        if field.parameter.name in setting.sliders:
            largest = values.get(f"max_{field.parameter.name}")
            if largest is not None and 0 < largest < (field.parameter.max or largest):
                field = replace(field, parameter=replace(field.parameter, max=largest))
            field = replace(field, control="range")
        elif field.parameter.name == "rotation":
            known = [one for one in field.parameter.choices if not angles or str(one.value) in angles]
            parameter = replace(field.parameter, choices=tuple(known), open=False, example=None)
            field = replace(field, parameter=parameter, control="choice")
        shown.append(replace(field, is_described=False))
    return shown


def _make_level_fields(values: Mapping[str, Any], field_errors: Sequence[FieldError]) -> list[ParameterField]:
    fields = make_fields(_DETECTION, values=values, labels=_LABELS, field_errors=field_errors)
    return [
        replace(one, control="range", is_described=False) for one in fields if one.parameter.name.endswith("_level")
    ]


async def change_setting(context: PageContext) -> web.StreamResponse:
    """Set one thing."""
    name = context.request.match_info["setting"]
    setting = SETTINGS.get(name)
    if setting is None:
        raise NotFound(message("there is no setting {name!r}", name=name[:40]))
    arguments, _ = read_arguments(setting.endpoint, await context.read_form())
    return await _call(context, setting.endpoint, arguments, name)


async def change_detection(context: PageContext) -> web.StreamResponse:
    """Set when the camera notices motion and sound, and how sensitive it is."""
    form = await context.read_form()
    arguments, _ = read_arguments(_DETECTION, form)
    try:
        schedule = DetectionSchedule.from_form(
            is_always=form.text("when") == "always",
            days=form.texts("day"),
            start=form.text("start"),
            stop=form.text("stop"),
        )
    except InvalidRequest as exc:
        return await _respond(context, exc, "detection", arguments)
    return await _call(context, _DETECTION, {**arguments, **schedule.arguments}, "detection")


async def format_card(context: PageContext) -> web.StreamResponse:
    """Erase the memory card."""
    if not is_confirmed(await context.read_form(), context.sn):
        return ask_again(context, _lens_path(context))
    return await _call(context, _FORMAT, {}, "format")


async def _call(
    context: PageContext, endpoint: Endpoint, arguments: Mapping[str, Any], name: str
) -> web.StreamResponse:
    problem: Problem | None = None
    try:
        await context.gateway.cameras.call(context.sn, endpoint.encode(arguments))
    except Problem as exc:
        problem = exc
    return await _respond(context, problem, name, arguments)


async def _respond(
    context: PageContext, problem: Problem | None, name: str, arguments: Mapping[str, Any]
) -> web.StreamResponse:
    done = message("The camera has done it.")
    if is_fragment(context.request):
        given = arguments if problem is not None else {}
        return await _render_settings(context, problem, failed=name, done="" if problem else done, given=given)
    notice = done if problem is None else problem.detail
    return context.redirect(_lens_path(context), notice=notice, failed=problem is not None)


def _lens_path(context: PageContext) -> str:
    return f"/console/cameras/{context.sn}/lens"


PAGES = (
    ConsolePage("GET", "cameras/{sn}/lens", show_lens, "installer"),
    ConsolePage("GET", "cameras/{sn}/lens/settings", show_settings, "installer", shows="part"),
    ConsolePage(
        "POST",
        "cameras/{sn}/lens/detection",
        change_detection,
        "installer",
        does=message("Change when a camera detects people"),
    ),
    ConsolePage(
        "POST", "cameras/{sn}/lens/format", format_card, "installer", does=message("Format the card of a camera")
    ),
    ConsolePage(
        "POST", "cameras/{sn}/lens/{setting}", change_setting, "installer", does=message("Change a setting of a camera")
    ),
)
