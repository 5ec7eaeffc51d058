"""Content that was lost when the database was damaged, restored from a repeat of the call that brought it."""

import json
import sqlite3
from collections.abc import Container, Sequence
from typing import Final

from gateway.outbox.batching import find_damage
from gateway.outbox.model import NewItem
from gateway.outbox.queue import find_endpoint
from gateway.outbox.submission import Submission
from gateway.outbox.table import revive_item

_UNSENT: Final = (
    "SELECT item.sequence, item.state, CAST(item.shared AS BLOB), CAST(text AS BLOB) "
    "FROM item LEFT JOIN item_content USING (sequence) WHERE item.sequence IN (SELECT value FROM json_each(?)) "
    "AND (item.state = 'waiting' OR (item.state = 'refused' AND item.vendor_code IS NULL))"
)
"""Items that no response of the vendor has ended."""


def restore_contents(
    connection: sqlite3.Connection,
    submission: Submission,
    repeated: Sequence[tuple[int, NewItem]],
    in_flight: Container[int],
) -> list[int]:
    """Give items whose stored content is damaged that of the submission that repeats them, by number.

    Return the numbers of those that were refused and wait again now.
    """
    if not repeated:
        return []
    new = dict(repeated)
    rows = connection.execute(_UNSENT, (json.dumps(list(new)),)).fetchall()
    revived: list[int] = []
    for sequence, state, shared, text in rows:
        if sequence in in_flight or not _is_damaged(submission.path, shared, text):
            continue
        _restore(connection, submission, sequence, new[sequence])
        if state == "refused":
            revive_item(connection, sequence, None)
            revived.append(sequence)
    return revived


def _is_damaged(path: str, shared: bytes, text: bytes | None) -> bool:
    try:
        return find_damage(find_endpoint(path), str(shared, "utf-8"), str(text or b"", "utf-8")) is not None
    except UnicodeDecodeError:
        return True


def _restore(connection: sqlite3.Connection, submission: Submission, sequence: int, item: NewItem) -> None:
    connection.execute(
        "UPDATE item SET shared = ?, reference = ?, size = ? WHERE sequence = ?",
        (submission.shared, item.reference, item.size, sequence),
    )
    connection.execute("INSERT OR REPLACE INTO item_content VALUES (?, ?)", (sequence, item.text))
    connection.executemany(
        "INSERT OR REPLACE INTO item_file VALUES (?, ?, ?, ?, ?)",
        [(sequence, name, part.filename, part.content_type, part.data) for name, part in submission.files.items()],
    )
