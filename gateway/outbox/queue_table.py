"""The queue in the database: selecting the next batch, and storing outcomes."""

import itertools
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from gateway.outbox import reasons
from gateway.outbox.batching import find_damage, merge_texts
from gateway.outbox.model import Batch, Limit, Outcome
from gateway.outbox.queue import Queue, QueuedItem, Unreadable
from gateway.outbox.table import MAX_PRIORITY, MAX_SEQUENCE
from gateway.protocol.parameters import FilePart

_COLUMNS: Final = ", ".join(QueuedItem._fields)
_NOT_TEXT: Final = "\0"
"""Stands for content that is not UTF-8. It is no JSON."""


class Claimed(NamedTuple):
    """What `claim_batch` found."""

    batch: Batch | None
    """What can be sent now; its items are in flight."""
    unreadable: Sequence[Unreadable]
    """Items that can never be sent; they are not in flight."""


class OutcomeGroup(NamedTuple):
    """Items with the same outcome."""

    outcome: Outcome
    """The outcome."""
    attempts: int
    """How many attempts it took since attempts were last stored."""
    sequences: list[int]
    """The numbers of the items."""


def claim_batch(
    connection: sqlite3.Connection, queue: Queue, *, account: int, limit: Limit, uptime_s: float, single: bool
) -> Claimed:
    """Select the next batch of an account, load its content and take it in flight."""
    for priority in range(MAX_PRIORITY + 1):
        batch, unreadable = _select_batch(connection, queue, account, priority, limit, uptime_s, single)
        if batch is not None:
            damaged, left = _load_contents(connection, batch)
            unreadable += damaged
            queue.claim(batch)
            if left:
                queue.leave(priority, min(left))
        if batch is not None or unreadable:
            return Claimed(batch if batch is not None and batch.entries else None, unreadable)
    return Claimed(None, ())


def _select_batch(
    connection: sqlite3.Connection,
    queue: Queue,
    account: int,
    priority: int,
    limit: Limit,
    uptime_s: float,
    single: bool,
) -> tuple[Batch | None, list[Unreadable]]:
    selection = queue.select(limit, uptime_s, single=single)
    start = queue.starts[priority]
    unreadable: list[Unreadable] = []
    while True:
        page, damaged, end = _load_page(connection, account, priority, start, selection.page_size)
        unreadable += damaged
        if not page and not damaged:
            break
        start = end + 1
        if not all(map(selection.consider, page)):
            break
    queue.note_start(priority, start if selection.first_left is None else selection.first_left)
    return selection.batch, unreadable + selection.unreadable


def _load_page(
    connection: sqlite3.Connection, account: int, priority: int, start: int, count: int
) -> tuple[list[QueuedItem], list[Unreadable], int]:
    """Return the next waiting items of an account, those that cannot be read, and the last number.

    All come in one row: each step of SQLite costs a change of threads while the event loop is busy.
    """
    waiting = (
        "FROM item WHERE state = 'waiting' AND account = ? AND priority = ? AND sequence >= ? "
        "AND sequence < ? ORDER BY sequence LIMIT ?"
    )
    query = f"SELECT CAST(json_group_array(json_array({_COLUMNS})) AS BLOB) FROM (SELECT {_COLUMNS} {waiting})"  # noqa: S608
    parameters = (account, priority, start, MAX_SEQUENCE, count)
    try:
        [raw] = connection.execute(query, parameters).fetchone()
        page = [QueuedItem(*row) for row in json.loads(str(raw, "utf-8"))]
    except ValueError:
        return _load_readable(connection, waiting, start, parameters)
    return page, [], page[-1].sequence if page else start


def _load_readable(
    connection: sqlite3.Connection, waiting: str, start: int, parameters: tuple[int, ...]
) -> tuple[list[QueuedItem], list[Unreadable], int]:
    """Load a page item by item, since something in it cannot be read."""
    query = f"SELECT sequence, CAST(json_array({_COLUMNS}) AS BLOB) FROM (SELECT {_COLUMNS} {waiting})"  # noqa: S608
    rows = connection.execute(query, parameters).fetchall()
    page: list[QueuedItem] = []
    unreadable: list[Unreadable] = []
    for sequence, raw in rows:
        try:
            page.append(QueuedItem(*json.loads(str(raw, "utf-8"))))
        except ValueError:
            unreadable.append(Unreadable(sequence, reasons.NOT_TEXT))
    return page, unreadable, rows[-1][0] if rows else start


