"""Drives on Linux: what lsblk tells, and taking a drive over so that nobody else has it.

A built-in card slot is reported exactly like the disk that a Raspberry Pi runs from. So first everything goes that
the system uses, and only then what looks removable is offered.
"""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from firmware_tools.drives.drive import SIZE_CAP, WRITE_PROTECTED, Drive, refuse_by_size
from firmware_tools.errors import DriveRefused, MediumFailed
from firmware_tools.medium import OpenMedium, open_medium

LSBLK_COLUMNS = (
    "NAME,PATH,MAJ:MIN,TYPE,SIZE,RM,HOTPLUG,RO,TRAN,SUBSYSTEMS,VENDOR,MODEL,SERIAL,FSTYPE,LABEL,UUID,PTUUID,"
    "LOG-SEC,MOUNTPOINTS"
)
_FOR_REMOVABLE = ("/media/", "/run/media/", "/mnt/")
_PARTS_OF_LARGER_STORES = {"LVM2_member", "linux_raid_member", "zfs_member", "bcache", "crypto_LUKS", "drbd"}
Node = Mapping[str, Any]


def list_drives(size_cap: int = SIZE_CAP) -> list[Drive]:
    """Ask the system for its drives; raise `MediumFailed` if it does not tell."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, fixed arguments
            [_program("lsblk"), "--json", "--bytes", "--output", LSBLK_COLUMNS],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MediumFailed(f"lsblk: it cannot list the drives: {error}") from error
    if done.returncode != 0:
        raise MediumFailed(f"lsblk: it cannot list the drives: {done.stderr.strip()}")
    return parse_lsblk(done.stdout, size_cap)


def parse_lsblk(text: str, size_cap: int = SIZE_CAP) -> list[Drive]:
    """Judge the drives that lsblk lists as JSON."""
    try:
        nodes = [node for node in json.loads(text)["blockdevices"] if node["type"] == "disk"]
        built_in = {str(node["name"]).removesuffix("boot0") for node in nodes if str(node["name"]).endswith("boot0")}
        return [_drive(node, size_cap, str(node["name"]) in built_in) for node in nodes]
    except (ValueError, KeyError, TypeError) as error:
        raise MediumFailed(f"lsblk: its answer cannot be read ({error!r})") from error


def take(drive: Drive, size_cap: int = SIZE_CAP) -> OpenMedium:
    """Unmount and open a drive for ourselves alone, and make sure once more that it is the one that was meant.

    Raises:
        DriveRefused: it is another drive now, or no longer one to write on.
        MediumFailed: it cannot be unmounted or opened.

    """
    _same(drive, size_cap)
    for mount in drive.mounts:
        done = subprocess.run(  # noqa: S603 - no shell; the path comes from the system
            [_program("umount"), "--", mount], capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise MediumFailed(f"{drive.name}: {mount} cannot be unmounted: {done.stderr.strip()}")
    medium = open_medium(Path(drive.path), writable=True)
    try:
        status = os.fstat(medium.fileno())
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        if not stat.S_ISBLK(status.st_mode) or number not in drive.identity or medium.size != drive.size:
            raise DriveRefused(f"{drive.name}: it changed while it was being opened; nothing was written")
        _same(drive, size_cap)
    except BaseException:
        medium.__exit__(None, None, None)
        raise
    return medium


def eject(drive: Drive) -> bool:
    """Ask the system to release a drive; tell whether it did. Built-in slots know nothing of ejecting."""
    program = shutil.which("eject")
    if program is None or drive.bus == "mmc":
        return False
    done = subprocess.run([program, drive.path], capture_output=True, timeout=60, check=False)  # noqa: S603
    return done.returncode == 0


def check_device(path: Path, *, writing: bool) -> None:
    """Raise `DriveRefused` for a block device that must not be opened: any that `list` does not offer.

    Loop devices are files that somebody attached on purpose; and a write-protected card can be read.
    """
    if not path.is_block_device():
        return
    wanted = path.resolve()
    if wanted.name.startswith("loop"):
        return
    drive = next((drive for drive in list_drives() if drive.path == str(wanted)), None)
    if drive is None:
        raise DriveRefused(f"{path}: this is no whole drive; `sunmi-sdcard list` shows them")
    if drive.refusal and (writing or drive.refusal != WRITE_PROTECTED):
        raise DriveRefused(f"{path}: {drive.refusal}")


def _same(drive: Drive, size_cap: int) -> None:
    now = next((other for other in list_drives(size_cap) if other.path == drive.path), None)
    if now is None or now.identity != drive.identity:
        raise DriveRefused(f"{drive.name}: the card or drive there is another one now; nothing was written")
    if now.refusal:
        raise DriveRefused(f"{drive.name}: {now.refusal}; nothing was written")


def _drive(node: Node, size_cap: int, is_built_in: bool) -> Drive:
    everything = list(_descend(node))
    mounts = tuple(mount for part in everything for mount in part.get("mountpoints") or () if mount)
    on_mmc = "mmc" in (node["subsystems"] or "").split(":")
    words = ((node[key] or "").strip() for key in ("vendor", "model"))
    identity = tuple(part[key] for part in everything for key in ("path", "maj:min", "size", "uuid", "label", "ptuuid"))
    return Drive(
        name=node["name"],
        path=node["path"],
        size=int(node["size"] or 0),
        bus="mmc" if on_mmc else node["tran"] or (node["subsystems"] or "unknown").split(":")[-1],
        model=" ".join(word for word in words if word and not word.startswith("0x")),
        serial=(node["serial"] or "").strip(),
        mounts=mounts,
        refusal=_refuse(node, everything, mounts, on_mmc, size_cap, is_built_in),
        identity=(*identity, node["vendor"], node["model"], node["serial"]),
    )


def _refuse(
    node: Node, everything: list[Node], mounts: tuple[str, ...], on_mmc: bool, size_cap: int, is_built_in: bool
) -> str | None:
    """Return why a drive is not offered; what the system uses comes first."""
    for mount in mounts:
        if mount == "[SWAP]":
            return "the running system swaps to it"
        if mount in ("/", "/usr", "/var", "/home") or mount == "/boot" or mount.startswith("/boot/"):
            return f"the running system is on it ({mount})"
        if not mount.startswith(_FOR_REMOVABLE):
            return f"it is mounted at {mount}, where the system expects it"
    stores = {str(part["fstype"]) for part in everything} & _PARTS_OF_LARGER_STORES
    if stores:
        return f"it is part of a larger store ({', '.join(sorted(stores))})"
    if any(part["type"] not in ("disk", "part") for part in everything):
        return "other devices are built on it"
    if is_built_in or "boot" in str(node["name"]).removeprefix("mmcblk"):
        return "it is memory built into this computer (eMMC), not a card"
    if not (_true(node["rm"]) or _true(node["hotplug"]) or node["tran"] == "usb" or on_mmc):
        return "it is not removable"
    if node["tran"] == "nvme":
        return "it is an NVMe disk, not a card"
    if _true(node["ro"]):
        return WRITE_PROTECTED
    if int(node["log-sec"] or 512) != 512:
        return f"its sectors have {node['log-sec']} bytes, and SD cards have 512"
    return refuse_by_size(int(node["size"] or 0), size_cap)


def _descend(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("children") or ():
        yield from _descend(child)


def _true(value: object) -> bool:
    return value in (True, 1, "1")  # older versions of lsblk write "0" and "1"


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin:/usr/sbin:/sbin")
    if path is None:
        raise MediumFailed(f"{name}: this program is missing; install util-linux")
    return path
