"""The steps of a recovery, in an order that survives an interruption after each of them.

1. `gateway.db` becomes `gateway.db.recovering`, with its log.
2. The rows that can be read are copied to `gateway.db.recovered`.
3. `gateway.db.recovered` becomes `gateway.db`.
4. Passwords are erased from `gateway.db.recovering`.
5. `gateway.db.recovering` becomes `gateway.db.corrupt-1`, or the next free number.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from firmware_tools.language import message
from gateway.storage import migrations
from gateway.storage.migrations import Migration
from gateway.storage.private_file import find_free_name, sync_folder
from gateway.storage.recovery.copy_rows import TableReport, copy_rows
from gateway.storage.recovery.log_file import write_log_back
from gateway.storage.recovery.page_map import PAGE_BYTES, PageMap
from gateway.storage.recovery.schema_copy import SchemaCopy
from gateway.storage.sqlite_errors import SQLITE_ERRORS

_SIDES: Final = ("", "-wal", "-shm")
"""What SQLite adds to the name of a database for the files that belong to it."""

_LOST_CURSOR: Final = """
INSERT INTO fleet_cursor (id, epoch, number, published, since, member)
SELECT 1, epoch, max(next_number - 1, coalesce((SELECT max(number) FROM event), 0)), 0, 0, '' FROM event_log
"""
"""Stands for a cursor that damage has cost: the head office's own last event tells how far those of this log are sent.

Without one of this log nothing of it is sent. A new cursor would send all of it once more, by new ids, and what is of
another shop that this gateway was before.
"""

Create = Callable[[Path, Sequence[Migration]], sqlite3.Connection]


def is_interrupted(path: Path) -> bool:
    """Tell whether a recovery of this database was begun and not finished."""
    return _recovering_path(path).exists()


def recover(path: Path, known: Sequence[Migration], *, create: Create) -> str:
    """Put the readable rows of a damaged database, which nobody has open, into a new one; return what was done.

    `create` makes a new database with the given migrations. Raises `OSError`, `sqlite3.Error` and `StateError`; then
    nothing is lost, and the next call begins again.
    """
    copy = SchemaCopy.load(path)
    if copy is not None:
        migrations.check(copy.migrations, known, path)
    damaged = _recovering_path(path)
    is_rebuilt = damaged.exists() and path.exists()
    if not is_rebuilt:
        _set_aside(path, damaged)
        write_log_back(damaged)
    schema = _read_schema(damaged) or copy or SchemaCopy([migration.name for migration in known], {})
    if is_rebuilt:
        report = message("an earlier start recovered what can be read")
    else:
        reports = _rebuild(path, damaged, schema, known, create)
        report = message("recovered into a new one: {names}", names="; ".join(map(str, reports)))
    _erase(damaged, [schema.root_pages[table] for table in migrations.UNCOPIED_TABLES & schema.root_pages.keys()])
    aside = find_free_name(path.with_name(f"{path.name}.corrupt"))
    damaged.rename(aside)
    return message("{report}; the damaged file is kept as {aside}", report=report, aside=aside)


def _recovering_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.recovering")


def _set_aside(path: Path, damaged: Path) -> None:
    for side in _SIDES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + side).rename(damaged.with_name(damaged.name + side))


def _rebuild(
    path: Path, damaged: Path, schema: SchemaCopy, known: Sequence[Migration], create: Create
) -> list[TableReport]:
    new = path.with_name(f"{path.name}.recovered")
    for side in _SIDES:
        new.with_name(new.name + side).unlink(missing_ok=True)
    with contextlib.closing(create(new, known[: len(schema.migrations)])) as connection:
        connection.execute("BEGIN IMMEDIATE")
        reports = copy_rows(damaged, schema.root_pages, connection)
        connection.commit()
        migrations.migrate(connection, known, path)
        connection.execute("BEGIN IMMEDIATE")
        if any(one.table == "fleet_cursor" and one.gaps and not one.rows for one in reports):
            connection.execute(_LOST_CURSOR)
        migrations.mark_rewound(connection)
        connection.commit()
    new.replace(path)
    sync_folder(path.parent)
    return reports


def _read_schema(damaged: Path) -> SchemaCopy | None:
    """Read the schema that a damaged database has itself; None if it has none of a gateway."""
    with contextlib.closing(
        sqlite3.connect(f"{damaged.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    ) as connection:
        try:
            schema = SchemaCopy.read(connection)
        except SQLITE_ERRORS:
            return None
    return schema if schema.migrations else None


def _erase(damaged: Path, roots: Sequence[int]) -> None:
    """Overwrite all pages of these tables: they hold secrets that would outlive the work that they are for."""
    with damaged.open("r+b") as file:
        found = PageMap(file).find_pages(roots)
        for root in roots:
            for page in {root, *found.get(root, ())}:
                file.seek((page - 1) * PAGE_BYTES)
                file.write(bytes(PAGE_BYTES))
