"""Filling cards that a system has formatted: what is copied, checked, removed and refused."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_tools.card import Card, CardFile
from firmware_tools.console import Console
from firmware_tools.drives.drive import Drive
from firmware_tools.errors import DriveRefused, InputRefused, MediumFailed
from firmware_tools.fill.filling import clean_mounted, fill_mounted, remove_litter, verify_mounted
from firmware_tools.fill.system import MountedVolume
from firmware_tools.firmware import load_firmware
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.progress import Unseen
from firmware_tools.verification import verify_card
from firmware_tools.workshop import FillWorkshop

READER = Drive("disk4", "/dev/disk4", 64 << 20, "usb", "Reader", "77", ("/Volumes/X",), None, ())


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    path.mkdir()
    return path


def contents(mount: Path) -> set[str]:
    return {str(path.relative_to(mount)) for path in mount.rglob("*")}


@pytest.mark.parametrize("file", list(CardFile))
def test_only_the_firmware_is_left(
    mount: Path, firmware_file: Path, firmware_sha256: str, mac: Mac, file: CardFile
) -> None:
    (mount / "firmware").mkdir()
    (mount / "firmware" / "ipc-up.bin").write_bytes(b"an older one")
    (mount / "up.bin").write_bytes(b"another older one")
    (mount / ".Trashes").mkdir()
    firmware = load_firmware([firmware_file])
    assert fill_mounted(mount, Card(mac, file), firmware, progress=Unseen()) == firmware_sha256
    assert remove_litter(mount) == []
    assert contents(mount) == ({"firmware", file.value} if "/" in file.value else {file.value})
    findings = verify_mounted(
        mount, mac.label, progress=Unseen(), mac=mac, expected_sha256=bytes.fromhex(firmware_sha256)
    )
    assert (findings.fault, findings.sha256, findings.file) == (None, firmware_sha256, file)
    assert clean_mounted(mount) == [file.value]
    assert (
        verify_mounted(mount, mac.label, progress=Unseen()).fault == "firmware: there is no firmware file on the card"
    )


def test_other_files_are_never_removed(mount: Path, firmware_file: Path, mac: Mac) -> None:
    (mount / "holiday.jpg").write_bytes(b"picture")
    with pytest.raises(InputRefused, match=r"holiday\.jpg is on it"):
        fill_mounted(mount, Card(mac), load_firmware([firmware_file]), progress=Unseen())
    assert contents(mount) == {"holiday.jpg"}
    assert verify_mounted(mount, mac.label, progress=Unseen()).fault is not None


def test_a_firmware_that_is_not_the_expected_one_gets_no_name(mount: Path, firmware_file: Path, mac: Mac) -> None:
    with pytest.raises(InputRefused, match="SHA-256"):
        fill_mounted(mount, Card(mac), load_firmware([firmware_file]), progress=Unseen(), expected_sha256=bytes(32))
    assert contents(mount) == {"firmware"}


def test_a_copy_that_was_broken_off_is_called_incomplete(mount: Path, firmware_file: Path, mac: Mac) -> None:
    (mount / "firmware").mkdir()
    (mount / "firmware" / "incomplete").write_bytes(b"half")
    fault = verify_mounted(mount, mac.label, progress=Unseen()).fault
    assert fault is not None
    assert fault.startswith("incomplete")
    fill_mounted(mount, Card(mac), load_firmware([firmware_file]), progress=Unseen())
    assert contents(mount) == {"firmware", "firmware/ipc-up.bin"}


def test_the_first_fault_is_named(mount: Path, firmware_file: Path, mac: Mac) -> None:
    fill_mounted(mount, Card(mac), load_firmware([firmware_file]), progress=Unseen())
    for label, expected, named in (("CAMERA", None, "volume label"), (mac.label, bytes(32), "not the expected")):
        fault = verify_mounted(mount, label, progress=Unseen(), mac=mac, expected_sha256=expected).fault
        assert fault is not None
        assert named in fault
    (mount / "up.bin").write_bytes(b"x")
    fault = verify_mounted(mount, mac.label, progress=Unseen()).fault
    assert fault is not None
    assert "only one of them" in fault


class ExfatSystem:
    """A system with one reader, whose card is a real exFAT volume, mounted with exfat-fuse."""

    def __init__(self, device: Path, mount: Path, tool: Callable[..., str]) -> None:
        self._device, self._mount, self._tool = device, mount, tool
        self.file_system, self.label = "msdos", "NO NAME"
        self.steps_shown = 0
        self.drive = READER

    def format(self) -> None:
        """Do what the person is asked to do."""
        self._tool("mkfs.exfat", "-L", "CAMERA", self._device)
        self._tool("mount.exfat-fuse", self._device, self._mount)
        self.file_system, self.label = "ExFAT", "CAMERA"

    def volumes(self, size_cap: int) -> list[MountedVolume]:
        return [MountedVolume(self.drive, self._mount, self.file_system, self.label)]

    def format_steps(self, drive: Drive, label: str) -> list[str]:
        self.steps_shown += 1
        return [f"format {drive.name} as exFAT with label {label}"]

    def set_label(self, volume: MountedVolume, label: str) -> None:
        self.eject(volume)
        self._tool("tune.exfat", "-L", label, self._device)
        self._tool("mount.exfat-fuse", self._device, self._mount)
        self.label = label

    def eject(self, volume: MountedVolume) -> None:
        self._tool("umount", self._mount)


class Person(Console):
    """Somebody at the keyboard, who formats the card when asked."""

    def __init__(self, system: ExfatSystem) -> None:
        super().__init__(as_json=False, may_ask=True)
        self._system = system

    def ask(self, question: str) -> str:
        assert "press Enter" in question
        self._system.format()
        return ""


@pytest.fixture
def exfat_system(
    write: Callable[..., Path], loop_device: Callable[..., Path], mount: Path, tool: Callable[..., str]
) -> Iterator[ExfatSystem]:
    """Make the reader of a card whose partition is not formatted yet."""
    yield ExfatSystem(loop_device(write(), "--offset", str(4 << 20)), mount, tool)
    subprocess.run(["umount", "--quiet", str(mount)], check=False)


def test_a_card_from_formatting_to_ejecting(
    exfat_system: ExfatSystem, firmware_file: Path, firmware_sha256: str, mac: Mac, tmp_path: Path
) -> None:
    workshop = FillWorkshop(exfat_system)
    made = workshop.make(READER, Card(mac), load_firmware([firmware_file]), console=Person(exfat_system))
    assert (made.sha256, exfat_system.steps_shown) == (firmware_sha256, 1)
    assert workshop.camera_of(READER) == mac.label
    assert workshop.release(made.drive)
    with open_medium(tmp_path / "card.img") as medium:
        findings = verify_card(medium, progress=Unseen(), mac=mac, expected_sha256=bytes.fromhex(firmware_sha256))
    assert (findings.fault, findings.record) == (None, None), "the raw card is sound as well"


def test_what_a_workshop_refuses(mount: Path, firmware_file: Path, mac: Mac, tool: Callable[..., str]) -> None:
    system = ExfatSystem(mount / "none", mount, tool)
    workshop, firmware = FillWorkshop(system), load_firmware([firmware_file])
    silent = Console(as_json=True, may_ask=False)
    with pytest.raises(InputRefused, match=r"--no-input: .*Format disk4"):
        workshop.make(READER, Card(mac), firmware, console=silent)
    with pytest.raises(InputRefused, match="Linux only"):
        workshop.make(READER, Card(mac), firmware, console=silent, with_capacity=True)
    system.drive = replace(READER, size=1 << 30)
    with pytest.raises(DriveRefused, match="another one now"):
        workshop.make(READER, Card(mac), firmware, console=silent)
    system.drive = replace(READER, refusal="it is write-protected")
    with pytest.raises(DriveRefused, match="write-protected"):
        workshop.make(READER, Card(mac), firmware, console=silent)
    assert not workshop.release(READER)


class ForgetfulSystem(ExfatSystem):
    """A system that does not let us set labels."""

    def set_label(self, volume: MountedVolume, label: str) -> None:
        raise MediumFailed("the label cannot be set")


def test_a_label_that_cannot_be_set(mount: Path, firmware_file: Path, mac: Mac, tool: Callable[..., str]) -> None:
    system = ForgetfulSystem(mount / "none", mount, tool)
    system.file_system = "exfat"
    with pytest.raises(MediumFailed, match="label"):
        FillWorkshop(system).make(
            READER, Card(mac), load_firmware([firmware_file]), console=Console(as_json=True, may_ask=False)
        )
    system.label = mac.label
    made = FillWorkshop(system).make(
        READER, Card(mac), load_firmware([firmware_file]), console=Console(as_json=True, may_ask=False)
    )
    (mount / "firmware" / "ipc-up.bin").write_bytes(b"worn out")
    assert made.sha256 != verify_mounted(mount, mac.label, progress=Unseen()).sha256
