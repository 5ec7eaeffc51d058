"""Firmware files as downloaded: plain, zipped or split.

The vendor's format is not documented, so a file is refused only if it cannot be firmware: a web page, an archive.
"""

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.progress import ProgressReporter
from firmware_tools.size import MIB
from firmware_tools.split_files import JoinedFiles, find_split_files

_ARCHIVE_SIGNATURES = {
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"MSCF": "cabinet",
}
_SPLIT_ZIP_SIGNATURE = b"PK\x07\x08"
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", _SPLIT_ZIP_SIGNATURE)
_ZIP_ERRORS = (zipfile.BadZipFile, EOFError, NotImplementedError)
_HEAD_SIZE = 1024
_WEB_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|\?xml)", re.IGNORECASE | re.DOTALL)
_MACOS_METADATA = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$)")


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

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open it for reading from the start; a damaged archive raises `InvalidInput`, also while it is read."""
        try:
            with self._open() as stream:
                yield stream
        except _ZIP_ERRORS as error:
            raise InvalidInput(f"{self.name}: the archive is damaged ({error}); download it again") from error

    def compute_sha256(self, progress: ProgressReporter) -> bytes:
        """Read all of it and return its SHA-256."""
        digest = hashlib.sha256()
        with self.open() as stream, progress.phase("Reading firmware", self.size) as advance:
            try:
                while chunk := stream.read(MIB):
                    digest.update(chunk)
                    advance(len(chunk))
            except OSError as error:
                raise IOFailed.from_os_error("reading", f"firmware {self.name}", error) from error
        return digest.digest()

    def check_sha256(self, actual: bytes, expected: bytes | None) -> None:
        """Raise `InvalidInput` if a computed SHA-256 is not the expected one, if any."""
        if expected not in (None, actual):
            raise InvalidInput(
                f"firmware {self.name}: its SHA-256 is {actual.hex()}, not the expected one; download it again"
            )


def load_firmware(paths: Sequence[Path]) -> Firmware:
    """Load one file, the first file of a split download, or all of its files in order.

    Raises:
        InvalidInput: a file is missing, a folder, empty, a web page, or an archive that cannot be unpacked here.
        IOFailed: a file cannot be read.

    """
    for path in paths:
        _check_is_file(path)
    files = tuple(find_split_files(paths[0]) if len(paths) == 1 else paths)
    for file in files:
        with _open_joined([file]) as stream:
            _refuse_web_page(stream.read(_HEAD_SIZE), str(file))
    name = " + ".join([str(files[0]), *(file.name for file in files[1:])])
    with JoinedFiles(files) as joined:
        offsets = joined.offsets
        head = joined.read(_HEAD_SIZE) or b""
    if head.startswith(_ZIP_SIGNATURES):
        return _load_zip(files, offsets, name)
    _refuse_archive(head, name)
    return Firmware(name, offsets[-1], files[0].stat().st_mtime, files, lambda: _open_joined(files))


def parse_sha256(text: str) -> bytes:
    """Parse a SHA-256 of 64 hex digits; raise `InvalidInput` for anything else."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        raise InvalidInput(f"SHA-256 {text!r}: it has 64 hex digits")
    return bytes.fromhex(text.strip())


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise InvalidInput(f"firmware {path}: this is a folder; name the firmware file")
    if not path.exists():
        raise InvalidInput(f"firmware {path}: there is no such file")
    if not path.is_file():
        raise InvalidInput(f"firmware {path}: this is no ordinary file")


def _open_joined(files: Sequence[Path]) -> BinaryIO:
    return cast(BinaryIO, JoinedFiles(files))


def _refuse_web_page(head: bytes, name: str) -> None:
    if not head:
        raise InvalidInput(f"firmware {name}: the file is empty; download it again")
    if _WEB_PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise InvalidInput(f"firmware {name}: this is a web page, probably an error page; download the firmware again")


def _refuse_archive(head: bytes, name: str) -> None:
    kind = next((kind for signature, kind in _ARCHIVE_SIGNATURES.items() if head.startswith(signature)), None)
    if kind is None and head[257:262] == b"ustar":
        kind = "tar"
    if kind:
        raise InvalidInput(f"firmware {name}: this is a {kind} archive; unpack it and name the firmware file inside")


def _load_zip(files: tuple[Path, ...], offsets: Sequence[int], name: str) -> Firmware:
    @contextmanager
    def open_member() -> Iterator[BinaryIO]:
        with (
            _open_joined(files) as joined,
            zipfile.ZipFile(joined) as archive,
            archive.open(_find_member(archive, offsets, name)) as stream,
        ):
            yield cast(BinaryIO, stream)

    try:
        with _open_joined(files) as joined, zipfile.ZipFile(joined) as archive:
            member = _find_member(archive, offsets, name)
            with archive.open(member) as stream:
                head = stream.read(_HEAD_SIZE)
    except _ZIP_ERRORS as error:
        hint = "" if len(files) > 1 else ", or is one of several parts: name them all, in order"
        raise InvalidInput(f"firmware {name}: the zip archive is damaged ({error}){hint}") from error
    member_name = f"{name}, {member.filename}"
    _refuse_web_page(head, member_name)
    if head.startswith(_ZIP_SIGNATURES):
        raise InvalidInput(f"firmware {member_name}: this is an archive inside an archive; unpack it yourself first")
    _refuse_archive(head, member_name)
    return Firmware(member_name, member.file_size, files[0].stat().st_mtime, files, open_member)


def _find_member(archive: zipfile.ZipFile, offsets: Sequence[int], name: str) -> zipfile.ZipInfo:
    """Return the firmware in an archive: its only file, or its only `.bin` file; raise `InvalidInput` otherwise."""
    members = [info for info in archive.infolist() if not info.is_dir() and not _MACOS_METADATA.search(info.filename)]
    if len(members) > 1:
        members = [info for info in members if info.filename.lower().endswith(".bin")] or members
    if len(members) != 1:
        listed = ", ".join(info.filename for info in members[:5]) or "no file"
        raise InvalidInput(f"firmware {name}: the archive holds {listed}; unpack it and name the firmware file")
    member = members[0]
    if member.flag_bits & 1:
        raise InvalidInput(f"firmware {name}: the archive is encrypted; unpack it and name the firmware file inside")
    if len(offsets) > 2 and member.volume < len(offsets) - 1 and _is_split_zip(archive):
        # The offsets in a split archive count from the beginning of each file.
        member.header_offset += offsets[member.volume] - offsets[-2]
    return member


def _is_split_zip(archive: zipfile.ZipFile) -> bool:
    file = archive.fp
    if file is None:
        return False
    file.seek(0)
    return file.read(4) == _SPLIT_ZIP_SIGNATURE
