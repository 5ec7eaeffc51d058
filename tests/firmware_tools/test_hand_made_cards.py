"""Cards that people made by hand or that computers have touched: verified with advice, and cleaned."""

import contextlib
import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_tools.block_device import open_block_device
from firmware_tools.card import FirmwarePath
from firmware_tools.errors import CardFault
from firmware_tools.exfat.partitions import find_exfat_volume
from firmware_tools.mac import Mac
from firmware_tools.mounted_volume.card_files import (
    find_foreign_files,
    remove_mounted_firmware,
    verify_mounted_card,
)
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.firmware_removal import remove_firmware
from firmware_tools.raw_card.verification import verify_card
from firmware_tools.verification import VerificationResult, is_os_metadata
from tests.firmware_tools.conftest import MIB, MountImage
from tests.firmware_tools.test_verification import CardInMemory

LITTER = (
    "System Volume Information",
    "$RECYCLE.BIN",
    "desktop.ini",
    "Thumbs.db",
    ".Trash-1000",
    ".Trashes",
    ".fseventsd",
    ".Spotlight-V100",
    ".metadata_never_index",
    "._ipc-up.bin",
    ".DS_Store",
    "LOST.DIR",
    "lost+found",
)


@dataclass
class Layout:
    """How a card is partitioned, in the words of sfdisk; without a table if there are none."""

    script: str
    fault: str
    start: int = 4 * MIB
    size: int = 64 * MIB
    cluster_size: str = "4K"


LAYOUTS = {
    "usual": Layout("label: dos\nstart=8192, type=7", ""),
    "superfloppy": Layout("", "there is none, the file system lies directly on the card", 0),
    "GPT": Layout("label: gpt\nstart=8192", "it is a GPT, not a master boot record"),
    "type 0x0C": Layout("label: dos\nstart=8192, type=c", "type 0x0C, exFAT has 0x07"),
    "second entry": Layout("label: dos\n2 : start=8192, type=7", "as number 2, not as the first"),
    "two partitions": Layout("label: dos\nstart=2048, size=2048, type=83\nstart=8192, type=7", "2 partitions found"),
    "clusters of 32 MiB": Layout("label: dos\nstart=8192, type=7", "", size=2048 * MIB, cluster_size="32M"),
}


def verify(image: Path, mac: Mac | None = None, sha256: str | None = None) -> VerificationResult:
    with open_block_device(image) as device:
        expected = bytes.fromhex(sha256) if sha256 else None
        return verify_card(device, progress=NullProgress(), mac=mac, expected_sha256=expected)


def clean(image: Path) -> list[str]:
    with open_block_device(image, writable=True) as device:
        return remove_firmware(device)


@pytest.fixture
def format_card(
    tmp_path: Path, run_tool: Callable[..., str], attach_loop_device: Callable[..., Path], mac: Mac
) -> Callable[[Layout], Path]:
    """Partition an image with sfdisk and format it with mkfs.exfat, as people do."""

    def make(layout: Layout) -> Path:
        image = tmp_path / "card.img"
        image.touch()
        os.truncate(image, layout.size)
        if layout.script:
            run_tool("sfdisk", "--quiet", image, stdin=layout.script)
        device = attach_loop_device(image, "--offset", str(layout.start), "--sizelimit", str(layout.size - 8 * MIB))
        run_tool("mkfs.exfat", "-L", mac.volume_label, "-c", layout.cluster_size, device)
        return image

    return make


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAYOUTS)
def test_cards_of_any_layout_are_judged_and_cleaned(
    format_card: Callable[[Layout], Path],
    mount_fuse: MountImage,
    firmware_file: Path,
    firmware_sha256: str,
    mac: Mac,
    attach_loop_device: Callable[..., Path],
    run_tool: Callable[..., str],
    kind: str,
) -> None:
    layout = LAYOUTS[kind]
    image = format_card(layout)
    with mount_fuse(image, layout.start) as mount_point:
        (mount_point / "firmware").mkdir()
        (mount_point / "firmware" / "ipc-up.bin").write_bytes(firmware_file.read_bytes())
        (mount_point / "photo.jpg").write_bytes(b"kept")
    fault = verify(image, mac, firmware_sha256).fault
    assert fault is not None
    assert (layout.fault or "photo.jpg: it does not belong") in fault
    assert not layout.fault or "sunmi-sdcard prepare" in fault
    assert clean(image) == ["firmware/ipc-up.bin"]
    device = attach_loop_device(image, "--offset", str(layout.start), "--sizelimit", str(layout.size - 8 * MIB))
    assert "clean. directories 2, files 1" in run_tool("fsck.exfat", "-n", device)
    with mount_fuse(image, layout.start) as mount_point:
        assert (mount_point / "photo.jpg").read_bytes() == b"kept"
        assert list((mount_point / "firmware").iterdir()) == []


