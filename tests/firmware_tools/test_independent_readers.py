"""Independent exFAT programs find no fault in our cards and read the same bytes from them."""

import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import fs_explorer
import pytest

from firmware_tools.block_device import open_block_device
from firmware_tools.card import FirmwarePath
from firmware_tools.raw_card.firmware_removal import remove_firmware

Tool = Callable[..., str]
SIZES = [32 << 20, 300 << 20, 64_000_000_000]
SLEUTHKIT_SIZES = SIZES if os.environ.get("FULL_PROOFS") == "1" else SIZES[:2]  # it reads all of the 64 GB


def partition_offset(size: int) -> int:
    return 16 << 20 if size > 32 << 30 else 4 << 20


def extract_volume(image: Path) -> Path:
    """Copy the file system out of an image, into a sparse file."""
    size = image.stat().st_size
    offset = partition_offset(size)
    volume = image.with_suffix(".volume")
    subprocess.run(
        ["dd", f"if={image}", f"of={volume}", "bs=4M", f"skip={offset >> 22}", "count=16", "status=none"], check=True
    )
    os.truncate(volume, size - offset)
    return volume


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", [FirmwarePath.UPDATE, FirmwarePath.RECOVERY])
def test_exfatprogs(make_image: Callable[..., Path], run_tool: Tool, size: int, path: FirmwarePath) -> None:
    volume = extract_volume(make_image(size=size, path=path))
    checked = run_tool("fsck.exfat", "-n", volume)
    assert f"clean. directories {2 if path is FirmwarePath.UPDATE else 1}, files 1" in checked
    dumped = run_tool("dump.exfat", volume)
    assert re.search(r"Volume label:\s+SUNMI-1B2C", dumped)
    assert re.search(r"Upcase table size:\s+5836", dumped)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", SLEUTHKIT_SIZES)
@pytest.mark.parametrize("path", list(FirmwarePath))
def test_sleuthkit(
    make_image: Callable[..., Path],
    run_tool: Tool,
    size: int,
    path: FirmwarePath,
    firmware_file: Path,
    tmp_path: Path,
) -> None:
    image = make_image(size=size, path=path)
    start = partition_offset(size) // 512
    listed = run_tool("fls", "-r", "-p", "-o", start, image)
    files = dict(re.findall(r"r/r (\d+):\t(.*)", listed))
    inode = next(number for number, name in files.items() if name == path.value)
    assert "SUNMI-1B2C (Volume Label Entry)" in files.values()
    with (tmp_path / "read.bin").open("wb") as read:
        subprocess.run(["icat", "-o", str(start), str(image), inode], stdout=read, check=True)
    assert (tmp_path / "read.bin").read_bytes() == firmware_file.read_bytes()


@pytest.mark.parametrize("size", SIZES)
def test_fs_explorer(make_image: Callable[..., Path], size: int, firmware_sha256: str) -> None:
    image = str(make_image(size=size))
    assert {entry.path for entry in fs_explorer.iter_entries(image)} == {"/firmware", "/firmware/ipc-up.bin"}
    read = fs_explorer.read_file(image, "/firmware/ipc-up.bin")
    assert hashlib.sha256(read).hexdigest() == firmware_sha256


@pytest.mark.parametrize("size", SIZES)
def test_exfat_fuse(
    make_image: Callable[..., Path],
    run_tool: Tool,
    attach_loop_device: Callable[..., Path],
    size: int,
    tmp_path: Path,
    firmware_sha256: str,
) -> None:
    image, mount_point = make_image(size=size), tmp_path / "mounted"
    device = attach_loop_device(image, "--offset", str(partition_offset(size)))
    mount_point.mkdir()
    run_tool("mount.exfat-fuse", device, mount_point)
    try:
        assert [path.name for path in mount_point.iterdir()] == ["firmware"]
        assert [path.name for path in (mount_point / "firmware").iterdir()] == ["ipc-up.bin"]
        content = (mount_point / "FIRMWARE" / "IPC-UP.BIN").read_bytes()
        assert hashlib.sha256(content).hexdigest() == firmware_sha256
    finally:
        run_tool("umount", mount_point)


@pytest.mark.parametrize("path", list(FirmwarePath))
def test_a_cleaned_card_has_no_fault(make_image: Callable[..., Path], run_tool: Tool, path: FirmwarePath) -> None:
    image = make_image(path=path)
    with open_block_device(image, writable=True) as device:
        assert remove_firmware(device) == [path.value]
    assert "clean. directories" in run_tool("fsck.exfat", "-n", extract_volume(image))
    remaining = [entry.path for entry in fs_explorer.iter_entries(str(image))]
    assert remaining == (["/firmware"] if "/" in path.value else [])
