"""The plan and how far it is, as the REST API shows it. Secrets are redacted."""

from collections.abc import Sequence
from typing import Any

from gateway.cameras.registry import Registry
from gateway.protocol.endpoint import REDACTED
from gateway.runtime.timestamps import utc_text
from gateway.shop.firmware import PlanFirmware
from gateway.shop.plan import SitePlan
from gateway.shop.plan_check import list_notes, will_be_activated
from gateway.shop.progress import CameraProgress
from gateway.shop.run_record import RunRecord


def describe_plan(
    plan: SitePlan, progress: Sequence[CameraProgress], run: RunRecord, registry: Registry
) -> dict[str, Any]:
    """Return a plan, its run, and how far each camera is."""
    states = [one.state for one in progress]
    wifi = plan.wifi
    firmware = PlanFirmware(progress, registry)
    return {
        "state": run.state,
        "began_at": None if run.began_at is None else utc_text(run.began_at),
        "ended_at": None if run.ended_at is None else utc_text(run.ended_at),
        "wifi": None
        if wifi is None
        else {"ssid": wifi.ssid, "hidden": wifi.hidden, "password": REDACTED if wifi.password else None},
        "erases": count_erased(progress, registry),
        "counts": {state: states.count(state) for state in ("pending", "running", "waiting", "done", "failed")},
        "ignored": list(plan.ignored),
        "notes": [note._asdict() for note in list_notes(plan, registry)],
        "firmware": firmware.describe(),
        "cameras": [one.describe(_find_address(one, registry)) | firmware.describe_camera(one.sn) for one in progress],
    }


def count_erased(progress: Sequence[CameraProgress], registry: Registry) -> int:
    """Return how many cameras a run may activate, which erases their face groups."""
    return sum(will_be_activated(one.planned, registry) for one in progress)


def _find_address(progress: CameraProgress, registry: Registry) -> str | None:
    record = registry.find(progress.sn)
    return (record.address or None) if record is not None else None
