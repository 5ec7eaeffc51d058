"""Which devices the running system uses: asked of the kernel and of `/etc/fstab`, not guessed from paths."""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from firmware_tools.language import message

_OCTAL_ESCAPE = re.compile(r"\\([0-7]{3})")
_LAYER_OPTION = re.compile(r"(?:lowerdir\+?|datadir\+|upperdir|workdir)=(.*)", re.DOTALL)
_LAYER_SEPARATOR = re.compile(r"(?<!\\):+")
_MAX_DEPTH = 8
"""How many loop devices may lie on one another."""
_TAG_COLUMNS = {"UUID": "uuid", "LABEL": "label", "PARTUUID": "partuuid", "PARTLABEL": "partlabel"}


@dataclass(frozen=True, slots=True)
class ExpectedMount:
    """A file system that the system expects: a line of `/etc/fstab`, or the root of the kernel's command line."""

    source: str
    """The device: a path, or a tag like `UUID=…`."""
    reason: str
    """Why its drive is not offered."""

    def matches(self, node: Mapping[str, Any]) -> bool:
        """Return whether a device, as lsblk lists it, is the one that is meant."""
        tag, has_value, value = self.source.partition("=")
        if has_value and tag in _TAG_COLUMNS:
            actual = node.get(_TAG_COLUMNS[tag])
            is_label = tag.endswith("LABEL")
            return bool(actual) and (value == actual if is_label else value.casefold() == str(actual).casefold())
        return self.source.startswith("/dev/") and os.path.realpath(self.source) == node.get("path")


class _Mount(NamedTuple):
    """A line of `/proc/self/mountinfo`."""

    device: str
    point: str
    file_system: str
    source: str
    options: str


@dataclass(frozen=True, slots=True)
class SystemUse:
    """What the running system uses."""

    devices: Mapping[str, str]
    """Why a drive is not offered, by the number of a device on it (`8:1`)."""
    expected_mounts: tuple[ExpectedMount, ...] = ()
    """What the system mounts when it starts."""
    has_hidden_layers: bool = False
    """Whether an overlay, like the root of a read-only system, has layers that cannot be seen from here."""

    @classmethod
    def read(cls) -> "SystemUse":
        """Ask the kernel, and read `/etc/fstab`; what cannot be read counts as empty."""
        mounts = _parse_mounts(_read_text(Path("/proc/self/mountinfo")))
        devices, has_hidden_layers = _find_layers(mounts)
        devices.update(_find_swap_files(mounts))
        devices.update(_find_loop_files(mounts))
        expected = (
            *_parse_command_line(_read_text(Path("/proc/cmdline"))),
            *parse_fstab(_read_text(Path("/etc/fstab"))),
        )
        return cls(devices, expected, has_hidden_layers)

    def find_refusal(self, nodes: list[Mapping[str, Any]]) -> str | None:
        """Return why a drive with these devices, as lsblk lists them, is not offered; None if nothing is known."""
        for node in nodes:
            if reason := self.devices.get(str(node["maj:min"])):
                return reason
            for expected in self.expected_mounts:
                if expected.matches(node):
                    return expected.reason
        return None

    def find_unseen_use(self, nodes: list[Mapping[str, Any]]) -> str | None:
        """Return why a drive is not offered that is in use although no mount of it can be seen from here, or None."""
        disk, *partitions = nodes
        is_mounted = any(filter(None, (point for node in nodes for point in node.get("mountpoints") or ())))
        idle = [node for node in partitions if not any(node.get("mountpoints") or ())]
        states = {str(node["name"]): is_in_use(str(node["path"])) for node in idle if node["type"] == "part"}
        if not is_mounted:
            states[str(disk["name"])] = is_in_use(str(disk["path"]))
        used = [name for name, state in states.items() if state]
        if used:
            return message(
                "{used} is in use, although it is mounted nowhere that can be seen: the running system may be on it",
                used=used[0],
            )
        if self.has_hidden_layers and None in states.values():
            return message(
                "only an administrator can tell whether the running system is on it: run the command as root"
            )
        return None


