"""Checks of the cameras: whether each answers as the one it should be, its clock, and the client certificate."""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

from firmware_tools.language import count_message, describe_error, join, message
from gateway.cameras.activation_probe import CAMERA_NOT_OURS
from gateway.cameras.camera_clock import MAX_AHEAD_S
from gateway.cameras.record import CameraRecord, ClockSource
from gateway.cameras.video.ffmpeg import find_ffmpeg
from gateway.discovery.camera_tls import camera_tls_context, read_client_certificate
from gateway.doctor.certificates import check_validity
from gateway.doctor.check import CheckContext, Finding
from gateway.doctor.cloud import CLOCK_TOLERANCE_S
from gateway.errors import (
    CameraResponseMalformed,
    CameraUntrusted,
    Conflict,
    GatewayError,
    Problem,
    SettingsError,
    VendorRefused,
)

_MAX_CONCURRENCY: Final = 16
_CAMERA_TIMEOUT_S: Final = 12.0
_CLOCK_NAMES: Final[dict[ClockSource, str]] = {
    "": message("has accepted no call yet"),
    "camera": message("uses that time"),
    "cloud": message("uses the cloud's clock"),
    "own": message("uses this machine's clock"),
}


async def check_client_certificate(context: CheckContext) -> list[Finding]:
    """Open the client certificate that cameras may ask for."""
    settings = context.settings.cameras
    if not settings.client_certificate:
        return [
            Finding("skipped", message("no client certificate is set; some cameras require the vendor's openapi.p12"))
        ]
    file, password = Path(settings.client_certificate), settings.client_certificate_password
    try:
        camera_tls_context(file, password)
        certificate = read_client_certificate(file, password).certificate
    except SettingsError as exc:
        return [
            Finding(
                "failed", describe_error(exc), what_to_do=message("use the file and the password that the vendor sent")
            )
        ]
    subject = certificate.subject.rfc4514_string()
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return [
        check_validity(
            message("{file}: the client certificate", file=file),
            subject,
            begin,
            end,
            message("ask the vendor for a new one"),
        )
    ]


async def check_account(context: CheckContext) -> list[Finding]:
    """Compare the account that cameras are called with with the cloud's."""
    settings = context.settings
    app_id, secret_key = settings.camera_credentials
    if not app_id or not secret_key:
        return [Finding("skipped", message("there are no credentials for cameras"))]
    if app_id != settings.cloud.app_id:
        return [Finding("ok", message("cameras are called with an account of their own, {app_id}", app_id=app_id))]
    advice = message("ask the vendor for an account for cameras alone, and set cameras.app_id and cameras.secret_key")
    evidence = message("the vendor's signature holds for every call of the account, and cameras get to see it")
    return [Finding("ok", message("cameras are called with the account of the cloud"), evidence, advice)]


async def check_reachable(context: CheckContext) -> list[Finding]:
    """Ask every managed camera who it is."""
    failures = await _probe_cameras(context)
    if not failures:
        found = len(context.running_gateway.registry.all())
        what = message("no camera is managed; {found} found", found=found)
        return [Finding("skipped", what, what_to_do=message("sunmi-gateway cameras add SN") if found else "")]
    bad = [_describe_problem(sn, exc) for sn, exc in failures.items() if exc is not None]
    good = len(failures) - len(bad)
    if good:
        bad.append(
            Finding(
                "ok",
                message(
                    "managed cameras that respond as they should: {good} of {count}", good=good, count=len(failures)
                ),
            )
        )
    return bad


async def check_activation(context: CheckContext) -> list[Finding]:
    """Ask the managed cameras that this account cannot call whose they are. What they say is stored."""
    failures = await _probe_cameras(context)
    if not failures:
        return [Finding("skipped", message("no camera is managed"))]
    registry = context.running_gateway.registry
    askable = [
        sn
        for sn, exc in failures.items()
        if _was_refused(exc) or (exc is None and registry.get(sn).activation != "activated")
    ]
    await asyncio.gather(*(_probe_activation(context, sn) for sn in askable))
    findings = [finding for sn in failures if (finding := _describe_activation(registry.get(sn))) is not None]
    if right := len(failures) - len(findings):
        findings.append(
            Finding(
                "ok",
                message("managed cameras of this account: {right} of {count}", right=right, count=len(failures)),
            )
        )
    return findings


