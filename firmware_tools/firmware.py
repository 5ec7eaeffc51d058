"""Firmware files as downloaded: plain, zipped or split. Whatever can be no firmware is refused."""

import hashlib
import io
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.firmware_content import (
    CONTENT_HEAD_SIZE,
    INCOMPLETE_SUFFIXES,
    find_content_fault,
    find_name_fault,
    find_size_fault,
)
from firmware_tools.language import message
from firmware_tools.progress import ProgressReporter
from firmware_tools.size import MIB
from firmware_tools.split_files import JoinedFiles, check_named_parts, find_split_files
from firmware_tools.zip_archive import ZIP_SIGNATURES, ZipMember, find_zip_fault, has_zip_end, load_zip_member

_MAX_SCANNED_CHUNKS = 256
"""MiB that are looked through for a second kind of byte."""
_FORCE_HINT = message("; if the vendor says that it is a firmware, add --force-firmware")


@dataclass(frozen=True, slots=True)
class Firmware:
    """The bytes that go on the card; read as often as needed and never held in memory as a whole."""

    name: str
    """For messages: the files it comes from, and the member of the archive."""
    size: int
    """Bytes."""
    modified: float
    """Modification time of the first file, in seconds of the Unix epoch."""
    source_files: tuple[Path, ...]
    """The files that it is read from."""
    _open: Callable[[], AbstractContextManager[BinaryIO]]
    """Opens it for reading from the start."""

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open it for reading from the start; a damaged archive raises `InvalidInput`, also while it is read."""
        return self._open()

    def compute_sha256(self, progress: ProgressReporter) -> bytes:
        """Read all of it and return its SHA-256."""
        digest = hashlib.sha256()
        with self.open() as stream, progress.phase(message("Reading firmware"), self.size) as advance:
            try:
                while chunk := stream.read(MIB):
                    digest.update(chunk)
                    advance(len(chunk))
            except OSError as error:
                raise IOFailed.from_os_error(message("reading"), f"firmware {self.name}", error) from error
        return digest.digest()

    def check_sha256(self, actual: bytes, expected: bytes | None) -> None:
        """Raise `InvalidInput` if a computed SHA-256 is not the expected one, if any."""
        if expected not in (None, actual):
            raise InvalidInput(
                message(
                    "firmware {name}: its SHA-256 is {hex}, not the expected one; download it again",
                    name=self.name,
                    hex=actual.hex(),
                )
            )


def load_firmware(paths: Sequence[Path], *, force: bool = False) -> Firmware:
    """Load one file, the first file of a split download, or all of its files in order.

    Several files are the parts of one archive, or archives each of which holds a part, or plain parts. With `force`,
    the content may be anything.

    Raises:
        InvalidInput: a file is missing, a folder, empty, an archive that cannot be unpacked here, or can be no
            firmware; or the files do not belong together.
        IOFailed: a file cannot be read.

    """
    for path in paths:
        _check_is_file(path)
    if len(paths) > 1:
        check_named_parts(paths)
    files = tuple(find_split_files(paths[0]) if len(paths) == 1 else paths)
    _refuse_repeated_files(files)
    parts = _load_parts(files)
    firmware = Firmware(
        " + ".join(part.name for part in parts),
        sum(part.size for part in parts),
        files[0].stat().st_mtime,
        files,
        lambda: _open_parts(parts),
    )
    if not force:
        _check_names(files)
        _check_content(firmware, parts)
    return firmware


def parse_sha256(text: str) -> bytes:
    """Parse a SHA-256 of 64 hex digits; raise `InvalidInput` for anything else."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        raise InvalidInput(message("SHA-256 {text!r}: it has 64 hex digits", text=text))
    return bytes.fromhex(text.strip())


def _check_is_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidInput(message("firmware {path}: there is no such file", path=path)) from error
    except OSError as error:  # as for a name that is too long, or a folder that others may not look into
        raise IOFailed.from_os_error(message("reading"), f"firmware {path}", error) from error
    if stat.S_ISDIR(mode):
        raise InvalidInput(message("firmware {path}: this is a folder; name the firmware file", path=path))
    if not stat.S_ISREG(mode):
        raise InvalidInput(message("firmware {path}: this is no ordinary file", path=path))


@dataclass(frozen=True, slots=True)
class _FirmwarePart:
    """What one file or archive contributes to a firmware."""

    name: str
    """For messages."""
    size: int
    """Bytes."""
    open: Callable[[], AbstractContextManager[BinaryIO]]
    """Opens it for reading from the start."""


class _ChainedStreams(io.RawIOBase):
    """Streams, read one after another as if they were one."""

    def __init__(self, streams: Sequence[BinaryIO]) -> None:
        super().__init__()
        self._streams = list(streams)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        while self._streams:
            count: int = self._streams[0].readinto(buffer)  # type: ignore[attr-defined]
            if count:
                return count
            del self._streams[0]
        return 0


