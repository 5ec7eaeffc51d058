"""Images of cards: what is in them, for any size, label and length of firmware, and what refused ones leave."""

import hashlib
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import fs_explorer
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_tools.card import Card, CardFile, Channel, Model
from firmware_tools.errors import InputRefused, MediumFailed
from firmware_tools.exfat.entries import Stamp
from firmware_tools.exfat.geometry import Geometry
from firmware_tools.exfat.upcase import UPCASE_TABLE, upcase
from firmware_tools.firmware import load_firmware
from firmware_tools.image import write_image
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.progress import Unseen
from firmware_tools.size import LARGEST_CARD, SMALLEST_CARD
from firmware_tools.verification import verify_card

MIB, GIB = 1 << 20, 1 << 30


def test_the_upcase_table_is_the_specifications() -> None:
    assert len(UPCASE_TABLE) == 5836
    assert upcase("ipc-up.bin ÿß\u01c6\u24d0") == "IPC-UP.BIN \u0178ß\u01c4\u24b6"


@given(st.integers(SMALLEST_CARD, LARGEST_CARD))
@example(SMALLEST_CARD)
@example(LARGEST_CARD)
@example(256 * MIB)
@example(256 * MIB + 512)
@example(32 * GIB)
@example(32 * GIB + 512)
def test_geometry_is_aligned_and_uses_the_card(size: int) -> None:
    shape = Geometry.for_card(size // 512 * 512)
    boundary = 16 * MIB if size > 32 * GIB + 511 else 4 * MIB
    assert shape.partition_offset == boundary
    assert shape.cluster_offset(2) % boundary == 0
    assert shape.fat_size >= (shape.clusters + 2) * 4
    assert shape.fat_offset + shape.fat_size <= shape.cluster_offset(2)
    end = shape.cluster_offset(2 + shape.clusters)
    assert end <= size < end + shape.cluster_size + 512
    assert shape.start + shape.sectors == size // 512
    assert shape.start + shape.sectors <= 1 << 32


@given(st.floats(-1e12, 1e12))
@example(0)
@example(4_354_819_198)
@example(4_354_819_199)
def test_any_moment_can_be_written(epoch_s: float) -> None:
    stamp = Stamp.at(epoch_s)
    day, month = stamp.seconds >> 16 & 31, stamp.seconds >> 21 & 15
    assert 1 <= day <= 31
    assert 1 <= month <= 12
    assert 0 <= stamp.hundredths < 200


@settings(max_examples=30, deadline=None)
@given(
    size=st.one_of(st.integers(SMALLEST_CARD, 300 * MIB), st.integers(SMALLEST_CARD, 128 * 10**9)),
    mac=st.binary(min_size=6, max_size=6),
    file=st.sampled_from(CardFile),
    length=st.one_of(st.integers(1, 3 * MIB), st.sampled_from([1, 511, 512, 513, 4095, 4096, 4097, 131072, 2 * MIB])),
    version=st.sampled_from([None, "1.2.0-uat", "12.34.56"]),
)
def test_any_card_reads_back(size: int, mac: bytes, file: CardFile, length: int, version: str | None) -> None:
    content = random.Random(length).randbytes(length)
    with TemporaryDirectory() as folder:
        source, image = Path(folder) / "fw.bin", Path(folder) / "card.img"
        source.write_bytes(content)
        card = Card(Mac(mac), file, Model.FM020, Channel.UAT, version)
        write_image(image, size, card, load_firmware([source]), progress=Unseen())
        assert image.stat().st_size == size // 512 * 512
        with open_medium(image) as medium:
            findings = verify_card(medium, progress=Unseen(), mac=Mac(mac))
        assert (findings.fault, findings.notes) == (None, []) or file is CardFile.UPDATE_AS_MISPRINTED
        assert findings.label == Mac(mac).label
        assert findings.record is not None
        assert findings.record.card == card
        paths = {entry.path for entry in fs_explorer.iter_entries(str(image))}
        assert paths == ({"/firmware", f"/{file.value}"} if "/" in file.value else {f"/{file.value}"})
        assert fs_explorer.read_file(str(image), f"/{file.value}") == content


def test_the_same_input_gives_the_same_image(write: Callable[..., Path]) -> None:
    assert write(name="one.img").read_bytes() == write(name="two.img").read_bytes()


def test_the_card_is_filled_to_its_last_cluster(write: Callable[..., Path], tmp_path: Path) -> None:
    shape = Geometry.for_card(32 * MIB)
    metadata = 1 + 2 + 1 + 1  # bitmap, up-case table, root, folder
    firmware = tmp_path / "large.bin"
    firmware.write_bytes(random.Random(1).randbytes((shape.clusters - metadata) * shape.cluster_size))
    with open_medium(write(firmware=firmware)) as medium:
        assert verify_card(medium, progress=Unseen()).good
    with firmware.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputRefused, match="do not fit"):
        write(firmware=firmware, name="other.img")
    assert not (tmp_path / "other.img").exists()


