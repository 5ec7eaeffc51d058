"""REST calls for the cameras of the store: finding, managing, trusting and provisioning them."""

import dataclasses
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.api.bodies import (
    ActivationBody,
    CameraBody,
    DiscoveryBody,
    ProvisioningBody,
    TrustBody,
    WifiBody,
    read_body,
)
from gateway.api.changes import name_object
from gateway.api.hotspots import provision_in_hotspot
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.app import Gateway
from gateway.cameras.activation_probe import require_managed
from gateway.cameras.capture import capture
from gateway.cameras.management import add_camera as add_managed_camera
from gateway.cameras.management import forget_camera as forget_known_camera
from gateway.cameras.provisioning import ProvisioningRequest, StepTimeouts
from gateway.errors import Conflict, FieldError, InvalidRequest

_ACTIVATION_TIMEOUTS: Final = StepTimeouts(reach_s=0, activate_s=10, verify_s=5)
"""The timeouts of an activation whose caller waits for the outcome."""


async def discover(context: RequestContext) -> web.StreamResponse:
    """Look for cameras now, and answer when the scan is over."""
    return json_response(await look_for_cameras(context.gateway, await read_body(context.request, DiscoveryBody)))


async def look_for_cameras(gateway: Gateway, body: DiscoveryBody) -> dict[str, Any]:
    """Return what a scan finds, as JSON."""
    result = await gateway.discovery.scan(timeout_s=body.timeout_s, methods=body.methods)
    # One that was only announced may have been forgotten since.
    found = [gateway.registry.find(sn) for sn in dict.fromkeys(device.sn for device in result.devices)]
    return {
        "cameras": [camera.describe() for camera in found if camera is not None],
        "unidentified": [
            {
                "address": one.address,
                "interface": one.interface,
                "found_by": one.found_by,
                "certificate_sha256": one.certificate_sha256 or None,
            }
            for one in result.unidentified
        ],
        "methods": {name: {"found": method.found, "error": method.error} for name, method in result.methods.items()},
    }


async def list_cameras(context: RequestContext) -> web.StreamResponse:
    """List every camera, found and managed."""
    return json_response({"cameras": [camera.describe() for camera in context.gateway.registry.all()]})


async def add_camera(context: RequestContext) -> web.StreamResponse:
    """Make a camera managed: a person says that this gateway is to call it, and confirms its certificate."""
    body = await read_body(context.request, CameraBody)
    name_object(context.request, body.sn)
    gateway = context.gateway
    camera = await add_managed_camera(
        gateway.registry,
        gateway.cameras,
        body.sn,
        body.address,
        certificate_sha256=body.certificate_sha256 or "",
        default_port=gateway.settings.cameras.port,
    )
    return json_response(camera.describe(), 201)


async def show_camera(context: RequestContext) -> web.StreamResponse:
    """Show one camera."""
    return json_response(context.gateway.registry.get(context.sn).describe())


async def forget_camera(context: RequestContext) -> web.StreamResponse:
    """Forget a camera, with its pin."""
    await forget_known_camera(context.gateway.registry, context.gateway.provisioning, context.sn)
    return web.Response(status=204)


async def access_points(context: RequestContext) -> web.StreamResponse:
    """List the Wi-Fi networks that a camera sees."""
    seen = await context.gateway.cameras.list_access_points(context.sn)
    access_points = [{"ssid": one.ssid, "key_mgmt": one.key_mgmt} for one in seen]
    return json_response({"access_points": access_points, "left_out": seen.left_out})


async def set_wifi(context: RequestContext) -> web.StreamResponse:
    """Tell a camera the Wi-Fi network to join."""
    body = await read_body(context.request, WifiBody)
    known = context.gateway.settings.provisioning.find_password(body.ssid)
    password = known if known is not None and "password" not in body.model_fields_set else body.password
    answered = await context.gateway.cameras.set_wifi(context.sn, body.ssid, password)
    context.gateway.moves.follow(context.sn)
    if answered:
        return json_response({"ssid": body.ssid, "answered": True})
    detail = message("the connection dropped after the request went out, as it may; look whether the camera comes back")
    return json_response({"ssid": body.ssid, "answered": False, "detail": detail}, 202)


async def activate(context: RequestContext) -> web.StreamResponse:
    """Activate a camera for this account, and answer when the outcome is known."""
    body = await read_body(context.request, ActivationBody)
    if not body.confirm_erase:
        raise InvalidRequest(
            [FieldError("confirm_erase", message("must be true: activation deletes the camera's face groups"))]
        )
    registry, provisioning = context.gateway.registry, context.gateway.provisioning
    require_managed(registry.get(context.sn))
    request = ProvisioningRequest(activation_number=body.activation_number, confirm_erase=True)
    await provisioning.start(context.sn, request, timeouts=_ACTIVATION_TIMEOUTS)
    job = await provisioning.wait_until_ended(context.sn)
    if job.state != "done":
        raise job.problem or Conflict(job.detail)
    if job.get_step("activate").state == "skipped":
        raise Conflict(message("the camera {sn}: {reason}", sn=context.sn, reason=job.get_step("activate").detail))
    return json_response(registry.get(context.sn).describe())


