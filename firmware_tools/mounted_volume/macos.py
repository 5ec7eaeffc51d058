"""Cards on macOS: diskutil."""

import plistlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware_tools.drives.drive import WRITE_PROTECTED, Drive, find_size_refusal
from firmware_tools.errors import IOFailed
from firmware_tools.language import message
from firmware_tools.mounted_volume.system_tools import MountedVolume, ProgramRunner, run_program

_STORAGE_POOL_MEMBERS = ("Apple_APFS", "Apple_CoreStorage", "Apple_RAID")
_DiskInfo = Mapping[str, Any]
"""What diskutil says of a disk or partition."""


class MacOSTools:
    """The tools of macOS."""

    def __init__(self, run: ProgramRunner = run_program) -> None:
        self._run = run

    def list_volumes(self, max_size: int) -> list[MountedVolume]:
        """List all physical drives, with the volume on each; one larger than `max_size` bytes is not offered."""
        try:
            listed = plistlib.loads(self._run(["diskutil", "list", "-plist", "physical"]))
            return [self._read_volume(disk, max_size) for disk in listed["AllDisksAndPartitions"]]
        except (plistlib.InvalidFileException, ValueError, KeyError, TypeError) as error:
            raise IOFailed(message("diskutil: its list of drives cannot be read ({reason!r})", reason=error)) from error

    def describe_formatting(self, drive: Drive, label: str) -> list[str]:
        """Return the steps by which the user formats this card as exFAT."""
        return [
            message("in Terminal, run: diskutil eraseDisk ExFAT {label} MBR {drive}", label=label, drive=drive.name)
        ]

    def set_label(self, volume: MountedVolume, label: str) -> None:
        """Set the label of a volume."""
        self._run(["diskutil", "rename", str(volume.mount_point), label])

    def eject(self, volume: MountedVolume) -> None:
        """Eject the card."""
        self._run(["diskutil", "eject", volume.drive.name])

    def _read_info(self, identifier: str) -> _DiskInfo:
        info: _DiskInfo = plistlib.loads(self._run(["diskutil", "info", "-plist", identifier]))
        return info

    def _read_volume(self, listed: _DiskInfo, max_size: int) -> MountedVolume:
        identifier = listed["DeviceIdentifier"]
        disk = self._read_info(identifier)
        partitions = [self._read_info(partition["DeviceIdentifier"]) for partition in listed.get("Partitions", ())]
        mount_points = [partition["MountPoint"] for partition in partitions if partition.get("MountPoint")]
        data_partitions = [partition for partition in partitions if partition.get("Content") != "EFI"]
        volume = data_partitions[0] if len(data_partitions) == 1 else {}
        size = int(disk.get("TotalSize") or disk.get("Size") or 0)
        drive = Drive(
            name=identifier,
            path=disk["DeviceNode"],
            size=size,
            bus=disk.get("BusProtocol", "unknown"),
            model=str(disk.get("MediaName", "")).strip(),
            serial="",  # diskutil does not show it
            mount_points=tuple(mount_points),
            refusal=_find_refusal(disk, partitions, mount_points, size, max_size),
            identity=(identifier, disk.get("TotalSize"), disk.get("MediaName"), disk.get("DeviceTreePath")),
        )
        mount_point = Path(volume["MountPoint"]) if volume.get("MountPoint") else None
        return MountedVolume(drive, mount_point, volume.get("FilesystemType", ""), volume.get("VolumeName", ""))


def _find_refusal(
    disk: _DiskInfo, partitions: list[_DiskInfo], mount_points: list[str], size: int, max_size: int
) -> str | None:
    """Return why a drive is not offered, or None."""
    if disk.get("OSInternalMedia") or any(not point.startswith("/Volumes/") for point in mount_points):
        return message("the running system is on it")
    if any(partition.get("Content") in _STORAGE_POOL_MEMBERS for partition in partitions):
        return message("it is part of a larger store (APFS or CoreStorage)")
    bus = disk.get("BusProtocol")
    is_card = bus == "Secure Digital" or disk.get("RemovableMedia")
    if not is_card and (disk.get("Internal") or bus != "USB"):
        return message("it is not removable (it is connected by {bus})", bus=bus)
    if not disk.get("WritableMedia", True):
        return WRITE_PROTECTED
    return find_size_refusal(size, max_size)
