"""Callbacks over HTTP: the cloud and the cameras report events, authenticated by the vendor's signature."""

from typing import Final

from aiohttp import web

from gateway.api.bodies import CallbackForm
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.api.signed_form import check_form_head, read_form
from gateway.errors import InvalidRequest, TooLarge
from gateway.events.callbacks import refuse_camera

MAX_BODY_BYTES: Final = 1024 * 1024
_RESPONSES: Final = {200: DeclaredResponse('`{"code": 0}`: it is stored.', "CallbackReceipt")}
_SUCCESS: Final = {"code": 0, "msg": "succeed", "data": {}}


async def cloud_hook(context: RequestContext) -> web.StreamResponse:
    """Store what the cloud reports."""
    check_form_head(context.request, max_bytes=MAX_BODY_BYTES)
    callbacks = context.gateway.callbacks
    callbacks.check_sender("cloud")
    await callbacks.receive("cloud", await read_form(context.request, max_bytes=MAX_BODY_BYTES))
    return json_response(_SUCCESS)


async def camera_hook(context: RequestContext) -> web.StreamResponse:
    """Store what a camera reports. A stranger does not learn which cameras there are."""
    check_form_head(context.request, max_bytes=MAX_BODY_BYTES)
    callbacks = context.gateway.callbacks
    callbacks.check_sender("camera", context.sn)
    try:
        form = await read_form(context.request, max_bytes=MAX_BODY_BYTES)
    except (InvalidRequest, TooLarge) as exc:
        raise refuse_camera(exc.detail) from exc
    await callbacks.receive("camera", form, context.sn)
    return json_response(_SUCCESS)


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
