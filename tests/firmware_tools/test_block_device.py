"""Opening block devices: mounted, write-protected, and with the wrong size of sectors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tools.block_device import open_block_device
from firmware_tools.errors import IOFailed
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.verification import verify_card
from firmware_tools.size import MIB


def test_a_mounted_card_is_not_opened_for_writing(
    make_image: Callable[..., Path],
    attach_loop_device: Callable[..., Path],
    run_tool: Callable[..., str],
    tmp_path: Path,
) -> None:
    image, mount_point = make_image(), tmp_path / "mounted"
    run_tool("mkfs.ext4", "-q", "-F", image)
    path = attach_loop_device(image)
    mount_point.mkdir()
    run_tool("mount", path, mount_point)
    try:
        with pytest.raises(IOFailed, match="mounted or in use: unmount it first"):
            open_block_device(path, writable=True)
    finally:
        run_tool("umount", mount_point)
    open_block_device(path, writable=True).close()


def test_a_write_protected_card_can_only_be_read(
    make_image: Callable[..., Path], attach_loop_device: Callable[..., Path]
) -> None:
    path = attach_loop_device(make_image(), "--read-only")
    with open_block_device(path) as device:
        assert verify_card(device, progress=NullProgress()).is_good
    with pytest.raises(IOFailed, match="write-protection switch"):
        open_block_device(path, writable=True)


def test_a_device_with_other_sectors_is_refused(tmp_path: Path, attach_loop_device: Callable[..., Path]) -> None:
    image = tmp_path / "4k.img"
    image.write_bytes(bytes(MIB))
    with pytest.raises(IOFailed, match="sectors have 4096 bytes"):
        open_block_device(attach_loop_device(image, "--sector-size", "4096"))
