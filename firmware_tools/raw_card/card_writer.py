"""Linux: the whole card is written as a block device."""

from pathlib import Path

from firmware_tools.block_device import BlockDevice, open_block_device
from firmware_tools.card import CardRecord, CardSpec
from firmware_tools.card_writer import WrittenCard
from firmware_tools.console import Console
from firmware_tools.drives import linux
from firmware_tools.drives.drive import DEFAULT_MAX_DRIVE_SIZE, Drive
from firmware_tools.errors import CardFault
from firmware_tools.exfat.volume import ExfatVolume
from firmware_tools.firmware import Firmware
from firmware_tools.language import message
from firmware_tools.progress import ProgressReporter
from firmware_tools.raw_card import capacity
from firmware_tools.raw_card.device_writer import plan_layout, write_card
from firmware_tools.raw_card.verification import verify_card


class RawCardWriter:
    """Writes cards as block devices."""

    def __init__(self, max_drive_size: int = DEFAULT_MAX_DRIVE_SIZE) -> None:
        self._max_drive_size = max_drive_size

    def list_drives(self) -> list[Drive]:
        """List all drives, offered or not."""
        return linux.list_drives(self._max_drive_size)

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
        """Erase the card in a drive, write it and read it back.

        Raises:
            InvalidInput: the firmware does not fit or has another SHA-256; nothing was written.
            DriveRefused: the drive changed or must not be written; nothing was written.
            IOFailed: the card cannot be opened, written or read.
            CardFault: the card does not give back what was written.

        """
        plan_layout(drive.size, spec, firmware)
        if expected_sha256 is not None:
            firmware.check_sha256(firmware.compute_sha256(console), expected_sha256)
        with linux.open_exclusively(drive, self._max_drive_size) as device:
            record, notes = write_and_verify(device, spec, firmware, progress=console, check_capacity=check_capacity)
        return WrittenCard(drive, record.sha256.hex(), tuple(notes))

    def identify_card(self, drive: Drive) -> str | None:
        """Return the MAC address recorded on the card in a drive; None if it is no firmware card."""
        try:
            with open_block_device(Path(drive.path)) as device:
                record = CardRecord.from_oem_parameters(ExfatVolume(device).boot_region.oem_parameters)
        except CardFault:
            return None
        return str(record.spec.mac) if record else None

    def eject(self, drive: Drive) -> bool:
        """Eject the card in a drive; return whether the system did so."""
        return linux.eject(drive)


def write_and_verify(
    device: BlockDevice, spec: CardSpec, firmware: Firmware, *, progress: ProgressReporter, check_capacity: bool = False
) -> tuple[CardRecord, list[str]]:
    """Write a card and read it back; return the record that is stored on it, and notes for the user.

    Raises:
        InvalidInput: the firmware does not fit, or changed while it was read.
        IOFailed: the card cannot be written or read.
        CardFault: the card does not give back what was written, or has less capacity than it claims.

    """
    if check_capacity:
        capacity.check_capacity(device, progress)
    record = write_card(device, spec, firmware, progress=progress)
    result = verify_card(device, progress=progress, mac=spec.mac, expected_sha256=record.sha256, is_fresh=True)
    if not result.is_good:
        raise CardFault(
            message(
                "{device}: reading back: {fault}; the card may be worn out: use another one",
                device=device.name,
                fault=result.fault,
            )
        )
    return record, result.notes
