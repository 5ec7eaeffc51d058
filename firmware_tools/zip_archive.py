"""Firmware in zip archives, of one file or of several: whether the archive is whole, and which member is the firmware.

Python's zipfile looks for the end of an archive only. So it opens whatever ends with one, and leaves out the rest.
"""

import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from firmware_tools.errors import InvalidInput
from firmware_tools.language import message
from firmware_tools.split_files import JoinedFiles

_SPLIT_SIGNATURE = b"PK\x07\x08"
ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", _SPLIT_SIGNATURE)
_ZIP_ERRORS = (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error, lzma.LZMAError, struct.error)
_END_RECORD = struct.Struct("<4sHHHHIIH")
_END_SIGNATURE = b"PK\x05\x06"
_MAX_COMMENT_SIZE = 0xFFFF
_UNKNOWN_DISK = 0xFFFF
"""The number of a disk that stands in another record (ZIP64)."""
_MAX_LISTED_MEMBERS = 5
_METADATA = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_DOCUMENT = re.compile(
    r"(^|/)(read[ _-]?me|change[ _-]?log|release[ _-]?notes|licen[cs]e|[^/]*说明)[^/]*$"
    r"|\.(txt|md|pdf|html?|docx?|rtf|xlsx?|url|md5|sha1|sha256|sha512|md5sum|sha256sum|sig|asc|jpe?g|png)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _EndRecord:
    """The record at the end of an archive, as far as split archives need it."""

    disk: int
    """Number of the last part of a split archive, from 0."""
    directory_disk: int
    """Number of the part that the list of members begins in."""
    is_last: bool
    """Whether nothing follows it."""


@dataclass(frozen=True, slots=True)
class ZipMember:
    """The firmware in an archive."""

    name: str
    """For messages: the files of the archive, and the name of the member."""
    size: int
    """Bytes, unpacked."""
    crc: int
    """CRC-32 of the content."""
    _files: tuple[Path, ...]
    _archive_name: str

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open it for reading from the start; a damaged archive raises `InvalidInput`, also while it is read."""
        try:
            with (
                JoinedFiles(self._files) as joined,
                zipfile.ZipFile(cast(BinaryIO, joined)) as archive,
                archive.open(_find_member(archive, joined, self._archive_name)) as stream,
            ):
                yield cast(BinaryIO, stream)
        except _ZIP_ERRORS as error:
            raise InvalidInput(
                message(
                    "firmware {name}: the zip archive is damaged ({reason}); download it again",
                    name=self.name,
                    reason=error,
                )
            ) from error


def has_zip_end(file: Path) -> bool:
    """Return whether a file ends like a zip archive, or like the last part of a split one."""
    with JoinedFiles([file]) as joined:
        end = _read_end_record(joined)
    return end is not None and end.is_last


def find_zip_fault(files: Sequence[Path]) -> str | None:
    """Return why these files together are not one whole zip archive, or None."""
    try:
        with JoinedFiles(files) as joined:
            end = _read_end_record(joined)
            if end is None:
                return message("the zip archive is damaged: its end is missing; download it again, and all its parts")
            if not end.is_last:
                return message("something follows the zip archive; download it again")
            if end.disk + 1 not in (1, len(files)):
                return message(
                    "it is the last of {disk} parts of a split zip archive; put the others beside it", disk=end.disk + 1
                )
            if end.disk == 0 and len(files) > 1 and files[0].suffix.lower() == ".z01":
                return message(
                    "{name} is whole, {name2} does not belong to it; move one of them away",
                    name=files[-1].name,
                    name2=files[0].name,
                )
            with zipfile.ZipFile(cast(BinaryIO, joined)) as archive:
                members = [info for info in archive.infolist() if info.volume == 0]
                start = min((info.header_offset for info in members), default=0)
                if end.disk == 0 and start not in (0, len(_SPLIT_SIGNATURE)):
                    return message(
                        "something precedes the zip archive, or its first part is missing; download it again"
                    )
    except _ZIP_ERRORS as error:
        return message("the zip archive is damaged ({reason}); download it again, and all its parts", reason=error)
    return None


def load_zip_member(files: Sequence[Path], name: str) -> ZipMember:
    """Find the firmware in an archive: the only member that is no document.

    Raises:
        InvalidInput: the archive is damaged or incomplete, a member is a link or encrypted, or there is not exactly one
            member that can be the firmware.
        IOFailed: a file cannot be read.

    """
    if fault := find_zip_fault(files):
        raise InvalidInput(message("firmware {name}: {fault}", name=name, fault=fault))
    with JoinedFiles(files) as joined, zipfile.ZipFile(cast(BinaryIO, joined)) as archive:
        member = _find_member(archive, joined, name)
    return ZipMember(f"{name}, {_printable(member.filename)}", member.file_size, member.CRC, tuple(files), name)


def _find_member(archive: zipfile.ZipFile, joined: JoinedFiles, name: str) -> zipfile.ZipInfo:
    members = [info for info in archive.infolist() if not info.is_dir() and not _METADATA.search(info.filename)]
    for info in members:
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise InvalidInput(
                message(
                    "firmware {name}: {printable} in the archive is a link or no ordinary file; unpack it "
                    "and name the firmware file",
                    name=name,
                    printable=_printable(info.filename),
                )
            )
    candidates = [info for info in members if not _DOCUMENT.search(info.filename)]
    if len(candidates) != 1:
        listed = ", ".join(_printable(info.filename) for info in (candidates or members)[:_MAX_LISTED_MEMBERS])
        what = message("several files") if candidates else message("no firmware")
        raise InvalidInput(
            message(
                "firmware {name}: the archive holds {what} ({listed}); unpack it and name the firmware file",
                name=name,
                what=what,
                listed=listed or "no file",
            )
        )
    member = candidates[0]
    if member.flag_bits & 1:
        raise InvalidInput(
            message("firmware {name}: the archive is encrypted; unpack it and name the firmware file inside", name=name)
        )
    end = _read_end_record(joined)
    if end is not None and end.disk:
        # In a split archive each offset counts from the beginning of a part.
        if member.volume > end.disk:
            raise zipfile.BadZipFile(message("a member lies in a part that does not exist"))
        member.header_offset += joined.offsets[member.volume] - joined.offsets[end.directory_disk]
    return member


def _read_end_record(joined: JoinedFiles) -> _EndRecord | None:
    size = joined.offsets[-1]
    joined.seek(max(0, size - _END_RECORD.size - _MAX_COMMENT_SIZE))
    tail = joined.readall()
    position = tail.rfind(_END_SIGNATURE)
    if position < 0 or len(tail) - position < _END_RECORD.size:
        return None
    _, disk, directory_disk, *_, comment_size = _END_RECORD.unpack_from(tail, position)
    is_last = position + _END_RECORD.size + comment_size == len(tail)
    if disk == _UNKNOWN_DISK:
        return _EndRecord(0, 0, is_last)  # zipfile refuses ZIP64 archives of several parts
    return _EndRecord(disk, directory_disk, is_last)


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)
