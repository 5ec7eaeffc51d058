"""Where cards in drives are made: written raw on Linux, filled on Windows and macOS; the same questions to both."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from firmware_tools.card import Card, CardRecord
from firmware_tools.console import Console
from firmware_tools.drives import linux
from firmware_tools.drives.drive import SIZE_CAP, Drive, find_drive
from firmware_tools.errors import CardFaulty, DriveRefused, InputRefused, MediumFailed
from firmware_tools.exfat.volume import Volume
from firmware_tools.fill.filling import fill_mounted, foreign_entries, remove_litter, verify_mounted
from firmware_tools.fill.macos import MacOS
from firmware_tools.fill.system import MountedVolume, System
from firmware_tools.fill.windows import Windows
from firmware_tools.firmware import Firmware
from firmware_tools.medium import open_medium
from firmware_tools.prepare import prepare_drive


@dataclass(frozen=True, slots=True)
class Made:
    """A card that was made and read back."""

    drive: Drive
    sha256: str
    notes: tuple[str, ...] = ()


class Workshop(Protocol):
    """Makes cards in the drives of this computer."""

    def drives(self) -> list[Drive]:
        """List all drives, offered or not."""

    def make(
        self,
        drive: Drive,
        card: Card,
        firmware: Firmware,
        *,
        console: Console,
        expected_sha256: bytes | None = None,
        with_capacity: bool = False,
    ) -> Made:
        """Make the card in a drive a firmware card and read it back; raise a `CardError` if that fails."""

    def camera_of(self, drive: Drive) -> str | None:
        """Return the MAC, or at least the label, that the card in a drive carries; None if it is no firmware card."""

    def release(self, drive: Drive) -> bool:
        """Eject a card; tell whether the system did."""


class RawWorkshop:
    """Linux: the whole card is written, past any file system."""

    def __init__(self, size_cap: int = SIZE_CAP) -> None:
        self._size_cap = size_cap

    def drives(self) -> list[Drive]:
        """List all drives, offered or not."""
        return linux.list_drives(self._size_cap)

    def make(
        self,
        drive: Drive,
        card: Card,
        firmware: Firmware,
        *,
        console: Console,
        expected_sha256: bytes | None = None,
        with_capacity: bool = False,
    ) -> Made:
        """Erase, write and read back."""
        prepared = prepare_drive(
            drive,
            card,
            firmware,
            progress=console,
            expected_sha256=expected_sha256,
            with_capacity=with_capacity,
            size_cap=self._size_cap,
        )
        return Made(drive, prepared.written.record.sha256.hex(), tuple(prepared.findings.notes))

    def camera_of(self, drive: Drive) -> str | None:
        """Return the MAC, or at least the label, that the card in a drive carries; None if it is no firmware card."""
        try:
            with open_medium(Path(drive.path)) as medium:
                record = CardRecord.from_oem_parameters(Volume(medium).boot.oem_parameters)
        except CardFaulty:
            return None
        return str(record.card.mac) if record else None

    def release(self, drive: Drive) -> bool:
        """Eject a card; tell whether the system did."""
        return linux.eject(drive)


class FillWorkshop:
    """Windows and macOS: a person formats the card with the system's tool, and we fill it."""

    def __init__(self, system: System, size_cap: int = SIZE_CAP) -> None:
        self._system = system
        self._size_cap = size_cap

    def drives(self) -> list[Drive]:
        """List all drives, offered or not."""
        return [volume.drive for volume in self._system.volumes(self._size_cap)]

    def make(
        self,
        drive: Drive,
        card: Card,
        firmware: Firmware,
        *,
        console: Console,
        expected_sha256: bytes | None = None,
        with_capacity: bool = False,
    ) -> Made:
        """Have the card formatted if it must be, then fill, label and read back."""
        if with_capacity:
            raise InputRefused("--check-capacity writes the card raw, which is done on Linux only")
        label = card.mac.label
        volume, mount = self._formatted(drive, label, console)
        sha256 = fill_mounted(mount, card, firmware, progress=console, expected_sha256=expected_sha256)
        if volume.label != label:
            self._system.set_label(volume, label)
            volume = self._volume_at(drive)
            mount = volume.mount or mount
        left = remove_litter(mount)
        findings = verify_mounted(
            mount, volume.label, progress=console, mac=card.mac, expected_sha256=bytes.fromhex(sha256)
        )
        if not findings.good:
            raise CardFaulty(f"{volume.drive.name}: reading back: {findings.fault}; try again, or use another card")
        notes = [f"the system does not let us remove {name}; cameras do not mind it" for name in left]
        return Made(volume.drive, sha256, tuple(notes))

    def camera_of(self, drive: Drive) -> str | None:
        """Return the label of the card in a drive."""
        return self._volume_at(drive).label or None

    def release(self, drive: Drive) -> bool:
        """Eject a card; tell whether the system did."""
        try:
            self._system.eject(self._volume_at(drive))
        except (DriveRefused, MediumFailed):
            return False
        return True

    def _formatted(self, drive: Drive, label: str, console: Console) -> tuple[MountedVolume, Path]:
        """Return the volume once it is an empty exFAT one; until then tell how to format it."""
        while True:
            volume = self._volume_at(drive)
            if volume.mount is None:
                lack = "it holds no single mounted volume"
            elif volume.file_system.lower() != "exfat":
                lack = f"it is formatted as {volume.file_system or 'something unknown'}"
            elif foreign := foreign_entries(volume.mount):
                lack = f"it holds {foreign[0]}, and a card holds nothing but the firmware"
            else:
                return volume, volume.mount
            steps = self._system.format_steps(volume.drive, label)
            console.say(f"{volume.drive.name}: {lack}. Format it as exFAT (this erases it):")
            for number, step in enumerate(steps, 1):
                console.say(f"  {number}. {step}")
            console.ask(f"Format {volume.drive.name} as shown, then press Enter")

    def _volume_at(self, drive: Drive) -> MountedVolume:
        """Look at the drive again; its name may change when it is formatted, its place does not."""
        for volume in self._system.volumes(self._size_cap):
            now = volume.drive
            if now.path == drive.path:
                if now.refusal:
                    raise DriveRefused(f"{now.name}: {now.refusal}")
                if (now.size, now.model, now.serial) != (drive.size, drive.model, drive.serial):
                    break
                return volume
        raise DriveRefused(f"{drive.name}: the card or drive there is another one now; nothing more was written")


def workshop_here(size_cap: int = SIZE_CAP) -> Workshop:
    """Return the workshop for the system that we run on."""
    system = system_here()
    return RawWorkshop(size_cap) if system is None else FillWorkshop(system, size_cap)


def system_here() -> System | None:
    """Return the system whose tools fill cards; None where cards are written raw."""
    if sys.platform == "win32":
        return Windows()
    if sys.platform == "darwin":
        return MacOS()
    return None


def mounted_card(target: Path) -> MountedVolume | None:
    """Return the mounted card that is meant on Windows and macOS; None for files, and on Linux."""
    system = system_here()
    if system is None or target.is_file():
        return None
    volumes = system.volumes(SIZE_CAP)
    drive = find_drive([volume.drive for volume in volumes], _name_of(target, volumes))
    return next(volume for volume in volumes if volume.drive is drive)


def _name_of(target: Path, volumes: list[MountedVolume]) -> str:
    return next((volume.drive.name for volume in volumes if volume.mount == target), str(target).rstrip("\\"))
