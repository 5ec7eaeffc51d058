"""Which drives are offered: recorded answers of lsblk, PowerShell and diskutil, and this machine's own."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from firmware_tools.drives.drive import SIZE_CAP, confirmed, find_drive
from firmware_tools.drives.linux import check_device, list_drives, parse_lsblk, take
from firmware_tools.errors import DriveRefused, MediumFailed
from firmware_tools.fill.macos import MacOS
from firmware_tools.fill.windows import Windows

RECORDINGS = Path(__file__).parent / "recordings"


def lsblk(name: str) -> str:
    return (RECORDINGS / f"lsblk-{name}.json").read_text()


def powershell(command: Sequence[str]) -> bytes:
    assert command[0] == "powershell.exe"
    return (RECORDINGS / "powershell-laptop.json").read_bytes()


def diskutil(command: Sequence[str]) -> bytes:
    recorded: dict[str, str] = json.loads((RECORDINGS / "diskutil-macbook.json").read_text())
    return recorded[" ".join(command)].encode()


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
    assert [drive.name for drive in parse_lsblk(lsblk(machine)) if drive.offered] == offered


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
def test_every_refusal_says_why(machine: str, name: str, reason: str) -> None:
    drive = next(drive for drive in parse_lsblk(lsblk(machine)) if drive.name == name)
    assert reason in drive.reason
    with pytest.raises(DriveRefused, match=name):
        find_drive([drive], name)


def test_the_cap_can_be_raised() -> None:
    assert [d.name for d in parse_lsblk(lsblk("laptop"), 4 * 10**12) if d.offered] == ["mmcblk0", "sdb"]


def test_a_drive_is_recognised_by_a_person() -> None:
    card = parse_lsblk(lsblk("pi-from-card"))[0]
    assert card.describe() == "sda (Generic MassStorageClass, 31.9 GB, usb, serial 000000001536)"
    assert [confirmed(card, text) for text in ("sda", "000000001536", "/dev/sda")] == [True] * 3
    assert not any(confirmed(card, text) for text in ("", "sdb", "yes", "SDA"))
    assert card.mounts == ("/media/pi/CAMERA",)


def test_another_card_in_the_reader_is_another_identity() -> None:
    text = lsblk("pi-from-card")
    before, after = parse_lsblk(text)[0], parse_lsblk(text.replace("3134-6162", "9999-0000"))[0]
    assert before.identity != after.identity
    assert parse_lsblk(text.replace("/media/pi/CAMERA", "/media/pi/OTHER"))[0].identity == before.identity


def test_a_drive_is_found_by_name_or_alone() -> None:
    drives = parse_lsblk(lsblk("laptop"), 4 * 10**12)
    assert find_drive(drives, "/dev/mmcblk0").name == "mmcblk0"
    with pytest.raises(DriveRefused, match="several drives"):
        find_drive(drives, None)
    with pytest.raises(DriveRefused, match="no such drive"):
        find_drive(drives, "sdz")
    with pytest.raises(DriveRefused, match="no drive with a card"):
        find_drive([], None)
    assert find_drive(parse_lsblk(lsblk("pi-from-card")), None).name == "sda"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"blockdevices": [{"name": "sda"}]}'])
def test_answers_that_cannot_be_read(text: str) -> None:
    with pytest.raises(MediumFailed, match="lsblk"):
        parse_lsblk(text)


def test_the_disk_of_this_machine_is_not_offered(tool: Callable[..., str]) -> None:
    sources = {line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[1] == "/"}
    tool("lsblk", "--version")
    for drive in list_drives():
        assert not (drive.offered and "/" in drive.mounts)
        assert not (drive.offered and any(source.startswith(drive.path) for source in sources))


def test_a_drive_that_is_gone_is_not_opened(tool: Callable[..., str]) -> None:
    tool("lsblk", "--version")
    drive = parse_lsblk(lsblk("pi-from-usb"))[1]
    with pytest.raises(DriveRefused, match="another one now"):
        take(drive)


def test_only_whole_offered_drives_are_opened(tmp_path: Path, loop_device: Callable[..., Path]) -> None:
    check_device(tmp_path, writing=True)
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    check_device(loop_device(image), writing=True)
    if os.geteuid() == 0:
        node = tmp_path / "node"
        os.mknod(node, 0o600 | 0o060000, os.makedev(259, 4095))  # a device that does not exist
        with pytest.raises(DriveRefused, match="no whole drive"):
            check_device(node, writing=True)


def test_windows_offers_cards_only() -> None:
    volumes = {volume.drive.path[-1]: volume for volume in Windows(powershell).volumes(SIZE_CAP)}
    assert {number for number, volume in volumes.items() if volume.drive.offered} == {"1", "2", "6"}
    assert (volumes["1"].drive.name, volumes["1"].file_system, volumes["1"].label) == ("E:", "exFAT", "CAMERA")
    assert (volumes["2"].drive.name, volumes["2"].file_system, volumes["2"].drive.bus) == ("F:", "FAT32", "sd")
    assert (volumes["6"].drive.name, volumes["6"].mount) == ("disk 6", None)
    reasons = {number: volume.drive.reason for number, volume in volumes.items()}
    assert reasons["0"] == reasons["7"] == "the running system is on it"
    assert "larger" in reasons["3"]
    assert "write-protected" in reasons["4"]
    assert "SATA" in reasons["5"]
    assert "no card" in reasons["8"]


def test_macos_offers_cards_only() -> None:
    volumes = {volume.drive.name: volume for volume in MacOS(diskutil).volumes(SIZE_CAP)}
    assert {name for name, volume in volumes.items() if volume.drive.offered} == {"disk4"}
    card = volumes["disk4"]
    assert (card.mount, card.file_system, card.label) == (Path("/Volumes/CAMERA"), "exfat", "CAMERA")
    reasons = {name: volume.drive.reason for name, volume in volumes.items()}
    assert reasons["disk0"] == "the running system is on it"
    assert "write-protected" in reasons["disk5"]
    assert "larger" in reasons["disk6"]
    assert "PCI-Express" in reasons["disk7"]
    assert "larger store" in reasons["disk8"]


def test_systems_that_answer_nonsense() -> None:
    with pytest.raises(MediumFailed, match="PowerShell"):
        Windows(lambda _: b"oops").volumes(SIZE_CAP)
    with pytest.raises(MediumFailed, match="diskutil"):
        MacOS(lambda _: b"oops").volumes(SIZE_CAP)


def test_what_the_systems_are_asked_to_do() -> None:
    asked: list[str] = []

    def windows(command: Sequence[str]) -> bytes:
        asked.append(command[-1])
        return powershell(command)

    def macos(command: Sequence[str]) -> bytes:
        asked.append(" ".join(command))
        return diskutil(command) if "-plist" in command else b""

    for system, name in ((Windows(windows), "E:"), (MacOS(macos), "disk4")):
        volume = next(volume for volume in system.volumes(SIZE_CAP) if volume.drive.name == name)
        asked.clear()
        system.set_label(volume, "SUNMI-1B2C")
        system.eject(volume)
        if name == "E:":
            assert asked[0].startswith("Set-Volume -DriveLetter E -NewFileSystemLabel 'SUNMI-1B2C'")
            assert "Eject" in asked[2]
            assert any("right-click drive E:" in step for step in system.format_steps(volume.drive, "SUNMI-1B2C"))
        else:
            assert asked == ["diskutil rename /Volumes/CAMERA SUNMI-1B2C", "diskutil eject disk4"]
            step = system.format_steps(volume.drive, "SUNMI-1B2C")[0]
            assert step.endswith("diskutil eraseDisk ExFAT SUNMI-1B2C MBR disk4")
