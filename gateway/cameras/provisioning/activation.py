"""The last steps of provisioning: activate, verify."""

from typing import Final

from gateway.cameras.cameras import ActivationUnknown
from gateway.cameras.provisioning.context import AWAY, Course, named, now
from gateway.cameras.provisioning.job import Reason, Skipped, StepFailed
from gateway.errors import CameraUntrusted, Conflict, VendorRefused
from gateway.protocol.catalogue import CATALOGUE

_NO_INTERNET: Final = 11
_ALREADY_ACTIVATED: Final = 4
_ACTIVATION_REASONS: Final[dict[int, Reason]] = {
    8: "wrong_serial_number",
    9: "wrong_activation_number",
    10: "app_id_rejected",
    _NO_INTERNET: "no_internet",
}
"""What an activation's refusals mean (NOTES: Camera return codes)."""
_UPDATE_NAME = CATALOGUE.get("camera", "config/updateName")


async def activate(course: Course) -> str:
    """Activate the camera. A refused request is sent again where that helps; one whose answer was lost never is."""
    job, limits = course.job, course.limits
    deadline = now() + limits.activate_s
    if job.activation_sent:
        return await _settle(course)
    if await course.evidence_before(deadline) == "activated":
        raise Skipped("activated by this account already")
    number = job.request.activation_number
    if number is None:
        raise Skipped("no activation number was given")
    while True:
        job.activation_sent = True
        await course.changed(job)  # on the disk before it is on the wire
        try:
            await course.cameras.activate(job.sn, number)
        except ActivationUnknown:
            return await _settle(course)
        except VendorRefused as exc:
            trouble = StepFailed(_ACTIVATION_REASONS.get(exc.vendor_code, "refused"), str(exc), exc)
            final = exc.vendor_code != _NO_INTERNET
            if exc.vendor_code == _ALREADY_ACTIVATED:
                return await _settle(course)
        except (*AWAY, CameraUntrusted) as exc:
            trouble, final = named(exc), isinstance(exc, CameraUntrusted)
        except Conflict:  # it has become activated since it was asked
            return await _settle(course)
        else:
            job.activation_sent = False
            return "activated"
        job.activation_sent = False
        await course.changed(job)
        if final or now() >= deadline:
            raise trouble
        await course.pause()


async def verify(course: Course) -> str:
    """Have the camera answer a signed call, if it is activated, and name it."""
    name = course.job.request.name
    deadline = now() + course.limits.verify_s
    if await course.evidence_before(deadline) != "activated":
        if name is not None:
            raise StepFailed("not_activated", f"the camera cannot be named {name!r} before it is activated")
        return "answers, and is not activated"
    while True:
        try:
            if name is not None:
                await course.cameras.call(course.job.sn, _UPDATE_NAME.encode({"name": name}))
            await course.cameras.refresh(course.job.sn)
        except AWAY:
            if now() >= deadline:
                raise
            await course.pause()
        else:
            return f"is {course.camera.name!r}, at {course.camera.address}"


async def _settle(course: Course) -> str:
    """Find out by evidence what became of an activation; never by sending it again."""
    deadline = now() + course.limits.activate_s
    while await course.evidence_before(deadline) != "activated":
        if now() >= deadline:
            raise StepFailed(
                "activation_unknown",
                f"an activation was sent to the camera {course.job.sn} and its answer was lost; the camera does not "
                "say that it is activated. Look at it: start again with {} to ask it once more, or with the "
                "activation number to send that again",
            )
        await course.pause()
    course.job.activation_sent = False
    return "activated, as the camera says; the answer had been lost"
