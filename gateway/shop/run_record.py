"""What is known of a plan's run, what a person asks of it, and what is stored of plan and run."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from gateway.runtime.stored_text import pack_text, unpack_text
from gateway.shop.plan import PlannedCamera, SitePlan, WifiNetwork
from gateway.shop.plan_table import WIFI_SECRET, StoredPlan
from gateway.shop.progress import CameraProgress

RunState = Literal["ready", "running", "stopped", "done", "failed"]


@dataclass(slots=True)
class RunRecord:
    """What is known of the run."""

    state: RunState = "ready"
    """`stopped` if a person ended it; `failed` if some camera is not done."""
    began_at: float | None = None
    """When it began, in Unix seconds."""
    ended_at: float | None = None
    """When it ended, in Unix seconds."""
    use_hotspots: bool = False
    """Whether the gateway joins the hotspots of cameras."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """How the plan is to be run."""

    only_failed: bool = False
    """Only cameras that are not done yet; the steps that were taken are not looked at again."""
    confirm_erase: int | None = None
    """The number of cameras that a person agreed may lose their face groups."""
    confirm_offline: bool | None = None
    """Whether this machine may leave the shop's network to join hotspots; None if nobody was asked."""


def to_stored(plan: SitePlan, progress: list[CameraProgress], run: RunRecord) -> StoredPlan:
    """Return what is stored of a plan."""
    wifi = plan.wifi
    secrets = {
        position: camera.activation_number
        for position, camera in enumerate(plan.cameras)
        if camera.activation_number is not None
    }
    if wifi is not None and wifi.password:
        secrets[WIFI_SECRET] = wifi.password
    document = {
        "wifi": None if wifi is None else {"ssid": wifi.ssid, "hidden": wifi.hidden},
        "ignored": list(map(pack_text, plan.ignored)),
    }
    cameras = [(one.planned.to_document(), one.to_document()) for one in progress]
    return StoredPlan(document, dataclasses.asdict(run), cameras, secrets)


def from_stored(stored: StoredPlan) -> tuple[SitePlan, list[CameraProgress], RunRecord]:
    """Return what is stored. Raises `KeyError`, `TypeError` or `ValueError` if it is malformed."""
    planned = [
        PlannedCamera.from_document(document, stored.secrets.get(position))
        for position, (document, _) in enumerate(stored.cameras)
    ]
    progress = [
        CameraProgress.from_document(camera, document)
        for camera, (_, document) in zip(planned, stored.cameras, strict=True)
    ]
    wifi = stored.plan["wifi"]
    network = None if wifi is None else WifiNetwork(**wifi, password=stored.secrets.get(WIFI_SECRET, ""))
    plan = SitePlan(cameras=tuple(planned), wifi=network, ignored=tuple(map(unpack_text, stored.plan["ignored"])))
    return plan, progress, RunRecord(**stored.run)
