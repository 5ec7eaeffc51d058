"""A firmware file as an installer has it: plain, zipped, or in parts; refused when it plainly is none.

Nothing is known about the vendor's format, so nothing is claimed about it: only what can be no firmware is refused.
"""

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from firmware_tools.card import Card, Channel, Model
from firmware_tools.errors import InputRefused, MediumFailed
from firmware_tools.parts import JoinedFiles, parts_of
from firmware_tools.progress import Progress
from firmware_tools.size import MIB

_ARCHIVES = {
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"MSCF": "cabinet",
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|\?xml)", re.IGNORECASE | re.DOTALL)
_MODELS = {"FM010": Model.FM010, "SS": Model.FM010, "SS1": Model.FM010} | {
    "FM020": Model.FM020,
    "FS": Model.FM020,
    "FS1": Model.FM020,
}
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}(?:-(uat|release))?", re.ASCII)
_BURIED = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$)")


@dataclass(frozen=True, slots=True)
class Firmware:
    """The bytes that go on the card, read as often as needed and never held in memory."""

    name: str
    size: int
    modified: float
    """When it was made, in seconds of the Unix epoch."""
    parts: tuple[Path, ...]
    """The files that it comes from."""
    _open: Callable[[], AbstractContextManager[BinaryIO]]

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open it for reading from the start; damage in an archive comes out as `InputRefused`."""
        try:
            with self._open() as stream:
                yield stream
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise InputRefused(f"{self.name}: the archive is damaged ({error}); download it again") from error

    def sha256(self, progress: Progress) -> bytes:
        """Return the SHA-256 of its bytes."""
        digest = hashlib.sha256()
        with self.open() as stream, progress.phase("Reading firmware", self.size) as advance:
            try:
                while part := stream.read(MIB):
                    digest.update(part)
                    advance(len(part))
            except OSError as error:
                raise MediumFailed.during("reading", f"firmware {self.name}", error) from error
        return digest.digest()

    def check_sha256(self, expected: bytes, progress: Progress) -> None:
        """Raise `InputRefused` if its SHA-256 is not the expected one."""
        found = self.sha256(progress)
        if found != expected:
            raise wrong_sha256(self.name, found)


def load_firmware(paths: Sequence[Path]) -> Firmware:
    """Find out what was given: one file, the first of several parts, or all parts in order.

    Raises:
        InputRefused: it is missing, a folder, empty, a web page, or an archive that we cannot unpack.
        MediumFailed: it cannot be read.

    """
    for path in paths:
        _check_file(path)
    parts = parts_of(paths[0]) if len(paths) == 1 else list(paths)
    for part in parts:
        with _opened([part]) as stream:
            _refuse_web_page(stream.read(1024), str(part))
    name = " + ".join([str(parts[0]), *(part.name for part in parts[1:])])
    with JoinedFiles(parts) as joined:
        starts = joined.starts
        head = joined.read(1024) or b""
    if head.startswith(_ZIP):
        return _unzipped(parts, starts, name)
    _refuse_archive(head, name)
    return Firmware(name, starts[-1], parts[0].stat().st_mtime, tuple(parts), lambda: _opened(parts))


def describe_card(card: Card, model: str | None, channel: str | None, version: str | None) -> Card:
    """Add to a card what an installer knows of its firmware; raise `InputRefused` for what contradicts itself."""
    known_model = None
    if model:
        known_model = _MODELS.get(model.strip().upper())
        if known_model is None:
            raise InputRefused(f"model {model!r}: cameras are FM010 (SS, Store Sense) or FM020 (FS, Face Sense)")
    known_channel = None
    if channel:
        if channel.strip().lower() not in list(Channel):
            raise InputRefused(f"channel {channel!r}: firmware is made for uat or release")
        known_channel = Channel(channel.strip().lower())
    if version:
        match = _VERSION.fullmatch(version.strip())
        if match is None:
            raise InputRefused(f"version {version!r}: the vendor writes versions like 1.2.0-release or 1.2.0-uat")
        if match[1] and known_channel not in (None, match[1]):
            raise InputRefused(f"version {version!r} does not belong to the {known_channel} channel")
        known_channel = Channel(match[1]) if match[1] else known_channel
    return Card(card.mac, card.file, known_model, known_channel, version.strip() if version else None)


def wrong_sha256(name: str, found: bytes) -> InputRefused:
    """Return what to say of a firmware that is not the expected one."""
    return InputRefused(f"firmware {name}: its SHA-256 is {found.hex()}, not the expected one; download it again")


def parse_sha256(text: str) -> bytes:
    """Read a SHA-256 as 64 hex digits; raise `InputRefused` for anything else."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        raise InputRefused(f"SHA-256 {text!r}: it has 64 hex digits")
    return bytes.fromhex(text.strip())


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise InputRefused(f"firmware {path}: this is a folder; name the firmware file")
    if not path.exists():
        raise InputRefused(f"firmware {path}: there is no such file")
    if not path.is_file():
        raise InputRefused(f"firmware {path}: this is no ordinary file")


