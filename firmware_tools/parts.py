"""A download that came in parts: which files belong together, and reading them as one."""

import bisect
import io
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from firmware_tools.errors import InputRefused, MediumFailed

_NAMED_PART = re.compile(r"(.*part[ _.-]?)(\d{1,3})(\D.*)?", re.IGNORECASE)
_NUMBERED_FILE = re.compile(r"(.+\.)(\d{3})()")
_SPLIT_ZIP = re.compile(r"\.z(ip|\d\d)", re.IGNORECASE)


def parts_of(path: Path) -> list[Path]:
    """Return all parts, in order, of the download that this file belongs to; often the file alone.

    Recognised are `…Part1…`, `…Part2…`; `….001`, `….002`; and `….z01`, `….zip`. Raises `InputRefused` when a part is
    missing, or when another than the first is given.
    """
    if _SPLIT_ZIP.fullmatch(path.suffix):
        volumes = sorted(path.parent.glob(f"{_escaped(path.stem)}.[zZ][0-9][0-9]"))
        last = path if path.suffix.lower() == ".zip" else path.with_suffix(".zip")
        if volumes and not last.is_file():
            raise InputRefused(f"{path}: its last part {last.name} is missing beside it")
        if volumes:
            return [*volumes, last]
    match = _NAMED_PART.fullmatch(path.name) or _NUMBERED_FILE.fullmatch(path.name)
    if match is None:
        return [path]

    def part(number: int) -> Path:
        return path.with_name(f"{match[1]}{number:0{len(match[2])}}{match[3] or ''}")

    if int(match[2]) != 1:
        if part(1).is_file():
            raise InputRefused(f"{path}: this is part {int(match[2])}; name part 1, the others are found beside it")
        return [path]
    parts = list(itertools.takewhile(Path.is_file, map(part, itertools.count(1))))
    if len(parts) == 1 and match.re is _NAMED_PART:
        raise InputRefused(f"{path}: by its name this is one of several parts, but part 2 is not beside it")
    return parts


def _escaped(stem: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", stem)


class JoinedFiles(io.RawIOBase):
    """Several files read one after another, as if they were one."""

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
            raise MediumFailed.during("reading", str(path), error) from error
        self.starts = [0, *itertools.accumulate(sizes)]
        """Where each part begins, and at last the whole length."""
        self._position = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, as in any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill the buffer as far as one part reaches."""
        index = bisect.bisect_right(self.starts, self._position) - 1
        if index >= len(self._files):
            return 0
        file = self._files[index]
        try:
            file.seek(self._position - self.starts[index])
            count = file.readinto(memoryview(buffer)[: self.starts[index + 1] - self._position])
        except OSError as error:
            raise MediumFailed.during("reading", str(self._paths[index]), error) from error
        self._position += count
        return count

    def close(self) -> None:
        """Close all parts."""
        for file in self._files:
            file.close()
        super().close()
