"""Images of cards: their content for any size, label and length of firmware, and what a refused one leaves behind."""

import hashlib
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import fs_explorer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_tools.block_device import open_block_device
from firmware_tools.card import CameraModel, CardSpec, FirmwareChannel, FirmwarePath
from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.exfat.geometry import Geometry
from firmware_tools.firmware import load_firmware
from firmware_tools.mac import Mac
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.image import write_image
from firmware_tools.raw_card.verification import verify_card
from firmware_tools.size import MIB, MIN_CARD_SIZE


@settings(max_examples=30, deadline=None)
@given(
    size=st.one_of(st.integers(MIN_CARD_SIZE, 300 * MIB), st.integers(MIN_CARD_SIZE, 128 * 10**9)),
    octets=st.binary(min_size=6, max_size=6),
    path=st.sampled_from(FirmwarePath),
    length=st.one_of(st.integers(1, 3 * MIB), st.sampled_from([1, 511, 512, 513, 4095, 4096, 4097, 131072, 2 * MIB])),
    version=st.sampled_from([None, "1.2.0-uat", "12.34.56"]),
)
def test_any_card_reads_back(size: int, octets: bytes, path: FirmwarePath, length: int, version: str | None) -> None:
    content = random.Random(length).randbytes(length)
    mac = Mac(octets)
    with TemporaryDirectory() as folder:
        source, image = Path(folder) / "fw.bin", Path(folder) / "card.img"
        source.write_bytes(content)
        spec = CardSpec(mac, path, CameraModel.FM020, FirmwareChannel.UAT, version)
        write_image(image, size, spec, load_firmware([source], force=True), progress=NullProgress())
        assert image.stat().st_size == size // 512 * 512
        with open_block_device(image) as device:
            result = verify_card(device, progress=NullProgress(), mac=mac)
        assert (result.fault, result.notes) == (None, []) or path is FirmwarePath.UPDATE_MISSPELLED
        assert result.label == mac.volume_label
        assert result.record is not None
        assert result.record.spec == spec
        paths = {entry.path for entry in fs_explorer.iter_entries(str(image))}
        assert paths == ({"/firmware", f"/{path.value}"} if "/" in path.value else {f"/{path.value}"})
        assert fs_explorer.read_file(str(image), f"/{path.value}") == content


def test_the_same_input_gives_the_same_image(make_image: Callable[..., Path]) -> None:
    assert make_image(name="one.img").read_bytes() == make_image(name="two.img").read_bytes()


def test_a_card_can_be_filled_to_its_last_cluster(make_image: Callable[..., Path], tmp_path: Path) -> None:
    geometry = Geometry.for_card(32 * MIB)
    metadata_clusters = 1 + 2 + 1 + 1  # bitmap, up-case table, root folder, folder
    firmware = tmp_path / "large.bin"
    length = (geometry.cluster_count - metadata_clusters) * geometry.cluster_size
    firmware.write_bytes(random.Random(1).randbytes(length))
    with open_block_device(make_image(firmware=firmware)) as device:
        assert verify_card(device, progress=NullProgress()).is_good
    with firmware.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InvalidInput, match="do not fit"):
        make_image(firmware=firmware, name="other.img")
    assert not (tmp_path / "other.img").exists()


def test_partition_and_label_are_where_cameras_expect_them(make_image: Callable[..., Path]) -> None:
    image = make_image().read_bytes()
    partition_type, start, sectors = struct.unpack_from("<4xB3xII", image, 446)
    assert (partition_type, start, sectors, image[510:512]) == (7, 8192, (32 * MIB) // 512 - 8192, b"\x55\xaa")
    root = image.index("SUNMI-1B2C".encode("utf-16-le")) - 2
    assert root % 4096 == 0, "the label is the first entry of the root folder"
    assert image[root : root + 2] == b"\x83\x0a"
    assert image[root + 32] == 0x81
    assert image[root + 64] == 0x82


def test_a_refused_image_leaves_no_file(tmp_path: Path, firmware_file: Path, mac: Mac) -> None:
    firmware = load_firmware([firmware_file])
    before = set(tmp_path.iterdir())
    image = tmp_path / "card.img"

    def write(path: Path, size: int = 64 * MIB, expected_sha256: bytes | None = None) -> None:
        write_image(path, size, CardSpec(mac), firmware, progress=NullProgress(), expected_sha256=expected_sha256)

    with pytest.raises(InvalidInput, match="SHA-256"):
        write(image, expected_sha256=bytes(32))
    with pytest.raises(InvalidInput, match="at least 32 MiB"):
        write(image, 31 * MIB)
    with pytest.raises(InvalidInput, match="folder"):
        write(tmp_path)
    with pytest.raises(InvalidInput, match="does not exist"):
        write(tmp_path / "no" / "card.img")
    with pytest.raises(InvalidInput, match="the firmware itself"):
        write(firmware_file)
    with firmware_file.open("ab") as file:
        file.write(b"longer")
    with pytest.raises(InvalidInput, match="became longer"):
        write(image)
    os.truncate(firmware_file, 1000)
    with pytest.raises(InvalidInput, match="became shorter"):
        write(image)
    assert set(tmp_path.iterdir()) == before


def test_a_refused_image_leaves_the_old_one(make_image: Callable[..., Path], firmware_file: Path, mac: Mac) -> None:
    image = make_image()
    old_sha256 = hashlib.sha256(image.read_bytes()).digest()
    firmware = load_firmware([firmware_file])
    with pytest.raises(InvalidInput):
        write_image(image, 64 * MIB, CardSpec(mac), firmware, progress=NullProgress(), expected_sha256=bytes(32))
    assert hashlib.sha256(image.read_bytes()).digest() == old_sha256


def test_a_full_disk_is_reported(tmp_path: Path, firmware_file: Path, mac: Mac, run_tool: Callable[..., str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    run_tool("mount", "-t", "tmpfs", "-o", "size=1m", "none", folder)
    try:
        firmware = load_firmware([firmware_file])
        with pytest.raises(IOFailed, match="the disk is full"):
            write_image(folder / "card.img", 64 * MIB, CardSpec(mac), firmware, progress=NullProgress())
        assert list(folder.iterdir()) == []
    finally:
        run_tool("umount", folder)


def test_a_symbolic_link_is_followed(
    make_image: Callable[..., Path], tmp_path: Path, firmware_file: Path, mac: Mac
) -> None:
    image, link = make_image(), tmp_path / "link.img"
    link.symlink_to(image)
    write_image(link, 64 * MIB, CardSpec(mac), load_firmware([firmware_file]), progress=NullProgress())
    assert link.is_symlink()
    assert image.stat().st_size == 64 * MIB
