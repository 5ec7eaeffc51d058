"""What every step of provisioning uses: looking for the camera, asking how it stands, waiting for a person."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.cameras.cameras import Cameras, OtherOwner
from gateway.cameras.provisioning.job import Job, Reason, StepFailed
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Activation, Registry
from gateway.discovery.device import DiscoveredDevice
from gateway.errors import (
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

HOTSPOT_NETWORK: Final = ipaddress.ip_network("192.168.200.0/24")
"""The network of every camera's own hotspot (NOTES: Camera hotspot)."""
AWAY: Final = (CameraUnreachable, PeerTimeout, RateLimited)
"""What a call raises when another try may succeed."""


class Round(Protocol):
    """What a discovery round has seen."""

    @property
    def sightings(self) -> Sequence[DiscoveredDevice]:
        """Everything that said who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long the steps take at most, in seconds.

    `probe_s` is the time between two looks for a camera. `leave_s` is how long a camera may take to leave its hotspot:
    only one that is there after that, or that has come back, did not join. `person_s` is how long a person may take.
    """

    reach_s: float = 30
    networks_s: float = 20
    rejoin_s: float = 150
    leave_s: float = 20
    activate_s: float = 60
    verify_s: float = 30
    probe_s: float = 5
    person_s: float = 3600


class Course:
    """One job on its way. `changed` stores and publishes the job; what it raises ends the job."""

    def __init__(
        self,
        job: Job,
        cameras: Cameras,
        registry: Registry,
        discover: Callable[[], Awaitable[Round]],
        limits: Limits,
        changed: Callable[[Job], Awaitable[None]],
    ) -> None:
        self.job = job
        self.cameras = cameras
        self.registry = registry
        self.limits = limits
        self.changed = changed
        self.trouble = named(CameraUnreachable(f"the camera {job.sn} was not found: is it on this network, and on?"))
        """Why the camera did not answer the last time."""
        self._discover = discover

    @property
    def camera(self) -> CameraRecord:
        """What is known of the camera. Raises `NotFound`."""
        return self.registry.get(self.job.sn)

    def known(self) -> CameraRecord | None:
        """Return what is known of the camera, if anything."""
        try:
            return self.camera
        except NotFound:
            return None

    async def look(self) -> list[DiscoveredDevice]:
        """Make a discovery round and return where the camera was seen in it."""
        try:
            found = await self._discover()
        except GatewayError:
            return []
        return [sighting for sighting in found.sightings if sighting.sn == self.job.sn]

    async def evidence(self) -> Activation | None:
        """Ask the camera how it stands; None, with the trouble noted, when it does not answer as itself."""
        try:
            return await self.cameras.activation_evidence(self.job.sn)
        except (*AWAY, CameraUntrusted, VendorRefused) as exc:
            self.trouble = named(exc)
        if self.trouble.reason == "certificate_changed":
            raise self.trouble
        return None

    async def answers(self) -> bool:
        """Tell whether the camera answers. Raises `StepFailed` when it belongs to another account."""
        activation = await self.evidence()
        if activation == "other_owner":
            raise self._not_ours()
        return activation is not None

    async def evidence_before(self, deadline: float) -> Activation:
        """Ask the camera how it stands until it answers. Raises `StepFailed` at the deadline, and for another owner."""
        while (activation := await self.evidence()) is None:
            if now() >= deadline:
                raise self.trouble
            await self.look()
            await self.pause()
        if activation == "other_owner":
            raise self._not_ours()
        return activation

    def _not_ours(self) -> StepFailed:
        return StepFailed(
            "other_owner",
            f"the camera {self.job.sn} is activated by another account, or the secret key in the settings is wrong; "
            "its owner has to reset it first",
        )

    async def pause(self) -> bool:
        """Wait until it is time for the next look; True when a person said: go on."""
        try:
            async with asyncio.timeout(self.limits.probe_s):
                await self.job.nudged.wait()
        except TimeoutError:
            return False
        self.job.nudged.clear()
        return True

    async def wait_for_person(self, reason: Reason, advice: str) -> None:
        """Let the job be waiting until a person says that it may go on; the camera is looked for meanwhile."""
        self.job.state, self.job.reason, self.job.detail = "waiting", reason, advice
        self.job.entry(self.job.step).detail = advice
        await self.changed(self.job)


def named(error: GatewayError) -> StepFailed:
    """Return the failure of a step that an error amounts to."""
    reason: Reason
    match error:
        case CameraUntrusted(certificate_sha256=shown):
            reason = "certificate_changed" if shown is not None else "wrong_serial_number"
        case VendorRefused():
            reason = "refused"
        case OtherOwner():
            reason = "other_owner"
        case Conflict():
            reason = "no_credentials"
        case CameraUnreachable() | PeerTimeout() | RateLimited() | NotFound():
            reason = "not_reachable"
        case _:
            reason = "internal"
    return StepFailed(reason, str(error), error if isinstance(error, Problem) else None)


def in_hotspot(camera: CameraRecord) -> bool:
    """Whether the address may be any camera's: then only a sighting tells whose it is."""
    host = camera.address.rpartition(":")[0]
    try:
        return camera.hotspot or ipaddress.ip_address(host) in HOTSPOT_NETWORK
    except ValueError:
        return camera.hotspot


def now() -> float:
    """Return the time of the event loop, by which limits are kept."""
    return asyncio.get_running_loop().time()
