"""Putting the firmware on a mounted card, file by file, and reading it back."""

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from firmware_tools.card import Card, CardFile
from firmware_tools.errors import CardFaulty, InputRefused, MediumFailed
from firmware_tools.firmware import Firmware, wrong_sha256
from firmware_tools.mac import Mac
from firmware_tools.progress import Progress
from firmware_tools.size import MIB, show_size
from firmware_tools.verification import Findings, is_system_litter

_UNFINISHED = "incomplete"
_FOLDER = "firmware"


def foreign_entries(mount: Path) -> list[str]:
    """Return what is on a card besides firmware and the system's litter."""
    ours = {file.value for file in CardFile} | {_UNFINISHED, f"{_FOLDER}/{_UNFINISHED}"}
    found: list[str] = []
    for entry in _entries(mount):
        if entry.name == _FOLDER and entry.is_dir():
            inside = [f"{_FOLDER}/{child.name}" for child in _entries(entry) if not is_system_litter(child.name)]
            found += [name for name in inside if name not in ours]
        elif not is_system_litter(entry.name) and entry.name not in ours:
            found.append(entry.name)
    return sorted(found)


def clean_mounted(mount: Path) -> list[str]:
    """Remove every firmware file from a mounted card; return their paths."""
    removed: list[str] = []
    for file in CardFile:
        with _reworded("removing", mount / file.value):
            if (mount / file.value).is_file():
                (mount / file.value).unlink()
                removed.append(file.value)
    return removed


def fill_mounted(
    mount: Path, card: Card, firmware: Firmware, *, progress: Progress, expected_sha256: bytes | None = None
) -> str:
    """Copy the firmware to a mounted, formatted card; it gets its name only when all of it is there.

    Returns its SHA-256. Raises:
        InputRefused: the card holds other things, or the firmware does not fit or is not the expected one.
        MediumFailed: the card cannot be written.
    """
    foreign = foreign_entries(mount)
    if foreign:
        raise InputRefused(f"{mount}: {foreign[0]} is on it; a card holds nothing but the firmware: format it first")
    clean_mounted(mount)
    target = mount / card.file.value
    unfinished = target.with_name(_UNFINISHED)
    digest = hashlib.sha256()
    with _reworded("writing", unfinished):
        for stale in (mount / _UNFINISHED, mount / _FOLDER / _UNFINISHED):
            stale.unlink(missing_ok=True)
        if target.parent == mount and (mount / _FOLDER).is_dir():
            shutil.rmtree(mount / _FOLDER)
        if firmware.size > shutil.disk_usage(mount).free:
            raise InputRefused(f"firmware: {show_size(firmware.size)} do not fit on the card; take a larger one")
        target.parent.mkdir(exist_ok=True)
        with firmware.open() as source, unfinished.open("wb", buffering=0) as copy:
            with progress.phase("Writing", firmware.size) as advance:
                while part := source.read(MIB):
                    copy.write(part)
                    digest.update(part)
                    os.fsync(copy.fileno())  # honest progress, and nothing left to be written at the end
                    advance(len(part))
            _flush(copy.fileno())
        if expected_sha256 not in (None, digest.digest()):
            unfinished.unlink()
            raise wrong_sha256(firmware.name, digest.digest())
        unfinished.replace(target)
    return digest.hexdigest()


def verify_mounted(
    mount: Path, label: str, *, progress: Progress, mac: Mac | None = None, expected_sha256: bytes | None = None
) -> Findings:
    """Read a mounted card back, file by file; its structure is the system's affair."""
    findings = Findings(label=label)
    try:
        _verify(mount, findings, progress, mac, expected_sha256)
    except CardFaulty as fault:
        findings.fault = str(fault)
    return findings


def remove_litter(mount: Path) -> list[str]:
    """Remove what the system dropped on the card; return what it does not let us remove."""
    left: list[str] = []
    for entry in [*_entries(mount), *(_entries(mount / _FOLDER) if (mount / _FOLDER).is_dir() else ())]:
        if is_system_litter(entry.name):
            try:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            except OSError:
                left.append(entry.name)
    return left


def _verify(mount: Path, findings: Findings, progress: Progress, mac: Mac | None, expected: bytes | None) -> None:
    label = findings.label or ""
    if mac is not None and label != mac.label:
        raise CardFaulty(f"volume label: it is {label!r}; camera {mac} needs {mac.label}")
    files = [file for file in CardFile if (mount / file.value).is_file()]
    foreign = foreign_entries(mount)
    if foreign:
        raise CardFaulty(f"{foreign[0]}: it does not belong on a firmware card")
    if any(path.exists() for path in (mount / _UNFINISHED, mount / _FOLDER / _UNFINISHED)):
        raise CardFaulty("incomplete: writing this card was broken off; write it again")
    if not files:
        raise CardFaulty("firmware: there is no firmware file on the card")
    if len(files) > 1:
        raise CardFaulty(f"{' and '.join(file.value for file in files)}: only one of them may be on a card")
    path = mount / files[0].value
    findings.file, findings.size = files[0], path.stat().st_size
    digest = hashlib.sha256()
    with _reworded("reading", path), path.open("rb", buffering=0) as stream:
        _bypass_cache(stream.fileno())
        with progress.phase("Reading back", findings.size) as advance:
            while part := stream.read(MIB):
                digest.update(part)
                advance(len(part))
    findings.sha256 = digest.hexdigest()
    if expected is not None and digest.digest() != expected:
        raise CardFaulty(f"{files[0].value}: its SHA-256 is {findings.sha256}, not the expected {expected.hex()}")
    if expected is None:
        findings.notes.append("the content was compared with nothing: give --firmware or --sha256")


def _entries(folder: Path) -> list[Path]:
    with _reworded("reading", folder):
        return sorted(folder.iterdir())


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)


def _bypass_cache(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_NOCACHE, 1)
    elif hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@contextlib.contextmanager
def _reworded(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MediumFailed.during(doing, str(path), error) from error
