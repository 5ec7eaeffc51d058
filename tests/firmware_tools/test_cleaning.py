"""Cleaning removes the firmware and nothing else, and being stopped in the middle leaves no damage."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import fs_explorer
import pytest

from firmware_tools.card import CardFile
from firmware_tools.cleaning import clean_card
from firmware_tools.errors import CardFaulty, InputRefused, MediumFailed
from firmware_tools.medium import OpenMedium, open_medium
from firmware_tools.progress import Unseen
from firmware_tools.verification import verify_card


@pytest.mark.parametrize("file", list(CardFile))
def test_only_the_firmware_goes(write: Callable[..., Path], file: CardFile) -> None:
    image = write(file=file)
    before = image.read_bytes()
    with open_medium(image, writable=True) as medium:
        assert clean_card(medium) == [file.value]
        assert verify_card(medium, progress=Unseen()).fault == "firmware: there is no firmware file on the card"
        assert clean_card(medium) == [], "there is nothing left to remove"
    after = image.read_bytes()
    changed = {index // 512 for index in range(0, 9 << 20, 1) if before[index] != after[index]}
    assert len(changed) == 3, "the folder's entries, the bitmap, the percentage in the boot sector"
    assert before[9 << 20 :] == after[9 << 20 :]


def test_a_dirty_card_can_be_cleaned(write: Callable[..., Path]) -> None:
    image = write()
    with open_medium(image, writable=True) as medium:
        medium.write(8192 * 512 + 106, b"\x02")
        assert clean_card(medium) == ["firmware/ipc-up.bin"]
        assert medium.read(8192 * 512 + 106, 1) == b"\x02", "what others left undone is not declared done"


class CutOff(Exception):
    """The card was pulled out."""


class Interrupted(OpenMedium):
    """An image whose writes end after the given number."""

    left = 0

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        if not self.left:
            raise CutOff
        self.left -= 1
        super().write(offset, data)


@pytest.mark.parametrize("writes", range(4))
def test_a_card_pulled_out_while_being_cleaned(write: Callable[..., Path], firmware_file: Path, writes: int) -> None:
    image = write()
    with image.open("r+b") as file:
        medium = Interrupted(os.dup(file.fileno()), "cut", size=image.stat().st_size, is_device=False)
        medium.left = writes
        with medium, pytest.raises(CutOff):
            clean_card(medium)
    names = [entry.path for entry in fs_explorer.iter_entries(str(image))]
    if "/firmware/ipc-up.bin" in names:
        assert fs_explorer.read_file(str(image), "/firmware/ipc-up.bin") == firmware_file.read_bytes()
    with open_medium(image, writable=True) as again:
        fault = verify_card(again, progress=Unseen()).fault
        assert writes == 0 or (fault is not None and "dirty" in fault)
        clean_card(again)
    assert "/firmware/ipc-up.bin" not in [entry.path for entry in fs_explorer.iter_entries(str(image))]


def test_what_is_no_card(tmp_path: Path) -> None:
    path = tmp_path / "random.img"
    path.write_bytes(random.Random(6).randbytes(1 << 20))
    before = path.read_bytes()
    with open_medium(path, writable=True) as medium, pytest.raises(CardFaulty):
        clean_card(medium)
    assert path.read_bytes() == before
    path.write_bytes(b"short")
    with open_medium(path, writable=True) as medium, pytest.raises(MediumFailed, match="sooner than it should"):
        clean_card(medium)
    for missing in (tmp_path / "none", tmp_path, Path("/dev/null")):
        with pytest.raises(InputRefused):
            open_medium(missing, writable=True)
