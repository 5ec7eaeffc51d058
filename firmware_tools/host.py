"""What depends on the operating system of this computer: how cards are written, and with which tools."""

import sys
from pathlib import Path

from firmware_tools.card_writer import CardWriter
from firmware_tools.drives.drive import DEFAULT_MAX_DRIVE_SIZE, find_drive
from firmware_tools.mounted_volume.card_writer import MountedCardWriter
from firmware_tools.mounted_volume.macos import MacOSTools
from firmware_tools.mounted_volume.system_tools import MountedVolume, SystemTools
from firmware_tools.mounted_volume.windows import WindowsTools
from firmware_tools.raw_card.card_writer import RawCardWriter


def create_card_writer(max_drive_size: int = DEFAULT_MAX_DRIVE_SIZE) -> CardWriter:
    """Create the card writer for this computer."""
    system_tools = _create_system_tools()
    return RawCardWriter(max_drive_size) if system_tools is None else MountedCardWriter(system_tools, max_drive_size)


def find_mounted_volume(target: Path) -> MountedVolume | None:
    """Return the card that a path or drive name means on Windows and macOS; None for a file, and on Linux.

    Raises:
        DriveRefused: there is no such drive, or it is not offered.

    """
    system_tools = _create_system_tools()
    if system_tools is None or target.is_file():
        return None
    volumes = system_tools.list_volumes(DEFAULT_MAX_DRIVE_SIZE)
    names = [volume.drive.name for volume in volumes if volume.mount_point == target]
    drive = find_drive([volume.drive for volume in volumes], names[0] if names else str(target).rstrip("\\"))
    return next(volume for volume in volumes if volume.drive is drive)


def _create_system_tools() -> SystemTools | None:
    """Return None where cards are written raw."""
    if sys.platform == "win32":
        return WindowsTools()
    if sys.platform == "darwin":
        return MacOSTools()
    return None
