"""Preparing cards on block devices: used, fake, mounted, write-protected and failing ones."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tools.card import Card
from firmware_tools.errors import CardFaulty, InputRefused, MediumFailed
from firmware_tools.fakes import check_capacity
from firmware_tools.firmware import load_firmware
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.prepare import prepare_medium
from firmware_tools.progress import Unseen
from firmware_tools.verification import verify_card

MIB = 1 << 20


@pytest.fixture
def used_card(tmp_path: Path) -> Path:
    """Return a card full of something else."""
    path = tmp_path / "used.img"
    with path.open("wb") as file:
        for seed in range(40):
            file.write(random.Random(seed).randbytes(MIB))
    return path


def test_a_used_card(
    used_card: Path, loop_device: Callable[..., Path], tool: Callable[..., str], firmware_file: Path, mac: Mac
) -> None:
    tool("mkfs.ext4", "-q", "-F", used_card)
    content = bytearray(used_card.read_bytes())
    content[-512:-504] = b"EFI PART"  # the backup of a GPT
    used_card.write_bytes(content)
    with open_medium(loop_device(used_card), writable=True) as medium:
        prepared = prepare_medium(medium, Card(mac), load_firmware([firmware_file]), progress=Unseen())
    assert prepared.findings.good
    written = used_card.read_bytes()
    assert not any(written[-MIB:])
    assert not any(written[512 : 8192 * 512])
    wiped = tool("wipefs", "--noheadings", "--output", "type", used_card).split()
    assert wiped == ["dos"]


def test_a_mounted_card_is_not_opened(
    write: Callable[..., Path], loop_device: Callable[..., Path], tool: Callable[..., str], tmp_path: Path
) -> None:
    tool("mkfs.ext4", "-q", "-F", write())
    device, mounted = loop_device(tmp_path / "card.img"), tmp_path / "mounted"
    mounted.mkdir()
    tool("mount", device, mounted)
    try:
        with pytest.raises(MediumFailed, match="mounted or in use: unmount it first"):
            open_medium(device, writable=True)
    finally:
        tool("umount", mounted)
    open_medium(device, writable=True).__exit__(None, None, None)


def test_a_write_protected_card(write: Callable[..., Path], loop_device: Callable[..., Path]) -> None:
    device = loop_device(write(), "--read-only")
    with open_medium(device) as medium:
        assert verify_card(medium, progress=Unseen()).good
    with pytest.raises(MediumFailed, match="write-protection switch"):
        open_medium(device, writable=True)


def test_a_card_that_fails_in_the_middle(
    tmp_path: Path, loop_device: Callable[..., Path], tool: Callable[..., str], used_card: Path, mac: Mac
) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    tool("mount", "-t", "tmpfs", "-o", "size=9m", "none", small)
    try:
        image = small / "card.img"
        image.touch()
        os.truncate(image, 64 * MIB)
        device = loop_device(image)
        with open_medium(device, writable=True) as medium:
            with pytest.raises(MediumFailed, match="damaged or was pulled out"):
                prepare_medium(medium, Card(mac), load_firmware([used_card]), progress=Unseen())
            fault = verify_card(medium, progress=Unseen()).fault
        assert fault is not None
        assert fault.startswith("incomplete")
    finally:
        tool("umount", "--lazy", small)


def test_a_device_of_another_sector_size(tmp_path: Path, loop_device: Callable[..., Path]) -> None:
    image = tmp_path / "4k.img"
    image.write_bytes(bytes(MIB))
    with pytest.raises(MediumFailed, match="sectors have 4096 bytes"):
        open_medium(loop_device(image, "--sector-size", "4096"))


class FakeCard:
    """A card that claims more than it has, in one of the ways in which such cards behave."""

    name = "fake card"

    def __init__(self, real: int, claimed: int, *, wraps: bool) -> None:
        self.size = claimed
        self._real = real
        self._wraps = wraps
        self._blocks: dict[int, bytes] = {}

    def _place(self, block: int) -> int | None:
        if block * 512 < self._real:
            return block
        return block % (self._real // 512) if self._wraps else None

    def read(self, offset: int, length: int) -> bytes:
        places = (self._place(offset // 512 + index) for index in range(length // 512))
        return b"".join(bytes(512) if place is None else self._blocks.get(place, bytes(512)) for place in places)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        for index in range(len(data) // 512):
            place = self._place(offset // 512 + index)
            if place is not None:
                self._blocks[place] = bytes(data[index * 512 : (index + 1) * 512])

    def zero(self, offset: int, length: int) -> None:
        self.write(offset, bytes(length))

    def sync(self) -> None: ...

    def forget(self) -> None: ...


@pytest.mark.parametrize("wraps", [False, True], ids=["drops", "wraps"])
@pytest.mark.parametrize("real", [2 * 10**9, 7_948_206_080, 8 << 30, 31_914_983_424])
def test_fake_cards_are_found(real: int, wraps: bool) -> None:
    with pytest.raises(CardFaulty, match="fake or broken"):
        check_capacity(FakeCard(real, 64_000_000_000, wraps=wraps), Unseen())


@pytest.mark.parametrize("size", [32 * MIB, 100 * MIB + 512, 64_000_000_000])
def test_honest_cards_pass(size: int) -> None:
    check_capacity(FakeCard(size, size, wraps=False), Unseen())


def test_checking_erases_and_the_card_is_written_afterwards(
    write: Callable[..., Path], loop_device: Callable[..., Path], firmware_file: Path, mac: Mac
) -> None:
    image = write(size=40 * MIB)
    with open_medium(loop_device(image), writable=True) as medium:
        check_capacity(medium, Unseen())
        fault = verify_card(medium, progress=Unseen()).fault
        assert fault is not None
        assert fault.startswith("incomplete")
        firmware = load_firmware([firmware_file])
        assert prepare_medium(medium, Card(mac), firmware, progress=Unseen(), with_capacity=True).findings.good


def test_too_much_for_a_device(tmp_path: Path, loop_device: Callable[..., Path], firmware_file: Path, mac: Mac) -> None:
    image = tmp_path / "tiny.img"
    image.write_bytes(bytes(MIB))
    with open_medium(loop_device(image), writable=True) as medium, pytest.raises(InputRefused, match="32 MiB"):
        prepare_medium(medium, Card(mac), load_firmware([firmware_file]), progress=Unseen())
    assert not any(image.read_bytes())