def test_large_clusters_are_noted(
    format_card: Callable[[Layout], Path],
    mount_fuse: MountImage,
    firmware_file: Path,
    firmware_sha256: str,
    mac: Mac,
) -> None:
    image = format_card(LAYOUTS["clusters of 32 MiB"])
    with mount_fuse(image) as mount_point:
        (mount_point / "firmware").mkdir()
        (mount_point / "firmware" / "ipc-up.bin").write_bytes(firmware_file.read_bytes())
    result = verify(image, mac, firmware_sha256)
    assert result.is_good
    assert any("32 MiB, which is unusual" in note for note in result.notes)


@pytest.mark.parametrize("script", ["label: dos\nstart=8192, type=c", "label: dos\nstart=8192, type=7", ""])
def test_another_file_system_is_named(tmp_path: Path, run_tool: Callable[..., str], script: str) -> None:
    image, volume = tmp_path / "card.img", tmp_path / "volume"
    volume.touch()
    os.truncate(volume, 60 * MIB)
    run_tool("mkfs.fat", "-F", "32", volume)
    image.write_bytes((bytes(4 * MIB) if script else b"") + volume.read_bytes())
    if script:
        run_tool("sfdisk", "--quiet", image, stdin=script)
    fault = verify(image).fault
    assert fault is not None
    assert "formatted as FAT32; cameras need exFAT: format it again" in fault


def test_a_card_stays_good_when_the_litter_of_a_computer_is_removed(
    make_image: Callable[..., Path], mount_fuse: MountImage
) -> None:
    image = make_image()
    with mount_fuse(image) as mount_point:
        for name in LITTER:
            (mount_point / name).mkdir()
            (mount_point / name / "content").write_bytes(b"x" * 5000)
            (mount_point / "firmware" / name).write_bytes(b"x")
    littered = verify(image)
    assert littered.is_good
    assert len(littered.notes) == 2 * len(LITTER)
    with mount_fuse(image) as mount_point:
        for name in LITTER:
            (mount_point / name / "content").unlink()
            (mount_point / name).rmdir()
            (mount_point / "firmware" / name).unlink()
    tidied = verify(image)
    assert (tidied.fault, tidied.notes) == (None, [])


def test_other_names_are_no_litter() -> None:
    for name in ("trash", "LOST", "desktop.in", ".Trash-me", "ipc-up.bin", "firmware", "DCIM"):
        assert not is_os_metadata(name)


def test_capitals_make_no_difference(
    format_card: Callable[[Layout], Path],
    mount_fuse: MountImage,
    firmware_file: Path,
    firmware_sha256: str,
    mac: Mac,
) -> None:
    image = format_card(LAYOUTS["usual"])
    with mount_fuse(image) as mount_point:
        (mount_point / "FIRMWARE").mkdir()
        (mount_point / "FIRMWARE" / "Ipc-Up.BIN").write_bytes(firmware_file.read_bytes())
    result = verify(image, mac, firmware_sha256)
    assert (result.fault, result.firmware_path) == (None, FirmwarePath.UPDATE)
    with mount_fuse(image) as mount_point:
        mounted = verify_mounted_card(
            mount_point, mac.volume_label, progress=NullProgress(), expected_sha256=bytes.fromhex(firmware_sha256)
        )
        assert (mounted.fault, mounted.firmware_path) == (None, FirmwarePath.UPDATE)
    assert clean(image) == ["FIRMWARE/Ipc-Up.BIN"]


