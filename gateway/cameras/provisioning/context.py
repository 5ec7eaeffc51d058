"""The provisioning context: what every step uses to find the camera, ask for its state, and wait for a person."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from firmware_tools.language import describe_error, message
from gateway.cameras.cameras import ActivatedByOtherAccount, Cameras
from gateway.cameras.provisioning.job import ProvisioningJob, Reason, StepFailed
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Activation, Registry
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.scan import ScanResult
from gateway.errors import (
    CameraResponseMalformed,
    CameraUnreachable,
    CameraUntrusted,
    Conflict,
    GatewayError,
    NotFound,
    PeerTimeout,
    Problem,
    RateLimited,
    VendorRefused,
)

RETRYABLE_ERRORS: Final = (CameraUnreachable, PeerTimeout, RateLimited)
"""What a call raises if another try may succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimeouts:
    """How long the steps take at most, in seconds."""

    reach_s: float = 30
    """To reach the camera, and to reach it again for its Wi-Fi settings."""
    networks_s: float = 20
    """Until the camera sees the Wi-Fi network."""
    rejoin_s: float = 150
    """Until the camera is found on the store's network."""
    leave_s: float = 20
    """Until the camera leaves its hotspot. Only one that is still or again there after that did not join."""
    activate_s: float = 60
    """To activate, and to find out the outcome of an activation."""
    verify_s: float = 30
    """Until the camera answers a signed call."""
    probe_s: float = 5
    """Between two probes of the camera."""
    person_s: float = 3600
    """Until a person has done what was asked for."""


class ProvisioningContext:
    """One job under way, and the means to do its steps."""

    def __init__(
        self,
        job: ProvisioningJob,
        cameras: Cameras,
        registry: Registry,
        scan: Callable[[], Awaitable[ScanResult]],
        timeouts: StepTimeouts,
        save: Callable[[ProvisioningJob], Awaitable[None]],
    ) -> None:
        """Take a function that scans the network, and one that stores and publishes the job.

        What `save` raises ends the job.
        """
        self.job = job
        self.cameras = cameras
        self.registry = registry
        self.timeouts = timeouts
        self.save = save
        self.last_failure = make_step_failure(
            CameraUnreachable(message("the camera {sn} was not found: is it on this network, and on?", sn=job.sn))
        )
        """Why the camera did not answer the last time."""
        self._scan = scan

    @property
    def camera(self) -> CameraRecord:
        """The camera's record. Raises `NotFound`."""
        return self.registry.get(self.job.sn)

    def find_record(self) -> CameraRecord | None:
        """Return the camera's record, if there is one."""
        return self.registry.find(self.job.sn)

    async def scan(self) -> list[DiscoveredDevice]:
        """Scan the network and return where the camera was seen. The registry has it by then."""
        try:
            result = await self._scan()
        except GatewayError:
            return []
        return [device for device in result.devices if device.sn == self.job.sn]

    async def confirm_certificate(self) -> None:
        """Have the certificate pinned that the camera shows to the person who provisions it.

        Raises `StepFailed` if other cameras have proved themselves with another one.
        """
        if self.camera.certificate_sha256:
            return
        try:
            await self.cameras.confirm_certificate(self.job.sn)
        except CameraUntrusted as exc:
            add = f"sunmi-gateway cameras add {self.job.sn} --certificate {exc.certificate_sha256}"
            raise StepFailed(
                "certificate_changed", message("{reason}: {command}", reason=exc.detail, command=add), exc
            ) from exc
        except RETRYABLE_ERRORS:
            pass  # the probe that follows tells why

    async def probe_activation(self) -> Activation | None:
        """Ask the camera for its activation state. Return None, and set `last_failure`, if it does not answer.

        Raises `StepFailed` if its certificate has changed.
        """
        await self.confirm_certificate()
        try:
            return await self.cameras.probe_activation(self.job.sn)
        except (*RETRYABLE_ERRORS, CameraUntrusted, VendorRefused) as exc:
            self.last_failure = make_step_failure(exc)
        if self.last_failure.reason == "certificate_changed":
            raise self.last_failure
        return None

    async def answers(self) -> bool:
        """Tell whether the camera answers. Raises `StepFailed` if it belongs to another account."""
        activation = await self.probe_activation()
        if activation == "other_owner":
            raise self._other_owner_failure()
        return activation is not None

    async def wait_for_activation_state(self, deadline: float) -> Activation:
        """Ask the camera for its activation state until it answers.

        Raises `StepFailed` at the deadline, and if the camera belongs to another account.
        """
        while (activation := await self.probe_activation()) is None:
            if loop_time() >= deadline:
                raise self.last_failure
            await self.scan()
            await self.pause()
        if activation == "other_owner":
            raise self._other_owner_failure()
        return activation

    def _other_owner_failure(self) -> StepFailed:
        return StepFailed(
            "other_owner",
            message(
                "the camera {sn} is activated by another account, or the secret key in the settings is "
                "wrong; its owner has to reset it first",
                sn=self.job.sn,
            ),
        )

    async def pause(self) -> bool:
        """Wait until the next probe is due. Return True at once if a person requested to resume."""
        try:
            async with asyncio.timeout(self.timeouts.probe_s):
                await self.job.resume_requested.wait()
        except TimeoutError:
            return False
        self.job.resume_requested.clear()
        return True

    def start_waiting(self, timeout_s: float) -> "StepDeadline":
        """Return the deadline of a step that begins now."""
        return StepDeadline(self, timeout_s)

    async def wait_for_person(self, reason: Reason, advice: str) -> None:
        """Let the job wait for a person. Meanwhile the step still looks for the camera."""
        self.job.state, self.job.reason, self.job.detail = "waiting", reason, advice
        self.job.get_step(self.job.step).detail = advice
        await self.save(self.job)


