"""The storage quota of the outbox: how much may still be stored, and removing what is done."""

import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Final

RETENTION_S: Final = 8 * 86400
"""How long finished items are kept, in seconds of uptime: a till may repeat a call for a week."""

_MIN_RESERVE_BYTES: Final = 24 * 1024 * 1024
"""How much of the disk is left free at least; less on a disk of less than four times that."""
_MAX_RESERVE_BYTES: Final = 64 * 1024 * 1024
"""How much of the disk is left free at most."""
_CHECK_BYTES: Final = 1024 * 1024
"""How many bytes may be used before the free space is measured again."""
_CHECK_INTERVAL_S: Final = 1.0
"""For how long the free space counts as known."""
_MAX_ROWS: Final = 2000
"""How many rows are removed at once, or pages given back to the disk."""
_MAX_REMOVED_BYTES: Final = 4 * 1024 * 1024
"""How much content is removed at once."""
_MAX_REMOVALS: Final = 4
"""How often content is removed in one transaction.

Deleted pages are overwritten, which goes through the log: all of it must fit into the reserve.
"""
_FINISHED: Final = "state IN ('delivered', 'superseded', 'expired')"


class StorageQuota:
    """How many bytes may still be stored: up to a maximum in the database, and on the disk except a reserve.

    The reserve is for what must be written when nothing more is accepted: the log, the outcomes of items, and the rest
    of the gateway. Its methods run in the database's thread, inside a transaction.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Take the database's file and the largest size that the outbox may give it."""
        self._path = path
        self._max_bytes = max_bytes
        self._free_bytes = 0
        self._used_bytes = 0
        self._measured_at = 0.0

    def reserve(self, connection: sqlite3.Connection, wanted_bytes: int) -> int:
        """Return how many bytes may be stored, and count up to `wanted_bytes` of them as used.

        If there is too little, the content of the oldest finished items goes first.
        """
        now_s = time.monotonic()
        self._used_bytes += wanted_bytes
        is_old = self._used_bytes > _CHECK_BYTES or now_s - self._measured_at > _CHECK_INTERVAL_S
        if is_old or self._free_bytes < wanted_bytes:
            self._free_bytes, self._used_bytes, self._measured_at = self._measure(connection), wanted_bytes, now_s
            for _ in range(_MAX_REMOVALS):
                if self._free_bytes >= wanted_bytes or not _remove_contents(connection):
                    break
                self._free_bytes = self._measure(connection)
        free_bytes = self._free_bytes
        self._free_bytes -= wanted_bytes
        return free_bytes

    def _measure(self, connection: sqlite3.Connection) -> int:
        [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        [free_pages] = connection.execute("PRAGMA freelist_count").fetchone()
        disk = shutil.disk_usage(self._path.parent)
        reserve = min(_MAX_RESERVE_BYTES, max(disk.total // 20, min(_MIN_RESERVE_BYTES, disk.total // 4)))
        only_in_log = max(0, pages * page_bytes - self._path.stat().st_size)
        in_database = self._max_bytes - (pages - free_pages) * page_bytes
        return int(min(in_database, disk.free + free_pages * page_bytes - only_in_log - reserve))


def _remove_contents(connection: sqlite3.Connection) -> bool:
    """Remove the content of the oldest finished items; what identifies them stays. Return whether there was any."""
    rows = connection.execute(
        f"SELECT sequence, size FROM item WHERE {_FINISHED} AND content_removed = 0 ORDER BY finished_s LIMIT ?",  # noqa: S608
        (_MAX_ROWS,),
    ).fetchall()
    listed = json.dumps(_take_up_to(rows, _MAX_REMOVED_BYTES))
    _delete(connection, ("item_content", "item_file"), listed)
    connection.execute(
        "UPDATE item SET content_removed = 1 WHERE sequence IN (SELECT value FROM json_each(?))", (listed,)
    )
    return bool(rows)


def prune(connection: sqlite3.Connection, uptime_s: float) -> int:
    """Remove some finished items that are old enough; return how many. Call again until that is 0."""
    too_old = uptime_s - RETENTION_S
    rows = connection.execute(
        f"SELECT sequence, size FROM item WHERE {_FINISHED} AND content_removed IN (0, 1) AND finished_s < ? LIMIT ?",  # noqa: S608
        (too_old, _MAX_ROWS),
    ).fetchall()
    removed = _take_up_to(rows, _MAX_REMOVED_BYTES)
    if removed:
        _delete(connection, ("item", "item_content", "item_file"), json.dumps(removed))
    connection.execute(
        "DELETE FROM submission WHERE accepted_s < ? AND NOT EXISTS (SELECT 1 FROM item "
        "WHERE item.sequence >= submission.id AND item.sequence < submission.id + submission.items)",
        (too_old,),
    )
    return len(removed)


def shrink(connection: sqlite3.Connection) -> bool:
    """Give some free pages at the end of the file back to the disk; return whether there are more."""
    connection.execute(f"PRAGMA incremental_vacuum({_MAX_ROWS})").fetchall()
    [free_pages] = connection.execute("PRAGMA freelist_count").fetchone()
    return bool(free_pages)


def _delete(connection: sqlite3.Connection, tables: tuple[str, ...], listed: str) -> None:
    for table in tables:
        connection.execute(f"DELETE FROM {table} WHERE sequence IN (SELECT value FROM json_each(?))", (listed,))  # noqa: S608


def _take_up_to(rows: list[tuple[int, int]], max_bytes: int) -> list[int]:
    """Return the numbers of the first rows that have up to `max_bytes` together: at least one, if there is any."""
    size = 0
    found: list[int] = []
    for sequence, own_size in rows:
        size += own_size
        if found and size > max_bytes:
            break
        found.append(sequence)
    return found