def test_the_label_and_partition_are_where_cameras_look(write: Callable[..., Path]) -> None:
    image = write().read_bytes()
    kind, start, sectors = struct.unpack_from("<4xB3xII", image, 446)
    assert (kind, start, sectors, image[510:512]) == (7, 8192, (32 * MIB) // 512 - 8192, b"\x55\xaa")
    root = image.index("SUNMI-1B2C".encode("utf-16-le")) - 2
    assert root % 4096 == 0, "the label is the first entry of the root folder"
    assert image[root : root + 2] == b"\x83\x0a"
    assert image[root + 32] == 0x81
    assert image[root + 64] == 0x82


def test_refused_images_leave_no_file(tmp_path: Path, firmware_file: Path, mac: Mac) -> None:
    firmware = load_firmware([firmware_file])
    before = set(tmp_path.iterdir())
    image = tmp_path / "card.img"
    with pytest.raises(InputRefused, match="SHA-256"):
        write_image(image, 64 * MIB, Card(mac), firmware, progress=Unseen(), expected_sha256=bytes(32))
    with pytest.raises(InputRefused, match="at least 32 MiB"):
        write_image(image, 31 * MIB, Card(mac), firmware, progress=Unseen())
    with pytest.raises(InputRefused, match="folder"):
        write_image(tmp_path, 64 * MIB, Card(mac), firmware, progress=Unseen())
    with pytest.raises(InputRefused, match="does not exist"):
        write_image(tmp_path / "no" / "card.img", 64 * MIB, Card(mac), firmware, progress=Unseen())
    with pytest.raises(InputRefused, match="the firmware itself"):
        write_image(firmware_file, 64 * MIB, Card(mac), firmware, progress=Unseen())
    with firmware_file.open("ab") as file:
        file.write(b"longer")
    with pytest.raises(InputRefused, match="became longer"):
        write_image(image, 64 * MIB, Card(mac), firmware, progress=Unseen())
    os.truncate(firmware_file, 1000)
    with pytest.raises(InputRefused, match="became shorter"):
        write_image(image, 64 * MIB, Card(mac), firmware, progress=Unseen())
    assert set(tmp_path.iterdir()) == before


def test_a_refused_image_leaves_the_old_one(write: Callable[..., Path], firmware_file: Path, mac: Mac) -> None:
    image = write()
    old = hashlib.sha256(image.read_bytes()).digest()
    with pytest.raises(InputRefused):
        write_image(
            image, 64 * MIB, Card(mac), load_firmware([firmware_file]), progress=Unseen(), expected_sha256=bytes(32)
        )
    assert hashlib.sha256(image.read_bytes()).digest() == old


def test_a_full_disk(tmp_path: Path, firmware_file: Path, mac: Mac, tool: Callable[..., str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    tool("mount", "-t", "tmpfs", "-o", "size=1m", "none", small)
    try:
        with pytest.raises(MediumFailed, match="the disk is full"):
            write_image(small / "card.img", 64 * MIB, Card(mac), load_firmware([firmware_file]), progress=Unseen())
        assert list(small.iterdir()) == []
    finally:
        tool("umount", small)


def test_a_symbolic_link_is_followed(write: Callable[..., Path], tmp_path: Path, firmware_file: Path, mac: Mac) -> None:
    image, link = write(), tmp_path / "link.img"
    link.symlink_to(image)
    write_image(link, 64 * MIB, Card(mac), load_firmware([firmware_file]), progress=Unseen())
    assert link.is_symlink()
    assert image.stat().st_size == 64 * MIB
