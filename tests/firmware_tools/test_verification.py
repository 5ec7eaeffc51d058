"""What verification says of damaged, foreign and unfinished cards."""

import hashlib
import os
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from firmware_tools.card import CardFile
from firmware_tools.cleaning import clean_card
from firmware_tools.exfat.boot import BOOT_SIZE
from firmware_tools.exfat.volume import Volume
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.progress import Unseen
from firmware_tools.verification import Findings, verify_card

PARTITION = 8192 * 512
FAT = PARTITION + (1 << 20)
HEAP = 8 << 20
CLUSTER = 4096
BITMAP, UPCASE, ROOT, FOLDER = (HEAP + CLUSTER * index for index in (0, 1, 3, 4))
"""Where a card of 32 MiB has what."""
Change = tuple[int, bytes]
Mounting = Callable[[Path], AbstractContextManager[Path]]


class CardInMemory:
    """A card as bytes, some of which can be changed."""

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

    def zero(self, offset: int, length: int) -> None:
        self.write(offset, bytes(length))

    def sync(self) -> None: ...

    def forget(self) -> None: ...

    def verify(self, mac: Mac | None = None, expected: bytes | None = None) -> Findings:
        return verify_card(self, progress=Unseen(), mac=mac, expected_sha256=expected)


@pytest.fixture
def card(write: Callable[..., Path]) -> CardInMemory:
    return CardInMemory(write().read_bytes())


def without_record(card: CardInMemory) -> None:
    """Make it a card that other means have written: no record, checksums right."""
    region = bytearray(card.read(PARTITION, BOOT_SIZE))
    region[9 * 512 : 9 * 512 + 480] = bytes(480)
    checksum = 0
    for index, byte in enumerate(region[: 11 * 512]):
        if index not in (106, 107, 112):
            checksum = ((checksum << 31 | checksum >> 1) + byte) & 0xFFFFFFFF
    region[11 * 512 :] = struct.pack("<I", checksum) * 128
    card.write(PARTITION, region * 2)


def metadata(file: CardFile) -> Iterator[int]:
    yield from range(512)
    yield from range(PARTITION, PARTITION + 2 * BOOT_SIZE)
    yield from range(FAT, FAT + 55 * 512)
    yield from range(HEAP, FOLDER + (CLUSTER if "/" in file.value else 0))


def used_metadata() -> Iterator[int]:
    """Yield what matters on a card of any origin: what a reader looks at to find the file."""
    yield from range(446, 447)
    yield from (450, *range(454, 462), 510, 511)
    for start in (PARTITION, PARTITION + BOOT_SIZE):
        yield from (start + index for index in range(BOOT_SIZE) if index not in (106, 107, 112))
    yield from range(FAT, FAT + 6 * 4)
    yield from range(BITMAP, BITMAP + 768)
    yield from range(UPCASE, UPCASE + 5836)
    for start, entries in ((ROOT, 6), (FOLDER, 3)):
        yield from range(start, start + 32 * entries)


UNUSED_IN_ENTRIES = {
    *range(ROOT + 22, ROOT + 32),  # the label has no eleventh character; reserved
    *range(ROOT + 33, ROOT + 52),  # flags and reserved bytes of the bitmap's entry
    *range(ROOT + 65, ROOT + 68),  # reserved in the up-case table's entry
    *range(ROOT + 72, ROOT + 84),
}


def caught(card: CardInMemory, place: int, flip: int, mac: Mac, sha256: bytes | None) -> bool:
    card.content[place] ^= flip
    findings = card.verify(mac, sha256)
    card.content[place] ^= flip
    return not findings.good


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("file", [CardFile.UPDATE, CardFile.RECOVERY])
def test_every_changed_byte_of_the_metadata_is_caught(
    write: Callable[..., Path], mac: Mac, file: CardFile, full: bool
) -> None:
    image = CardInMemory(write(file=file).read_bytes())
    assert image.verify(mac).good
    chance = random.Random(3)
    places = list(metadata(file))
    places = places if full else chance.sample(places, 250)
    missed = [place for place in places if not caught(image, place, chance.randint(1, 255), mac, None)]
    print(f"{file.value}: {len(places)} bytes of the metadata changed, {len(missed)} not caught")  # noqa: T201
    assert missed == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_changed_bytes_of_a_foreign_card_are_caught(
    card: CardInMemory, mac: Mac, firmware_sha256: str, full: bool
) -> None:
    without_record(card)
    sha256 = bytes.fromhex(firmware_sha256)
    assert card.verify(mac, sha256).good
    chance = random.Random(4)
    places = [place for place in used_metadata() if place not in UNUSED_IN_ENTRIES]
    places = places if full else chance.sample(places, 250)
    missed = [place for place in places if not caught(card, place, 1 << chance.randrange(8), mac, sha256)]
    print(f"card without record: {len(places)} bytes changed, {len(missed)} not caught")  # noqa: T201
    assert missed == []


