"""The files of an open database, and whether they are still the ones at their paths.

A file that was deleted or replaced can be written to until the process ends, and then everything in it is lost.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SUFFIXES: Final = ("", "-wal", "-shm")
"""What the names of the files end in: SQLite's log and shared memory stay for as long as the database is open."""

_Identity = tuple[int, int]
"""The device and inode of a file."""


class OpenFiles:
    """The identities of a database's files. No file is opened here: closing it would drop SQLite's locks."""

    def __init__(self, path: Path) -> None:
        """Take the path of a database that was just opened."""
        self.log = path.with_name(f"{path.name}-wal")
        """SQLite's log."""
        paths = [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
        self._identities: Mapping[Path, _Identity] = {
            one: identity for one in paths if (identity := _identify(one)) is not None
        }

    def find_lost(self) -> list[Path]:
        """Return the paths at which the open file is no longer found. An error of the disk proves nothing."""
        try:
            return [path for path, identity in self._identities.items() if _identify(path) != identity]
        except OSError:
            return []


def _identify(path: Path) -> _Identity | None:
    """Return the identity of a file; None if there is none. Raises `OSError`."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
