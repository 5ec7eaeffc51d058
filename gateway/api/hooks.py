"""Callbacks over HTTP: the cloud and the cameras report events, authenticated by the vendor's signature."""

from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.api.route import RequestContext, Route, json_response
from gateway.errors import FieldError, InvalidRequest, TooLarge

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_FIELDS: Final = 64
_RESPONSES: Final = {200: '`{"code": 0}`: it is stored.'}
_SUCCESS: Final = {"code": 0, "msg": "succeed", "data": {}}


async def cloud_hook(context: RequestContext) -> web.StreamResponse:
    """Store what the cloud reports."""
    await context.gateway.callbacks.receive("cloud", await _read_form(context.request))
    return json_response(_SUCCESS)


async def camera_hook(context: RequestContext) -> web.StreamResponse:
    """Store what a camera reports."""
    await context.gateway.callbacks.receive("camera", await _read_form(context.request), context.sn)
    return json_response(_SUCCESS)


async def _read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form. Raises `InvalidRequest` and `TooLarge`."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise InvalidRequest([FieldError("body", "must be a form (application/x-www-form-urlencoded)")])
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise TooLarge(f"a callback has at most {MAX_BODY_BYTES} bytes")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=MAX_FIELDS,
            encoding="utf-8", errors="strict",
        )  # fmt: skip
    except ValueError as exc:
        raise InvalidRequest([FieldError("body", "is no form in UTF-8")]) from exc
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequest([FieldError("body", "names a field twice")])
    return fields


ROUTES = (
    Route(
        "POST",
        "/hooks/cloud",
        "Where the cloud reports events, signed by the vendor's rules",
        cloud_hook,
        None,
        responses=_RESPONSES,
    ),
    Route(
        "POST",
        "/hooks/cameras/{sn}",
        "Where a camera reports events, signed by the vendor's rules",
        camera_hook,
        None,
        responses=_RESPONSES,
    ),
)
