"""Downloads that are split into several files: finding all of them, and reading them as one."""

import bisect
import glob
import io
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from firmware_tools.errors import InvalidInput, IOFailed

_NAMED_PART = re.compile(r"(.*part[ _.-]?)(\d{1,3})(\D.*)?", re.IGNORECASE)
_NUMBERED_FILE = re.compile(r"(.+\.)(\d{3})()")
_SPLIT_ZIP = re.compile(r"\.z(ip|\d\d)", re.IGNORECASE)


def find_split_files(path: Path) -> list[Path]:
    """Return all files, in order, of the download that this file belongs to; only the file itself if it is not split.

    Recognised names are `…Part1…`, `…Part2…`; `….001`, `….002`; and `….z01`, `….zip`.

    Raises:
        InvalidInput: a part is missing, or the given one is not the first.

    """
    if _SPLIT_ZIP.fullmatch(path.suffix):
        volumes = sorted(path.parent.glob(f"{glob.escape(path.stem)}.[zZ][0-9][0-9]"))
        last = path if path.suffix.lower() == ".zip" else path.with_suffix(".zip")
        if volumes and not last.is_file():
            raise InvalidInput(f"{path}: its last part {last.name} is missing beside it")
        if volumes:
            return [*volumes, last]
    match = _NAMED_PART.fullmatch(path.name) or _NUMBERED_FILE.fullmatch(path.name)
    if match is None:
        return [path]

    def part(number: int) -> Path:
        return path.with_name(f"{match[1]}{number:0{len(match[2])}}{match[3] or ''}")

    if int(match[2]) != 1:
        if part(1).is_file():
            raise InvalidInput(f"{path}: this is part {int(match[2])}; name part 1, the others are found beside it")
        return [path]
    parts = list(itertools.takewhile(Path.is_file, map(part, itertools.count(1))))
    if len(parts) == 1 and match.re is _NAMED_PART:
        raise InvalidInput(f"{path}: by its name this is one of several parts, but part 2 is not beside it")
    return parts


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
            raise IOFailed.from_os_error("reading", str(path), error) from error
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
            raise IOFailed.from_os_error("reading", str(self._paths[index]), error) from error
        self._position += count
        return count

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        super().close()
