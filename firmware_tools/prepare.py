"""Preparing a card in a drive of this computer (Linux): check, write, read back from the medium."""

from dataclasses import dataclass

from firmware_tools.card import Card
from firmware_tools.drives.drive import SIZE_CAP, Drive
from firmware_tools.drives.linux import take
from firmware_tools.errors import CardFaulty
from firmware_tools.fakes import check_capacity
from firmware_tools.firmware import Firmware
from firmware_tools.medium import Medium
from firmware_tools.progress import Progress
from firmware_tools.verification import Findings, verify_card
from firmware_tools.writer import Written, plan_card, write_card


@dataclass(frozen=True, slots=True)
class Prepared:
    """A card that was written and read back."""

    written: Written
    findings: Findings


def prepare_drive(
    drive: Drive,
    card: Card,
    firmware: Firmware,
    *,
    progress: Progress,
    expected_sha256: bytes | None = None,
    with_capacity: bool = False,
    size_cap: int = SIZE_CAP,
) -> Prepared:
    """Erase the card in a drive and make it a firmware card.

    Raises:
        InputRefused: the firmware does not fit or has another SHA-256; then nothing was written.
        DriveRefused: the drive is not what it was, or must not be written; nothing was written.
        MediumFailed: it cannot be opened, written or read.
        CardFaulty: it does not give back what was written.

    """
    plan_card(drive.size, card, firmware)
    if expected_sha256 is not None:
        firmware.check_sha256(expected_sha256, progress)
    with take(drive, size_cap) as medium:
        return prepare_medium(medium, card, firmware, progress=progress, with_capacity=with_capacity)


def prepare_medium(
    medium: Medium, card: Card, firmware: Firmware, *, progress: Progress, with_capacity: bool = False
) -> Prepared:
    """Write a card on an open medium and read it back from there."""
    if with_capacity:
        check_capacity(medium, progress)
    written = write_card(medium, card, firmware, progress=progress)
    findings = verify_card(medium, progress=progress, mac=card.mac, expected_sha256=written.record.sha256)
    if not findings.good:
        raise CardFaulty(f"{medium.name}: reading back: {findings.fault}; the card may be worn out: use another one")
    return Prepared(written, findings)
