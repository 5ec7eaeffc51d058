"""Verification finds every fault of damaged, foreign and unfinished cards, and names it."""

import hashlib
import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_tools.block_device import open_block_device
from firmware_tools.card import FirmwarePath
from firmware_tools.exfat.boot import BOOT_REGION_SIZE
from firmware_tools.exfat.volume import ExfatVolume
from firmware_tools.language import Language, translate
from firmware_tools.mac import Mac
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.firmware_removal import remove_firmware
from firmware_tools.raw_card.verification import verify_card
from firmware_tools.verification import VerificationResult
from tests.firmware_tools.conftest import MountImage

PARTITION = 8192 * 512
FAT = PARTITION + (1 << 20)
HEAP = 8 << 20
CLUSTER = 4096
BITMAP, UPCASE_TABLE, ROOT, FOLDER = (HEAP + CLUSTER * index for index in (0, 1, 3, 4))
"""Offsets on a card of 32 MiB."""
Change = tuple[int, bytes]


class CardInMemory:
    """A card in memory, of which bytes can be changed."""

    name = "card in memory"

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        assert offset + length <= self.size
        return bytes(self.content[offset : offset + length])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self.content[offset : offset + len(data)] = data

    def write_zeros(self, offset: int, length: int) -> None:
        self.write(offset, bytes(length))

    def sync(self) -> None: ...

    def drop_cache(self) -> None: ...

    def verify(
        self, mac: Mac | None = None, expected: bytes | None = None, *, is_fresh: bool = False
    ) -> VerificationResult:
        return verify_card(self, progress=NullProgress(), mac=mac, expected_sha256=expected, is_fresh=is_fresh)


@pytest.fixture
def card(make_image: Callable[..., Path]) -> CardInMemory:
    return CardInMemory(make_image().read_bytes())


def remove_record(card: CardInMemory) -> None:
    """Turn a card into one that another program made: without record, but with valid checksums."""
    region = bytearray(card.read(PARTITION, BOOT_REGION_SIZE))
    region[9 * 512 : 9 * 512 + 480] = bytes(480)
    checksum = 0
    for index, byte in enumerate(region[: 11 * 512]):
        if index not in (106, 107, 112):
            checksum = ((checksum << 31 | checksum >> 1) + byte) & 0xFFFFFFFF
    region[11 * 512 :] = struct.pack("<I", checksum) * 128
    card.write(PARTITION, region * 2)


def list_metadata_offsets(path: FirmwarePath) -> Iterator[int]:
    yield from range(512)
    yield from range(PARTITION, PARTITION + 2 * BOOT_REGION_SIZE)
    yield from range(FAT, FAT + 55 * 512)
    yield from range(HEAP, FOLDER + (CLUSTER if "/" in path.value else 0))


def list_essential_offsets() -> Iterator[int]:
    """List the metadata that a reader needs to find the file, on a card of any origin."""
    yield from range(446, 447)
    yield from (450, *range(454, 462), 510, 511)
    for start in (PARTITION, PARTITION + BOOT_REGION_SIZE):
        yield from (start + index for index in range(BOOT_REGION_SIZE) if index not in (106, 107, 112))
    yield from range(FAT, FAT + 6 * 4)
    yield from range(BITMAP, BITMAP + 768)
    yield from range(UPCASE_TABLE, UPCASE_TABLE + 5836)
    for start, entries in ((ROOT, 6), (FOLDER, 3)):
        yield from range(start, start + 32 * entries)


UNUSED_OFFSETS = {
    *range(ROOT + 22, ROOT + 32),  # the label has no eleventh character; reserved
    *range(ROOT + 33, ROOT + 52),  # flags and reserved bytes of the bitmap's entry
    *range(ROOT + 65, ROOT + 68),  # reserved in the up-case table's entry
    *range(ROOT + 72, ROOT + 84),
}


def is_change_detected(
    card: CardInMemory, offset: int, bits: int, mac: Mac, sha256: bytes | None = None, *, is_fresh: bool = False
) -> bool:
    """Flip bits of one byte, verify the card, and flip them back."""
    card.content[offset] ^= bits
    result = card.verify(mac, sha256, is_fresh=is_fresh)
    card.content[offset] ^= bits
    return not result.is_good


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", [FirmwarePath.UPDATE, FirmwarePath.RECOVERY])
def test_every_changed_byte_of_the_metadata_of_a_fresh_card_is_detected(
    make_image: Callable[..., Path], mac: Mac, path: FirmwarePath, full_proofs: bool
) -> None:
    card = CardInMemory(make_image(path=path).read_bytes())
    assert card.verify(mac).is_good
    generator = random.Random(3)
    offsets = list(list_metadata_offsets(path))
    offsets = offsets if full_proofs else generator.sample(offsets, 250)
    missed = [
        offset
        for offset in offsets
        if not is_change_detected(card, offset, generator.randint(1, 255), mac, is_fresh=True)
    ]
    print(f"{path.value}: {len(offsets)} bytes of the metadata changed, {len(missed)} not detected")  # noqa: T201
    assert missed == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("has_record", [True, False], ids=["own", "foreign"])