def test_changed_firmware_is_caught(card: CardInMemory, mac: Mac) -> None:
    chance = random.Random(5)
    for place in [FOLDER + CLUSTER, FOLDER + CLUSTER + 1_234_566, *chance.choices(range(1_234_567), k=20)]:
        start = place if place >= FOLDER else FOLDER + CLUSTER + place
        assert caught(card, start, 1 << chance.randrange(8), mac, None)


FAULTS: list[tuple[str, list[Change], str]] = [
    ("no partition table", [(510, b"\0\0")], "incomplete: there is no partition table"),
    ("an empty card", [(0, bytes(512))], "incomplete: there is no partition table"),
    ("a FAT32 partition", [(450, b"\x0c")], "type 0x0C"),
    ("a GPT", [(450, b"\xee")], "GPT"),
    ("two partitions", [(466, b"\x07" * 12)], "2 partitions"),
    ("an empty table", [(446, bytes(16))], "0 partitions"),
    ("a partition too long", [(458, b"\xff\xff\xff\x7f")], "past the end of the card"),
    ("no table at all", [(3, b"EXFAT   ")], "directly on the card"),
    ("an empty boot region", [(PARTITION, bytes(2 * BOOT_SIZE))], "boot region: incomplete"),
    ("another file system", [(PARTITION + 3, b"NTFS    ")], "no exFAT volume"),
    ("a changed boot sector", [(PARTITION + 300, b"x")], "boot region: its checksum"),
    ("no backup", [(PARTITION + BOOT_SIZE, bytes(BOOT_SIZE))], "backup boot region"),
    ("a dirty volume", [(PARTITION + 106, b"\x02")], "marked dirty"),
    ("a failing medium", [(PARTITION + 106, b"\x04")], "use another card"),
    ("a broken chain of the root", [(FAT + 5 * 4, b"\x07\0\0\0")], "its chain in the allocation table is broken"),
    ("a wrong first entry", [(FAT, b"\0")], "first two entries"),
    ("a lost cluster", [(BITMAP + 700, b"\x10")], "allocation bitmap: it does not mark"),
    ("an unmarked cluster", [(BITMAP, b"\x7f")], "allocation bitmap: it does not mark"),
    ("a changed up-case table", [(UPCASE + 99, b"\x99")], "up-case table: its checksum"),
    ("a changed name", [(FOLDER + 64 + 2, b"j")], "checksum of an entry"),
    ("a removed file", [(FOLDER, b"\x05"), (FOLDER + 32, b"\x40"), (FOLDER + 64, b"\x41")], "does not mark"),
    ("half an entry", [(FOLDER + 64, b"\x41")], "lacks some of its parts"),
    ("an entry of its own", [(FOLDER, b"\x05")], "stands alone"),
    ("a critical entry", [(ROOT + 6 * 32, b"\x8f")], "unknown type 0x8F"),
    ("something after the end", [(ROOT + 8 * 32, b"\x85")], "after its end"),
    ("no bitmap", [(ROOT + 32, b"\x01")], "lacks the allocation bitmap"),
    ("no label", [(ROOT, b"\x03")], "the card has none"),
    ("a short label", [(ROOT + 1, b"\x05")], "'SUNMI'"),
    ("a lower-case label", [(ROOT + 2, "sunmi".encode("utf-16-le"))], "'sunmi-1B2C'"),
    ("a dash that is not ASCII", [(ROOT + 12, "\u2010".encode("utf-16-le"))], "volume label"),
]


