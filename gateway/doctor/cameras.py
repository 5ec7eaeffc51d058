"""Checks of the cameras: whether each answers as the one it should be, its clock, and the client certificate."""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

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
    "": "has accepted no call yet",
    "camera": "uses that time",
    "cloud": "uses the cloud's clock",
    "own": "uses this machine's clock",
}


async def check_client_certificate(context: CheckContext) -> list[Finding]:
    """Open the client certificate that cameras may ask for."""
    settings = context.settings.cameras
    if not settings.client_certificate:
        return [Finding("skipped", "no client certificate is set; some cameras require the vendor's openapi.p12")]
    file, password = Path(settings.client_certificate), settings.client_certificate_password
    try:
        camera_tls_context(file, password)
        certificate = read_client_certificate(file, password).certificate
    except SettingsError as exc:
        return [Finding("failed", str(exc), what_to_do="use the file and the password that the vendor sent")]
    subject = certificate.subject.rfc4514_string()
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return [check_validity(f"{file}: the client certificate", subject, begin, end, "ask the vendor for a new one")]


async def check_account(context: CheckContext) -> list[Finding]:
    """Compare the account that cameras are called with with the cloud's."""
    settings = context.settings
    app_id, secret_key = settings.camera_credentials
    if not app_id or not secret_key:
        return [Finding("skipped", "there are no credentials for cameras")]
    if app_id != settings.cloud.app_id:
        return [Finding("ok", f"cameras are called with an account of their own, {app_id}")]
    advice = "ask the vendor for an account for cameras alone, and set cameras.app_id and cameras.secret_key"
    evidence = "the vendor's signature holds for every call of the account, and cameras get to see it"
    return [Finding("ok", "cameras are called with the account of the cloud", evidence, advice)]


async def check_reachable(context: CheckContext) -> list[Finding]:
    """Ask every managed camera who it is."""
    failures = await _probe_cameras(context)
    if not failures:
        found = len(context.running_gateway.registry.all())
        what = f"no camera is managed; {found} found"
        return [Finding("skipped", what, what_to_do="sunmi-gateway cameras add SN" if found else "")]
    bad = [_describe_problem(sn, exc) for sn, exc in failures.items() if exc is not None]
    good = len(failures) - len(bad)
    if good:
        bad.append(Finding("ok", f"{good} of {len(failures)} managed cameras respond as they should"))
    return bad


async def check_activation(context: CheckContext) -> list[Finding]:
    """Ask the managed cameras that this account cannot call whose they are. What they say is stored."""
    failures = await _probe_cameras(context)
    if not failures:
        return [Finding("skipped", "no camera is managed")]
    registry = context.running_gateway.registry
    askable = [
        sn
        for sn, exc in failures.items()
        if _was_refused(exc) or (exc is None and registry.get(sn).activation != "activated")
    ]
    await asyncio.gather(*(_probe_activation(context, sn) for sn in askable))
    findings = [finding for sn in failures if (finding := _describe_activation(registry.get(sn))) is not None]
    if right := len(failures) - len(findings):
        findings.append(Finding("ok", f"{right} of {len(failures)} managed cameras are this account's"))
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
            advice = "let its owner unbind it in the SUNMI app, or correct cameras.app_id and cameras.secret_key"
            return Finding("failed", f"{camera.sn} belongs to another account", what_to_do=advice)
        case "not_activated":
            advice = f"sunmi-gateway cameras provision {camera.sn}"
            return Finding("warning", f"{camera.sn} is managed, but not activated", what_to_do=advice)
        case "unknown":
            advice = "see the finding on the cameras, then run the doctor again"
            return Finding("skipped", f"whose camera {camera.sn} is cannot be told", what_to_do=advice)
    return None


