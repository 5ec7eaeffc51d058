"""Cards on macOS, through diskutil."""

import plistlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware_tools.drives.drive import WRITE_PROTECTED, Drive, refuse_by_size
from firmware_tools.errors import MediumFailed
from firmware_tools.fill.system import MountedVolume, Run, run_program

_STORES = ("Apple_APFS", "Apple_CoreStorage", "Apple_RAID")
Info = Mapping[str, Any]


class MacOS:
    """The system's own tools."""

    def __init__(self, run: Run = run_program) -> None:
        self._run = run

    def volumes(self, size_cap: int) -> list[MountedVolume]:
        """List the physical drives, with the volume on each."""
        try:
            listed = plistlib.loads(self._run(["diskutil", "list", "-plist", "physical"]))
            return [self._volume(disk, size_cap) for disk in listed["AllDisksAndPartitions"]]
        except (plistlib.InvalidFileException, ValueError, KeyError, TypeError) as error:
            raise MediumFailed(f"diskutil: its list of drives cannot be read ({error!r})") from error

    def format_steps(self, drive: Drive, label: str) -> list[str]:
        """Return how a person formats this card as exFAT, exactly."""
        return [f"in Terminal, run: diskutil eraseDisk ExFAT {label} MBR {drive.name}"]

    def set_label(self, volume: MountedVolume, label: str) -> None:
        """Set the volume's label."""
        self._run(["diskutil", "rename", str(volume.mount), label])

    def eject(self, volume: MountedVolume) -> None:
        """Release the card."""
        self._run(["diskutil", "eject", volume.drive.name])

    def _info(self, identifier: str) -> Info:
        info: Info = plistlib.loads(self._run(["diskutil", "info", "-plist", identifier]))
        return info

    def _volume(self, listed: Info, size_cap: int) -> MountedVolume:
        identifier = listed["DeviceIdentifier"]
        whole = self._info(identifier)
        parts = [self._info(part["DeviceIdentifier"]) for part in listed.get("Partitions", ())]
        mounts = [part["MountPoint"] for part in parts if part.get("MountPoint")]
        data = [part for part in parts if part.get("Content") != "EFI"]
        only = data[0] if len(data) == 1 else {}
        drive = Drive(
            name=identifier,
            path=whole["DeviceNode"],
            size=int(whole.get("TotalSize") or whole.get("Size") or 0),
            bus=whole.get("BusProtocol", "unknown"),
            model=str(whole.get("MediaName", "")).strip(),
            serial="",  # diskutil does not tell it: confirm by name
            mounts=tuple(mounts),
            refusal=_refuse(whole, parts, mounts, size_cap),
            identity=(identifier, whole.get("TotalSize"), whole.get("MediaName"), whole.get("DeviceTreePath")),
        )
        mount = Path(only["MountPoint"]) if only.get("MountPoint") else None
        return MountedVolume(drive, mount, only.get("FilesystemType", ""), only.get("VolumeName", ""))


def _refuse(whole: Info, parts: list[Info], mounts: list[str], size_cap: int) -> str | None:
    if whole.get("OSInternalMedia") or any(not mount.startswith("/Volumes/") for mount in mounts):
        return "the running system is on it"
    if any(part.get("Content") in _STORES for part in parts):
        return "it is part of a larger store (APFS or CoreStorage)"
    bus = whole.get("BusProtocol")
    is_card = bus == "Secure Digital" or whole.get("RemovableMedia")
    if not is_card and (whole.get("Internal") or bus != "USB"):
        return f"it is not removable (it is connected by {bus})"
    if not whole.get("WritableMedia", True):
        return WRITE_PROTECTED
    return refuse_by_size(int(whole.get("TotalSize") or whole.get("Size") or 0), size_cap)
