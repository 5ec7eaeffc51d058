"""Files that hold secrets: written at once or not at all, and read by nobody else."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once or not at all; a new one is its owner's alone (0600). Raises `OSError`.

    One that is there keeps its owner and group, and the group's right to read, since a service may need both.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with made_private(target) as stream:
        stream.write(content)


@contextlib.contextmanager
def made_private(target: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write to, which becomes the target when the block is left, and is gone when the block raises.

    Rights are as with `write_private`. Raises `OSError`.
    """
    made = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            take_over(made, target.stat())
        made.replace(target)
        sync_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk, where the system can do that. Raises `OSError`."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def take_over(made: Path, old: os.stat_result) -> None:
    """Give a file the owner, the group and the group's right to read that another one has. Raises `OSError`."""
    own = made.stat()
    if (old.st_uid, old.st_gid) != (own.st_uid, own.st_gid):
        os.chown(made, old.st_uid, old.st_gid)
    made.chmod(0o600 | (old.st_mode & 0o040))


def next_free(path: Path) -> Path:
    """Return the first name that is free of `NAME-1`, `NAME-2` and so on."""
    number = 1
    while (free := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return free
