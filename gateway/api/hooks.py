"""Callbacks over HTTP: the cloud and the cameras report events, authenticated by the vendor's signature."""

from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from firmware_tools.language import message
from gateway.api.bodies import CallbackForm
from gateway.api.body_reader import read_bytes
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.errors import FieldError, InvalidRequest, TooLarge
from gateway.events.callbacks import refuse_camera

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_FIELDS: Final = 64
MAX_DURATION_S: Final = 10.0
"""How long the body of a callback may take to arrive: its sender has not shown yet who it is."""
_RESPONSES: Final = {200: DeclaredResponse('`{"code": 0}`: it is stored.', "CallbackReceipt")}
_SUCCESS: Final = {"code": 0, "msg": "succeed", "data": {}}


async def cloud_hook(context: RequestContext) -> web.StreamResponse:
    """Store what the cloud reports."""
    _check_head(context.request)
    callbacks = context.gateway.callbacks
    callbacks.check_sender("cloud")
    await callbacks.receive("cloud", await _read_form(context.request))
    return json_response(_SUCCESS)


async def camera_hook(context: RequestContext) -> web.StreamResponse:
    """Store what a camera reports. A stranger does not learn which cameras there are."""
    _check_head(context.request)
    callbacks = context.gateway.callbacks
    callbacks.check_sender("camera", context.sn)
    try:
        form = await _read_form(context.request)
    except (InvalidRequest, TooLarge) as exc:
        raise refuse_camera(exc.detail) from exc
    await callbacks.receive("camera", form, context.sn)
    return json_response(_SUCCESS)


def _check_head(request: web.Request) -> None:
    """Refuse by its head what can be no callback, before any of its body is kept."""
    if request.content_type != "application/x-www-form-urlencoded" or "Content-Encoding" in request.headers:
        raise InvalidRequest(
            [
                FieldError(
                    "body", message("must be a form (application/x-www-form-urlencoded) without a content encoding")
                )
            ]
        )
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise TooLarge(message("a callback has at most {max_body_bytes} bytes", max_body_bytes=MAX_BODY_BYTES))


async def _read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form. Raises `InvalidRequest`, `TooLarge`, `RequestTimeout` and `Overloaded`."""
    raw = await read_bytes(request, max_bytes=MAX_BODY_BYTES, max_duration_s=MAX_DURATION_S, is_stranger=True)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=MAX_FIELDS,
            encoding="utf-8", errors="strict",
        )  # fmt: skip
    except ValueError as exc:
        raise InvalidRequest([FieldError("body", message("is no form in UTF-8"))]) from exc
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequest([FieldError("body", message("names a field twice"))])
    return fields


ROUTES = (
    Route(
        "POST",
        "/hooks/cloud",
        "Where the cloud reports events, signed by the vendor's rules",
        cloud_hook,
        None,
        form=CallbackForm,
        responses=_RESPONSES,
        any_query=True,
    ),
    Route(
        "POST",
        "/hooks/cameras/{sn}",
        "Where a camera reports events, signed by the vendor's rules",
        camera_hook,
        None,
        form=CallbackForm,
        responses=_RESPONSES,
        any_query=True,
    ),
)