def _load_parts(files: tuple[Path, ...]) -> list[_FirmwarePart]:
    """Open what the files are: one archive, an archive each, or parts without an archive."""
    are_archives = [_is_archive(file) for file in files]
    if not any(are_archives):
        return [_load_plain(file) for file in files]
    name = " + ".join([str(files[0]), *(file.name for file in files[1:])])
    joined_fault = find_zip_fault(files) if are_archives[0] else message("its first part is no zip archive")
    faults = [find_zip_fault([file]) for file in files]
    if joined_fault is None or len(files) == 1:
        return [_load_archive(load_zip_member(files, name))]
    if not any(faults):
        return _load_archives(files)
    if all(faults):
        raise InvalidInput(
            message(
                "firmware {name}: {joined_fault}; name all parts of the archive, in order",
                name=name,
                joined_fault=joined_fault,
            )
        )
    other = next(file for file, fault in zip(files, faults, strict=True) if fault)
    whole = next(file for file, fault in zip(files, faults, strict=True) if not fault)
    raise InvalidInput(
        message(
            "firmware {other}: it is no whole zip archive, but {whole} is one: they do not belong "
            "together; name the right files, or download them again",
            other=other,
            whole=whole.name,
        )
    )


def _is_archive(file: Path) -> bool:
    """Return whether a file begins like a zip archive or ends like one, as the last part of one does."""
    with JoinedFiles([file]) as stream:
        head = stream.read(4)
    if not head:
        raise InvalidInput(message("firmware {file}: the file is empty; download it again", file=file))
    return head.startswith(ZIP_SIGNATURES) or has_zip_end(file)


def _load_plain(file: Path) -> _FirmwarePart:
    def open_file() -> BinaryIO:
        return cast(BinaryIO, JoinedFiles([file]))

    with JoinedFiles([file]) as stream:
        size = stream.offsets[-1]
        if file.suffix.lower() == ".zip":
            head = _read_up_to(cast(BinaryIO, stream), CONTENT_HEAD_SIZE)
            fault = find_content_fault(head) or message(
                "it is no zip archive, although its name says so; download it again"
            )
            raise InvalidInput(message("firmware {file}: {fault}", file=file, fault=fault))
    return _FirmwarePart(str(file), size, open_file)


def _load_archives(files: tuple[Path, ...]) -> list[_FirmwarePart]:
    """Open archives each of which is whole; two with the same content are no parts of one firmware."""
    members = [load_zip_member((file,), str(file)) for file in files]
    names: dict[tuple[int, int], str] = {}
    for member in members:
        other = names.setdefault((member.size, member.crc), member.name)
        if other != member.name:
            raise InvalidInput(
                message(
                    "firmware {member}: it has the same content as {other}; name one of them",
                    member=member.name,
                    other=other,
                )
            )
    return [_load_archive(member) for member in members]


def _load_archive(member: ZipMember) -> _FirmwarePart:
    if not member.size:
        raise InvalidInput(message("firmware {member}: the file is empty; download it again", member=member.name))
    return _FirmwarePart(member.name, member.size, member.open)


@contextmanager
def _open_parts(parts: Sequence[_FirmwarePart]) -> Iterator[BinaryIO]:
    with ExitStack() as stack:
        streams = [stack.enter_context(part.open()) for part in parts]
        yield streams[0] if len(streams) == 1 else cast(BinaryIO, _ChainedStreams(streams))


def _refuse_repeated_files(files: Sequence[Path]) -> None:
    for index, file in enumerate(files):
        if any(file.samefile(other) for other in files[:index]):
            raise InvalidInput(message("firmware {file}: this file is named twice", file=file))


def _check_names(files: Sequence[Path]) -> None:
    """Raise `InvalidInput` if a file is an unfinished download by its name or by the file beside it."""
    for file in files:
        if fault := find_name_fault(file.name):
            raise InvalidInput(
                message("firmware {file}: {fault}{force_hint}", file=file, fault=fault, force_hint=_FORCE_HINT)
            )
        for suffix in INCOMPLETE_SUFFIXES:
            unfinished = file.with_name(file.name + suffix)
            if unfinished.exists():
                raise InvalidInput(
                    message(
                        "firmware {file}: it is not complete, {unfinished} is beside it{force_hint}",
                        file=file,
                        unfinished=unfinished.name,
                        force_hint=_FORCE_HINT,
                    )
                )


def _check_content(firmware: Firmware, parts: Sequence[_FirmwarePart]) -> None:
    """Raise `InvalidInput` if the content can be no firmware."""
    for index, part in enumerate(parts):
        with part.open() as stream:
            head = _read_up_to(stream, CONTENT_HEAD_SIZE)
        if fault := find_name_fault(part.name) or find_content_fault(head, is_first=index == 0):
            raise InvalidInput(
                message("firmware {part}: {fault}{force_hint}", part=part.name, fault=fault, force_hint=_FORCE_HINT)
            )
    if fault := find_size_fault(firmware.size):
        raise InvalidInput(
            message(
                "firmware {firmware}: {fault}{force_hint}", firmware=firmware.name, fault=fault, force_hint=_FORCE_HINT
            )
        )
    if (byte := _find_only_byte(firmware)) is not None:
        raise InvalidInput(
            message(
                "firmware {firmware}: each of its bytes is 0x{byte:02X}; download it again{force_hint}",
                firmware=firmware.name,
                byte=byte,
                force_hint=_FORCE_HINT,
            )
        )


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    """Read this many bytes, or less only at the end of the stream."""
    data = b""
    while len(data) < size and (chunk := stream.read(size - len(data))):
        data += chunk
    return data


def _find_only_byte(firmware: Firmware) -> int | None:
    """Return the byte of which all of a firmware consists, or the start of a very large one; None otherwise."""
    with firmware.open() as stream:
        first = stream.read(1)
        for _ in range(_MAX_SCANNED_CHUNKS):
            chunk = stream.read(MIB)
            if chunk.count(first) != len(chunk):
                return None
    return first[0] if first else None
