"""A drive as the system reports it, and the judgement whether it may be written."""

import os
from dataclasses import dataclass
from typing import Any

from firmware_tools.errors import DriveRefused
from firmware_tools.size import GIB, SMALLEST_CARD, show_size

SIZE_CAP = 128 * GIB
"""Larger drives are never offered unless the cap is raised: they are hardly cards."""
WRITE_PROTECTED = "it is write-protected: check the switch on the card"


@dataclass(frozen=True, slots=True)
class Drive:
    """A whole disk or card."""

    name: str
    """What a person types: `sdb`, `mmcblk0`, `E:`, `disk4`."""
    path: str
    """What is opened or given to the system's tools."""
    size: int
    bus: str
    model: str
    serial: str
    mounts: tuple[str, ...]
    refusal: str | None
    """Why it is not offered; None if it is."""
    identity: tuple[object, ...]
    """All that tells this drive, with the card in it, from another."""

    @property
    def offered(self) -> bool:
        """Whether a card may be written there."""
        return self.refusal is None

    @property
    def reason(self) -> str:
        """Why it is or is not offered."""
        return self.refusal or "a removable drive of plausible size, not in use by the system"

    def describe(self) -> str:
        """Return a line that lets a person recognise it."""
        serial = f", serial {self.serial}" if self.serial else ""
        return f"{self.name} ({self.model or 'unnamed'}, {show_size(self.size)}, {self.bus}{serial})"

    def to_document(self) -> dict[str, Any]:
        """Return its JSON form."""
        return {
            "name": self.name,
            "path": self.path,
            "size": self.size,
            "bus": self.bus,
            "model": self.model,
            "serial": self.serial,
            "mounts": list(self.mounts),
            "offered": self.offered,
            "reason": self.reason,
        }


def refuse_by_size(size: int, size_cap: int) -> str | None:
    """Return why a drive of this size cannot be a card, or None."""
    if size == 0:
        return "there is no card in it"
    if size < SMALLEST_CARD:
        return f"with {show_size(size)} it is too small"
    if size > size_cap:
        return f"with {show_size(size)} it is larger than {show_size(size_cap)}, hardly a card (see --max-size)"
    return None


def find_drive(drives: list[Drive], wanted: str | None) -> Drive:
    """Return the drive of this name or path; without one, the only one offered. Raise `DriveRefused` otherwise."""
    if wanted is None:
        offered = [drive for drive in drives if drive.offered]
        if len(offered) == 1:
            return offered[0]
        listed = ", ".join(drive.describe() for drive in offered)
        raise DriveRefused(
            f"there are several drives, name one: {listed}"
            if offered
            else "no drive with a card was found; `sunmi-sdcard list` tells why each drive is not offered"
        )
    names = {wanted, os.path.realpath(wanted)} if wanted.startswith("/dev/") else {wanted}  # it may be a link
    for drive in drives:
        if names & {drive.name, drive.path}:
            if drive.refusal:
                raise DriveRefused(f"{wanted}: {drive.refusal}")
            return drive
    raise DriveRefused(f"{wanted}: there is no such drive; `sunmi-sdcard list` shows them")


def confirmed(drive: Drive, answer: str) -> bool:
    """Tell whether a person typed what shows that this drive is meant: its serial number or its name."""
    return bool(answer) and answer in (drive.serial, drive.name, drive.path)