def _was_refused(problem: GatewayError | None) -> bool:
    """Tell whether a camera refused a signed call."""
    return isinstance(problem, VendorRefused) or (
        isinstance(problem, CameraUntrusted) and problem.vendor_code is not None
    )


async def _probe_activation(context: CheckContext, sn: str) -> None:
    with contextlib.suppress(GatewayError, TimeoutError):
        async with asyncio.timeout(_CAMERA_TIMEOUT_S):
            await context.running_gateway.cameras.probe_activation(sn)


def _describe_activation(camera: CameraRecord) -> Finding | None:
    """Return what is wrong with the activation of a managed camera; None if it is this account's."""
    match camera.activation:
        case "other_owner":
            advice = message(
                "let its owner unbind it in the SUNMI app, or correct cameras.app_id and cameras.secret_key"
            )
            return Finding("failed", message("{sn} belongs to another account", sn=camera.sn), what_to_do=advice)
        case "not_activated":
            advice = message("sunmi-gateway cameras provision {sn}", sn=camera.sn)
            return Finding("warning", message("{sn} is managed, but not activated", sn=camera.sn), what_to_do=advice)
        case "unknown":
            advice = message("see the finding on the cameras, then run the doctor again")
            return Finding("skipped", message("whose camera {sn} is cannot be told", sn=camera.sn), what_to_do=advice)
    return None


async def check_duplicates(context: CheckContext) -> list[Finding]:
    """Look for serial numbers that two devices announce."""
    await context.scan()
    cameras = context.running_gateway.registry.all()
    advice = message(
        "compare the labels of both devices; switch off the one that should not be there, and ask the vendor"
    )
    found = [
        Finding(
            "warning",
            message("two devices say that they are {sn}", sn=camera.sn),
            " and ".join(camera.duplicates),
            advice,
        )
        for camera in cameras
        if camera.duplicates is not None
    ]
    return found or [Finding("ok", message("every serial number is announced by one device"))]


async def check_clocks(context: CheckContext) -> list[Finding]:
    """Compare the cameras' clocks with the cloud's, or with this machine's as long as the cloud has told no time."""
    failures = await _probe_cameras(context)
    cameras, cloud = context.running_gateway.cameras, context.running_gateway.cloud.clock
    offsets = {sn: offset for sn in failures if (offset := cameras.clock_offset_s(sn)) is not None}
    if not offsets:
        return [Finding("skipped", message("no camera's time is known yet"))]
    right = cloud.offset_s or 0.0
    wrong = {sn: offset - right for sn, offset in offsets.items() if abs(offset - right) > CLOCK_TOLERANCE_S}
    if wrong:
        registry = context.running_gateway.registry
        evidence = join(
            ", ",
            (
                message("{sn} {off_s:+.0f} s, {clock}", sn=sn, off_s=off_s, clock=_CLOCK_NAMES[registry.get(sn).clock])
                for sn, off_s in wrong.items()
            ),
        )
        if any(off_s >= MAX_AHEAD_S for off_s in wrong.values()):
            consequence = message("no call is signed for a time {hours:.0f} hours ahead", hours=MAX_AHEAD_S / 3600)
        else:
            consequence = message("calls to them work anyway")
        advice = message(
            "let the cameras reach the internet, from which they set their clocks; {consequence}",
            consequence=consequence,
        )
        return [
            Finding(
                "warning",
                message("cameras that tell a wrong time: {count} of {total}", count=len(wrong), total=len(offsets)),
                evidence,
                advice,
            )
        ]
    what = count_message(
        "the clock of {count} camera is right", "the clocks of {count} cameras are right", len(offsets)
    )
    return [Finding("ok", what)]


