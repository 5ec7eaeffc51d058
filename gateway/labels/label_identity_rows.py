"""Rows of labels by what the cloud calls them: a label that was bound by its code and by its id becomes one."""

import sqlite3

from gateway.labels.label import StoredLabel
from gateway.labels.label_rows import COLUMNS, read_label


def store_identity(
    connection: sqlite3.Connection, account: int, number: int, esl_id: str, esl_code: str, model: str
) -> list[StoredLabel]:
    """Store how the cloud names a label. Return what else it was bound by: of those, the row that changed last stays."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM label WHERE number = ? OR (account = ? AND esl_id = ?) "  # noqa: S608
        "ORDER BY changed_at DESC, number DESC",
        (number, account, esl_id),
    )
    labels = [read_label(row) for row in rows]
    if all(label.number != number for label in labels):
        return []  # somebody has forgotten it meanwhile
    kept, *gone = labels
    connection.executemany("DELETE FROM label WHERE number = ?", [(label.number,) for label in gone])
    connection.execute(
        "UPDATE label SET esl_id = ?, esl_code = ?, model = iif(model = '', ?, model), "
        "problem = iif(state = 'failed', problem, '') WHERE number = ?",
        (esl_id, esl_code, model, kept.number),
    )
    return gone
