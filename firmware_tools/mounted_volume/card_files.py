"""Writing the firmware to a mounted card as a file, reading it back, and removing it."""

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from firmware_tools.card import CardSpec, FirmwarePath
from firmware_tools.errors import CardFault, InvalidInput, IOFailed
from firmware_tools.file_sync import sync_file
from firmware_tools.firmware import Firmware
from firmware_tools.mac import Mac
from firmware_tools.progress import ProgressReporter
from firmware_tools.size import MIB, format_size
from firmware_tools.verification import VerificationResult, is_os_metadata

_FIRMWARE_FOLDER = "firmware"
_TEMPORARY_NAME = "incomplete"
_TEMPORARY_PATHS = (_TEMPORARY_NAME, f"{_FIRMWARE_FOLDER}/{_TEMPORARY_NAME}")


def find_foreign_files(mount_point: Path) -> list[str]:
    """Return the paths of what is on a card besides firmware and metadata of the operating system."""
    own_paths = {path.value for path in FirmwarePath} | {*_TEMPORARY_PATHS}
    foreign: list[str] = []
    for entry in _list_folder(mount_point):
        if entry.name == _FIRMWARE_FOLDER and entry.is_dir():
            names = [child.name for child in _list_folder(entry) if not is_os_metadata(child.name)]
            foreign += [path for name in names if (path := f"{_FIRMWARE_FOLDER}/{name}") not in own_paths]
        elif not is_os_metadata(entry.name) and entry.name not in own_paths:
            foreign.append(entry.name)
    return sorted(foreign)


def write_mounted_card(
    mount_point: Path,
    spec: CardSpec,
    firmware: Firmware,
    *,
    progress: ProgressReporter,
    expected_sha256: bytes | None = None,
) -> bytes:
    """Copy the firmware to a formatted card and return its SHA-256; it gets its name only when complete.

    Raises:
        InvalidInput: the card holds foreign files, or the firmware does not fit or has another SHA-256.
        IOFailed: the card cannot be written.

    """
    foreign = find_foreign_files(mount_point)
    if foreign:
        raise InvalidInput(
            f"{mount_point}: {foreign[0]} is on it; a card holds nothing but the firmware: format it first"
        )
    remove_mounted_firmware(mount_point)
    target = mount_point / spec.firmware_path.value
    temporary = target.with_name(_TEMPORARY_NAME)
    with _translate_errors("writing", temporary):
        for path in _TEMPORARY_PATHS:
            (mount_point / path).unlink(missing_ok=True)
        if target.parent == mount_point and (mount_point / _FIRMWARE_FOLDER).is_dir():
            shutil.rmtree(mount_point / _FIRMWARE_FOLDER)
        if firmware.size > shutil.disk_usage(mount_point).free:
            raise InvalidInput(f"firmware: {format_size(firmware.size)} do not fit on the card; take a larger one")
        target.parent.mkdir(exist_ok=True)
        sha256 = _copy_firmware(firmware, temporary, progress)
        try:
            firmware.check_sha256(sha256, expected_sha256)
        except InvalidInput:
            temporary.unlink()
            raise
        temporary.replace(target)
    return sha256


def verify_mounted_card(
    mount_point: Path,
    label: str,
    *,
    progress: ProgressReporter,
    mac: Mac | None = None,
    expected_sha256: bytes | None = None,
) -> VerificationResult:
    """Read the files of a card and check them; the structure of the file system is left to the operating system.

    Raises:
        IOFailed: the card cannot be read. A fault of the card is not raised but returned.

    """
    result = VerificationResult(label=label)
    try:
        _verify(mount_point, label, result, progress, mac, expected_sha256)
    except CardFault as fault:
        result.fault = str(fault)
    return result


def remove_mounted_firmware(mount_point: Path) -> list[str]:
    """Remove every firmware file of either mode; return their paths."""
    removed: list[str] = []
    for path in FirmwarePath:
        file = mount_point / path.value
        with _translate_errors("removing", file):
            if file.is_file():
                file.unlink()
                removed.append(path.value)
    return removed


def remove_os_metadata(mount_point: Path) -> list[str]:
    """Remove what the operating system put on the card; return the names of what cannot be removed."""
    firmware_folder = mount_point / _FIRMWARE_FOLDER
    entries = _list_folder(mount_point) + (_list_folder(firmware_folder) if firmware_folder.is_dir() else [])
    remaining: list[str] = []
    for entry in entries:
        if is_os_metadata(entry.name):
            try:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            except OSError:
                remaining.append(entry.name)
    return remaining


def _copy_firmware(firmware: Firmware, path: Path, progress: ProgressReporter) -> bytes:
    """Copy the firmware to a file and sync it; return the SHA-256 of what was written."""
    digest = hashlib.sha256()
    with firmware.open() as source, path.open("wb", buffering=0) as copy:
        with progress.phase("Writing", firmware.size) as advance:
            while chunk := source.read(MIB):
                copy.write(chunk)
                digest.update(chunk)
                os.fsync(copy.fileno())  # otherwise the progress shows how fast the system caches
                advance(len(chunk))
        sync_file(copy.fileno())
    return digest.digest()


def _verify(
    mount_point: Path,
    label: str,
    result: VerificationResult,
    progress: ProgressReporter,
    mac: Mac | None,
    expected_sha256: bytes | None,
) -> None:
    """Fill in the result up to the first fault, which is raised."""
    if mac is not None and label != mac.volume_label:
        raise CardFault(f"volume label: it is {label!r}; camera {mac} needs {mac.volume_label}")
    paths = [path for path in FirmwarePath if (mount_point / path.value).is_file()]
    foreign = find_foreign_files(mount_point)
    if foreign:
        raise CardFault(f"{foreign[0]}: it does not belong on a firmware card")
    if any((mount_point / path).exists() for path in _TEMPORARY_PATHS):
        raise CardFault("incomplete: writing this card was broken off; write it again")
    if not paths:
        raise CardFault("firmware: there is no firmware file on the card")
    if len(paths) > 1:
        raise CardFault(f"{' and '.join(path.value for path in paths)}: only one of them may be on a card")
    name = paths[0].value
    result.firmware_path, result.firmware_size = paths[0], (mount_point / name).stat().st_size
    sha256 = _compute_sha256(mount_point / name, result.firmware_size, progress)
    result.sha256 = sha256.hex()
    if expected_sha256 is None:
        result.notes.append("the content was compared with nothing: give --firmware or --sha256")
    elif sha256 != expected_sha256:
        raise CardFault(f"{name}: its SHA-256 is {sha256.hex()}, not the expected {expected_sha256.hex()}")


def _compute_sha256(path: Path, size: int, progress: ProgressReporter) -> bytes:
    digest = hashlib.sha256()
    with _translate_errors("reading", path), path.open("rb", buffering=0) as stream:
        _bypass_cache(stream.fileno())
        with progress.phase("Reading back", size) as advance:
            while chunk := stream.read(MIB):
                digest.update(chunk)
                advance(len(chunk))
    return digest.digest()


def _list_folder(folder: Path) -> list[Path]:
    with _translate_errors("reading", folder):
        return sorted(folder.iterdir())


def _bypass_cache(descriptor: int) -> None:
    """Make the system read from the card itself, where it can."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_NOCACHE, 1)
    elif hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@contextlib.contextmanager
def _translate_errors(operation: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IOFailed.from_os_error(operation, str(path), error) from error
