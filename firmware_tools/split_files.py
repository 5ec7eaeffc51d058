"""Downloads that are split into several files: finding all of them, and reading them as one."""

import bisect
import io
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.language import message

_NAMED_PART = re.compile(r"(.*part[ _.-]?)(\d{1,3})(\D.*)?", re.IGNORECASE)
_NUMBERED_FILE = re.compile(r"(.+\.)(\d{3})()")
_SPLIT_ZIP_PART = re.compile(r"(.+\.z)(\d\d)()", re.IGNORECASE)
_VERSION_PREFIX = re.compile(r".*\d\.\d+\.")


class _PartName(NamedTuple):
    """The name of one part of a download."""

    prefix: str
    """What comes before the number, in lower case."""
    number: int
    """Number of the part, from 1."""
    suffix: str
    """What comes after the number, in lower case."""

    @classmethod
    def parse(cls, name: str, pattern: re.Pattern[str]) -> "_PartName | None":
        match = pattern.fullmatch(name)
        return cls(match[1].casefold(), int(match[2]), (match[3] or "").casefold()) if match else None

    def is_same_download(self, other: "_PartName") -> bool:
        return (self.prefix, self.suffix) == (other.prefix, other.suffix)


def find_split_files(path: Path) -> list[Path]:
    """Return all files, in order, of the download that this file belongs to; only the file itself if it is not split.

    Recognised names are `…Part1…`, `…Part2…`; `….001`, `….002`; and `….z01`, `….zip`.

    Raises:
        InvalidInput: a part is missing, or the given one is not the first.
        IOFailed: the folder cannot be read.

    """
    if path.suffix.lower() == ".zip" or _SPLIT_ZIP_PART.fullmatch(path.name):
        volumes = _find_split_zip(path)
        if volumes:
            return volumes
    for pattern in (_NAMED_PART, _NUMBERED_FILE):
        own = _PartName.parse(path.name, pattern)
        if own is not None:
            return _find_numbered_parts(path, own, pattern)
    return [path]


def check_named_parts(paths: Sequence[Path]) -> None:
    """Raise `InvalidInput` if the names of files that were named one by one say that a part is missing or misplaced."""
    for pattern in (_NAMED_PART, _NUMBERED_FILE):
        names = [name for path in paths if (name := _PartName.parse(path.name, pattern)) is not None]
        if len(names) < len(paths) or not all(names[0].is_same_download(name) for name in names):
            continue
        for expected, (path, name) in enumerate(zip(paths, names, strict=True), 1):
            if name.number != expected:
                raise InvalidInput(
                    message(
                        "firmware {path}: it is part {number}, but part {expected} has its place there; name all "
                        "parts, in order",
                        path=path,
                        number=name.number,
                        expected=expected,
                    )
                )
        following = _list_parts(paths[-1], names[-1], pattern).get(len(paths) + 1)
        if following is not None:
            raise InvalidInput(
                message("firmware {following}: this part was not named; name all parts, in order", following=following)
            )


def _find_split_zip(path: Path) -> list[Path]:
    """Return the files of a split archive, or nothing if no part lies beside a `.zip`."""
    own = _PartName(f"{path.stem}.z".casefold(), 1, "")
    parts = _list_parts(path, own, _SPLIT_ZIP_PART)
    if not parts:
        return []
    last_names = [f"{path.stem}.zip", f"{path.stem}.ZIP"]
    last = path if path.suffix.lower() == ".zip" else next(filter(Path.is_file, map(path.with_name, last_names)), None)
    if last is None:
        raise InvalidInput(
            message(
                "firmware {path}: its last part {last_names} is missing beside it", path=path, last_names=last_names[0]
            )
        )
    _check_no_gap(path, parts)
    return [*(parts[number] for number in sorted(parts)), last]


def _find_numbered_parts(path: Path, own: _PartName, pattern: re.Pattern[str]) -> list[Path]:
    parts = _list_parts(path, own, pattern)
    if pattern is _NUMBERED_FILE and _VERSION_PREFIX.fullmatch(own.prefix):
        if len(parts) > 1:
            raise InvalidInput(
                message(
                    "firmware {path}: its name may end with a version or with the number of a part; rename "
                    "it if it is a whole file, or name all parts, in order",
                    path=path,
                )
            )
        return [path]
    if own.number != 1 and 1 in parts:
        raise InvalidInput(
            message(
                "firmware {path}: this is part {number}; name part 1, the others are found beside it",
                path=path,
                number=own.number,
            )
        )
    _check_no_gap(path, parts)
    if len(parts) == 1:
        raise InvalidInput(
            message(
                "firmware {path}: by its name this is one of several parts, but part 2 is not beside it; "
                "download it, or rename the file if it is whole",
                path=path,
            )
        )
    return [parts[number] for number in sorted(parts)]


def _list_parts(path: Path, own: _PartName, pattern: re.Pattern[str]) -> dict[int, Path]:
    """Return the parts of a download by their numbers; raise `InvalidInput` if two have the same number."""
    parts: dict[int, Path] = {}
    try:
        entries = sorted(path.parent.iterdir())
    except OSError as error:
        raise IOFailed.from_os_error(message("reading"), str(path.parent), error) from error
    for entry in entries:
        name = _PartName.parse(entry.name, pattern)
        if name is None or not name.is_same_download(own) or not entry.is_file():
            continue
        other = parts.setdefault(name.number, entry)
        if other != entry:
            raise InvalidInput(
                message(
                    "firmware {path}: {other} and {entry} are both part {number}; remove one",
                    path=path,
                    other=other.name,
                    entry=entry.name,
                    number=name.number,
                )
            )
    return parts


def _check_no_gap(path: Path, parts: dict[int, Path]) -> None:
    for number in range(1, max(parts)):
        if number not in parts:
            raise InvalidInput(
                message(
                    "firmware {path}: by its name it is one of several parts, but part {number} is not "
                    "beside it; download it",
                    path=path,
                    number=number,
                )
            )


class JoinedFiles(io.RawIOBase):
    """Several files, read one after another as if they were one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._paths = list(paths)
        self._files: list[io.FileIO] = []
        try:
            for path in paths:
                self._files.append(io.FileIO(path))
            sizes = [os.fstat(file.fileno()).st_size for file in self._files]
        except OSError as error:
            self.close()
            raise IOFailed.from_os_error(message("reading"), str(path), error) from error
        self.offsets = [0, *itertools.accumulate(sizes)]
        """Where each file begins, and then the total size."""
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position, as in any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.offsets[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Read into the buffer, at most to the end of the current file."""
        index = bisect.bisect_right(self.offsets, self._position) - 1
        if index >= len(self._files):
            return 0
        file = self._files[index]
        try:
            file.seek(self._position - self.offsets[index])
            count = file.readinto(memoryview(buffer)[: self.offsets[index + 1] - self._position])
        except OSError as error:
            raise IOFailed.from_os_error(message("reading"), str(self._paths[index]), error) from error
        self._position += count
        return count

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        super().close()
