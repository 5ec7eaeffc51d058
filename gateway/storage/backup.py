"""A copy of a database in use, and which schema a copy has."""

import sqlite3
from pathlib import Path
from typing import Final

from firmware_tools.language import message
from gateway.errors import StateError
from gateway.storage import migrations
from gateway.storage.read_only import open_read_only

_TIMEOUT_S: Final = 10.0


def copy_database(path: Path, target: Path) -> None:
    """Copy a database as it is at one moment, in use or not, into a new file that only the owner can read.

    The rows of `UNCOPIED_TABLES` are left out. Raises `StateError`.
    """
    try:
        target.touch(mode=0o600)
        with open_read_only(path, timeout_s=_TIMEOUT_S) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
        migrations.delete_uncopied(target)
    except (OSError, sqlite3.Error) as exc:
        raise StateError(
            message("{path}: cannot be copied to {target}: {reason}", path=path, target=target, reason=exc)
        ) from exc


def load_migrations(path: Path) -> list[str]:
    """Return the names of the migrations that a database has had. Raises `StateError`."""
    with open_read_only(path) as connection:
        return migrations.load_applied(connection)