def test_changed_bytes_that_mean_something_are_detected(
    card: CardInMemory, mac: Mac, firmware_sha256: str, full_proofs: bool, has_record: bool
) -> None:
    if not has_record:
        remove_record(card)
    sha256 = bytes.fromhex(firmware_sha256)
    assert card.verify(mac, sha256).is_good
    generator = random.Random(4)
    offsets = [offset for offset in list_essential_offsets() if offset not in UNUSED_OFFSETS]
    offsets = offsets if full_proofs else generator.sample(offsets, 250)
    missed = [
        offset for offset in offsets if not is_change_detected(card, offset, 1 << generator.randrange(8), mac, sha256)
    ]
    print(f"record: {has_record}: {len(offsets)} bytes changed, {len(missed)} not detected")  # noqa: T201
    assert missed == []


def test_a_changed_region_is_named_in_chinese(make_image: Callable[..., Path], mac: Mac) -> None:
    content = make_image().read_bytes()
    places = {
        "分配表": FAT + 4000,
        "分配位图": BITMAP + 4000,
        "大写转换表": UPCASE_TABLE + 2 * CLUSTER - 1,
        "文件夹 firmware": FOLDER + 4000,
        "根文件夹": ROOT + 4000,
    }
    for name, offset in places.items():
        card = CardInMemory(content)
        card.content[offset] ^= 1
        fault = card.verify(mac, is_fresh=True).fault
        assert fault is not None
        assert translate(fault, Language.CHINESE).startswith(f"{name}：")


def test_a_changed_firmware_is_detected(card: CardInMemory, mac: Mac) -> None:
    generator = random.Random(5)
    firmware = range(FOLDER + CLUSTER, FOLDER + CLUSTER + 1_234_567)
    for offset in [firmware[0], firmware[-1], *generator.choices(firmware, k=20)]:
        assert is_change_detected(card, offset, 1 << generator.randrange(8), mac)


FAULTS: list[tuple[str, list[Change], str]] = [
    ("no partition table", [(510, b"\0\0")], "incomplete: there is no partition table"),
    ("an empty card", [(0, bytes(512))], "incomplete: there is no partition table"),
    ("a FAT32 partition", [(450, b"\x0c")], "type 0x0C"),
    ("a GPT", [(450, b"\xee")], "GPT"),
    ("two partitions", [(466, b"\x07" * 12)], "2 partitions"),
    ("an empty table", [(446, bytes(16))], "0 partitions"),
    ("a partition too long", [(458, b"\xff\xff\xff\x7f")], "past the end of the card"),
    ("no table at all", [(3, b"EXFAT   ")], "directly on the card"),
    ("an empty boot region", [(PARTITION, bytes(2 * BOOT_REGION_SIZE))], "boot region: incomplete"),
    ("another file system", [(PARTITION + 3, b"NTFS    ")], "(type 0x07) is formatted as NTFS; cameras need exFAT"),
    ("an unknown file system", [(PARTITION + 3, b"SUNMI-FS")], "no exFAT volume"),
    ("a changed boot sector", [(PARTITION + 300, b"x")], "boot region: its checksum"),
    ("no backup", [(PARTITION + BOOT_REGION_SIZE, bytes(BOOT_REGION_SIZE))], "backup boot region"),
    ("a dirty volume", [(PARTITION + 106, b"\x02")], "marked dirty"),
    ("a failing device", [(PARTITION + 106, b"\x04")], "use another card"),
    ("a broken chain of the root", [(FAT + 5 * 4, b"\x07\0\0\0")], "its chain in the allocation table is broken"),
    ("a wrong first entry", [(FAT, b"\0")], "first two entries"),
    ("a lost cluster", [(BITMAP + 700, b"\x10")], "allocation bitmap: it does not mark"),
    ("an unmarked cluster", [(BITMAP, b"\x7f")], "allocation bitmap: it does not mark"),
    ("a changed up-case table", [(UPCASE_TABLE + 99, b"\x99")], "up-case table: its checksum"),
    ("a changed name", [(FOLDER + 64 + 2, b"j")], "checksum of an entry"),
    ("a removed file", [(FOLDER, b"\x05"), (FOLDER + 32, b"\x40"), (FOLDER + 64, b"\x41")], "does not mark"),
    ("half an entry", [(FOLDER + 64, b"\x41")], "lacks some of its parts"),
    ("a part of an entry alone", [(FOLDER, b"\x05")], "stands alone"),
    ("a critical entry", [(ROOT + 6 * 32, b"\x8f")], "unknown type 0x8F"),
    ("something after the end", [(ROOT + 8 * 32, b"\x85")], "after its end"),
    ("no bitmap", [(ROOT + 32, b"\x01")], "lacks the allocation bitmap"),
    ("no label", [(ROOT, b"\x03")], "the card has none"),
    ("a short label", [(ROOT + 1, b"\x05")], "'SUNMI'"),
    ("a lower-case label", [(ROOT + 2, "sunmi".encode("utf-16-le"))], "'sunmi-1B2C'"),
    ("a dash that is not ASCII", [(ROOT + 12, "\u2010".encode("utf-16-le"))], "volume label"),
]