class StepDeadline:
    """The time by which a step gives up: its own timeout, then the time that a person has to help, if one can."""

    def __init__(self, context: ProvisioningContext, timeout_s: float) -> None:
        self._context = context
        self._timeout_s = timeout_s
        self._deadline = loop_time() + timeout_s
        self._give_up_at: float | None = None  # known once a person was asked to help
        self.wrong_camera: StepFailed | None = None
        """The failure to find another camera in the place of this one, if that was so."""

    async def wait(self, failure: StepFailed, advice: str | None) -> None:
        """Wait until the next try is due. Raises the failure of the last try when time is up.

        With `advice`, a person is asked to join the camera's hotspot first, and has time for that.
        """
        context = self._context
        if loop_time() >= self._deadline:
            self._give_up_at = self._give_up_at or loop_time() + context.timeouts.person_s
            if advice is None or loop_time() >= self._give_up_at:
                raise failure
            await context.wait_for_person("join_hotspot", advice)
            self._deadline = self._give_up_at
        if await context.pause():
            self._deadline = min(loop_time() + self._timeout_s, self._give_up_at or self._deadline)


def make_step_failure(error: GatewayError) -> StepFailed:
    """Return the failure of a step that an error amounts to."""
    reason: Reason
    match error:
        case CameraUntrusted(certificate_sha256=shown):
            reason = "certificate_changed" if shown is not None else "wrong_serial_number"
        case VendorRefused():
            reason = "refused"
        case ActivatedByOtherAccount():
            reason = "other_owner"
        case Conflict():
            reason = "no_credentials"
        case CameraResponseMalformed():
            reason = "malformed_response"
        case CameraUnreachable() | PeerTimeout() | RateLimited() | NotFound():
            reason = "not_reachable"
        case _:
            reason = "internal"
    return StepFailed(reason, describe_error(error), error if isinstance(error, Problem) else None)


def loop_time() -> float:
    """Return the time of the event loop, in which deadlines are given."""
    return asyncio.get_running_loop().time()
