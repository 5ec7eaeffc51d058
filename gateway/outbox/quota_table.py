"""Room for the outbox: how much more may be kept, pruning of what is done, and giving space back to the disk."""

import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Final

from gateway.storage.recovery.leaf_pages import PAGE

RETENTION_S: Final = 8 * 86400
"""How long items that are done are kept, in running time: a till may repeat a call for a week."""

_SMALLEST_RESERVE: Final = 24 * 1024 * 1024
_LARGEST_RESERVE: Final = 64 * 1024 * 1024
_AT_ONCE: Final = 2000
_UNSEEN_BYTES: Final = 1024 * 1024
_UNSEEN_S: Final = 1.0
"""How much may be taken, and for how long, before it is looked up again how much is left."""
_PIECE_BYTES: Final = 1024 * 1024
_DONE: Final = "state IN ('delivered', 'superseded', 'expired')"
_STRIPPABLE: Final = f"{_DONE} AND stripped = 0"


class Room:
    """How much there is: up to `most` bytes in the database, and on the disk but for a reserve.

    The reserve is for what has to be written when nothing more is accepted: the log, what became of items, and the rest
    of the gateway. All of it runs in the database's thread.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._most = most
        self._left = 0
        self._unseen = 0
        self._seen_at = 0.0

    def left(self, connection: sqlite3.Connection, wanted: int) -> int:
        """Return how many bytes may still be written, just before up to `wanted` of them are."""
        now_s = time.monotonic()
        self._unseen += wanted
        if self._left < wanted or self._unseen > _UNSEEN_BYTES or now_s - self._seen_at > _UNSEEN_S:
            self._left, self._unseen, self._seen_at = self._look(connection), wanted, now_s
        left = self._left
        self._left -= wanted
        return left

    def _look(self, connection: sqlite3.Connection) -> int:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        [free] = connection.execute("PRAGMA freelist_count").fetchone()
        disk = shutil.disk_usage(self._path.parent)
        reserve = min(_LARGEST_RESERVE, max(disk.total // 20, min(_SMALLEST_RESERVE, disk.total // 4)))
        growth = max(0, pages * PAGE - self._path.stat().st_size)  # by what is still in the log alone
        left: int = min(self._most - (pages - free) * PAGE, disk.free + free * PAGE - growth - reserve)
        return left

    def needs_more(self, connection: sqlite3.Connection, wanted: int) -> bool:
        """Tell whether less is left than is wanted, and `make_some` can help."""
        if self._look(connection) >= wanted:
            return False
        return connection.execute(f"SELECT 1 FROM item WHERE {_STRIPPABLE} LIMIT 1").fetchone() is not None  # noqa: S608


def make_some(connection: sqlite3.Connection) -> None:
    """Let go of the content of the oldest items that are done; what identifies them stays.

    Deleted pages are overwritten, which goes through the log: what one transaction lets go must fit into the reserve.
    """
    rows = connection.execute(
        f"SELECT sequence, size FROM item WHERE {_STRIPPABLE} ORDER BY finished_s LIMIT ?",  # noqa: S608
        (_AT_ONCE,),
    ).fetchall()
    listed = json.dumps(_piece(rows))
    for table in ("content", "file"):
        connection.execute(f"DELETE FROM {table} WHERE sequence IN (SELECT value FROM json_each(?))", (listed,))  # noqa: S608
    connection.execute("UPDATE item SET stripped = 1 WHERE sequence IN (SELECT value FROM json_each(?))", (listed,))


def _piece(rows: list[tuple[int, int]]) -> list[int]:
    """Return the first of these items, as many as one transaction may delete: at least one, if there is any."""
    size = 0
    piece: list[int] = []
    for sequence, own in rows:
        size += own
        if piece and size > _PIECE_BYTES:
            break
        piece.append(sequence)
    return piece


def prune(connection: sqlite3.Connection, now_s: float) -> int:
    """Remove some of what is done and old enough; return how many items. Call again until that is 0."""
    too_old = now_s - RETENTION_S
    rows = connection.execute(
        f"SELECT sequence, size FROM item WHERE {_DONE} AND stripped IN (0, 1) AND finished_s < ? LIMIT ?",  # noqa: S608
        (too_old, _AT_ONCE),
    ).fetchall()
    piece = _piece(rows)
    if piece:
        listed = json.dumps(piece)
        for table in ("item", "content", "file"):
            connection.execute(f"DELETE FROM {table} WHERE sequence IN (SELECT value FROM json_each(?))", (listed,))  # noqa: S608
    connection.execute(
        "DELETE FROM submission WHERE accepted_s < ? AND NOT EXISTS (SELECT 1 FROM item "
        "WHERE item.sequence >= submission.id AND item.sequence < submission.id + submission.items)",
        (too_old,),
    )
    return len(piece)


def shrink(connection: sqlite3.Connection) -> bool:
    """Give some free pages at the end of the file back to the disk; tell whether there are more."""
    connection.execute(f"PRAGMA incremental_vacuum({_AT_ONCE})").fetchall()
    [free] = connection.execute("PRAGMA freelist_count").fetchone()
    return bool(free)
