"""Files that hold secrets: written at once or not at all, and read by nobody else."""

import contextlib
import os
import secrets
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once or not at all; a new one is its owner's alone (0600). Raises `OSError`.

    One that is there keeps its owner and group, and the group's right to read, since a service may need both.
    """
    target = path.resolve()
    made = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            take_over(made, target.stat())
        made.replace(target)
    finally:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)


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