async def start_provisioning(context: RequestContext) -> web.StreamResponse:
    """Start, or resume, the job that puts a camera to work."""
    body = await read_body(context.request, ProvisioningBody)
    request = ProvisioningRequest(**body.model_dump(exclude={"hotspot", "confirm_offline"}))
    if request.password is None:
        known = context.gateway.settings.provisioning.find_password(request.ssid)
        request = dataclasses.replace(request, password=known)
    if body.hotspot is not None:
        job = await provision_in_hotspot(context, body, request)
    else:
        job = await context.gateway.provisioning.start(context.sn, request)
    return json_response(job.describe(), 202, {"Location": f"/api/v1/cameras/{context.sn}/provisioning"})


async def show_provisioning(context: RequestContext) -> web.StreamResponse:
    """Show how far the job is."""
    return json_response(context.gateway.provisioning.get(context.sn).describe())


async def cancel_provisioning(context: RequestContext) -> web.StreamResponse:
    """Cancel the job; what the camera already took stays."""
    await context.gateway.provisioning.cancel(context.sn)
    return json_response(context.gateway.provisioning.get(context.sn).describe())


async def trust(context: RequestContext) -> web.StreamResponse:
    """Trust the certificate that a camera shows now, if it is the one that a person saw."""
    body = await read_body(context.request, TrustBody)
    await context.gateway.cameras.trust(context.sn, body.certificate_sha256.replace(":", "").lower())
    return json_response(context.gateway.registry.get(context.sn).describe())


async def capture_camera(context: RequestContext) -> web.StreamResponse:
    """Record a camera's responses to all calls that read and its discovery frames, without secrets or identities."""
    gateway = context.gateway
    document = await capture(
        context.sn, cameras=gateway.cameras, registry=gateway.registry, discovery=gateway.discovery
    )
    return json_response(document)


_CAMERA = "/api/v1/cameras/{sn}"

_FOUND = {200: DeclaredResponse("What the scan found.", "DiscoveryResult")}
_LIST = {200: DeclaredResponse("The cameras.", "CameraList")}
_ADDED = {201: DeclaredResponse("The camera.", "Camera")}
_SHOWN = {200: DeclaredResponse("The camera.", "Camera")}
_FORGOTTEN = {204: DeclaredResponse("Forgotten.")}
_JOB = {200: DeclaredResponse("The job.", "ProvisioningJob")}
_STARTED = {
    202: DeclaredResponse(
        "The job runs; `Location` shows its progress.",
        "ProvisioningJob",
        headers=("Location",),
    )
}
_WIFI = {
    200: DeclaredResponse("The camera took it.", "WifiChange"),
    202: DeclaredResponse("The connection dropped after the request went out.", "WifiChange"),
}
_CAPTURED = {200: DeclaredResponse("The record.", "Capture")}

ROUTES = (
    Route(
        "POST", "/api/v1/discovery", "Look for cameras now", discover, "installer", DiscoveryBody, _FOUND, audited=False
    ),
    Route(
        "GET",
        "/api/v1/cameras",
        "List the cameras, found and managed",
        list_cameras,
        "pos",
        responses=_LIST,
        etag_ignores=("last_seen",),
    ),
    Route("POST", "/api/v1/cameras", "Make a camera managed", add_camera, "installer", CameraBody, _ADDED),
    Route("GET", _CAMERA, "Show one camera", show_camera, "pos", responses=_SHOWN, etag_ignores=("last_seen",)),
    Route("DELETE", _CAMERA, "Forget a camera", forget_camera, "installer", responses=_FORGOTTEN),
    Route(
        "GET",
        f"{_CAMERA}/access-points",
        "List the Wi-Fi networks that it sees",
        access_points,
        "installer",
        responses={
            200: DeclaredResponse("The networks; `left_out` counts entries that cannot be read.", "AccessPointList")
        },
    ),
    Route(
        "PUT",
        f"{_CAMERA}/wifi",
        "Tell it the Wi-Fi network to join",
        set_wifi,
        "installer",
        WifiBody,
        _WIFI,
    ),
    Route(
        "POST", f"{_CAMERA}/activation", "Activate it for this account", activate, "installer", ActivationBody, _SHOWN
    ),
    Route(
        "POST",
        f"{_CAMERA}/provisioning",
        "Put it to work: Wi-Fi, activation and name in one job",
        start_provisioning,
        "installer",
        ProvisioningBody,
        _STARTED,
    ),
    Route("GET", f"{_CAMERA}/provisioning", "Show how far its job is", show_provisioning, "installer", responses=_JOB),
    Route("DELETE", f"{_CAMERA}/provisioning", "Cancel its job", cancel_provisioning, "installer", responses=_JOB),
    Route(
        "POST",
        f"{_CAMERA}/capture",
        "Record what it answers, redacted",
        capture_camera,
        "installer",
        responses=_CAPTURED,
        audited=False,
    ),
    Route("POST", f"{_CAMERA}/trust", "Trust the certificate that it shows", trust, "installer", TrustBody, _SHOWN),
)
