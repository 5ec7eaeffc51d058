"""The list of cameras: found ones appear by themselves, and others are added by hand."""

from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from firmware_tools.language import message
from gateway.api.changes import name_object
from gateway.cameras.management import add_camera
from gateway.console.camera_list import KINDS, SORT_KEYS, CameraQuery, list_reports
from gateway.console.camera_report import OFFLINE_ALARM_S, report_camera
from gateway.console.page import ConsolePage, PageContext
from gateway.errors import CameraUntrusted, FieldError, InvalidRequest, Problem

LIST: Final = "/console/cameras"
_MAX_UNIDENTIFIED: Final = 20


async def list_cameras(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("cameras.html", **_gather(context))


async def list_cameras_part(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("camera_list.html", **_gather(context))


def _gather(context: PageContext) -> dict[str, Any]:
    gateway = context.gateway
    query = CameraQuery.parse(context.request.query)
    cameras = gateway.registry.all()
    page = list_reports((report_camera(one, started_at=gateway.started_at) for one in cameras), query)
    return {
        "query": query,
        "kinds": KINDS,
        "sort_keys": SORT_KEYS,
        "page": page,
        "total": len(cameras),
        "search": context.site.camera_search,
        "interval_s": gateway.settings.discovery.interval_s,
        "alarm_s": OFFLINE_ALARM_S,
        "unidentified": list(gateway.registry.unidentified.values())[:_MAX_UNIDENTIFIED],
    }


async def search_now(context: PageContext) -> web.StreamResponse:
    """Look for cameras now, and show the same ones as before."""
    query = CameraQuery.parse(dict(parse_qsl((await context.read_form()).text("query"))))
    context.site.camera_search.start(context.gateway)
    return context.redirect(f"{LIST}?{query.encode()}".rstrip("?"))


async def show_add_form(context: PageContext) -> web.StreamResponse:
    """Ask for the serial number and the address of a camera."""
    query = context.request.query
    return _render_add_form(context, query.get("sn", "")[:64], query.get("address", "")[:260])


def _render_add_form(
    context: PageContext, sn: str, address: str, problem: Problem | None = None, certificate: str = ""
) -> web.Response:
    return context.render(
        "camera_add.html",
        status=200 if problem is None else problem.status,
        sn=sn,
        address=address,
        problem=problem,
        certificate=certificate,
        field_errors={} if not isinstance(problem, InvalidRequest) else dict(problem.field_errors),
    )


async def add(context: PageContext) -> web.StreamResponse:
    """Make a camera managed. If its certificate is unusual, a person has to compare it first."""
    form, gateway = await context.read_form(), context.gateway
    sn, address = form.text("sn"), form.text("address")
    name_object(context.request, sn)
    certificate = form.text("certificate") if form.is_ticked("compared") else ""
    try:
        if not sn:
            raise InvalidRequest([FieldError("sn", message("is required"))])
        camera = await add_camera(
            gateway.registry,
            gateway.cameras,
            sn,
            address or None,
            certificate_sha256=certificate,
            default_port=gateway.settings.cameras.port,
        )
    except CameraUntrusted as exc:
        return _render_add_form(context, sn, address, exc, exc.certificate_sha256 or "")
    except Problem as exc:
        return _render_add_form(context, sn, address, exc)
    return context.redirect(f"{LIST}/{camera.sn}", notice=message("The gateway manages this camera now."))


PAGES = (
    ConsolePage("GET", "cameras", list_cameras, "pos"),
    ConsolePage("GET", "cameras/list", list_cameras_part, "pos", shows="part"),
    ConsolePage("POST", "cameras/search", search_now, "installer", audited=False),
    ConsolePage("GET", "cameras/add", show_add_form, "installer"),
    ConsolePage("POST", "cameras/add", add, "installer", does=message("Make a camera managed")),
)
