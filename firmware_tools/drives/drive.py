"""A drive as the system reports it, and whether a card in it may be written."""

import os
from dataclasses import dataclass
from typing import Any

from firmware_tools.errors import DriveRefused
from firmware_tools.language import message
from firmware_tools.size import GIB, MIN_CARD_SIZE, format_size

DEFAULT_MAX_DRIVE_SIZE = 128 * GIB
"""Larger drives are offered only if the user raises the limit: they are hardly cards."""
WRITE_PROTECTED = message("it is write-protected: check the switch on the card")


@dataclass(frozen=True, slots=True)
class Drive:
    """A whole disk, or a reader with the card in it."""

    name: str
    """What the user types: `sdb`, `mmcblk0`, `E:`, `disk4`."""
    path: str
    """What is opened or passed to the system's tools."""
    size: int
    """Bytes; 0 without a card."""
    bus: str
    """How it is connected: `usb`, `mmc`, `sata`."""
    model: str
    """Name of the product; empty if unknown."""
    serial: str
    """Serial number; empty if unknown."""
    mount_points: tuple[str, ...]
    """Where its partitions are mounted."""
    refusal: str | None
    """Why it is not offered; None if it is offered."""
    identity: tuple[object, ...]
    """Everything that distinguishes this drive, with the card in it, from another."""

    @property
    def is_offered(self) -> bool:
        """Whether a card in it may be written."""
        return self.refusal is None

    @property
    def reason(self) -> str:
        """Why it is or is not offered."""
        return self.refusal or message("a removable drive of plausible size, not in use by the system")

    def describe(self) -> str:
        """Return a line by which the user recognises it."""
        serial = f", serial {self.serial}" if self.serial else ""
        return f"{self.name} ({self.model or 'unnamed'}, {format_size(self.size)}, {self.bus}{serial})"

    def is_confirmed_by(self, reply: str) -> bool:
        """Return whether a reply of the user names this drive: its serial number, name or path."""
        return bool(reply) and reply in (self.serial, self.name, self.path)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "path": self.path,
            "size": self.size,
            "bus": self.bus,
            "model": self.model,
            "serial": self.serial,
            "mounts": list(self.mount_points),
            "offered": self.is_offered,
            "reason": self.reason,
        }


def find_size_refusal(size: int, max_size: int) -> str | None:
    """Return why a drive of this size cannot be a card, or None."""
    if size == 0:
        return message("there is no card in it")
    if size < MIN_CARD_SIZE:
        return message("with {size} it is too small", size=format_size(size))
    if size > max_size:
        return message(
            "with {size} it is larger than {size2}, hardly a card (see --max-size)",
            size=format_size(size),
            size2=format_size(max_size),
        )
    return None


def find_drive(drives: list[Drive], name: str | None) -> Drive:
    """Return the drive of this name or path; without a name, the only drive that is offered.

    Raises:
        DriveRefused: there is no such drive, it is not offered, or several are offered and none is named.

    """
    if name is None:
        offered = [drive for drive in drives if drive.is_offered]
        if len(offered) == 1:
            return offered[0]
        listed = ", ".join(drive.describe() for drive in offered)
        raise DriveRefused(
            message("there are several drives, name one: {listed}", listed=listed)
            if offered
            else message("no drive with a card was found; `sunmi-sdcard list` says why each drive is not offered")
        )
    names = {name, os.path.realpath(name)} if name.startswith("/dev/") else {name}  # it may be a link
    for drive in drives:
        if names & {drive.name, drive.path}:
            if drive.refusal:
                raise DriveRefused(message("{drive}: {reason}", drive=name, reason=drive.refusal))
            return drive
    raise DriveRefused(message("{name}: there is no such drive; `sunmi-sdcard list` shows them", name=name))
