"""A small disk of its own for a folder, which only programs see that are begun on it. It needs root."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_SCRIPT: Final = 'mount -t tmpfs -o size="$0" small "$1" && echo ready && exec cat'


class SmallDisk:
    """The disk; made by `mount`."""

    def __init__(self, folder: Path, holder: int) -> None:
        self._filling = Path(f"/proc/{holder}/root{folder}") / "filling"
        self.begin: Sequence[str] = ("nsenter", f"--mount=/proc/{holder}/ns/mnt", f"--wdns={folder.parent}")
        """What begins a program that sees the disk, in the folder above it."""

    @classmethod
    @contextlib.contextmanager
    def mount(cls, folder: Path, size: str) -> Iterator["SmallDisk"]:
        """Put a disk at a folder, of a size such as 64m; it is gone at the end of the block."""
        folder.mkdir()
        command = ["unshare", "--mount", "sh", "-c", _SCRIPT, size, str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"ready\n"
            yield cls(folder, holder.pid)
            holder.stdin.close()

    def fill(self) -> None:
        """Leave no room on it, as something else would do."""
        with self._filling.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        assert os.statvfs(self._filling).f_bavail == 0

    def clear(self) -> None:
        """Take away what has filled it."""
        self._filling.unlink()
