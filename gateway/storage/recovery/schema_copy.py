"""A copy of what is needed to read a database whose schema is damaged: which tables it has, and where each begins.

It changes with migrations alone, so it is written as seldom.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from gateway.storage import migrations
from gateway.storage.private_file import write_private


@dataclass(frozen=True, slots=True)
class SchemaCopy:
    """What is known of a database's schema."""

    migrations: Sequence[str]
    """Names of the migrations that the database has had, oldest first."""
    root_pages: Mapping[str, int]
    """Number of the first page of each table, by the table's name."""

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> Self:
        """Read it from an open database. Raises `sqlite3.Error`."""
        tables = connection.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return cls(migrations.load_applied(connection), dict(map(tuple, tables)))

    @classmethod
    def load(cls, database: Path) -> Self | None:
        """Load the copy that was saved for a database; None if there is none. Raises `OSError`."""
        try:
            document = json.loads(_path_for(database).read_bytes())
            return cls(list(document["migrations"]), {name: int(page) for name, page in document["root_pages"].items()})
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return None


def save_schema(database: Path, connection: sqlite3.Connection) -> None:
    """Save a copy of an open database's schema beside it, if it differs from the last one. Raises `OSError`.

    The schema is read through the connection. Opening the file a second time in one process would be a mistake:
    closing it drops the locks that SQLite has on it, and another program may then delete the log in use.
    """
    content = json.dumps(asdict(SchemaCopy.read(connection)), indent=1).encode()
    copy = _path_for(database)
    if not copy.exists() or copy.read_bytes() != content:
        write_private(copy, content)


def _path_for(database: Path) -> Path:
    return database.with_name(f"{database.name}-schema")