async def check_duplicates(context: CheckContext) -> list[Finding]:
    """Look for serial numbers that two devices announce."""
    await context.scan()
    cameras = context.running_gateway.registry.all()
    advice = "compare the labels of both devices; switch off the one that should not be there, and ask the vendor"
    found = [
        Finding("warning", f"two devices say that they are {camera.sn}", " and ".join(camera.duplicates), advice)
        for camera in cameras
        if camera.duplicates is not None
    ]
    return found or [Finding("ok", "every serial number is announced by one device")]


async def check_clocks(context: CheckContext) -> list[Finding]:
    """Compare the cameras' clocks with the cloud's, or with this machine's as long as the cloud has told no time."""
    failures = await _probe_cameras(context)
    cameras, cloud = context.running_gateway.cameras, context.running_gateway.cloud.clock
    offsets = {sn: offset for sn in failures if (offset := cameras.clock_offset_s(sn)) is not None}
    if not offsets:
        return [Finding("skipped", "no camera's time is known yet")]
    right = cloud.offset_s or 0.0
    wrong = {sn: offset - right for sn, offset in offsets.items() if abs(offset - right) > CLOCK_TOLERANCE_S}
    if wrong:
        registry = context.running_gateway.registry
        evidence = ", ".join(
            f"{sn} {off_s:+.0f} s, {_CLOCK_NAMES[registry.get(sn).clock]}" for sn, off_s in wrong.items()
        )
        advice = "let the cameras reach the internet, from which they set their clocks; "
        if any(off_s >= MAX_AHEAD_S for off_s in wrong.values()):
            advice += f"no call is signed for a time {MAX_AHEAD_S / 3600:.0f} hours ahead"
        else:
            advice += "calls to them work anyway"
        return [Finding("warning", f"{len(wrong)} of {len(offsets)} cameras tell a wrong time", evidence, advice)]
    return [Finding("ok", f"the clocks of {len(offsets)} cameras are right")]


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
                return CameraUntrusted("it shows another certificate than the remembered one", certificate_sha256=shown)
    except TimeoutError:
        return GatewayError(f"no answer within {_CAMERA_TIMEOUT_S:.0f} s")
    except GatewayError as exc:
        return exc
    return None


def _describe_problem(sn: str, problem: GatewayError) -> Finding:
    match problem:
        case CameraUntrusted(vendor_code=code) | VendorRefused(vendor_code=code) if code == CAMERA_NOT_OURS:
            advice = f"if it was reset, provision it again: sunmi-gateway cameras provision {sn}"
            return Finding("failed", f"{sn} is not activated for this account", problem.detail, advice)
        case CameraUntrusted():
            shown = problem.certificate_sha256
            advice = f"compare it with the camera's: sunmi-gateway cameras trust {sn} --certificate {shown}"
            if shown is None:
                advice = "run `sunmi-gateway discover`"
            return Finding("failed", f"{sn} is not trusted", problem.detail, advice)
        case Conflict():
            return Finding("skipped", f"{sn} cannot be called", problem.detail, "run `sunmi-gateway init`")
        case CameraResponseMalformed():
            advice = f"show the vendor what it sends: sunmi-gateway cameras capture {sn} --json"
            return Finding("failed", f"{sn} answers, but what it sends cannot be read", problem.detail, advice)
        case Problem():
            advice = "check its power and its network, then `sunmi-gateway discover`"
            return Finding("failed", f"{sn} does not respond as it should", problem.detail, advice)
    return Finding("failed", f"{sn} does not answer", str(problem), "check its power and its network")


async def check_pictures(context: CheckContext) -> list[Finding]:
    """See whether cameras' pictures can be shown."""
    if not context.settings.video.max_streams:
        return [Finding("skipped", "pictures of cameras are switched off (video.max_streams)")]
    found = find_ffmpeg()
    if found is None:
        what = "ffmpeg is not installed, so pictures of cameras cannot be shown"
        return [Finding("warning", what, what_to_do="install it: apt install ffmpeg")]
    return [Finding("ok", "ffmpeg is there for the cameras' pictures", found)]
