"""Removing the firmware changes nothing else, and does no damage if it is interrupted."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import fs_explorer
import pytest

from firmware_tools.block_device import OpenBlockDevice, open_block_device
from firmware_tools.card import FirmwarePath
from firmware_tools.errors import CardFault, InvalidInput, IOFailed
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.firmware_removal import remove_firmware
from firmware_tools.raw_card.verification import verify_card

FLAGS_OFFSET = 8192 * 512 + 106
CLUSTERS_OFFSET = 9 << 20


@pytest.mark.parametrize("path", list(FirmwarePath))
def test_only_the_firmware_is_removed(make_image: Callable[..., Path], path: FirmwarePath) -> None:
    image = make_image(path=path)
    before = image.read_bytes()
    with open_block_device(image, writable=True) as device:
        assert remove_firmware(device) == [path.value]
        fault = verify_card(device, progress=NullProgress()).fault
        assert fault == "firmware: there is no firmware file on the card"
        assert remove_firmware(device) == [], "there is nothing left to remove"
    after = image.read_bytes()
    changed_sectors = {index // 512 for index in range(CLUSTERS_OFFSET) if before[index] != after[index]}
    assert len(changed_sectors) == 3, "the entries in the folder, the bitmap, the percentage in the boot sector"
    assert before[CLUSTERS_OFFSET:] == after[CLUSTERS_OFFSET:]


def test_a_dirty_volume_stays_dirty(make_image: Callable[..., Path]) -> None:
    with open_block_device(make_image(), writable=True) as device:
        device.write(FLAGS_OFFSET, b"\x02")
        assert remove_firmware(device) == ["firmware/ipc-up.bin"]
        assert device.read(FLAGS_OFFSET, 1) == b"\x02"


class PulledOut(Exception):
    """The card was pulled out."""


class InterruptedDevice(OpenBlockDevice):
    """An image that fails after some writes."""

    remaining_writes = 0

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        if not self.remaining_writes:
            raise PulledOut
        self.remaining_writes -= 1
        super().write(offset, data)


@pytest.mark.parametrize("write_count", range(4))
def test_a_card_that_is_pulled_out_can_be_cleaned_again(
    make_image: Callable[..., Path], firmware_file: Path, write_count: int
) -> None:
    image = make_image()
    with image.open("r+b") as file:
        device = InterruptedDevice(os.dup(file.fileno()), "card", size=image.stat().st_size, writable=True)
        device.remaining_writes = write_count
        with device, pytest.raises(PulledOut):
            remove_firmware(device)
    paths = [entry.path for entry in fs_explorer.iter_entries(str(image))]
    if "/firmware/ipc-up.bin" in paths:
        assert fs_explorer.read_file(str(image), "/firmware/ipc-up.bin") == firmware_file.read_bytes()
    with open_block_device(image, writable=True) as again:
        fault = verify_card(again, progress=NullProgress()).fault
        assert write_count == 0 or (fault is not None and "dirty" in fault)
        remove_firmware(again)
    assert "/firmware/ipc-up.bin" not in [entry.path for entry in fs_explorer.iter_entries(str(image))]


def test_what_is_not_a_card_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "random.img"
    path.write_bytes(random.Random(6).randbytes(1 << 20))
    before = path.read_bytes()
    with open_block_device(path, writable=True) as device, pytest.raises(CardFault):
        remove_firmware(device)
    assert path.read_bytes() == before
    path.write_bytes(b"short")
    with open_block_device(path, writable=True) as device, pytest.raises(IOFailed, match="sooner than it should"):
        remove_firmware(device)
    for invalid in (tmp_path / "none", tmp_path, Path("/dev/null")):
        with pytest.raises(InvalidInput):
            open_block_device(invalid, writable=True)
