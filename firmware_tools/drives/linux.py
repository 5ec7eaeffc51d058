"""Drives on Linux: listing them with lsblk, opening one exclusively, ejecting.

lsblk reports a built-in card slot exactly like the disk that a Raspberry Pi runs from. So first everything that the
system uses is refused, then everything that does not look removable, and then whatever the kernel says is in use.
"""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from firmware_tools.block_device import OpenBlockDevice, open_block_device
from firmware_tools.drives.drive import DEFAULT_MAX_DRIVE_SIZE, WRITE_PROTECTED, Drive, find_size_refusal
from firmware_tools.drives.system_use import SystemUse
from firmware_tools.errors import DriveRefused, IOFailed
from firmware_tools.language import message
from firmware_tools.size import SECTOR_SIZE

LSBLK_COLUMNS = (
    "NAME,PATH,MAJ:MIN,TYPE,SIZE,RM,HOTPLUG,RO,TRAN,SUBSYSTEMS,VENDOR,MODEL,SERIAL,FSTYPE,LABEL,UUID,PTUUID,"
    "PARTUUID,PARTLABEL,LOG-SEC,MOUNTPOINTS"
)
_SYSTEM_MOUNT_POINTS = ("/", "/usr", "/var", "/home", "/boot")
_REMOVABLE_MOUNT_FOLDERS = ("/media/", "/run/media/")
_STORAGE_POOL_MEMBERS = {"LVM2_member", "linux_raid_member", "zfs_member", "bcache", "crypto_LUKS", "drbd"}
_LsblkNode = Mapping[str, Any]
"""A device as lsblk lists it, with its partitions and what is built on it as `children`."""


