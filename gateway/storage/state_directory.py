"""The state directory: the folder that holds the gateway's database, and the lock that gives it one holder."""

import contextlib
import errno
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from firmware_tools.language import describe_error, message
from gateway.errors import StateError
from gateway.storage.mounts import Mount, find_mount
from gateway.storage.private_file import write_private

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def refuse_root(path: Path) -> None:
        """There is no root on Windows."""

else:
    import fcntl
    import pwd

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def refuse_root(path: Path) -> None:
        """Keep root from writing into another user's directory. Raises `StateError`.

        That user's gateway could not open the files, and that user could have root write elsewhere, by links.
        """
        owner = path.stat().st_uid
        if os.geteuid() != 0 or owner == 0:
            return
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"#{owner}"
        raise StateError(
            message(
                "{path} belongs to {name}; run this as that user: sudo -u {name} sunmi-gateway …", path=path, name=name
            )
        )


DATABASE_FILE: Final = "gateway.db"
_HOST_SUFFIX_FILE: Final = "gateway.suffix"
CHANGED_SETTINGS_FILE: Final = "settings.toml"
"""The settings that were changed in the console."""
DESIRED_SETTINGS_FILE: Final = "head-office-settings.json"
"""The settings that the head office of a chain wants, and what a change of them has to prove."""
PLAN_PICTURES_FOLDER: Final = "site-plan-pictures"
"""Pictures of the cameras of the site plan: no part of a backup, since they show people."""
LABEL_TEMPLATES_FOLDER: Final = "label-templates"
"""The shop's own templates of shelf labels: a part of a backup."""
DEMONSTRATION_PICTURES_FOLDER: Final = "demonstration-pictures"
"""The picture of the docking demonstration: no part of a backup either."""
UPLOADED_LIST_FILE: Final = "uploaded-list"
"""A list of products that was uploaded in the console, and that waits for a person's word."""
MEMBERSHIP_FILE: Final = "fleet.toml"
"""Which chain this gateway has joined."""
MEMBERSHIP_FILES: Final = {
    "ca_file": "fleet-ca.pem",
    "certificate": "fleet-shop.pem",
    "private_key": "fleet-shop.key",
    "user_jwt": "fleet-shop.jwt",
}
"""The files that it got for that, by their keys in the settings."""
JOIN_CODE_FILE: Final = "join-code"
"""A join code from the boot partition, until the gateway has joined with it."""
USED_JOIN_CODE_FILE: Final = "join-code.used"
"""The SHA-256 of the join code that was used last: one that cannot be removed from the partition comes again."""
STATE_FILES: Final = (
    *(DATABASE_FILE, _HOST_SUFFIX_FILE, CHANGED_SETTINGS_FILE, DESIRED_SETTINGS_FILE, "authority.pem"),
    *(MEMBERSHIP_FILE, *MEMBERSHIP_FILES.values()),
)
"""Files of a state directory that are its state: what a backup holds."""
UPDATE_FOLDER: Final = "update"
"""What the service and the installer of updates say to each other, and the copy of the database during an update."""
PROCESS_FILES: Final = frozenset(
    {
        *("gateway.lock", "gateway.address", "gateway.sock", "gateway.probe", "gateway.watchdog"),
        *(UPLOADED_LIST_FILE, UPDATE_FOLDER),
    }
)
"""Files of a state directory that belong to the process that holds it, and are no state."""

_log: Final = logging.getLogger(__name__)
_LOCK_FILE: Final = "gateway.lock"
_ADDRESS_FILE: Final = "gateway.address"
_HOST_SUFFIX: Final = re.compile(r"[0-9a-f]{4}")
_LOCK_HELD: Final = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""Errors that say that another process holds the lock."""
_MAX_ATTEMPTS: Final = 5
_RETRY_INTERVAL_S: Final = 0.02
_PROBE_BYTES: Final = 65536
"""How much is written to see whether there is room: SQLite's shared memory (32 KiB) and the first pages of its log."""

_READ_ONLY: Final = message(
    "it cannot be written to; give the gateway's user write access to it, or name another directory"
)
_NO_DIRECTORY: Final = message("it is not a directory; name another one in storage.directory")
_FULL: Final = message("its disk is full; free some space there")
_REASONS: Final = {
    errno.EROFS: message(
        "it is on a read-only file system; mount it writable, or name another directory in storage.directory"
    ),
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EEXIST: _NO_DIRECTORY,
    errno.ENOTDIR: _NO_DIRECTORY,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
}


UPLOAD_PREFIX: Final = "upload-"
DOWNLOAD_PREFIX: Final = "download-"
"""How the folders begin in which a backup is received or made: here, since /tmp may be memory."""


def delete_abandoned_folders(path: Path, *prefixes: str) -> None:
    """Delete the folders in a state directory that a process has left that was killed."""
    for prefix in prefixes:
        for folder in path.glob(f"{prefix}*"):
            shutil.rmtree(folder, ignore_errors=True)


