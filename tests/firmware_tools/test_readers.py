"""Other people's readers of exFAT all find the card sound and give back the same bytes."""

import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import fs_explorer
import pytest

from firmware_tools.card import CardFile
from firmware_tools.cleaning import clean_card
from firmware_tools.medium import open_medium

Tool = Callable[..., str]
SIZES = [32 << 20, 300 << 20, 64_000_000_000]
SLEUTHKIT_SIZES = SIZES if os.environ.get("FULL_PROOFS") == "1" else SIZES[:2]  # it reads all of the 64 GB


def volume_of(image: Path) -> Path:
    """Copy out the part of an image that is the file system; the file stays sparse."""
    start = 16 << 20 if image.stat().st_size > 32 << 30 else 4 << 20
    volume = image.with_suffix(".volume")
    subprocess.run(
        ["dd", f"if={image}", f"of={volume}", "bs=4M", f"skip={start >> 22}", "count=16", "status=none"], check=True
    )
    os.truncate(volume, image.stat().st_size - start)
    return volume


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("file", [CardFile.UPDATE, CardFile.RECOVERY])
def test_exfatprogs(write: Callable[..., Path], tool: Tool, size: int, file: CardFile) -> None:
    volume = volume_of(write(size=size, file=file))
    checked = tool("fsck.exfat", "-n", volume)
    assert f"clean. directories {2 if file is CardFile.UPDATE else 1}, files 1" in checked
    dumped = tool("dump.exfat", volume)
    assert re.search(r"Volume label:\s+SUNMI-1B2C", dumped)
    assert re.search(r"Upcase table size:\s+5836", dumped)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", SLEUTHKIT_SIZES)
@pytest.mark.parametrize("file", list(CardFile))
def test_sleuthkit(
    write: Callable[..., Path], tool: Tool, size: int, file: CardFile, firmware_file: Path, tmp_path: Path
) -> None:
    image = write(size=size, file=file)
    start = 32768 if size > 32 << 30 else 8192
    listed = tool("fls", "-r", "-p", "-o", start, image)
    files = dict(re.findall(r"r/r (\d+):\t(.*)", listed))
    inode = next(number for number, name in files.items() if name == file.value)
    assert "SUNMI-1B2C (Volume Label Entry)" in files.values()
    with (tmp_path / "read.bin").open("wb") as read:
        subprocess.run(["icat", "-o", str(start), str(image), inode], stdout=read, check=True)
    assert (tmp_path / "read.bin").read_bytes() == firmware_file.read_bytes()


@pytest.mark.parametrize("size", SIZES)
def test_fs_explorer(write: Callable[..., Path], size: int, firmware_sha256: str) -> None:
    image = str(write(size=size))
    assert {entry.path for entry in fs_explorer.iter_entries(image)} == {"/firmware", "/firmware/ipc-up.bin"}
    read = fs_explorer.read_file(image, "/firmware/ipc-up.bin")
    assert hashlib.sha256(read).hexdigest() == firmware_sha256


@pytest.mark.parametrize("size", SIZES)
def test_exfat_fuse(
    write: Callable[..., Path],
    tool: Tool,
    loop_device: Callable[..., Path],
    size: int,
    tmp_path: Path,
    firmware_sha256: str,
) -> None:
    image, mounted = write(size=size), tmp_path / "mounted"
    start = 16 << 20 if size > 32 << 30 else 4 << 20
    device = loop_device(image, "--offset", str(start))
    mounted.mkdir()
    tool("mount.exfat-fuse", device, mounted)
    try:
        assert [path.name for path in mounted.iterdir()] == ["firmware"]
        assert [path.name for path in (mounted / "firmware").iterdir()] == ["ipc-up.bin"]
        assert hashlib.sha256((mounted / "FIRMWARE" / "IPC-UP.BIN").read_bytes()).hexdigest() == firmware_sha256
    finally:
        tool("umount", mounted)


@pytest.mark.parametrize("file", list(CardFile))
def test_a_cleaned_card_is_sound(write: Callable[..., Path], tool: Tool, file: CardFile) -> None:
    image = write(file=file)
    with open_medium(image, writable=True) as medium:
        assert clean_card(medium) == [file.value]
    assert "clean. directories" in tool("fsck.exfat", "-n", volume_of(image))
    left = [entry.path for entry in fs_explorer.iter_entries(str(image))]
    assert left == (["/firmware"] if "/" in file.value else [])
