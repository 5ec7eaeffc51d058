"""Writing the firmware to a mounted card as a file, reading it back, and removing it."""

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from firmware_tools.card import CardSpec
from firmware_tools.errors import CardFault, InvalidInput, IOFailed
from firmware_tools.file_sync import sync_file
from firmware_tools.firmware import Firmware
from firmware_tools.language import describe_error, message
from firmware_tools.mac import Mac
from firmware_tools.progress import ProgressReporter
from firmware_tools.size import MIB, format_size
from firmware_tools.verification import (
    FIRMWARE_FOLDER,
    ReadBackContent,
    VerificationResult,
    describe_misnamed_firmware,
    find_firmware_path,
    is_firmware_with_doubled_ending,
    is_os_metadata,
    is_same_name,
)

_TEMPORARY_NAME = "incomplete"
_TEMPORARY_PATHS = (_TEMPORARY_NAME, f"{FIRMWARE_FOLDER}/{_TEMPORARY_NAME}")


def find_foreign_files(mount_point: Path) -> list[str]:
    """Return the paths of what is on a card besides firmware and what a computer left there."""
    foreign: list[str] = []
    for path, entry in _list_card(mount_point).items():
        is_firmware_folder = is_same_name(path, FIRMWARE_FOLDER) and entry.is_dir()
        if not is_firmware_folder and find_firmware_path(path) is None and not _is_temporary(path):
            foreign.append(path)
    return foreign


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
            message(
                "{mount_point}: {foreign} is on it; a card holds nothing but the firmware: format it first",
                mount_point=mount_point,
                foreign=foreign[0],
            )
        )
    remove_mounted_firmware(mount_point)
    target = mount_point / spec.firmware_path.value
    temporary = target.with_name(_TEMPORARY_NAME)
    with _translate_errors("writing", temporary):
        for path, file in _list_card(mount_point).items():
            if _is_temporary(path):
                file.unlink()
        folder = _find_firmware_folder(mount_point)
        if folder is not None and target.parent == mount_point:
            shutil.rmtree(folder)
        elif folder is not None:
            target, temporary = folder / target.name, folder / temporary.name
        if firmware.size > shutil.disk_usage(mount_point).free:
            raise InvalidInput(
                message("firmware: {size} do not fit on the card; take a larger one", size=format_size(firmware.size))
            )
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
        result.fault = describe_error(fault)
    return result


def remove_mounted_firmware(mount_point: Path) -> list[str]:
    """Remove every firmware file of either mode, also misnamed `….bin.bin`; return their paths."""
    removed: list[str] = []
    for path, file in _list_card(mount_point).items():
        if (find_firmware_path(path) or is_firmware_with_doubled_ending(path)) and file.is_file():
            with _translate_errors("removing", file):
                file.unlink()
            removed.append(path)
    return removed


def remove_os_metadata(mount_point: Path) -> list[str]:
    """Remove what the operating system put on the card; return the names of what cannot be removed."""
    folder = _find_firmware_folder(mount_point)
    entries = _list_folder(mount_point) + (_list_folder(folder) if folder is not None else [])
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
        with progress.phase(message("Writing"), firmware.size) as advance:
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
        raise CardFault(
            message(
                "volume label: it is {label!r}; camera {mac} needs {volume_label}",
                label=label,
                mac=mac,
                volume_label=mac.volume_label,
            )
        )
    files = {
        path: file for path, file in _list_card(mount_point).items() if find_firmware_path(path) and file.is_file()
    }
    for path in find_foreign_files(mount_point):
        raise CardFault(
            describe_misnamed_firmware(path) or message("{path}: it does not belong on a firmware card", path=path)
        )
    if any(map(_is_temporary, _list_card(mount_point))):
        raise CardFault(message("incomplete: writing this card was broken off; write it again"))
    if not files:
        raise CardFault(message("firmware: there is no firmware file on the card"))
    if len(files) > 1:
        raise CardFault(message("{files}: only one of them may be on a card", files=" and ".join(files)))
    name, file = next(iter(files.items()))
    result.firmware_path, result.firmware_size = find_firmware_path(name), file.stat().st_size
    content = _read_content(file, result.firmware_size, progress)
    result.sha256 = content.sha256.hex()
    if expected_sha256 is None:
        if fault := content.find_fault():
            raise CardFault(message("{file}: {fault}", file=name, fault=fault))
        result.notes.append(message("the content was compared with nothing: give --firmware or --sha256"))
    elif content.sha256 != expected_sha256:
        raise CardFault(
            message(
                "{name}: its SHA-256 is {sha256}, not the expected {hex}",
                name=name,
                sha256=result.sha256,
                hex=expected_sha256.hex(),
            )
        )


def _read_content(path: Path, size: int, progress: ProgressReporter) -> ReadBackContent:
    content = ReadBackContent()
    with _translate_errors("reading", path), path.open("rb", buffering=0) as stream:
        _bypass_cache(stream.fileno())
        with progress.phase(message("Reading back"), size) as advance:
            while chunk := stream.read(MIB):
                content.add(chunk)
                advance(len(chunk))
    return content


def _is_temporary(path: str) -> bool:
    return any(is_same_name(path, temporary) for temporary in _TEMPORARY_PATHS)


def _find_firmware_folder(mount_point: Path) -> Path | None:
    """Return the folder of the firmware, whatever capitals its name has."""
    folders = [entry for entry in _list_folder(mount_point) if is_same_name(entry.name, FIRMWARE_FOLDER)]
    return next((folder for folder in folders if folder.is_dir()), None)


def _list_card(mount_point: Path) -> dict[str, Path]:
    """Return what is in the root folder and the firmware folder, by path, without what a computer left there."""
    folder = _find_firmware_folder(mount_point)
    entries = _list_folder(mount_point) + (_list_folder(folder) if folder is not None else [])
    return {entry.relative_to(mount_point).as_posix(): entry for entry in entries if not is_os_metadata(entry.name)}


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