@pytest.mark.parametrize(("changes", "named"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
@pytest.mark.parametrize("recorded", [True, False], ids=["own", "foreign"])
def test_the_fault_is_named(card: CardInMemory, mac: Mac, changes: list[Change], named: str, recorded: bool) -> None:
    if not recorded:
        without_record(card)
    for place, data in changes:
        card.write(place, data)
    findings = card.verify(mac)
    assert findings.fault is not None
    assert named in findings.fault


def test_a_card_for_another_camera(card: CardInMemory) -> None:
    fault = card.verify(Mac.parse("0c:25:76:0a:1b:2d")).fault
    assert fault is not None
    assert "SUNMI-1B2D" in fault
    fault = card.verify(Mac.parse("ff:25:76:0a:1b:2c")).fault
    assert fault == "MAC address: the card was written for 0C:25:76:0A:1B:2C, not for FF:25:76:0A:1B:2C"


def test_the_content_is_compared_with_what_was_expected(card: CardInMemory, firmware_sha256: str) -> None:
    assert card.verify(expected=bytes.fromhex(firmware_sha256)).good
    fault = card.verify(expected=bytes(32)).fault
    assert fault is not None
    assert "not the expected 0000" in fault


def test_a_card_without_record_needs_something_to_compare_with(card: CardInMemory) -> None:
    without_record(card)
    findings = card.verify()
    assert findings.good
    assert findings.record is None
    assert any("compared with nothing" in note for note in findings.notes)


def test_both_modes_on_one_card(write: Callable[..., Path], mount_fuse: Mounting, firmware_file: Path) -> None:
    image = write()
    with mount_fuse(image) as mounted:
        (mounted / "up.bin").write_bytes(firmware_file.read_bytes())
    assert named(image, "only one of them")


def test_something_else_on_the_card(write: Callable[..., Path], mount_fuse: Mounting) -> None:
    image = write()
    with mount_fuse(image) as mounted:
        (mounted / "notes.txt").write_text("hello")
    assert named(image, "notes.txt: it does not belong")


def test_litter_of_computers_is_only_noted(write: Callable[..., Path], mount_fuse: Mounting) -> None:
    image = write()
    with mount_fuse(image) as mounted:
        (mounted / "System Volume Information").mkdir()
        (mounted / "System Volume Information" / "WPSettings.dat").write_bytes(b"x" * 12)
        (mounted / "firmware" / "._ipc-up.bin").write_bytes(b"x" * 4096)
    with open_medium(image) as medium:
        findings = verify_card(medium, progress=Unseen())
    assert findings.good
    assert len(findings.notes) == 2


def test_a_card_made_by_other_programs(
    tmp_path: Path, tool: Callable[..., str], mount_fuse: Mounting, firmware_file: Path, mac: Mac
) -> None:
    image, volume = tmp_path / "other.img", tmp_path / "volume"
    volume.touch()
    os.truncate(volume, 60 << 20)
    tool("mkfs.exfat", "-L", mac.label, volume)
    sector = bytearray(512)
    struct.pack_into("<4xB3xII", sector, 446, 7, 8192, (60 << 20) // 512)
    sector[510:] = b"\x55\xaa"
    image.write_bytes(bytes(sector).ljust(4 << 20, b"\0") + volume.read_bytes())
    content = firmware_file.read_bytes()
    with mount_fuse(image) as mounted:
        (mounted / "firmware").mkdir()
        (mounted / "firmware" / "ipc-up.bin").write_bytes(content[:500_000])
        (mounted / "in between").write_bytes(b"x" * 100_000)
        with (mounted / "firmware" / "ipc-up.bin").open("ab") as file:
            file.write(content[500_000:])
        (mounted / "in between").unlink()
    with open_medium(image, writable=True) as medium:
        found = Volume(medium)
        assert not found.folder(found.root().found[0])[0].item.contiguous
        findings = verify_card(medium, progress=Unseen(), mac=mac, expected_sha256=hashlib.sha256(content).digest())
        assert (findings.fault, findings.notes) == (None, [])
        assert clean_card(medium) == ["firmware/ipc-up.bin"]
    volume.write_bytes(image.read_bytes()[4 << 20 :])
    assert "clean. directories 2, files 0" in tool("fsck.exfat", "-n", volume)


def named(image: Path, fault: str) -> bool:
    with open_medium(image) as medium:
        findings = verify_card(medium, progress=Unseen())
    return findings.fault is not None and fault in findings.fault


@pytest.fixture
def mount_fuse(tmp_path: Path, tool: Callable[..., str], loop_device: Callable[..., Path]) -> Mounting:
    """Mount an image with exfat-fuse, an independent writer of exFAT."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()

    @contextmanager
    def mount(image: Path) -> Iterator[Path]:
        tool("mount.exfat-fuse", loop_device(image, "--offset", str(4 << 20)), mounted)
        try:
            yield mounted
        finally:
            tool("umount", mounted)

    return mount
