"""Cards that the user formats: what is copied, checked, removed and refused."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_tools.block_device import open_block_device
from firmware_tools.card import CardSpec, FirmwarePath
from firmware_tools.console import Console
from firmware_tools.drives.drive import Drive
from firmware_tools.errors import DriveRefused, InvalidInput, IOFailed
from firmware_tools.firmware import Firmware, load_firmware
from firmware_tools.mac import Mac
from firmware_tools.mounted_volume.card_files import (
    remove_mounted_firmware,
    remove_os_metadata,
    verify_mounted_card,
    write_mounted_card,
)
from firmware_tools.mounted_volume.card_writer import MountedCardWriter
from firmware_tools.mounted_volume.system_tools import MountedVolume
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.verification import verify_card

READER = Drive("disk4", "/dev/disk4", 64 << 20, "usb", "Reader", "77", ("/Volumes/X",), None, ())
QUIET = Console(as_json=True, may_ask=False)


@pytest.fixture
def mount_point(tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    path.mkdir()
    return path


@pytest.fixture
def firmware(firmware_file: Path) -> Firmware:
    return load_firmware([firmware_file])


def list_paths(mount_point: Path) -> set[str]:
    return {str(path.relative_to(mount_point)) for path in mount_point.rglob("*")}


@pytest.mark.parametrize("path", list(FirmwarePath))
def test_the_new_firmware_replaces_everything_else_that_may_be_on_a_card(
    mount_point: Path, firmware: Firmware, firmware_sha256: str, mac: Mac, path: FirmwarePath
) -> None:
    (mount_point / "firmware").mkdir()
    (mount_point / "firmware" / "ipc-up.bin").write_bytes(b"an older one")
    (mount_point / "up.bin").write_bytes(b"another older one")
    (mount_point / ".Trashes").mkdir()
    sha256 = write_mounted_card(mount_point, CardSpec(mac, path), firmware, progress=NullProgress())
    assert sha256.hex() == firmware_sha256
    assert remove_os_metadata(mount_point) == []
    assert list_paths(mount_point) == ({"firmware", path.value} if "/" in path.value else {path.value})
    result = verify_mounted_card(
        mount_point, mac.volume_label, progress=NullProgress(), mac=mac, expected_sha256=sha256
    )
    assert (result.fault, result.sha256, result.firmware_path) == (None, firmware_sha256, path)
    assert remove_mounted_firmware(mount_point) == [path.value]
    fault = verify_mounted_card(mount_point, mac.volume_label, progress=NullProgress()).fault
    assert fault == "firmware: there is no firmware file on the card"


def test_foreign_files_are_never_removed(mount_point: Path, firmware: Firmware, mac: Mac) -> None:
    (mount_point / "holiday.jpg").write_bytes(b"picture")
    with pytest.raises(InvalidInput, match=r"holiday\.jpg is on it"):
        write_mounted_card(mount_point, CardSpec(mac), firmware, progress=NullProgress())
    assert list_paths(mount_point) == {"holiday.jpg"}
    assert verify_mounted_card(mount_point, mac.volume_label, progress=NullProgress()).fault is not None


def test_a_firmware_with_another_sha256_leaves_no_file(mount_point: Path, firmware: Firmware, mac: Mac) -> None:
    with pytest.raises(InvalidInput, match="SHA-256"):
        write_mounted_card(mount_point, CardSpec(mac), firmware, progress=NullProgress(), expected_sha256=bytes(32))
    assert list_paths(mount_point) == {"firmware"}


def test_an_interrupted_copy_is_incomplete(mount_point: Path, firmware: Firmware, mac: Mac) -> None:
    (mount_point / "firmware").mkdir()
    (mount_point / "firmware" / "incomplete").write_bytes(b"half")
    fault = verify_mounted_card(mount_point, mac.volume_label, progress=NullProgress()).fault
    assert fault is not None
    assert fault.startswith("incomplete")
    write_mounted_card(mount_point, CardSpec(mac), firmware, progress=NullProgress())
    assert list_paths(mount_point) == {"firmware", "firmware/ipc-up.bin"}


def test_the_fault_is_named(mount_point: Path, firmware: Firmware, mac: Mac) -> None:
    write_mounted_card(mount_point, CardSpec(mac), firmware, progress=NullProgress())
    faults = [
        verify_mounted_card(mount_point, label, progress=NullProgress(), mac=mac, expected_sha256=expected).fault or ""
        for label, expected in (("CAMERA", None), (mac.volume_label, bytes(32)))
    ]
    assert "volume label" in faults[0]
    assert "not the expected" in faults[1]
    (mount_point / "up.bin").write_bytes(b"x")
    fault = verify_mounted_card(mount_point, mac.volume_label, progress=NullProgress()).fault
    assert fault is not None
    assert "only one of them" in fault


class FuseTools:
    """The tools of a system with one reader, whose card is a real exFAT volume, mounted with exfat-fuse."""

    def __init__(self, device: Path, mount_point: Path, run_tool: Callable[..., str]) -> None:
        self._device, self._mount_point, self._run_tool = device, mount_point, run_tool
        self.file_system, self.label = "msdos", "NO NAME"
        self.times_described = 0
        self.drive = READER

    def format(self) -> None:
        """Do what the user is asked to do."""
        self._run_tool("mkfs.exfat", "-L", "CAMERA", self._device)
        self._run_tool("mount.exfat-fuse", self._device, self._mount_point)
        self.file_system, self.label = "ExFAT", "CAMERA"

    def list_volumes(self, max_size: int) -> list[MountedVolume]:
        return [MountedVolume(self.drive, self._mount_point, self.file_system, self.label)]

    def describe_formatting(self, drive: Drive, label: str) -> list[str]:
        self.times_described += 1
        return [f"format {drive.name} as exFAT with label {label}"]

    def set_label(self, volume: MountedVolume, label: str) -> None:
        self.eject(volume)
        self._run_tool("tune.exfat", "-L", label, self._device)
        self._run_tool("mount.exfat-fuse", self._device, self._mount_point)
        self.label = label

    def eject(self, volume: MountedVolume) -> None:
        self._run_tool("umount", self._mount_point)


class SimulatedUser(Console):
    """A user who formats the card when asked."""

    def __init__(self, tools: FuseTools) -> None:
        super().__init__(as_json=False, may_ask=True)
        self._tools = tools

    def ask(self, question: str) -> str:
        assert "press Enter" in question
        self._tools.format()
        return ""


@pytest.fixture
def fuse_tools(
    make_image: Callable[..., Path],
    attach_loop_device: Callable[..., Path],
    mount_point: Path,
    run_tool: Callable[..., str],
) -> Iterator[FuseTools]:
    """Make the tools of a system with a card that is not formatted yet."""
    yield FuseTools(attach_loop_device(make_image(), "--offset", str(4 << 20)), mount_point, run_tool)
    subprocess.run(["umount", "--quiet", str(mount_point)], check=False)


def test_a_card_from_formatting_to_ejecting(
    fuse_tools: FuseTools, firmware: Firmware, firmware_sha256: str, mac: Mac, tmp_path: Path
) -> None:
    card_writer = MountedCardWriter(fuse_tools)
    written = card_writer.write(READER, CardSpec(mac), firmware, console=SimulatedUser(fuse_tools))
    assert (written.sha256, fuse_tools.times_described) == (firmware_sha256, 1)
    assert card_writer.identify_card(READER) == mac.volume_label
    assert card_writer.eject(written.drive)
    with open_block_device(tmp_path / "card.img") as device:
        result = verify_card(device, progress=NullProgress(), mac=mac, expected_sha256=bytes.fromhex(firmware_sha256))
    assert (result.fault, result.record) == (None, None), "the raw card has no fault either"


def test_what_a_card_writer_refuses(
    mount_point: Path, firmware: Firmware, mac: Mac, run_tool: Callable[..., str]
) -> None:
    tools = FuseTools(mount_point / "none", mount_point, run_tool)
    card_writer = MountedCardWriter(tools)
    with pytest.raises(InvalidInput, match=r"--no-input: .*Format disk4"):
        card_writer.write(READER, CardSpec(mac), firmware, console=QUIET)
    with pytest.raises(InvalidInput, match="Linux only"):
        card_writer.write(READER, CardSpec(mac), firmware, console=QUIET, check_capacity=True)
    tools.drive = replace(READER, size=1 << 30)
    with pytest.raises(DriveRefused, match="another one now"):
        card_writer.write(READER, CardSpec(mac), firmware, console=QUIET)
    tools.drive = replace(READER, refusal="it is write-protected")
    with pytest.raises(DriveRefused, match="write-protected"):
        card_writer.write(READER, CardSpec(mac), firmware, console=QUIET)
    assert not card_writer.eject(READER)


class ToolsWithoutLabels(FuseTools):
    """The tools of a system that refuses to set labels."""

    def set_label(self, volume: MountedVolume, label: str) -> None:
        raise IOFailed("the label cannot be set")


def test_a_label_that_cannot_be_set_is_reported(
    mount_point: Path, firmware: Firmware, mac: Mac, run_tool: Callable[..., str]
) -> None:
    tools = ToolsWithoutLabels(mount_point / "none", mount_point, run_tool)
    tools.file_system = "exfat"
    card_writer = MountedCardWriter(tools)
    with pytest.raises(IOFailed, match="label"):
        card_writer.write(READER, CardSpec(mac), firmware, console=QUIET)
    tools.label = mac.volume_label
    written = card_writer.write(READER, CardSpec(mac), firmware, console=QUIET)
    (mount_point / "firmware" / "ipc-up.bin").write_bytes(b"worn out")
    result = verify_mounted_card(mount_point, mac.volume_label, progress=NullProgress())
    assert written.sha256 != result.sha256
