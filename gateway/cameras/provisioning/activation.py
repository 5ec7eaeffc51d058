"""The last steps of provisioning: activate, verify."""

from typing import Final

from firmware_tools.language import describe_error, message
from gateway.cameras.cameras import ActivationOutcomeUnknown
from gateway.cameras.provisioning.context import RETRYABLE_ERRORS, ProvisioningContext, loop_time, make_step_failure
from gateway.cameras.provisioning.job import Reason, StepFailed, StepSkipped
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
"""The meaning of return codes of an activation (NOTES: Camera return codes)."""
_UPDATE_NAME = CATALOGUE.get("camera", "config/updateName")


async def activate(context: ProvisioningContext) -> str:
    """Activate the camera. A refused request is sent again if that may help; one of unknown outcome never is."""
    job = context.job
    deadline = loop_time() + context.timeouts.activate_s
    if job.activation_sent:
        return await _resolve_outcome(context)

    async def record() -> None:
        job.activation_sent = True
        await context.save(job)  # on the disk before it is on the wire

    if await context.wait_for_activation_state(deadline) == "activated":
        raise StepSkipped(message("activated by this account already"))
    number = job.request.activation_number
    if number is None:
        raise StepSkipped(message("no activation number was given"))
    while True:
        try:
            await context.cameras.activate(job.sn, number, before_sending=record)
        except ActivationOutcomeUnknown:
            return await _resolve_outcome(context, answer_lost=True)
        except Conflict:  # it has become activated since it was asked
            return await _resolve_outcome(context)
        except VendorRefused as exc:
            if exc.vendor_code == _ALREADY_ACTIVATED:
                return await _resolve_outcome(context)
            failure = StepFailed(_ACTIVATION_REASONS.get(exc.vendor_code, "refused"), describe_error(exc), exc)
            is_final = exc.vendor_code != _NO_INTERNET
        except (*RETRYABLE_ERRORS, CameraUntrusted) as exc:
            failure, is_final = make_step_failure(exc), isinstance(exc, CameraUntrusted)
        else:
            job.activation_sent = False
            return message("activated")
        job.activation_sent = False
        await context.save(job)
        if is_final or loop_time() >= deadline:
            raise failure
        await context.pause()


async def verify(context: ProvisioningContext) -> str:
    """Let the camera answer a signed call, if it is activated, and give it its name."""
    name = context.job.request.name
    deadline = loop_time() + context.timeouts.verify_s
    if await context.wait_for_activation_state(deadline) != "activated":
        if name is not None:
            raise StepFailed(
                "not_activated", message("the camera cannot be named {name!r} before it is activated", name=name)
            )
        return message("answers, and is not activated")
    while True:
        try:
            if name is not None:
                await context.cameras.call(context.job.sn, _UPDATE_NAME.encode({"name": name}))
            await context.cameras.refresh(context.job.sn)
        except RETRYABLE_ERRORS:
            if loop_time() >= deadline:
                raise
            await context.pause()
        else:
            return message("is {name!r}, at {address}", name=context.camera.name, address=context.camera.address)


async def _resolve_outcome(context: ProvisioningContext, *, answer_lost: bool = False) -> str:
    """Find out the outcome of an activation from the camera's state, never by sending it again."""
    deadline = loop_time() + context.timeouts.activate_s
    while await context.wait_for_activation_state(deadline) != "activated":
        if loop_time() >= deadline:
            raise StepFailed(
                "activation_unknown",
                message(
                    "{sent}; the camera does not say that it is activated. Look at it, then resume to ask it once "
                    "more, or give the activation number again to send that again",
                    sent=_describe_sending(context.job.sn, answer_lost=answer_lost),
                ),
            )
        await context.pause()
    context.job.activation_sent = False
    if answer_lost:
        return message("activated, as the camera says; the answer had been lost")
    return message("activated, as the camera says")


def _describe_sending(sn: str, *, answer_lost: bool) -> str:
    if answer_lost:
        return message("an activation was sent to the camera {sn}, and its answer was lost", sn=sn)
    return message("an activation was sent to the camera {sn}", sn=sn)
