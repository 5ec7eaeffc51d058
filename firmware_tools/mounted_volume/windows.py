"""Cards on Windows: the storage commands of PowerShell."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware_tools.drives.drive import WRITE_PROTECTED, Drive, find_size_refusal
from firmware_tools.errors import IOFailed
from firmware_tools.language import message
from firmware_tools.mounted_volume.system_tools import MountedVolume, ProgramRunner, run_program

# Strings are requested explicitly: how an enumeration becomes JSON differs between versions of PowerShell.
_LIST_SCRIPT = """
$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = [Text.Encoding]::UTF8
function text($name) { @{ n = $name; e = [scriptblock]::Create("[string]`$_.$name") } }
ConvertTo-Json -Depth 4 -Compress @{
  disks = @(Get-Disk | Select-Object Number, (text FriendlyName), (text SerialNumber), (text BusType), Size,
    IsBoot, IsSystem, IsReadOnly, IsOffline, (text PartitionStyle))
  partitions = @(Get-Partition | Select-Object DiskNumber, PartitionNumber, (text DriveLetter), IsBoot, IsSystem, Size)
  volumes = @(Get-Volume | Select-Object (text DriveLetter), (text FileSystem), (text FileSystemLabel), Size)
  pagefiles = @(Get-CimInstance Win32_PageFileUsage | ForEach-Object { $_.Name })
  systemdrive = $env:SystemDrive
}
"""
_CARD_BUSES = ("USB", "SD", "MMC")
_EJECT_SCRIPT = "(New-Object -ComObject Shell.Application).Namespace(17).ParseName('{name}').InvokeVerb('Eject')"
_Row = Mapping[str, Any]
"""What PowerShell says of a disk, a partition or a volume."""


class WindowsTools:
    """The tools of Windows."""

    def __init__(self, run: ProgramRunner = run_program) -> None:
        self._run = run

    def list_volumes(self, max_size: int) -> list[MountedVolume]:
        """List all drives, with the volume on each; one larger than `max_size` bytes is not offered."""
        try:
            listing = json.loads(self._run_powershell(_LIST_SCRIPT))
            return [_parse_volume(disk, listing, max_size) for disk in listing["disks"]]
        except (ValueError, KeyError, TypeError) as error:
            raise IOFailed(
                message("PowerShell: its list of drives cannot be read ({reason!r})", reason=error)
            ) from error

    def describe_formatting(self, drive: Drive, label: str) -> list[str]:
        """Return the steps by which the user formats this card as exFAT."""
        if not drive.name.endswith(":"):
            return [
                message(
                    "open Disk Management and delete all partitions of {drive} ({model})",
                    drive=drive.name,
                    model=drive.model,
                ),
                message("create one new simple volume there: file system exFAT, volume label {label}", label=label),
            ]
        return [
            message("in Explorer, right-click drive {drive} and choose Format…", drive=drive.name),
            message("file system: exFAT; allocation unit size: default"),
            message("volume label: {label}", label=label),
            message("Start"),
        ]

    def set_label(self, volume: MountedVolume, label: str) -> None:
        """Set the label of a volume."""
        letter = _drive_letter(volume)
        self._run_powershell(f"Set-Volume -DriveLetter {letter} -NewFileSystemLabel '{label}' -ErrorAction Stop")

    def eject(self, volume: MountedVolume) -> None:
        """Write what Windows has cached, and eject the card."""
        letter = _drive_letter(volume)
        self._run_powershell(f"Write-VolumeCache -DriveLetter {letter} -ErrorAction Stop")
        self._run_powershell(_EJECT_SCRIPT.format(name=f"{letter}:"))

    def _run_powershell(self, script: str) -> bytes:
        return self._run(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script])


def _parse_volume(disk: _Row, listing: _Row, max_size: int) -> MountedVolume:
    partitions = [partition for partition in listing["partitions"] if partition["DiskNumber"] == disk["Number"]]
    letters = [letter for partition in partitions if (letter := partition["DriveLetter"].strip("\0 "))]
    has_one_volume = len(letters) == len(partitions) == 1
    volume: _Row = next((row for row in listing["volumes"] if letters and row["DriveLetter"] == letters[0]), {})
    drive = Drive(
        name=f"{letters[0]}:" if has_one_volume else f"disk {disk['Number']}",
        path=rf"\\.\PhysicalDrive{disk['Number']}",
        size=int(disk["Size"] or 0),
        bus=disk["BusType"].lower(),
        model=disk["FriendlyName"].strip(),
        serial=disk["SerialNumber"].strip(),
        mount_points=tuple(f"{letter}:\\" for letter in letters),
        refusal=_find_refusal(disk, partitions, letters, listing, max_size),
        identity=(disk["Number"], disk["FriendlyName"], disk["SerialNumber"], disk["Size"], *letters),
    )
    mount_point = Path(f"{letters[0]}:\\") if has_one_volume else None
    return MountedVolume(drive, mount_point, volume.get("FileSystem", ""), volume.get("FileSystemLabel", ""))


def _find_refusal(disk: _Row, partitions: list[_Row], letters: list[str], listing: _Row, max_size: int) -> str | None:
    """Return why a drive is not offered, or None."""
    system_letters = {str(name)[:1].upper() for name in (listing["systemdrive"], *listing["pagefiles"])}
    if any(row["IsBoot"] or row["IsSystem"] for row in [disk, *partitions]) or system_letters & set(letters):
        return message("the running system is on it")
    if disk["BusType"].upper() not in _CARD_BUSES:
        return message("it is not removable (it is connected by {BusType})", BusType=disk["BusType"])
    if disk["IsReadOnly"]:
        return WRITE_PROTECTED
    if disk["IsOffline"]:
        return message("it is offline")
    return find_size_refusal(int(disk["Size"] or 0), max_size)


def _drive_letter(volume: MountedVolume) -> str:
    return volume.drive.name.removesuffix(":")
