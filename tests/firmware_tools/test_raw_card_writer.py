"""Writing cards on block devices: used ones, failing ones, and ones that are too small."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tools.block_device import open_block_device
from firmware_tools.card import CardSpec
from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.firmware import load_firmware
from firmware_tools.mac import Mac
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.capacity import check_capacity
from firmware_tools.raw_card.card_writer import write_and_verify
from firmware_tools.raw_card.verification import verify_card
from firmware_tools.size import MIB


@pytest.fixture
def used_card(tmp_path: Path) -> Path:
    """Write a card of random bytes."""
    path = tmp_path / "used.img"
    with path.open("wb") as file:
        for seed in range(40):
            file.write(random.Random(seed).randbytes(MIB))
    return path


def test_nothing_is_left_of_what_was_on_a_used_card(
    used_card: Path,
    attach_loop_device: Callable[..., Path],
    run_tool: Callable[..., str],
    firmware_file: Path,
    firmware_sha256: str,
    mac: Mac,
) -> None:
    run_tool("mkfs.ext4", "-q", "-F", used_card)
    content = bytearray(used_card.read_bytes())
    content[-512:-504] = b"EFI PART"  # the backup of a GPT
    used_card.write_bytes(content)
    with open_block_device(attach_loop_device(used_card), writable=True) as device:
        record, notes = write_and_verify(device, CardSpec(mac), load_firmware([firmware_file]), progress=NullProgress())
    assert (record.sha256.hex(), notes) == (firmware_sha256, [])
    written = used_card.read_bytes()
    assert not any(written[-MIB:])
    assert not any(written[512 : 8192 * 512])
    assert run_tool("wipefs", "--noheadings", "--output", "type", used_card).split() == ["dos"]


def test_a_card_that_fails_in_the_middle_is_marked_incomplete(
    tmp_path: Path,
    attach_loop_device: Callable[..., Path],
    run_tool: Callable[..., str],
    used_card: Path,
    mac: Mac,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    run_tool("mount", "-t", "tmpfs", "-o", "size=9m", "none", folder)
    try:
        image = folder / "card.img"
        image.touch()
        os.truncate(image, 64 * MIB)
        with open_block_device(attach_loop_device(image), writable=True) as device:
            with pytest.raises(IOFailed, match="damaged or was pulled out"):
                write_and_verify(device, CardSpec(mac), load_firmware([used_card]), progress=NullProgress())
            fault = verify_card(device, progress=NullProgress()).fault
        assert fault is not None
        assert fault.startswith("incomplete")
    finally:
        run_tool("umount", "--lazy", folder)


def test_a_capacity_check_erases_the_card_and_writing_follows(
    make_image: Callable[..., Path], attach_loop_device: Callable[..., Path], firmware_file: Path, mac: Mac
) -> None:
    image = make_image(size=40 * MIB)
    with open_block_device(attach_loop_device(image), writable=True) as device:
        check_capacity(device, NullProgress())
        fault = verify_card(device, progress=NullProgress()).fault
        assert fault is not None
        assert fault.startswith("incomplete")
        firmware = load_firmware([firmware_file])
        write_and_verify(device, CardSpec(mac), firmware, progress=NullProgress(), check_capacity=True)
        assert verify_card(device, progress=NullProgress()).is_good


def test_a_card_that_is_too_small_is_not_written(
    tmp_path: Path, attach_loop_device: Callable[..., Path], firmware_file: Path, mac: Mac
) -> None:
    image = tmp_path / "tiny.img"
    image.write_bytes(bytes(MIB))
    with (
        open_block_device(attach_loop_device(image), writable=True) as device,
        pytest.raises(InvalidInput, match="32 MiB"),
    ):
        write_and_verify(device, CardSpec(mac), load_firmware([firmware_file]), progress=NullProgress())
    assert not any(image.read_bytes())