def _load_contents(connection: sqlite3.Connection, batch: Batch) -> tuple[list[Unreadable], list[int]]:
    """Load the content of a batch, merging what goes as one.

    Take out and return what cannot be read, and the numbers of items that cannot be merged with those before them.
    """
    texts = iter(_load_texts(connection, batch.sequences))
    unreadable: list[Unreadable] = []
    left: list[int] = []
    for entry in batch.entries:
        readable: list[int] = []
        merged: str | None = None
        left_behind = False
        for sequence, text in zip(entry.sequences, itertools.islice(texts, len(entry.sequences)), strict=True):
            damage = find_damage(batch.endpoint, batch.shared, text)
            if damage is not None:
                unreadable.append(Unreadable(sequence, damage))
            elif left_behind or (longer := text if merged is None else merge_texts(merged, text)) is None:
                left_behind = True  # and what follows, too: it must not overtake
                left.append(sequence)
            else:
                readable.append(sequence)
                merged = longer
        entry.sequences = readable
        entry.text = merged or ""
    batch.entries = [entry for entry in batch.entries if entry.sequences]
    if batch.endpoint.takes_file and batch.entries:
        try:
            batch.files = load_files(connection, batch.sequences[0])
        except ValueError:
            unreadable += [Unreadable(one, reasons.NO_FILE_NAME) for one in batch.sequences]
            batch.entries = []
    return unreadable, left


def _load_texts(connection: sqlite3.Connection, sequences: Sequence[int]) -> list[str]:
    """Return the content of items, empty where there is none; in one row, as in `_load_page`."""
    query = (
        "SELECT CAST(group_concat(coalesce(text, ''), char(10)) AS BLOB) "
        "FROM json_each(?) LEFT JOIN item_content ON sequence = value"
    )
    [joined] = connection.execute(query, (json.dumps(sequences),)).fetchone()
    try:
        texts = str(joined or b"", "utf-8").split("\n")  # compact JSON has no line breaks
    except UnicodeDecodeError:
        texts = []
    return texts if len(texts) == len(sequences) else [_load_text(connection, sequence) for sequence in sequences]


def _load_text(connection: sqlite3.Connection, sequence: int) -> str:
    query = "SELECT CAST(text AS BLOB) FROM item_content WHERE sequence = ?"
    row = connection.execute(query, (sequence,)).fetchone()
    try:
        return "" if row is None else str(row[0], "utf-8")
    except UnicodeDecodeError:
        return _NOT_TEXT


def load_files(connection: sqlite3.Connection, sequence: int) -> dict[str, FilePart]:
    """Return the files of an item, by parameter. Raises ValueError if a name cannot be read."""
    rows = connection.execute(
        "SELECT CAST(name AS BLOB), CAST(filename AS BLOB), CAST(content_type AS BLOB), data FROM item_file "
        "WHERE sequence = ?",
        (sequence,),
    ).fetchall()
    return {
        str(name, "utf-8"): FilePart(str(filename, "utf-8"), str(content_type, "utf-8"), data)
        for name, filename, content_type, data in rows
    }


def store_outcomes(connection: sqlite3.Connection, groups: Sequence[OutcomeGroup], uptime_s: float) -> None:
    """Store the outcomes of items."""
    for outcome, attempts, sequences in groups:
        listed = json.dumps(sequences)
        connection.execute(
            "UPDATE item SET state = ?, target_path = coalesce(nullif(?, ''), target_path), finished_s = ?, "
            "attempts = attempts + ?, result_list = coalesce(nullif(?, ''), result_list), vendor_code = ?, "
            "vendor_meaning = ?, vendor_response = ? WHERE sequence IN (SELECT value FROM json_each(?))",
            (
                outcome.state, outcome.redirect_to, None if outcome.state == "waiting" else uptime_s, attempts,
                outcome.result_list, outcome.code, outcome.meaning, outcome.response, listed,
            ),
        )  # fmt: skip
        if outcome.state == "delivered":
            connection.execute("DELETE FROM item_file WHERE sequence IN (SELECT value FROM json_each(?))", (listed,))


def group_outcomes(outcomes: Mapping[int, Outcome], attempts: Mapping[int, int]) -> list[OutcomeGroup]:
    """Group items by outcome and by attempts; `attempts` are the earlier ones that are not stored yet."""
    groups: dict[tuple[Outcome, int], OutcomeGroup] = {}
    # By identity first: thousands of items share one outcome, and comparing outcomes takes longer than all else.
    known: dict[tuple[int, int], OutcomeGroup] = {}
    for sequence, outcome in outcomes.items():
        tried = 1 + attempts.get(sequence, 0)
        group = known.get((id(outcome), tried))
        if group is None:
            group = groups.setdefault((outcome, tried), OutcomeGroup(outcome, tried, []))
            known[id(outcome), tried] = group
        group.sequences.append(sequence)
    return list(groups.values())
