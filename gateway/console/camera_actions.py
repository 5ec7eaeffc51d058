"""What a person does to one camera: manage, trust, forget, reboot and reset it."""

from typing import Final

from aiohttp import web

from firmware_tools.language import message
from gateway.cameras.connection import CallOutcomeUnknown
from gateway.cameras.management import add_camera, forget_camera
from gateway.console.form import Form
from gateway.console.page import ConsolePage, PageContext
from gateway.errors import CameraUntrusted, Problem
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint

_REBOOT: Final = CATALOGUE.get("camera", "device/reboot")
_RESET: Final = CATALOGUE.get("camera", "device/reset")
_COMPARE: Final = message("The camera shows another certificate than your other cameras: add it here and compare.")


def camera_path(context: PageContext) -> str:
    """Return the address of the camera's page."""
    return f"/console/cameras/{context.sn}"


def is_confirmed(form: Form, sn: str) -> bool:
    """Tell whether a person has typed a camera's serial number, which confirms what cannot be undone."""
    return form.text("confirm").casefold() == sn.casefold()


def ask_again(context: PageContext, path: str) -> web.Response:
    """Lead back to a page, which says that the serial number was not typed right."""
    notice = message("Nothing was done: the serial number that was typed is not {sn}.", sn=context.sn)
    return context.redirect(path, notice=notice, failed=True)


async def manage(context: PageContext) -> web.StreamResponse:
    """Make a found camera managed. If its certificate is unusual, a person has to compare it first."""
    gateway = context.gateway
    gateway.registry.get(context.sn)
    try:
        await add_camera(
            gateway.registry, gateway.cameras, context.sn, None, default_port=gateway.settings.cameras.port
        )
    except CameraUntrusted:
        return context.redirect(f"/console/cameras/add?sn={context.sn}", notice=_COMPARE, failed=True)
    return context.redirect(camera_path(context), notice=message("The gateway manages this camera now."))


async def show_certificate(context: PageContext) -> web.StreamResponse:
    """Show the certificate that is remembered and the one that the camera shows now."""
    camera = context.gateway.registry.get(context.sn)
    shown, problem = "", None
    try:
        shown = await context.gateway.cameras.fetch_certificate_sha256(camera.sn)
    except Problem as exc:
        problem = exc
    return context.render("camera_certificate.html", camera=camera, shown=shown, problem=problem)


async def trust(context: PageContext) -> web.StreamResponse:
    """Trust the certificate that the camera shows now, if it is the one that the person compared."""
    form = await context.read_form()
    path = f"{camera_path(context)}/certificate"
    if not form.is_ticked("compared"):
        notice = message("Nothing was done: tick the box once you have compared the certificates.")
        return context.redirect(path, notice=notice, failed=True)
    try:
        await context.gateway.cameras.trust(context.sn, form.text("certificate"))
    except Problem as exc:
        return context.redirect(path, notice=exc.detail, failed=True)
    return context.redirect(camera_path(context), notice=message("The certificate is trusted from now on."))


async def forget(context: PageContext) -> web.StreamResponse:
    """Forget the camera."""
    if not is_confirmed(await context.read_form(), context.sn):
        return ask_again(context, camera_path(context))
    sn = context.sn
    await forget_camera(context.gateway.registry, context.gateway.provisioning, sn)
    return context.redirect("/console/cameras", notice=message("The camera {sn} was forgotten.", sn=sn))


async def reboot(context: PageContext) -> web.StreamResponse:
    """Let the camera restart."""
    return await _call_confirmed(context, _REBOOT, message("The camera restarts. It answers again in a minute or two."))


async def reset(context: PageContext) -> web.StreamResponse:
    """Put the camera back to its factory settings."""
    done = message("The camera goes back to its factory settings. Then it offers its own Wi-Fi: set it up again.")
    return await _call_confirmed(context, _RESET, done)


async def _call_confirmed(context: PageContext, endpoint: Endpoint, done: str) -> web.StreamResponse:
    path = camera_path(context)
    if not is_confirmed(await context.read_form(), context.sn):
        return ask_again(context, path)
    try:
        await context.gateway.cameras.call(context.sn, endpoint.encode({}))
    except CallOutcomeUnknown:
        unknown = message("It was told to the camera, which has not confirmed it. Look whether it comes back.")
        return context.redirect(path, notice=unknown)
    except Problem as exc:
        return context.redirect(path, notice=exc.detail, failed=True)
    return context.redirect(path, notice=done)


PAGES = (
    ConsolePage("POST", "cameras/{sn}/manage", manage, "installer", does=message("Make a camera managed")),
    ConsolePage("GET", "cameras/{sn}/certificate", show_certificate, "installer"),
    ConsolePage("POST", "cameras/{sn}/trust", trust, "installer", does=message("Trust the certificate that it shows")),
    ConsolePage("POST", "cameras/{sn}/forget", forget, "installer", does=message("Forget a camera")),
    ConsolePage("POST", "cameras/{sn}/reboot", reboot, "installer", does=message("Restart a camera")),
    ConsolePage("POST", "cameras/{sn}/reset", reset, "installer", does=message("Reset a camera to factory settings")),
)