class StateDirectory:
    """A state directory that this process holds; made by `acquire`. The lock ends with the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take the directory, and the descriptor of its locked file."""
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, *, gives_to_owner: bool = False) -> Self:
        """Create the directory (0700) if it is missing, and lock it.

        Root may not use another user's directory, unless the caller gives all files to the owner (`gives_to_owner`).
        Raises `StateError` with the directory and the reason: held by another gateway, another user's, not a
        directory, not writable, full.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not gives_to_owner:
                refuse_root(path)
            descriptor = os.open(path / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise _make_error(path, exc) from exc
        try:
            if not _acquire_lock(descriptor):
                raise StateError(
                    message(
                        "{path}: another gateway holds this state directory; stop it, or name another directory "
                        "in storage.directory",
                        path=path,
                    )
                )
            _write_probe(path)
            delete_abandoned_folders(path, UPLOAD_PREFIX, DOWNLOAD_PREFIX)
            (path / UPLOADED_LIST_FILE).unlink(missing_ok=True)
        except OSError as exc:
            os.close(descriptor)
            raise _make_error(path, exc) from exc
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    @staticmethod
    def is_held(path: Path) -> bool:
        """Return whether a gateway runs on this directory. Raises `StateError` where that cannot be found out."""
        try:
            descriptor = os.open(path / _LOCK_FILE, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as exc:
            raise StateError(
                message(
                    "{path}: cannot tell whether a gateway runs there: {reason}; try as its user",
                    path=path,
                    reason=exc,
                )
            ) from exc
        try:
            return not _acquire_lock(descriptor, attempts=2)
        finally:
            os.close(descriptor)

    @property
    def database(self) -> Path:
        """The database file."""
        return self.database_in(self.path)

    @staticmethod
    def database_in(path: Path) -> Path:
        """Return the database file of a state directory."""
        return path / DATABASE_FILE

    @property
    def volatile_mount(self) -> Mount | None:
        """The file system that holds the directory, if it is gone after a restart: in memory, or an overlay."""
        mount = find_mount(self.path.resolve())
        return mount if mount is not None and mount.is_volatile else None

    def warn_if_volatile(self) -> None:
        """Log that the directory is gone after a restart, if it is."""
        if (mount := self.volatile_mount) is not None:
            _log.warning(
                "%s is on %s (%s), so everything in it is lost at the next restart, calls for the cloud among them: "
                "set storage.directory to a folder on a disk",
                self.path,
                mount.point,
                mount.kind,
            )

    @property
    def watchdog(self) -> Path:
        """The file that remembers the last restart by the watchdog."""
        return self.path / "gateway.watchdog"

    @property
    def socket(self) -> Path:
        """The Unix socket at which a running gateway listens for commands."""
        return self.socket_in(self.path)

    @staticmethod
    def socket_in(path: Path) -> Path:
        """Return the Unix socket of the gateway that runs on a directory."""
        return path / "gateway.sock"

    def load_host_suffix(self, create: Callable[[], str]) -> str:
        """Return the four digits that distinguish this gateway's host name; `create` makes those of a new directory.

        They are stored because certificates name the host: they stay the same if an interface comes late, and on
        another machine that takes over the directory. A damaged file is replaced. Raises `StateError`.
        """
        file = self.path / _HOST_SUFFIX_FILE
        try:
            suffix = file.read_bytes().decode("ascii", "replace").strip() if file.exists() else ""
            if not _HOST_SUFFIX.fullmatch(suffix):
                suffix = create()
                write_private(file, suffix.encode())
        except OSError as exc:
            raise _make_error(file, exc) from exc
        return suffix

    def save_address(self, address: str) -> None:
        """Save the address of this gateway's REST API, for commands that cannot use the socket."""
        (self.path / _ADDRESS_FILE).write_text(address, encoding="utf-8")

    @staticmethod
    def load_address(path: Path) -> str:
        """Return the address that the gateway on a directory has saved, or an empty text."""
        try:
            return (path / _ADDRESS_FILE).read_text(encoding="utf-8")
        except OSError:
            return ""

    def release(self) -> None:
        """Unlock the directory. The lock file stays: without it, two processes could hold the directory."""
        (self.path / _ADDRESS_FILE).unlink(missing_ok=True)
        os.close(self._descriptor)


def _acquire_lock(descriptor: int, attempts: int = _MAX_ATTEMPTS) -> bool:
    # `is_held` has the lock for an instant: one failure does not mean yet that a gateway runs.
    for _ in range(attempts - 1):
        if _try_lock(descriptor):
            return True
        time.sleep(_RETRY_INTERVAL_S)
    return _try_lock(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        _lock(descriptor)
    except OSError as exc:
        if exc.errno in _LOCK_HELD:
            return False
        raise
    return True


def _write_probe(path: Path) -> None:
    probe = path / "gateway.probe"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    finally:
        with contextlib.suppress(FileNotFoundError):
            probe.unlink()


def _make_error(path: Path, error: OSError) -> StateError:
    reason = _REASONS.get(error.errno or 0) or describe_error(error)
    return StateError(message("{path}: cannot be used as the state directory: {reason}", path=path, reason=reason))
