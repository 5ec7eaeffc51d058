"""Which drives are offered: recorded output of lsblk, PowerShell and diskutil, and the drives of this machine."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from firmware_tools.drives.drive import DEFAULT_MAX_DRIVE_SIZE, find_drive
from firmware_tools.drives.linux import check_device_allowed, list_drives, open_exclusively, parse_lsblk
from firmware_tools.errors import DriveRefused, IOFailed
from firmware_tools.mounted_volume.macos import MacOSTools
from firmware_tools.mounted_volume.windows import WindowsTools

RECORDINGS = Path(__file__).parent / "recordings"


def read_lsblk(machine: str) -> str:
    return (RECORDINGS / f"lsblk-{machine}.json").read_text()


def run_powershell(command: Sequence[str]) -> bytes:
    assert command[0] == "powershell.exe"
    return (RECORDINGS / "powershell-laptop.json").read_bytes()


def run_diskutil(command: Sequence[str]) -> bytes:
    outputs: dict[str, str] = json.loads((RECORDINGS / "diskutil-macbook.json").read_text())
    return outputs[" ".join(command)].encode()


@pytest.mark.parametrize(
    ("machine", "offered"),
    [
        ("pi-from-card", ["sda"]),
        ("pi-from-usb", ["mmcblk0"]),
        ("laptop", ["mmcblk0"]),
        ("odd", []),
        ("qemu", ["sda", "sdc", "mmcblk0"]),
    ],
)
def test_only_cards_are_offered(machine: str, offered: list[str]) -> None:
    assert [drive.name for drive in parse_lsblk(read_lsblk(machine)) if drive.is_offered] == offered


@pytest.mark.parametrize(
    ("machine", "name", "reason"),
    [
        ("pi-from-card", "mmcblk0", "the running system is on it"),
        ("pi-from-usb", "sda", "the running system is on it"),
        ("laptop", "nvme0n1", "the running system is on it"),
        ("laptop", "sdb", "larger than 137 GB"),
        ("odd", "sda", "/run/live/medium"),
        ("odd", "sdb", "swaps"),
        ("odd", "sdc", "write-protected"),
        ("odd", "sdd", "/srv/data"),
        ("odd", "sde", "no card in it"),
        ("odd", "sdf", "too small"),
        ("odd", "sdg", "the running system is on it (/home)"),
        ("odd", "sdh", "not removable"),
        ("odd", "sdi", "LVM2_member"),
        ("odd", "sdj", "/var/lib/docker"),
        ("odd", "mmcblk1", "built into this computer"),
        ("odd", "mmcblk1boot0", "built into this computer"),
    ],
)
def test_every_refusal_has_a_reason(machine: str, name: str, reason: str) -> None:
    drive = next(drive for drive in parse_lsblk(read_lsblk(machine)) if drive.name == name)
    assert reason in drive.reason
    with pytest.raises(DriveRefused, match=name):
        find_drive([drive], name)


def test_the_maximum_size_can_be_raised() -> None:
    drives = parse_lsblk(read_lsblk("laptop"), 4 * 10**12)
    assert [drive.name for drive in drives if drive.is_offered] == ["mmcblk0", "sdb"]


def test_the_user_can_recognise_and_confirm_a_drive() -> None:
    card = parse_lsblk(read_lsblk("pi-from-card"))[0]
    assert card.describe() == "sda (Generic MassStorageClass, 31.9 GB, usb, serial 000000001536)"
    assert [card.is_confirmed_by(text) for text in ("sda", "000000001536", "/dev/sda")] == [True] * 3
    assert not any(card.is_confirmed_by(text) for text in ("", "sdb", "yes", "SDA"))
    assert card.mount_points == ("/media/pi/CAMERA",)


def test_another_card_in_the_reader_changes_the_identity() -> None:
    text = read_lsblk("pi-from-card")
    before, after = parse_lsblk(text)[0], parse_lsblk(text.replace("3134-6162", "9999-0000"))[0]
    assert before.identity != after.identity
    assert parse_lsblk(text.replace("/media/pi/CAMERA", "/media/pi/OTHER"))[0].identity == before.identity


def test_a_drive_is_found_by_name_or_if_it_is_the_only_one() -> None:
    drives = parse_lsblk(read_lsblk("laptop"), 4 * 10**12)
    assert find_drive(drives, "/dev/mmcblk0").name == "mmcblk0"
    with pytest.raises(DriveRefused, match="several drives"):
        find_drive(drives, None)
    with pytest.raises(DriveRefused, match="no such drive"):
        find_drive(drives, "sdz")
    with pytest.raises(DriveRefused, match="no drive with a card"):
        find_drive([], None)
    assert find_drive(parse_lsblk(read_lsblk("pi-from-card")), None).name == "sda"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"blockdevices": [{"name": "sda"}]}'])
def test_malformed_output_of_lsblk_is_reported(text: str) -> None:
    with pytest.raises(IOFailed, match="lsblk"):
        parse_lsblk(text)


def test_the_disk_of_this_machine_is_not_offered(run_tool: Callable[..., str]) -> None:
    sources = {line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[1] == "/"}
    run_tool("lsblk", "--version")
    for drive in list_drives():
        assert not (drive.is_offered and "/" in drive.mount_points)
        assert not (drive.is_offered and any(source.startswith(drive.path) for source in sources))


def test_a_drive_that_is_gone_is_not_opened(run_tool: Callable[..., str]) -> None:
    run_tool("lsblk", "--version")
    drive = parse_lsblk(read_lsblk("pi-from-usb"))[1]
    with pytest.raises(DriveRefused, match="another one now"):
        open_exclusively(drive)


def test_only_whole_drives_that_are_offered_may_be_opened(
    tmp_path: Path, attach_loop_device: Callable[..., Path]
) -> None:
    check_device_allowed(tmp_path, writable=True)
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    check_device_allowed(attach_loop_device(image), writable=True)
    if os.geteuid() == 0:
        node = tmp_path / "node"
        os.mknod(node, 0o600 | 0o060000, os.makedev(259, 4095))  # no device has this number
        with pytest.raises(DriveRefused, match="no whole drive"):
            check_device_allowed(node, writable=True)


def test_windows_offers_only_cards() -> None:
    volumes = {
        volume.drive.path[-1]: volume for volume in WindowsTools(run_powershell).list_volumes(DEFAULT_MAX_DRIVE_SIZE)
    }
    assert {number for number, volume in volumes.items() if volume.drive.is_offered} == {"1", "2", "6"}
    assert (volumes["1"].drive.name, volumes["1"].file_system, volumes["1"].label) == ("E:", "exFAT", "CAMERA")
    assert (volumes["2"].drive.name, volumes["2"].file_system, volumes["2"].drive.bus) == ("F:", "FAT32", "sd")
    assert (volumes["6"].drive.name, volumes["6"].mount_point) == ("disk 6", None)
    reasons = {number: volume.drive.reason for number, volume in volumes.items()}
    assert reasons["0"] == reasons["7"] == "the running system is on it"
    assert "larger" in reasons["3"]
    assert "write-protected" in reasons["4"]
    assert "SATA" in reasons["5"]
    assert "no card" in reasons["8"]


def test_macos_offers_only_cards() -> None:
    volumes = {volume.drive.name: volume for volume in MacOSTools(run_diskutil).list_volumes(DEFAULT_MAX_DRIVE_SIZE)}
    assert {name for name, volume in volumes.items() if volume.drive.is_offered} == {"disk4"}
    card = volumes["disk4"]
    assert (card.mount_point, card.file_system, card.label) == (Path("/Volumes/CAMERA"), "exfat", "CAMERA")
    reasons = {name: volume.drive.reason for name, volume in volumes.items()}
    assert reasons["disk0"] == "the running system is on it"
    assert "write-protected" in reasons["disk5"]
    assert "larger" in reasons["disk6"]
    assert "PCI-Express" in reasons["disk7"]
    assert "larger store" in reasons["disk8"]


def test_malformed_output_of_powershell_and_diskutil_is_reported() -> None:
    with pytest.raises(IOFailed, match="PowerShell"):
        WindowsTools(lambda _: b"oops").list_volumes(DEFAULT_MAX_DRIVE_SIZE)
    with pytest.raises(IOFailed, match="diskutil"):
        MacOSTools(lambda _: b"oops").list_volumes(DEFAULT_MAX_DRIVE_SIZE)


def test_commands_for_labelling_and_ejecting() -> None:
    commands: list[str] = []

    def record_powershell(command: Sequence[str]) -> bytes:
        commands.append(command[-1])
        return run_powershell(command)

    def record_diskutil(command: Sequence[str]) -> bytes:
        commands.append(" ".join(command))
        return run_diskutil(command) if "-plist" in command else b""

    for system_tools, name in ((WindowsTools(record_powershell), "E:"), (MacOSTools(record_diskutil), "disk4")):
        volume = next(
            volume for volume in system_tools.list_volumes(DEFAULT_MAX_DRIVE_SIZE) if volume.drive.name == name
        )
        commands.clear()
        system_tools.set_label(volume, "SUNMI-1B2C")
        system_tools.eject(volume)
        if name == "E:":
            assert commands[0].startswith("Set-Volume -DriveLetter E -NewFileSystemLabel 'SUNMI-1B2C'")
            assert "Eject" in commands[2]
            assert any(
                "right-click drive E:" in step for step in system_tools.describe_formatting(volume.drive, "SUNMI-1B2C")
            )
        else:
            assert commands == ["diskutil rename /Volumes/CAMERA SUNMI-1B2C", "diskutil eject disk4"]
            step = system_tools.describe_formatting(volume.drive, "SUNMI-1B2C")[0]
            assert step.endswith("diskutil eraseDisk ExFAT SUNMI-1B2C MBR disk4")