@pytest.mark.parametrize(
    ("path", "fault", "is_cleaned"),
    [
        ("firmware/ipc-up.bin.bin", "the ending .bin is twice in its name (Windows hides it): rename it to", True),
        ("firmware/ip-up.BIN.bin", "the ending .bin is twice in its name", True),
        ("up.bin.bin", "the ending .bin is twice in its name", True),
        ("ipc-up.bin", "cameras look for it as firmware/ipc-up.bin: move it there", False),
        ("firmware/up.bin", "cameras look for it as up.bin: move it there", False),
    ],
)
def test_misnamed_firmware_is_recognised(
    tmp_path: Path, firmware_file: Path, mac: Mac, path: str, fault: str, is_cleaned: bool
) -> None:
    volume = tmp_path / "volume"
    (volume / path).parent.mkdir(parents=True)
    (volume / path).write_bytes(firmware_file.read_bytes())
    found = verify_mounted_card(volume, mac.volume_label, progress=NullProgress()).fault
    assert found is not None
    assert found.startswith(f"{path}: {fault}")
    assert find_foreign_files(volume) == [path], "preparing the card removes nothing that we do not know"
    assert remove_mounted_firmware(volume) == ([path] if is_cleaned else [])


def test_misnamed_firmware_is_recognised_on_raw_cards(
    make_image: Callable[..., Path], mount_fuse: MountImage, mac: Mac
) -> None:
    image = make_image()
    with mount_fuse(image) as mount_point:
        (mount_point / "firmware" / "ipc-up.bin").rename(mount_point / "firmware" / "ipc-up.bin.bin")
    fault = verify(image, mac).fault
    assert fault is not None
    assert fault.endswith("rename it to ipc-up.bin")
    assert clean(image) == ["firmware/ipc-up.bin.bin"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"<!doctype html><title>404</title>", "web page"),
        (b'{"code": 404}', "JSON"),
        (b"PK\x03\x04" + random.Random(2).randbytes(100_000), "zip archive"),
        (bytes(100_000), "each of its bytes is 0x00"),
        (random.Random(3).randbytes(1000), "too small"),
    ],
)
def test_what_can_be_no_firmware_is_a_fault_of_a_hand_made_card(
    format_card: Callable[[Layout], Path], mount_fuse: MountImage, mac: Mac, content: bytes, fault: str
) -> None:
    image = format_card(LAYOUTS["usual"])
    with mount_fuse(image) as mount_point:
        (mount_point / "firmware").mkdir()
        (mount_point / "firmware" / "ipc-up.bin").write_bytes(content)
        mounted = verify_mounted_card(mount_point, mac.volume_label, progress=NullProgress()).fault
    for found in (mounted, verify(image, mac).fault):
        assert found is not None
        assert fault in found
    assert verify(image, mac, hashlib.sha256(content).hexdigest()).is_good, "the user knows what it is to be"


@given(
    changes=st.lists(st.tuples(st.integers(0, 511), st.binary(min_size=1, max_size=16)), max_size=6),
    header=st.binary(min_size=72, max_size=92),
    has_gpt=st.booleans(),
)
def test_any_partition_table_is_judged(changes: list[tuple[int, bytes]], header: bytes, has_gpt: bool) -> None:
    card = CardInMemory(bytes(256 << 10))
    card.write(510, b"\x55\xaa")
    card.write(512, b"EFI PART" + header)
    card.write(450, b"\xee" if has_gpt else b"\x07")
    card.write(454, (8).to_bytes(4, "little") + (400).to_bytes(4, "little"))
    for offset, data in changes:
        card.write(offset, data[: 512 - offset])
    with contextlib.suppress(CardFault):
        find_exfat_volume(card)
    assert card.verify().fault is not None
