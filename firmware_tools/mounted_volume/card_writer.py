"""Windows and macOS: the user formats the card with the system's tools, and we copy the firmware to it."""

from pathlib import Path

from firmware_tools.card import CardSpec
from firmware_tools.card_writer import WrittenCard
from firmware_tools.console import Console
from firmware_tools.drives.drive import DEFAULT_MAX_DRIVE_SIZE, Drive
from firmware_tools.errors import CardFault, DriveRefused, InvalidInput, IOFailed
from firmware_tools.firmware import Firmware
from firmware_tools.language import message
from firmware_tools.mounted_volume.card_files import (
    find_foreign_files,
    remove_os_metadata,
    verify_mounted_card,
    write_mounted_card,
)
from firmware_tools.mounted_volume.system_tools import MountedVolume, SystemTools


class MountedCardWriter:
    """Writes cards as files on a mounted volume."""

    def __init__(self, system_tools: SystemTools, max_drive_size: int = DEFAULT_MAX_DRIVE_SIZE) -> None:
        self._system_tools = system_tools
        self._max_drive_size = max_drive_size

    def list_drives(self) -> list[Drive]:
        """List all drives, offered or not."""
        return [volume.drive for volume in self._system_tools.list_volumes(self._max_drive_size)]

    def write(
        self,
        drive: Drive,
        spec: CardSpec,
        firmware: Firmware,
        *,
        console: Console,
        expected_sha256: bytes | None = None,
        check_capacity: bool = False,
    ) -> WrittenCard:
        """Let the user format the card if necessary, copy the firmware to it, set the label, and read it back.

        Raises:
            InvalidInput: the firmware does not fit or has another SHA-256, or the user cannot be asked to format.
            DriveRefused: the drive changed or must not be written.
            IOFailed: the card cannot be written, labelled or read.
            CardFault: the card does not give back what was written.

        """
        if check_capacity:
            raise InvalidInput(message("--check-capacity writes the card raw, which is done on Linux only"))
        label = spec.mac.volume_label
        volume, mount_point = self._wait_for_formatting(drive, label, console)
        sha256 = write_mounted_card(mount_point, spec, firmware, progress=console, expected_sha256=expected_sha256)
        if volume.label != label:
            self._system_tools.set_label(volume, label)
            volume = self._find_volume(drive)
            mount_point = volume.mount_point or mount_point
        remaining = remove_os_metadata(mount_point)
        result = verify_mounted_card(mount_point, volume.label, progress=console, mac=spec.mac, expected_sha256=sha256)
        if not result.is_good:
            raise CardFault(
                message(
                    "{drive}: reading back: {fault}; try again, or use another card",
                    drive=volume.drive.name,
                    fault=result.fault,
                )
            )
        notes = [
            message("the system does not let us remove {name}; cameras do not mind it", name=name) for name in remaining
        ]
        return WrittenCard(volume.drive, sha256.hex(), tuple(notes))

    def identify_card(self, drive: Drive) -> str | None:
        """Return the volume label of the card in a drive; None if it has none."""
        return self._find_volume(drive).label or None

    def eject(self, drive: Drive) -> bool:
        """Eject the card in a drive; return whether the system did so."""
        try:
            self._system_tools.eject(self._find_volume(drive))
        except (DriveRefused, IOFailed):
            return False
        return True

    def _wait_for_formatting(self, drive: Drive, label: str, console: Console) -> tuple[MountedVolume, Path]:
        """Return the volume and where it is mounted, once it is an exFAT volume without foreign files."""
        while True:
            volume = self._find_volume(drive)
            if volume.mount_point is None:
                reason = message("it holds no single mounted volume")
            elif volume.file_system.lower() != "exfat":
                reason = message(
                    "it is formatted as {file_system}", file_system=volume.file_system or message("something unknown")
                )
            elif foreign := find_foreign_files(volume.mount_point):
                reason = message("it holds {file}, and a card holds nothing but the firmware", file=foreign[0])
            else:
                return volume, volume.mount_point
            console.print_message(
                message(
                    "{drive}: {reason}. Format it as exFAT (this erases it):", drive=volume.drive.name, reason=reason
                )
            )
            for number, step in enumerate(self._system_tools.describe_formatting(volume.drive, label), 1):
                console.print_message(f"  {number}. {step}")
            console.ask(message("Format {drive} as shown, then press Enter", drive=volume.drive.name))

    def _find_volume(self, drive: Drive) -> MountedVolume:
        """Return the volume that is on a drive now, found by path: formatting may change the name.

        Raises:
            DriveRefused: there is another drive or card now, or it must not be written any more.

        """
        for volume in self._system_tools.list_volumes(self._max_drive_size):
            current = volume.drive
            if current.path == drive.path:
                if current.refusal:
                    raise DriveRefused(message("{drive}: {reason}", drive=current.name, reason=current.refusal))
                if (current.size, current.model, current.serial) != (drive.size, drive.model, drive.serial):
                    break
                return volume
        raise DriveRefused(
            message("{drive}: the card or drive there is another one now; nothing more was written", drive=drive.name)
        )
