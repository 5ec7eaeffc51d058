"""Image files of cards: written beside their final name, and renamed only when they are whole."""

import os
import secrets
from pathlib import Path

from firmware_tools.card import Card
from firmware_tools.errors import InputRefused, MediumFailed
from firmware_tools.firmware import Firmware
from firmware_tools.medium import create_image
from firmware_tools.progress import Progress
from firmware_tools.size import check_card_size
from firmware_tools.writer import Written, plan_card, write_card


def write_image(
    path: Path, size: int, card: Card, firmware: Firmware, *, progress: Progress, expected_sha256: bytes | None = None
) -> Written:
    """Write the image of a card of `size` bytes; it appears under its name only when all of it is on the disk.

    Until then an older image of that name stays as it was, and whatever stops us leaves no new one.

    Raises:
        InputRefused: the size or the firmware is refused, or the image's name cannot be used.
        MediumFailed: the image cannot be written.

    """
    if path.is_dir():
        raise InputRefused(f"{path}: this is a folder; name the image file to write")
    if path.exists() and not path.is_file():
        raise InputRefused(f"{path}: this is no ordinary file; use `prepare` to write a card in a drive")
    if path.exists() and any(path.samefile(part) for part in firmware.parts):
        raise InputRefused(f"{path}: this is the firmware itself; give the image another name")
    if not path.parent.is_dir():
        raise InputRefused(f"{path}: the folder {path.parent} does not exist")
    size = check_card_size(size)
    plan_card(size, card, firmware)
    target = path.resolve()
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.incomplete")
    try:
        with create_image(unfinished, size) as medium:
            written = write_card(medium, card, firmware, progress=progress, expected_sha256=expected_sha256)
        try:
            unfinished.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            raise MediumFailed.during("renaming", str(path), error) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
