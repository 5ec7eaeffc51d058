"""The steps that bring a camera onto the store's network: reach, networks, wifi, rejoin."""

import asyncio
from typing import Final

from firmware_tools.language import Message, describe_error, join, message
from gateway.cameras.cameras import AccessPointListUnsupported
from gateway.cameras.provisioning.context import (
    RETRYABLE_ERRORS,
    ProvisioningContext,
    StepDeadline,
    loop_time,
    make_step_failure,
)
from gateway.cameras.provisioning.job import ProvisioningRequest, StepFailed, StepSkipped
from gateway.cameras.wifi_networks import describe_networks, find_networks, uses_wep, uses_wpa
from gateway.errors import CameraUntrusted, InvalidRequest, VendorRefused

_BAD_PASSWORD: Final = 101


async def reach_camera(context: ProvisioningContext) -> str:
    """Find the camera and make it managed; in its hotspot, if a person has joined that and Wi-Fi is to be set."""
    job = context.job
    deadline = context.start_waiting(context.timeouts.reach_s)
    was_seen = False
    while True:
        # Only a scan tells whether it is in hotspot mode, and what to do about Wi-Fi depends on that.
        if job.request.ssid is None and _has_own_address(context) and await context.answers():
            return message("answers at {address}", address=context.camera.address)
        if await context.scan():
            was_seen = True
            if not context.camera.managed:
                await context.registry.manage(job.sn)
            if await context.answers():
                job.via_hotspot = job.via_hotspot or context.camera.hotspot
                if context.camera.hotspot:
                    return message("answers in hotspot mode at {address}", address=context.camera.address)
                return message("answers at {address}", address=context.camera.address)
        elif job.request.ssid is not None and _has_own_address(context) and await context.answers():
            return message("answers at {address}", address=context.camera.address)
        may_be_in_hotspot = not was_seen and job.request.ssid is not None
        await deadline.wait(context.last_failure, _hotspot_advice(context) if may_be_in_hotspot else None)


async def check_network(context: ProvisioningContext) -> str:
    """Wait until the camera sees the network that it is to join. Refuse one of a kind that it cannot join."""
    request = context.job.request
    if request.ssid is None:
        raise StepSkipped(message("no network was given"))
    if _has_joined(context):
        raise StepSkipped(message("the camera has joined already"))
    deadline = context.start_waiting(context.timeouts.networks_s)
    while True:
        try:
            access_points = await context.cameras.list_access_points(context.job.sn)
        except AccessPointListUnsupported:
            return message("the camera's firmware does not list networks; the given name is taken as it is")
        except (*RETRYABLE_ERRORS, CameraUntrusted) as exc:
            failure = make_step_failure(exc)
            await _wait_for_camera(context, deadline, failure)
            continue
        networks = find_networks(access_points, request.ssid)
        if networks and all(map(uses_wep, networks)):
            raise StepFailed(
                "wep_not_supported",
                message("the network {ssid!r} uses WEP, which cameras do not support", ssid=request.ssid),
            )
        joinable = [one for one in networks if not uses_wep(one)]
        if joinable and all(map(uses_wpa, joinable)) and not request.password:
            raise StepFailed("wrong_wifi_password", message("the network {ssid!r} needs a password", ssid=request.ssid))
        if joinable:
            return message("the camera sees {ssid!r}", ssid=request.ssid)
        if request.hidden:
            return message(
                "the camera sees {networks}; the given name is taken as it is",
                networks=describe_networks(access_points),
            )
        seen = describe_networks(access_points)
        unseen = StepFailed(
            "network_not_seen",
            message("the camera does not see {ssid!r}; it sees {seen}", ssid=request.ssid, seen=seen),
        )
        await deadline.wait(unseen, None)


async def join_wifi(context: ProvisioningContext) -> str:
    """Tell the camera to join the network. After a crash it is told again, which has the same effect."""
    request = context.job.request
    if request.ssid is None:
        raise StepSkipped(message("no network was given"))
    if _has_joined(context):
        raise StepSkipped(message("the camera has joined already"))
    await _send_wifi(context)
    answered = context.job.wifi_answered
    return message("the camera accepted the network") if answered else message("the camera left before it answered")


async def _send_wifi(context: ProvisioningContext) -> None:
    """Tell the camera to join the network, and note whether it answered."""
    job, request = context.job, context.job.request
    deadline = context.start_waiting(context.timeouts.reach_s)

    async def record() -> None:
        job.wifi_sent = True
        await context.save(job)

    while True:
        await context.confirm_certificate()
        try:
            job.wifi_answered = await context.cameras.set_wifi(
                job.sn, request.ssid or "", request.password or "", before_sending=record
            )
        except InvalidRequest as exc:
            raise StepFailed("wep_not_supported", describe_error(exc)) from exc
        except VendorRefused as exc:
            if exc.vendor_code == _BAD_PASSWORD:
                raise StepFailed("wrong_wifi_password", describe_error(exc)) from exc
            raise
        except (*RETRYABLE_ERRORS, CameraUntrusted) as exc:
            await _wait_for_camera(context, deadline, make_step_failure(exc))
        else:
            job.wifi_address = context.camera.address
            return


