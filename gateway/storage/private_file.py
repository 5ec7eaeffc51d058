"""Files that only their owner can read, replaced at once or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once or not at all. A new one is readable by its owner alone (0600). Raises `OSError`.

    An existing file keeps its owner, its group, and the group's right to read, since a service may need them.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_replacement(target) as stream:
        stream.write(content)


def create_private(path: Path, content: bytes) -> None:
    """Make a file that its owner alone can read, whole or not at all.

    Raises `FileExistsError` if there is one, also if another process has just made it, and `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(new, path)  # a rename would replace the other one
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def write_for(path: Path, content: bytes, owner: tuple[int, int] | None) -> None:
    """Write a file in a folder that somebody else may write to, and give it to `owner`, a user and a group.

    Root may write like this: whoever the folder belongs to can put a link there at any time, and none is followed.
    Raises `OSError`.
    """
    with prepare_for(path, content, owner):
        pass


@contextlib.contextmanager
def prepare_for(path: Path, content: bytes, owner: tuple[int, int] | None) -> Iterator[None]:
    """Write a file as `write_for` does, but put it in place when the block ends, and never if the block raises.

    So all that may fail for want of room has been done before the block. Raises `OSError`.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
            if owner is not None:
                os.fchown(stream.fileno(), *owner)
            stream.flush()
            os.fsync(stream.fileno())
        yield
        new.replace(path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


@contextlib.contextmanager
def open_replacement(target: Path) -> Iterator[IO[bytes]]:
    """Yield a new file, which replaces the target when the block ends, and is deleted if the block raises.

    Owner and rights are as with `write_private`. Raises `OSError`.
    """
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            copy_rights(target.stat(), new)
        new.replace(target)
        sync_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def copy_rights(source: os.stat_result, target: Path) -> None:
    """Give a file the owner, the group and the group's right to read that another file has. Raises `OSError`."""
    own = target.stat()
    if (source.st_uid, source.st_gid) != (own.st_uid, own.st_gid):
        os.chown(target, source.st_uid, source.st_gid)
    target.chmod(0o600 | (source.st_mode & 0o040))


def sync_folder(folder: Path) -> None:
    """Write a folder's names of files to the disk, where the system can do that. Raises `OSError`."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def find_free_name(path: Path) -> Path:
    """Return the first name of `NAME-1`, `NAME-2` and so on that does not exist."""
    number = 1
    while (free := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return free