def is_in_use(path: str) -> bool | None:
    """Return whether something holds a block device: a mount in any namespace, swap, another device; None if unknown.

    Nothing is written: Linux refuses to open a device exclusively while it is in use, also for reading.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        return True if error.errno == errno.EBUSY else None
    os.close(descriptor)
    return False


def parse_fstab(text: str) -> Iterator[ExpectedMount]:
    """Yield what `/etc/fstab` mounts."""
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if len(fields) >= 2 and not fields[0].startswith("#"):
            source, point = (_unescape(field) for field in fields[:2])
            use = message("swaps to it") if point == "none" else message("mounts it at {point}", point=point)
            reason = message(
                "line {number} of /etc/fstab {use}: take a card that is not listed there", number=number, use=use
            )
            yield ExpectedMount(source.replace('"', ""), reason)


def _parse_command_line(text: str) -> Iterator[ExpectedMount]:
    for option in text.split():
        if option.startswith("root="):
            yield ExpectedMount(option.removeprefix("root="), message("the running system was started from it"))


def _parse_mounts(text: str) -> list[_Mount]:
    mounts: list[_Mount] = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, described = before.split(), after.split(" ")
        if len(fields) >= 5 and len(described) >= 3:
            file_system, source, options = described[:3]
            mounts.append(_Mount(fields[2], _unescape(fields[4]), file_system, _unescape(source), options))
    return mounts


def _find_layers(mounts: list[_Mount]) -> tuple[dict[str, str], bool]:
    """Return the devices that layers of overlays lie on, and whether some layers cannot be seen."""
    devices: dict[str, str] = {}
    is_any_hidden = False
    for mount in mounts:
        if mount.file_system not in ("overlay", "aufs", "unionfs"):
            continue
        for path in _list_layers(mount.options):
            own = _find_mount(path, mounts)
            if not path.startswith("/") or not os.path.exists(path) or (own is not None and own.point == mount.point):
                is_any_hidden |= mount.point.count("/") == 1  # others belong to containers
                continue
            for device in _find_devices(path, mounts):
                devices[device] = message(
                    "the running system is on it (a layer of {point} lies at {path})", point=mount.point, path=path
                )
    return devices, is_any_hidden


def _list_layers(options: str) -> Iterator[str]:
    for option in options.split(","):
        if match := _LAYER_OPTION.fullmatch(option):
            for path in _LAYER_SEPARATOR.split(match[1]):
                yield re.sub(r"\\(.)", r"\1", _unescape(path))


def _find_swap_files(mounts: list[_Mount]) -> dict[str, str]:
    lines = _read_text(Path("/proc/swaps")).splitlines()[1:]
    paths = [_unescape(line.split()[0]) for line in lines if line.startswith("/")]
    return {
        device: message("the running system swaps to {path}", path=path)
        for path in paths
        for device in _find_devices(path, mounts)
    }


def _find_loop_files(mounts: list[_Mount]) -> dict[str, str]:
    devices: dict[str, str] = {}
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        path = _read_text(file).strip()
        for device in _find_devices(path, mounts):
            devices[device] = message(
                "the file {path} on it is in use as a drive of its own ({parts})", path=path, parts=file.parts[3]
            )
    return devices


def _find_devices(path: str, mounts: list[_Mount], depth: int = 0) -> Iterator[str]:
    """Yield the device that a file lies on, and those of the files that loop devices stand for."""
    try:
        status = os.stat(path)
        number = status.st_rdev if os.path.exists(path) and Path(path).is_block_device() else status.st_dev
        mount = _find_mount(path, mounts)
        if not os.major(number) and mount is not None and mount.source.startswith("/dev/"):
            number = os.stat(mount.source).st_rdev  # a file system that spans devices has a number of its own
    except OSError:
        return
    if not os.major(number):
        return
    device = f"{os.major(number)}:{os.minor(number)}"
    yield device
    for folder in (Path("/sys/dev/block", device), Path("/sys/dev/block", device).resolve().parent):
        backing = _read_text(folder / "loop" / "backing_file").strip()
        if backing and depth < _MAX_DEPTH:
            yield from _find_devices(backing, mounts, depth + 1)


def _find_mount(path: str, mounts: list[_Mount]) -> _Mount | None:
    """Return the mount that a path lies on: the last one with the longest path."""
    found: _Mount | None = None
    for mount in mounts:
        is_above = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if is_above and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _read_text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""


def _unescape(text: str) -> str:
    return _OCTAL_ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
