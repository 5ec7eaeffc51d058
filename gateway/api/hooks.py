"""Where the vendor's cloud and the cameras report events; they are let in by the vendor's signature, not by a token."""

from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.api.route import RequestContext, Route, json_response
from gateway.errors import FieldError, InvalidRequest, TooLarge

MOST_BYTES: Final = 1024 * 1024
_MOST_FIELDS: Final = 64
_WRITTEN: Final = {200: '`{"code": 0}`: it is written down.'}
_TAKEN: Final = {"code": 0, "msg": "succeed", "data": {}}


async def cloud_hook(context: RequestContext) -> web.StreamResponse:
    """Take what the cloud reports."""
    await context.gateway.callbacks.receive("cloud", await _fields(context.request))
    return json_response(_TAKEN)


async def camera_hook(context: RequestContext) -> web.StreamResponse:
    """Take what a camera reports."""
    await context.gateway.callbacks.receive("camera", await _fields(context.request), context.sn)
    return json_response(_TAKEN)


async def _fields(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise InvalidRequest([FieldError("body", "must be a form (application/x-www-form-urlencoded)")])
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise TooLarge(f"a callback has at most {MOST_BYTES} bytes")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=_MOST_FIELDS,
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
        responses=_WRITTEN,
    ),
    Route(
        "POST",
        "/hooks/cameras/{sn}",
        "Where a camera reports events, signed by the vendor's rules",
        camera_hook,
        None,
        responses=_WRITTEN,
    ),
)