async def _wait_for_camera(context: ProvisioningContext, deadline: StepDeadline, failure: StepFailed) -> None:
    """Look for the camera until the next try is due. Raises the failure when time is up.

    A person who left the camera's hotspot is asked to join it again.
    """
    if failure.reason == "certificate_changed":
        raise failure
    if failure.reason == "wrong_serial_number":
        deadline.wrong_camera = failure
    found = await context.scan()
    if not found:
        failure = deadline.wrong_camera or failure  # by the scan that camera has the address now
    in_hotspot = context.job.via_hotspot and not found
    await deadline.wait(failure, join("; ", [failure.detail, _hotspot_advice(context)]) if in_hotspot else None)


async def wait_for_rejoin(context: ProvisioningContext) -> str:
    """Wait until the camera leaves, and find it by its serial number, most likely at another address."""
    job, timeouts = context.job, context.timeouts
    if job.get_step("wifi").state != "done":
        raise StepSkipped(message("the camera stays on its network"))
    left_by = loop_time() + timeouts.leave_s
    # A person is asked to go back only if the camera does not appear by itself: some hosts are in both networks.
    may_ask_person = job.via_hotspot
    deadline = loop_time() + (timeouts.reach_s if may_ask_person else timeouts.rejoin_s)
    decided = False  # until the camera has left, or has had its time for that
    while True:
        devices = await context.scan()
        decided = decided or loop_time() >= left_by or not (devices or await _answers_handshake(context, left_by))
        in_hotspot = bool(devices) and context.camera.hotspot
        if in_hotspot and decided and not (job.wifi_answered or job.wifi_sent_again):
            # It may have lost its power before it had stored the network.
            job.wifi_sent_again = True
            await _send_wifi(context)
            decided, left_by = False, loop_time() + timeouts.leave_s
            deadline = max(deadline, loop_time() + timeouts.rejoin_s)
            continue
        if in_hotspot and decided:
            raise StepFailed("wrong_wifi_password", _describe_not_joined(job.request))
        moved = any(not device.hotspot and device.address != job.wifi_address for device in devices)
        if not in_hotspot and (moved or decided) and (devices or not job.via_hotspot) and await context.answers():
            if moved or job.via_hotspot:
                return message("is on the network at {address}", address=context.camera.address)
            return message(
                "is at {address} as before; if that is by its cable, whether it joins {ssid!r} shows only without it",
                address=context.camera.address,
                ssid=job.request.ssid,
            )
        if loop_time() >= deadline:
            if not may_ask_person:
                raise _not_found_failure(context)
            may_ask_person = False
            await context.wait_for_person(
                "return_to_lan",
                message("go back to the store's network, then go on: the camera has been told to join it"),
            )
            deadline = loop_time() + timeouts.person_s
        if await context.pause():
            may_ask_person = False
            deadline = loop_time() + timeouts.rejoin_s


def _has_own_address(context: ProvisioningContext) -> bool:
    """Tell whether the camera has an address of its own on this network, as far as is known."""
    camera = context.find_record()
    return camera is not None and camera.is_on_network and not context.job.via_hotspot


def _has_joined(context: ProvisioningContext) -> bool:
    """Tell whether a camera that was in hotspot mode is on the network by now: it was told to join before a crash."""
    return context.job.via_hotspot and not context.camera.hotspot


async def _answers_handshake(context: ProvisioningContext, until: float) -> bool:
    """Tell whether the camera completes a handshake by then. A hotspot that is gone refuses nothing: all is lost."""
    try:
        async with asyncio.timeout_at(until):
            await context.cameras.fetch_certificate_sha256(context.job.sn)
    except (*RETRYABLE_ERRORS, TimeoutError):
        return False
    return True


def _not_found_failure(context: ProvisioningContext) -> StepFailed:
    return StepFailed(
        "not_reachable",
        message(
            "the camera {sn} was told to join {ssid!r} but was not found on this network since; is "
            "that network this one, and the password right? ({reason})",
            sn=context.job.sn,
            ssid=context.job.request.ssid,
            reason=context.last_failure.detail,
        ),
    )


def _hotspot_advice(context: ProvisioningContext) -> str:
    camera = context.find_record()
    digits = camera.mac.replace(":", "")[-4:] if camera is not None else ""
    name = f"SUNMI_{digits}" if digits else message("SUNMI_XXXX (the last four digits of the MAC on its label)")
    return message(
        "the camera {sn} is not on this network: join its Wi-Fi network {name}, then go on. It "
        "offers that about 20 s after power-on, without a network cable, when its LED blinks "
        "green; else hold RESET for 5 s",
        sn=context.job.sn,
        name=name,
    )


def _describe_not_joined(request: ProvisioningRequest) -> Message:
    if request.hidden:
        return message(
            "the camera did not join {ssid!r} and is back in hotspot mode: of a hidden network, its name or its "
            "password is most likely wrong",
            ssid=request.ssid,
        )
    return message(
        "the camera did not join {ssid!r} and is back in hotspot mode: the password is most likely wrong",
        ssid=request.ssid,
    )
