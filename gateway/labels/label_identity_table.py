"""Rows of labels by what people and the cloud call them: one that is bound by its code and by its id becomes one."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from gateway.labels.label import DrawnLabel, StoredLabel
from gateway.labels.label_drawing_table import store_drawn
from gateway.labels.label_rows import COLUMNS, read_label

NAMED: Final = (
    "account = :account AND (name = :name OR esl_id = :name OR esl_code = :name) "
    "ORDER BY name <> :name, esl_id <> :name LIMIT 1"
)
"""The label that is meant by a name: eight digits may be the id of one label and the code of another."""
_SAID_AGAIN: Final = (
    "content = 'product' AND content = :content AND product_id = :product_id AND template = :template "
    "AND :model IN ('', model) AND state <> 'failed'"
)
"""Who says again what a label shows has nothing pushed again."""


def store_content(connection: sqlite3.Connection, values: Mapping[str, Any], drawn: DrawnLabel | None) -> StoredLabel:
    """Store what the label with a name shows."""
    found = connection.execute(f"SELECT number FROM label WHERE {NAMED}", values).fetchone()  # noqa: S608
    if found is None:
        [(number,)] = connection.execute(
            "INSERT INTO label (account, name, esl_id, esl_code, model, content, product_id, template, "
            "changes, pixel_hash, reports, state, problem, shown_hash, changed_at, reading) VALUES (:account, "
            ":name, '', '', :model, :content, :product_id, :template, :stale, '', '[]', :state, '', '', :now, "
            "'{}') RETURNING number",
            values,
        )
    else:
        number = found["number"]
        connection.execute(
            "UPDATE label SET model = iif(:model = '', model, :model), content = :content, "  # noqa: S608
            "product_id = :product_id, template = :template, changes = iif(:stale, changes + 1, 0), "
            "esl_id = iif(state = 'failed' AND name <> esl_id, '', esl_id), "
            f"problem = iif({_SAID_AGAIN}, problem, ''), state = iif({_SAID_AGAIN}, state, :state), "
            "reports = '[]', changed_at = :now WHERE number = :number",
            {**values, "number": number},
        )
    if drawn is not None:
        store_drawn(connection, drawn._replace(number=number))
    [row] = connection.execute(f"SELECT {COLUMNS} FROM label WHERE number = ?", (number,))  # noqa: S608
    return read_label(row)


def store_identity(
    connection: sqlite3.Connection, account: int, number: int, esl_id: str, esl_code: str, model: str
) -> list[StoredLabel]:
    """Store how the cloud names a label. Of the rows that are this label, the one that changed last stays.

    Return the others.
    """
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