def _opened(parts: Sequence[Path]) -> BinaryIO:
    return cast(BinaryIO, JoinedFiles(parts))


def _refuse_web_page(head: bytes, name: str) -> None:
    if not head:
        raise InputRefused(f"firmware {name}: the file is empty; download it again")
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise InputRefused(f"firmware {name}: this is a web page, probably an error page; download the firmware again")


def _refuse_archive(head: bytes, name: str) -> None:
    kind = next((kind for magic, kind in _ARCHIVES.items() if head.startswith(magic)), None)
    if kind is None and head[257:262] == b"ustar":
        kind = "tar"
    if kind:
        raise InputRefused(f"firmware {name}: this is a {kind} archive; unpack it and name the firmware file inside")


def _unzipped(parts: Sequence[Path], starts: Sequence[int], name: str) -> Firmware:
    @contextmanager
    def opened() -> Iterator[BinaryIO]:
        with (
            _opened(parts) as joined,
            zipfile.ZipFile(joined) as archive,
            archive.open(_only_member(archive, starts, name)) as stream,
        ):
            yield cast(BinaryIO, stream)

    try:
        with _opened(parts) as joined, zipfile.ZipFile(joined) as archive:
            member = _only_member(archive, starts, name)
            with archive.open(member) as stream:
                head = stream.read(1024)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        more = "" if len(parts) > 1 else ", or is one of several parts: name them all, in order"
        raise InputRefused(f"firmware {name}: the zip archive is damaged ({error}){more}") from error
    inner = f"{name}, {member.filename}"
    _refuse_web_page(head, inner)
    if head.startswith(_ZIP):
        raise InputRefused(f"firmware {inner}: this is an archive inside an archive; unpack it yourself first")
    _refuse_archive(head, inner)
    return Firmware(inner, member.file_size, parts[0].stat().st_mtime, tuple(parts), opened)


def _only_member(archive: zipfile.ZipFile, starts: Sequence[int], name: str) -> zipfile.ZipInfo:
    members = [info for info in archive.infolist() if not info.is_dir() and not _BURIED.search(info.filename)]
    if len(members) > 1:
        members = [info for info in members if info.filename.lower().endswith(".bin")] or members
    if len(members) != 1:
        listed = ", ".join(info.filename for info in members[:5]) or "no file"
        raise InputRefused(f"firmware {name}: the archive holds {listed}; unpack it and name the firmware file")
    member = members[0]
    if member.flag_bits & 1:
        raise InputRefused(f"firmware {name}: the archive is encrypted; unpack it and name the firmware file inside")
    if len(starts) > 2 and member.volume < len(starts) - 1 and _is_split_zip(archive):
        # The offsets of a split archive count from the beginning of each part's file.
        member.header_offset += starts[member.volume] - starts[-2]
    return member


def _is_split_zip(archive: zipfile.ZipFile) -> bool:
    file = archive.fp
    if file is None:
        return False
    file.seek(0)
    return file.read(4) == b"PK\x07\x08"