def list_drives(max_size: int = DEFAULT_MAX_DRIVE_SIZE, *, is_held: bool = False) -> list[Drive]:
    """List all drives, and decide which are offered; raise `IOFailed` if lsblk fails.

    With `is_held`, we hold a drive exclusively ourselves, so that the kernel is not asked what is in use.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell, fixed arguments
            [_find_program("lsblk"), "--json", "--bytes", "--output", LSBLK_COLUMNS],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IOFailed(message("lsblk: it cannot list the drives: {reason}", reason=error)) from error
    if done.returncode != 0:
        raise IOFailed(message("lsblk: it cannot list the drives: {reason}", reason=done.stderr.strip()))
    return parse_lsblk(done.stdout, max_size, SystemUse.read(), is_held=is_held)


def parse_lsblk(
    text: str,
    max_size: int = DEFAULT_MAX_DRIVE_SIZE,
    system_use: SystemUse | None = None,
    *,
    is_held: bool = False,
) -> list[Drive]:
    """Parse the JSON output of lsblk, and decide which drives are offered.

    `system_use` says what this computer uses; it is None for the output of another one.
    """
    try:
        nodes = [node for node in json.loads(text)["blockdevices"] if node["type"] == "disk"]
        names = [str(node["name"]) for node in nodes]
        # Only memory that is built in has boot areas: mmcblk0boot0.
        built_in = {name.removesuffix("boot0") for name in names if name.endswith("boot0")}
        drives = []
        for node in nodes:
            drive = _parse_drive(node, max_size, is_built_in=str(node["name"]) in built_in)
            if system_use is not None:
                drive = _check_system_use(drive, list(_walk(node)), system_use, is_held=is_held)
            drives.append(drive)
        return drives
    except (ValueError, KeyError, TypeError) as error:
        raise IOFailed(message("lsblk: its answer cannot be read ({reason!r})", reason=error)) from error


def open_exclusively(drive: Drive, max_size: int = DEFAULT_MAX_DRIVE_SIZE) -> OpenBlockDevice:
    """Unmount a drive and open it for writing, so that nobody else can use it.

    Before and after opening, this checks that it is still the same drive with the same card.

    Raises:
        DriveRefused: it is another drive or card now, or must not be written any more.
        IOFailed: it cannot be unmounted or opened.

    """
    _check_unchanged(drive, max_size)
    for mount_point in drive.mount_points:
        done = subprocess.run(  # noqa: S603 - no shell; the path comes from the system
            [_find_program("umount"), "--", mount_point], capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise IOFailed(
                message(
                    "{drive}: {mount_point} cannot be unmounted: {reason}",
                    drive=drive.name,
                    mount_point=mount_point,
                    reason=done.stderr.strip(),
                )
            )
    device = open_block_device(Path(drive.path), writable=True)
    try:
        status = os.fstat(device.fileno())
        device_number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        is_same = stat.S_ISBLK(status.st_mode) and device_number in drive.identity and device.size == drive.size
        if not is_same:
            raise DriveRefused(
                message("{drive}: it changed while it was being opened; nothing was written", drive=drive.name)
            )
        _check_unchanged(drive, max_size, is_held=True)
    except BaseException:
        device.close()
        raise
    return device


def eject(drive: Drive) -> bool:
    """Eject the card in a drive; return whether the system did so. Built-in slots cannot eject."""
    program = shutil.which("eject")
    if program is None or drive.bus == "mmc":
        return False
    done = subprocess.run([program, drive.path], capture_output=True, timeout=60, check=False)  # noqa: S603
    return done.returncode == 0


def check_device_allowed(path: Path, *, writable: bool) -> None:
    """Raise `DriveRefused` for a block device that is not offered as a drive.

    Exceptions are loop devices, which somebody attached on purpose, and reading a write-protected card.
    """
    if not path.is_block_device():
        return
    device_path = path.resolve()
    if device_path.name.startswith("loop"):
        return
    drive = next((drive for drive in list_drives() if drive.path == str(device_path)), None)
    if drive is None:
        raise DriveRefused(message("{path}: this is no whole drive; `sunmi-sdcard list` shows them", path=path))
    if drive.refusal and (writable or drive.refusal != WRITE_PROTECTED):
        raise DriveRefused(message("{drive}: {reason}", drive=path, reason=drive.refusal))


def _check_unchanged(drive: Drive, max_size: int, *, is_held: bool = False) -> None:
    current = next((other for other in list_drives(max_size, is_held=is_held) if other.path == drive.path), None)
    if current is None or current.identity != drive.identity:
        raise DriveRefused(
            message("{drive}: the card or drive there is another one now; nothing was written", drive=drive.name)
        )
    if current.refusal:
        raise DriveRefused(
            message("{drive}: {refusal}; nothing was written", drive=drive.name, refusal=current.refusal)
        )


def _parse_drive(disk: _LsblkNode, max_size: int, *, is_built_in: bool) -> Drive:
    nodes = list(_walk(disk))
    mount_points = tuple(point for node in nodes for point in node.get("mountpoints") or () if point)
    subsystems = (disk["subsystems"] or "unknown").split(":")
    is_mmc = "mmc" in subsystems
    names = ((disk[key] or "").strip() for key in ("vendor", "model"))
    identity = tuple(node[key] for node in nodes for key in ("path", "maj:min", "size", "uuid", "label", "ptuuid"))
    return Drive(
        name=disk["name"],
        path=disk["path"],
        size=int(disk["size"] or 0),
        bus="mmc" if is_mmc else disk["tran"] or subsystems[-1],
        model=" ".join(name for name in names if name and not name.startswith("0x")),
        serial=(disk["serial"] or "").strip(),
        mount_points=mount_points,
        refusal=(
            _find_mount_refusal(mount_points)
            or _find_content_refusal(nodes)
            or _find_hardware_refusal(disk, is_mmc=is_mmc, is_built_in=is_built_in)
            or find_size_refusal(int(disk["size"] or 0), max_size)
        ),
        identity=(*identity, disk["vendor"], disk["model"], disk["serial"]),
    )


def _check_system_use(drive: Drive, nodes: list[_LsblkNode], system_use: SystemUse, *, is_held: bool) -> Drive:
    refusal = drive.refusal or system_use.find_refusal(nodes)
    if refusal is None and not is_held:
        refusal = system_use.find_unseen_use(nodes)
    return replace(drive, refusal=refusal)


def _find_mount_refusal(mount_points: tuple[str, ...]) -> str | None:
    """Return why a drive is not offered because of where it is mounted, or None."""
    for mount_point in mount_points:
        if mount_point == "[SWAP]":
            return message("the running system swaps to it")
        if mount_point in _SYSTEM_MOUNT_POINTS or mount_point.startswith("/boot/"):
            return message("the running system is on it ({mount_point})", mount_point=mount_point)
        if not mount_point.startswith(_REMOVABLE_MOUNT_FOLDERS):
            return message(
                "it is mounted at {mount_point}, where cards are not mounted by themselves; if it is one, unmount it",
                mount_point=mount_point,
            )
    return None


def _find_content_refusal(nodes: list[_LsblkNode]) -> str | None:
    """Return why a drive is not offered because of what is built on it, or None."""
    pools = {str(node["fstype"]) for node in nodes} & _STORAGE_POOL_MEMBERS
    if pools:
        return message("it is part of a larger store ({pools})", pools=", ".join(sorted(pools)))
    if any(node["type"] not in ("disk", "part") for node in nodes):
        return message("other devices are built on it")
    return None


def _find_hardware_refusal(disk: _LsblkNode, *, is_mmc: bool, is_built_in: bool) -> str | None:
    """Return why a drive is not offered because of its hardware, or None."""
    if is_built_in or "boot" in str(disk["name"]).removeprefix("mmcblk"):
        return message("it is memory built into this computer (eMMC), not a card")
    if not (_is_true(disk["rm"]) or _is_true(disk["hotplug"]) or disk["tran"] == "usb" or is_mmc):
        return message("it is not removable")
    if disk["tran"] == "nvme":
        return message("it is an NVMe disk, not a card")
    if _is_true(disk["ro"]):
        return WRITE_PROTECTED
    if int(disk["log-sec"] or SECTOR_SIZE) != SECTOR_SIZE:
        return message("its sectors have {log_sec} bytes, and SD cards have 512", log_sec=disk["log-sec"])
    return None


def _walk(node: _LsblkNode) -> Iterator[_LsblkNode]:
    yield node
    for child in node.get("children") or ():
        yield from _walk(child)


def _is_true(value: object) -> bool:
    return value in (True, 1, "1")  # older versions of lsblk write "0" and "1"


def _find_program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin:/usr/sbin:/sbin")
    if path is None:
        raise IOFailed(message("{name}: this program is missing; install util-linux", name=name))
    return path
