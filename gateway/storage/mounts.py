"""Where a folder is mounted, as Linux tells it in /proc and /sys. Elsewhere, and where it is hidden, nothing is found.

`root` is the folder in which `proc` and `sys` are.
"""

import contextlib
from pathlib import Path
from typing import Final, NamedTuple

_ROOT: Final = Path("/")
_VOLATILE: Final = frozenset({"tmpfs", "ramfs", "overlay"})


class Mount(NamedTuple):
    """A mounted file system."""

    point: str
    """Where it is mounted."""
    kind: str
    """Its type, such as ext4."""
    options: frozenset[str]
    """Its mount options."""
    on_card: bool
    """Whether it is on a flash card."""

    @property
    def is_volatile(self) -> bool:
        """Whether it is in memory, or in a layer above a disk that is thrown away, and so gone after a restart."""
        return self.kind in _VOLATILE


def find_mount(path: Path, root: Path = _ROOT) -> Mount | None:
    """Return the mount that holds a path, or None where that is not told."""
    found = None
    try:
        lines = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for words in map(str.split, lines):
        if "-" not in words:
            continue
        point = words[4].encode().decode("unicode_escape")  # blanks are \040
        if path.is_relative_to(point):
            kind = words[words.index("-") + 1]
            found = Mount(point, kind, frozenset(words[5].split(",")), _is_card(words[2], root))
    return found


def _is_card(device: str, root: Path) -> bool:
    """Tell of a block device, by its numbers, whether it is an SD or eMMC card, or a disk that can be pulled out."""
    link = root / "sys/dev/block" / device
    try:
        place = link.resolve(strict=True)
    except OSError:
        return False
    if "/mmcblk" in place.as_posix():
        return True
    for disk in (place, place.parent):
        with contextlib.suppress(OSError):
            return (disk / "removable").read_text(encoding="ascii").strip() == "1"
    return False
