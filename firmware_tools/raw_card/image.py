"""Image files of cards: written under a temporary name, and renamed when complete."""

import secrets
from pathlib import Path

from firmware_tools.block_device import create_image_file
from firmware_tools.card import CardRecord, CardSpec
from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.file_sync import sync_folder
from firmware_tools.firmware import Firmware
from firmware_tools.language import message
from firmware_tools.progress import ProgressReporter
from firmware_tools.raw_card.device_writer import plan_layout, write_card
from firmware_tools.size import round_card_size


def write_image(
    path: Path,
    size: int,
    spec: CardSpec,
    firmware: Firmware,
    *,
    progress: ProgressReporter,
    expected_sha256: bytes | None = None,
) -> CardRecord:
    """Write the image of a card of `size` bytes and return the record that is stored in it.

    The image gets its name only when all of it is on the disk. If writing fails, there is no new file, and an older
    image of that name is unchanged.

    Raises:
        InvalidInput: the size, the firmware or the name of the image is not allowed.
        IOFailed: the image cannot be written.

    """
    _check_image_path(path, firmware)
    size = round_card_size(size)
    plan_layout(size, spec, firmware)  # refuse before anything is written
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.incomplete")
    try:
        with create_image_file(temporary, size) as device:
            record = write_card(device, spec, firmware, progress=progress, expected_sha256=expected_sha256)
        try:
            temporary.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise IOFailed.from_os_error(message("renaming"), str(path), error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return record


def _check_image_path(path: Path, firmware: Firmware) -> None:
    if path.is_dir():
        raise InvalidInput(message("{path}: this is a folder; name the image file to write", path=path))
    if path.exists() and not path.is_file():
        raise InvalidInput(
            message("{path}: this is no ordinary file; use `prepare` to write a card in a drive", path=path)
        )
    if path.exists() and any(path.samefile(file) for file in firmware.source_files):
        raise InvalidInput(message("{path}: this is the firmware itself; give the image another name", path=path))
    if not path.parent.is_dir():
        raise InvalidInput(message("{path}: the folder {parent} does not exist", path=path, parent=path.parent))