@pytest.mark.parametrize(("changes", "fault"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
@pytest.mark.parametrize("has_record", [True, False], ids=["own", "foreign"])
def test_the_fault_is_named(card: CardInMemory, mac: Mac, changes: list[Change], fault: str, has_record: bool) -> None:
    if not has_record:
        remove_record(card)
    for offset, data in changes:
        card.write(offset, data)
    result = card.verify(mac)
    assert result.fault is not None
    assert fault in result.fault


def test_a_card_for_another_camera_is_a_fault(card: CardInMemory) -> None:
    fault = card.verify(Mac.parse("0c:25:76:0a:1b:2d")).fault
    assert fault is not None
    assert "SUNMI-1B2D" in fault
    fault = card.verify(Mac.parse("ff:25:76:0a:1b:2c")).fault
    assert fault == "MAC address: the card was written for 0C:25:76:0A:1B:2C, not for FF:25:76:0A:1B:2C"


def test_the_firmware_is_compared_with_the_expected_one(card: CardInMemory, firmware_sha256: str) -> None:
    assert card.verify(expected=bytes.fromhex(firmware_sha256)).is_good
    fault = card.verify(expected=bytes(32)).fault
    assert fault is not None
    assert "not the expected 0000" in fault


def test_a_card_without_record_and_expected_sha256_is_noted(card: CardInMemory) -> None:
    remove_record(card)
    result = card.verify()
    assert result.is_good
    assert result.record is None
    assert any("compared with nothing" in note for note in result.notes)


def test_firmware_of_both_modes_is_a_fault(
    make_image: Callable[..., Path], mount_fuse: MountImage, firmware_file: Path
) -> None:
    image = make_image()
    with mount_fuse(image) as mount_point:
        (mount_point / "up.bin").write_bytes(firmware_file.read_bytes())
    assert has_fault(image, "only one of them")


def test_a_foreign_file_is_a_fault(make_image: Callable[..., Path], mount_fuse: MountImage) -> None:
    image = make_image()
    with mount_fuse(image) as mount_point:
        (mount_point / "notes.txt").write_text("hello")
    assert has_fault(image, "notes.txt: it does not belong")


def test_metadata_of_operating_systems_is_only_noted(make_image: Callable[..., Path], mount_fuse: MountImage) -> None:
    image = make_image()
    with mount_fuse(image) as mount_point:
        (mount_point / "System Volume Information").mkdir()
        (mount_point / "System Volume Information" / "WPSettings.dat").write_bytes(b"x" * 12)
        (mount_point / "firmware" / "._ipc-up.bin").write_bytes(b"x" * 4096)
    with open_block_device(image) as device:
        result = verify_card(device, progress=NullProgress())
    assert result.is_good
    assert len(result.notes) == 2


def test_a_card_made_by_other_programs_can_be_verified_and_cleaned(
    tmp_path: Path, run_tool: Callable[..., str], mount_fuse: MountImage, firmware_file: Path, mac: Mac
) -> None:
    image, volume = tmp_path / "other.img", tmp_path / "volume"
    volume.touch()
    os.truncate(volume, 60 << 20)
    run_tool("mkfs.exfat", "-L", mac.volume_label, volume)
    sector = bytearray(512)
    struct.pack_into("<4xB3xII", sector, 446, 7, 8192, (60 << 20) // 512)
    sector[510:] = b"\x55\xaa"
    image.write_bytes(bytes(sector).ljust(4 << 20, b"\0") + volume.read_bytes())
    content = firmware_file.read_bytes()
    with mount_fuse(image) as mount_point:
        (mount_point / "firmware").mkdir()
        (mount_point / "firmware" / "ipc-up.bin").write_bytes(content[:500_000])
        (mount_point / "in between").write_bytes(b"x" * 100_000)
        with (mount_point / "firmware" / "ipc-up.bin").open("ab") as file:
            file.write(content[500_000:])
        (mount_point / "in between").unlink()
    with open_block_device(image, writable=True) as device:
        opened = ExfatVolume(device)
        assert not opened.read_folder(opened.read_root().entries[0])[0].file.is_contiguous
        result = verify_card(device, progress=NullProgress(), mac=mac, expected_sha256=hashlib.sha256(content).digest())
        assert (result.fault, result.notes) == (None, [])
        assert remove_firmware(device) == ["firmware/ipc-up.bin"]
    volume.write_bytes(image.read_bytes()[4 << 20 :])
    assert "clean. directories 2, files 0" in run_tool("fsck.exfat", "-n", volume)


def has_fault(image: Path, fault: str) -> bool:
    with open_block_device(image) as device:
        result = verify_card(device, progress=NullProgress())
    return result.fault is not None and fault in result.fault
