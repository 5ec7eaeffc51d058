"""Cards on Windows, through PowerShell's storage commands."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware_tools.drives.drive import WRITE_PROTECTED, Drive, refuse_by_size
from firmware_tools.errors import MediumFailed
from firmware_tools.fill.system import MountedVolume, Run, run_program

# Strings are asked for explicitly: what an enumeration becomes in JSON differs between PowerShell versions.
_LIST = """
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
_EJECT = "(New-Object -ComObject Shell.Application).Namespace(17).ParseName('{name}').InvokeVerb('Eject')"
Row = Mapping[str, Any]


class Windows:
    """The system's own tools, run through PowerShell."""

    def __init__(self, run: Run = run_program) -> None:
        self._run = run

    def volumes(self, size_cap: int) -> list[MountedVolume]:
        """List the drives, with the volume on each."""
        try:
            told = json.loads(self._powershell(_LIST))
            return [self._volume(disk, told, size_cap) for disk in told["disks"]]
        except (ValueError, KeyError, TypeError) as error:
            raise MediumFailed(f"PowerShell: its list of drives cannot be read ({error!r})") from error

    def format_steps(self, drive: Drive, label: str) -> list[str]:
        """Return how a person formats this card as exFAT, exactly."""
        if not drive.name.endswith(":"):
            return [
                f"open Disk Management and delete all partitions of {drive.name} ({drive.model})",
                f"create one new simple volume there: file system exFAT, volume label {label}",
            ]
        return [
            f"in Explorer, right-click drive {drive.name} and choose Format…",
            "file system: exFAT; allocation unit size: default",
            f"volume label: {label}",
            "Start",
        ]

    def set_label(self, volume: MountedVolume, label: str) -> None:
        """Set the volume's label."""
        self._powershell(f"Set-Volume -DriveLetter {_letter(volume)} -NewFileSystemLabel '{label}' -ErrorAction Stop")

    def eject(self, volume: MountedVolume) -> None:
        """Flush what Windows holds back, and release the card."""
        self._powershell(f"Write-VolumeCache -DriveLetter {_letter(volume)} -ErrorAction Stop")
        self._powershell(_EJECT.format(name=f"{_letter(volume)}:"))

    def _powershell(self, script: str) -> bytes:
        return self._run(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script])

    def _volume(self, disk: Row, told: Row, size_cap: int) -> MountedVolume:
        partitions = [part for part in told["partitions"] if part["DiskNumber"] == disk["Number"]]
        letters = [letter for part in partitions if (letter := part["DriveLetter"].strip("\0 "))]
        name = f"{letters[0]}:" if len(letters) == len(partitions) == 1 else f"disk {disk['Number']}"
        shown: Row = next((row for row in told["volumes"] if letters and row["DriveLetter"] == letters[0]), {})
        drive = Drive(
            name=name,
            path=rf"\\.\PhysicalDrive{disk['Number']}",
            size=int(disk["Size"] or 0),
            bus=disk["BusType"].lower(),
            model=disk["FriendlyName"].strip(),
            serial=disk["SerialNumber"].strip(),
            mounts=tuple(f"{letter}:\\" for letter in letters),
            refusal=_refuse(disk, partitions, letters, told, size_cap),
            identity=(disk["Number"], disk["FriendlyName"], disk["SerialNumber"], disk["Size"], *letters),
        )
        mount = Path(f"{letters[0]}:\\") if name.endswith(":") else None
        return MountedVolume(drive, mount, shown.get("FileSystem", ""), shown.get("FileSystemLabel", ""))


def _refuse(disk: Row, partitions: list[Row], letters: list[str], told: Row, size_cap: int) -> str | None:
    used = {str(told["systemdrive"])[:1].upper(), *(str(name)[:1].upper() for name in told["pagefiles"])}
    if any(row["IsBoot"] or row["IsSystem"] for row in [disk, *partitions]) or used & set(letters):
        return "the running system is on it"
    if disk["BusType"].upper() not in _CARD_BUSES:
        return f"it is not removable (it is connected by {disk['BusType']})"
    if disk["IsReadOnly"]:
        return WRITE_PROTECTED
    if disk["IsOffline"]:
        return "it is offline"
    return refuse_by_size(int(disk["Size"] or 0), size_cap)


def _letter(volume: MountedVolume) -> str:
    return volume.drive.name.removesuffix(":")