async def _probe_cameras(context: CheckContext) -> dict[str, GatewayError | None]:
    """Return by serial number of each managed camera how asking it failed, or None."""

    async def probe_all() -> dict[str, GatewayError | None]:
        turns = asyncio.Semaphore(_MAX_CONCURRENCY)
        managed = [camera for camera in context.running_gateway.registry.all() if camera.managed]

        async def probe(camera: CameraRecord) -> GatewayError | None:
            async with turns:
                return await _probe(context, camera)

        return dict(zip([one.sn for one in managed], await asyncio.gather(*map(probe, managed)), strict=True))

    return await context.share("cameras", probe_all)


async def _probe(context: CheckContext, camera: CameraRecord) -> GatewayError | None:
    cameras = context.running_gateway.cameras
    try:
        async with asyncio.timeout(_CAMERA_TIMEOUT_S):
            if camera.activation == "activated":
                await cameras.refresh(camera.sn)
            elif (
                shown := await cameras.fetch_certificate_sha256(camera.sn)
            ) != camera.certificate_sha256 and camera.certificate_sha256:
                return CameraUntrusted(
                    message("it shows another certificate than the remembered one"), certificate_sha256=shown
                )
    except TimeoutError:
        return GatewayError(message("no answer within {camera_timeout_s:.0f} s", camera_timeout_s=_CAMERA_TIMEOUT_S))
    except GatewayError as exc:
        return exc
    return None


def _describe_problem(sn: str, problem: GatewayError) -> Finding:
    match problem:
        case CameraUntrusted(vendor_code=code) | VendorRefused(vendor_code=code) if code == CAMERA_NOT_OURS:
            advice = message("if it was reset, provision it again: sunmi-gateway cameras provision {sn}", sn=sn)
            return Finding("failed", message("{sn} is not activated for this account", sn=sn), problem.detail, advice)
        case CameraUntrusted():
            shown = problem.certificate_sha256
            advice = message(
                "compare it with the camera's: sunmi-gateway cameras trust {sn} --certificate {shown}",
                sn=sn,
                shown=shown,
            )
            if shown is None:
                advice = message("run `sunmi-gateway discover`")
            return Finding("failed", message("{sn} is not trusted", sn=sn), problem.detail, advice)
        case Conflict():
            return Finding(
                "skipped", message("{sn} cannot be called", sn=sn), problem.detail, message("run `sunmi-gateway init`")
            )
        case CameraResponseMalformed():
            advice = message("show the vendor what it sends: sunmi-gateway cameras capture {sn} --json", sn=sn)
            return Finding(
                "failed", message("{sn} answers, but what it sends cannot be read", sn=sn), problem.detail, advice
            )
        case VendorRefused():
            advice = message(
                "see the findings on whose camera it is and on its clock; the code's meaning: sunmi-gateway catalogue"
            )
            return Finding("failed", message("{sn} answers, but refuses the call", sn=sn), problem.detail, advice)
        case Problem():
            advice = message("check its power and its network, then `sunmi-gateway discover`")
            return Finding("failed", message("{sn} does not respond as it should", sn=sn), problem.detail, advice)
    return Finding(
        "failed",
        message("{sn} does not answer", sn=sn),
        describe_error(problem),
        message("check its power and its network"),
    )


async def check_pictures(context: CheckContext) -> list[Finding]:
    """See whether cameras' pictures can be shown."""
    if not context.settings.video.max_streams:
        return [Finding("skipped", message("pictures of cameras are switched off (video.max_streams)"))]
    found = find_ffmpeg()
    if found is None:
        what = message("ffmpeg is not installed, so pictures of cameras cannot be shown")
        return [Finding("warning", what, what_to_do=message("install it: apt install ffmpeg"))]
    return [Finding("ok", message("ffmpeg is there for the cameras' pictures"), found)]
