"""Compares a plan with the cameras that are known: which rows cannot be right, and what a person should know."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from firmware_tools.language import message
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.errors import FieldError, InvalidRequest
from gateway.shop.plan import PlannedCamera, SitePlan


class PlanNote(NamedTuple):
    """Something to know about a camera of the plan before it runs."""

    camera: str
    """The serial number, or else the MAC address."""
    text: str
    """What it is, for people."""


def find_planned(camera: PlannedCamera, registry: Registry) -> CameraRecord | None:
    """Return the record of a planned camera, by its serial number or else its MAC address; None if it is not known."""
    if camera.sn:
        return registry.find(registry.find_spelling(camera.sn))
    return next((one for one in registry.all() if one.mac == camera.mac), None)


class IdentityConflict(NamedTuple):
    """A row that cannot be right: its numbers are of different cameras, or another row has its camera already."""

    place: int
    """The place of the row in the list, from 0."""
    field: str
    """Which of its numbers is wrong: `sn` or `mac`."""
    camera: PlannedCamera
    """The row."""
    reason: str
    """What is wrong, for people."""


def check_identities(plan: SitePlan, registry: Registry) -> None:
    """Raise `InvalidRequest` for rows whose MAC address and serial number are of different cameras."""
    errors = [
        FieldError(f"cameras[{one.place}].{one.field}", _in_row(one.camera, one.reason))
        for one in find_conflicts(plan.cameras, registry)
    ]
    if errors:
        raise InvalidRequest(errors)


def find_conflicts(cameras: Sequence[PlannedCamera], registry: Registry) -> Iterator[IdentityConflict]:
    """Return the rows that cannot be right, as far as cameras are known."""
    owners = {one.mac: one.sn for one in registry.all() if one.mac}
    rows: dict[str, PlannedCamera] = {}
    for index, camera in enumerate(cameras):
        record = find_planned(camera, registry)
        if camera.sn and camera.mac:
            known = record.mac if record is not None else ""
            if reason := _describe_owner(camera, owners.get(camera.mac)):
                yield IdentityConflict(index, "mac", camera, reason)
            elif known and known != camera.mac:
                reason = message("the camera {sn} has the MAC address {mac}", sn=camera.sn, mac=known)
                yield IdentityConflict(index, "mac", camera, reason)
        if record is not None:
            first = rows.setdefault(record.sn, camera)
            if first is not camera:
                reason = message("is the camera {sn}, which row {row} has already", sn=record.sn, row=first.row)
                yield IdentityConflict(index, "sn" if camera.sn else "mac", camera, reason)


def find_other_owner(camera: PlannedCamera, registry: Registry) -> str:
    """Return that the MAC address of a row is that of another camera; empty as long as nothing says so."""
    return _describe_owner(camera, next((one.sn for one in registry.all() if one.mac == camera.mac), None))


def _describe_owner(camera: PlannedCamera, owner: str | None) -> str:
    if owner is None or owner.casefold() == camera.sn.casefold():
        return ""
    return message("the MAC address {mac} is that of the camera {sn}", mac=camera.mac, sn=owner)


def _in_row(camera: PlannedCamera, reason: str) -> str:
    return message("row {row}: {reason}", row=camera.row, reason=reason)


def list_notes(plan: SitePlan, registry: Registry) -> list[PlanNote]:
    """Return what a person should know before the plan runs."""
    return [
        PlanNote(camera.label, note)
        for camera in plan.cameras
        for note in _describe(camera, find_planned(camera, registry), has_wifi=plan.wifi is not None)
    ]


def _describe(camera: PlannedCamera, record: CameraRecord | None, *, has_wifi: bool) -> Iterator[str]:
    if record is not None and record.activation == "other_owner":
        yield message("is activated by another account: its owner has to reset it first, and nothing is sent to it")
    if record is None and not has_wifi:
        yield message("was not found yet, and the plan names no Wi-Fi network to put it on")
    is_activated = record is not None and record.activation in ("activated", "other_owner")
    if camera.activation_number is None and not is_activated:
        yield message("has no activation number: it cannot be activated if it is new")


def will_be_activated(camera: PlannedCamera, registry: Registry) -> bool:
    """Tell whether a run may activate the camera, which erases its face groups."""
    record = find_planned(camera, registry)
    is_activated = record is not None and record.activation in ("activated", "other_owner")
    return camera.activation_number is not None and not is_activated
