"""Storing submissions: many of them in one transaction, and recognising those that were submitted before."""

import functools
import json
import sqlite3
import time
from collections.abc import Container, Sequence
from typing import Any, Final, NamedTuple

from firmware_tools.language import message
from gateway.errors import Conflict, OutboxFull, Problem
from gateway.outbox.batching import digests_differ, has_same_content
from gateway.outbox.damaged_content_table import restore_contents
from gateway.outbox.model import NewItem, State
from gateway.outbox.submission import Submission, SubmissionResult
from gateway.outbox.table import end_items, read_members, revive_item

_ITEM_COLUMNS: Final = (
    "sequence, submission, state, priority, path, target_path, shared, order_key, other_keys, reference, size, "
    "barrier, digest, created_at, accepted_s, expires_s, token, account"
)
_SUBMISSION_COLUMNS: Final = "id, account, token, idempotency_key, digest, path, items, members, accepted_s"
_MAX_ROWS: Final = 32
"""How many rows one statement inserts. SQLite keeps the statement of each number of rows prepared."""


class _KnownItem(NamedTuple):
    """The newest version of what an item changes."""

    digest: bytes
    sequence: int
    submission: int
    token: str | None
    state: State


class SubmissionWriter:
    """Stores the submissions of one transaction. It runs in the database's thread.

    All of them are looked up and inserted with a few statements: each statement costs a change of threads while the
    event loop is busy.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        submissions: Sequence[Submission],
        *,
        account: int,
        next_sequence: int,
        free_bytes: int,
        uptime_s: float,
        in_flight: Container[int],
    ) -> None:
        """Take the submissions, their account, the next free number, how many bytes they may take, and what is sent."""
        self.next_sequence = next_sequence
        self._connection = connection
        self._submissions = submissions
        self._account = account
        self._free_bytes = free_bytes
        self._uptime_s = uptime_s
        self._in_flight = in_flight
        self._created_at = int(time.time())
        self._known_keys = self._load_known_keys()
        self._known_items = self._load_known_items()
        self._stored: dict[int, list[int]] = {}
        self._submission_rows: list[tuple[Any, ...]] = []
        self._item_rows: list[tuple[Any, ...]] = []
        self._content_rows: list[tuple[Any, ...]] = []

    def store(self) -> list[SubmissionResult | Problem]:
        """Store those that are new and for which there is room; return the result of each."""
        results: list[SubmissionResult | Problem] = []
        for submission in self._submissions:
            try:
                results.append(self._store_one(submission))
            except Problem as exc:
                results.append(exc)
        self._insert()
        return results

    def _store_one(self, submission: Submission) -> SubmissionResult:
        key = submission.idempotency_key
        if key is not None and (known := self._known_keys.get((submission.token, key))) is not None:
            digest, result = known
            if digest and submission.digest and digests_differ(digest, submission.digest):
                conflict = Conflict(
                    message(
                        "the Idempotency-Key {key!r} was used for another call before; use a new key for a new call",
                        key=key,
                    )
                )
                conflict.outbox_id = result.outbox_id
                raise conflict
            return result._replace(
                revived=self._restore(submission, list(zip(result.items, submission.items, strict=False)))
            )
        if key is None and (known_result := self._find_repeated(submission)) is not None:
            return known_result
        if submission.size > self._free_bytes:
            raise OutboxFull(
                message("there is no room left to keep calls for the cloud; free space on the disk, or wait")
            )
        self._free_bytes -= submission.size
        return self._add(submission)

    def _find_known(self, item: NewItem) -> _KnownItem | None:
        """Return the newest item with the same order key if it has the same content, and that identifies it.

        Older ones do not count: the same content behind another one is a way back.
        """
        known = self._known_items.get(item.keys[0])
        if known is None:
            return None
        is_same = known.digest == item.digest or has_same_content(self._text(known.sequence), item.text)
        return known if is_same else None

    def _try_again(self, known: _KnownItem, item: NewItem) -> list[int]:
        """Let an item that is submitted again wait again if it was refused; return its number then."""
        if self._known_items[item.keys[0]].state != "refused":
            return []
        self._known_items[item.keys[0]] = known._replace(state="waiting")
        self._connection.execute("INSERT OR REPLACE INTO item_content VALUES (?, ?)", (known.sequence, item.text))
        revive_item(self._connection, known.sequence, None)
        return [known.sequence]

    def _restore(self, submission: Submission, repeated: Sequence[tuple[int, NewItem]]) -> list[int]:
        return restore_contents(self._connection, submission, repeated, self._in_flight)

    def _text(self, sequence: int) -> str:
        found = next((text for number, text in self._content_rows if number == sequence), None)
        if found is None:
            row = self._connection.execute("SELECT text FROM item_content WHERE sequence = ?", (sequence,)).fetchone()
            found = row[0] if row is not None else ""
        return found

    def _find_repeated(self, submission: Submission) -> SubmissionResult | None:
        """Return the result of the submission that this one repeats as a whole, if the caller may see that one."""
        found: list[_KnownItem] = []
        for item in submission.items:
            known = self._find_known(item)
            if known is None or known.token != submission.token:
                return None
            if found and known.submission != found[0].submission:
                return None
            found.append(known)
        if not found:
            return None
        earlier = found[0].submission
        stored = self._stored.get(earlier)
        items = _load_members(self._connection, earlier) if stored is None else stored
        if items != [known.sequence for known in found]:
            return None
        revived = [
            one for known, item in zip(found, submission.items, strict=True) for one in self._try_again(known, item)
        ]
        self._restore(submission, list(zip(items, submission.items, strict=True)))
        return SubmissionResult(earlier, items, (), revived=revived)

    def _add(self, submission: Submission) -> SubmissionResult:
        number = sequence = self.next_sequence
        items: list[int] = []
        revived: list[int] = []
        repeated: list[tuple[int, NewItem]] = []
        for item in submission.items:
            known = self._find_known(item) if submission.idempotency_key is None else None
            if known is not None:
                items.append(known.sequence)
                revived += self._try_again(known, item)
                repeated.append((known.sequence, item))
                continue
            self._add_item(submission, item, sequence, number)
            items.append(sequence)
            sequence += 1
        self._restore(submission, repeated)
        new = range(number, sequence)
        self.next_sequence = max(sequence, number + 1)
        self._add_submission(submission, number, new, items)
        superseded = self._supersede(submission, number) if submission.policy.on_newer == "replace" else ()
        self._stored[number] = items
        return SubmissionResult(number, items, new, superseded, revived)

    def _add_submission(self, submission: Submission, number: int, new: Sequence[int], items: list[int]) -> None:
        """Add the submission itself. One without a key that has a single new item is what that item says."""
        key = submission.idempotency_key
        if key is not None:
            self._known_keys[submission.token, key] = (submission.digest, SubmissionResult(number, items, ()))
        elif len(new) == 1 and len(items) == 1:
            return
        members = None if items == list(new) else json.dumps(items)
        self._submission_rows.append(
            (
                number,
                self._account,
                submission.token,
                key,
                submission.digest,
                submission.path,
                len(new),
                members,
                self._uptime_s,
            )
        )

    def _add_item(self, submission: Submission, item: NewItem, sequence: int, number: int) -> None:
        policy = submission.policy
        expires_s = None if policy.expires_after_s is None else self._uptime_s + policy.expires_after_s
        other_keys = json.dumps(item.keys[1:]) if len(item.keys) > 1 else None
        self._item_rows.append((
            sequence, number, "waiting", policy.priority, submission.path, submission.path, submission.shared,
            item.keys[0], other_keys, item.reference, item.size, int(policy.barrier), item.digest, self._created_at,
            self._uptime_s, expires_s, submission.token, self._account,
        ))  # fmt: skip
        self._content_rows.append((sequence, item.text))
        if item.digest is not None:
            self._known_items[item.keys[0]] = _KnownItem(item.digest, sequence, number, submission.token, "waiting")
        if submission.files:
            self._connection.executemany(
                "INSERT INTO item_file VALUES (?, ?, ?, ?, ?)",
                [
                    (sequence, name, part.filename, part.content_type, part.data)
                    for name, part in submission.files.items()
                ],
            )

    def _supersede(self, submission: Submission, newest: int) -> list[int]:
        """End the items that the new one replaces: waiting, not being sent, and behind the last barrier."""
        self._insert()
        order_key = submission.items[0].keys[0]
        barrier = (
            "SELECT coalesce(max(sequence), 0) FROM item WHERE order_key = ? AND account = ? AND state = 'waiting' "
            "AND barrier AND sequence < ?"
        )
        [after] = self._connection.execute(barrier, (order_key, self._account, newest)).fetchone()
        replaced = (
            "SELECT sequence FROM item WHERE order_key = ? AND account = ? AND path = ? AND state = 'waiting' "
            "AND sequence > ? AND sequence < ?"
        )
        parameters = (order_key, self._account, submission.path, after, newest)
        rows = self._connection.execute(replaced, parameters).fetchall()
        superseded = [row[0] for row in rows if row[0] not in self._in_flight]
        end_items(self._connection, "superseded", superseded, self._uptime_s)
        return superseded

    def _insert(self) -> None:
        _insert_rows(self._connection, "submission", _SUBMISSION_COLUMNS, self._submission_rows)
        _insert_rows(self._connection, "item", _ITEM_COLUMNS, self._item_rows)
        _insert_rows(self._connection, "item_content", "sequence, text", self._content_rows)
        for rows in (self._submission_rows, self._item_rows, self._content_rows):
            rows.clear()

    def _load_known_keys(self) -> dict[tuple[str, str], tuple[bytes | None, SubmissionResult]]:
        wanted = [(one.token, one.idempotency_key) for one in self._submissions if one.idempotency_key is not None]
        if not wanted:
            return {}
        rows = self._connection.execute(
            "SELECT token, idempotency_key, digest, id, EXISTS (SELECT 1 FROM item WHERE sequence >= id AND "
            "sequence < id + items) FROM submission WHERE idempotency_key IS NOT NULL AND "
            "account = ? AND (token, idempotency_key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
            (self._account, json.dumps(wanted)),
        ).fetchall()
        # Who drops or prunes the last item also removes its submission, so these were lost to damage: they come anew.
        lost = [(number,) for _, _, _, number, has_items in rows if not has_items]
        self._connection.executemany("DELETE FROM submission WHERE id = ?", lost)
        return {
            (token, key): (digest, SubmissionResult(number, _load_members(self._connection, number), ()))
            for token, key, digest, number, has_items in rows
            if has_items
        }

    def _load_known_items(self) -> dict[str, _KnownItem]:
        """Return the newest item of each order key, where the content identifies items."""
        keys = [
            item.keys[0]
            for submission in self._submissions
            if submission.idempotency_key is None
            for item in submission.items
            if item.digest is not None
        ]
        if not keys:
            return {}
        found = self._find_newest("IN (SELECT value FROM json_each(?))", json.dumps(keys))
        for key in keys:
            if "\0" in key:  # at which json_each cuts it off
                found |= self._find_newest("= ?", key)
        return found

    def _find_newest(self, condition: str, value: str) -> dict[str, _KnownItem]:
        rows = self._connection.execute(
            "SELECT order_key, digest, max(sequence), submission, token, state FROM item "  # noqa: S608
            f"WHERE order_key {condition} AND account = ? AND digest IS NOT NULL GROUP BY order_key",
            (value, self._account),
        )
        return {row[0]: _KnownItem(*row[1:]) for row in rows}


def _load_members(connection: sqlite3.Connection, submission: int) -> list[int]:
    row = connection.execute("SELECT items, members FROM submission WHERE id = ?", (submission,)).fetchone()
    return [submission] if row is None else read_members(submission, *row)  # no row: a single item without a key


def _insert_rows(connection: sqlite3.Connection, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), _MAX_ROWS):
        some = rows[start : start + _MAX_ROWS]
        connection.execute(_insertion(table, columns, len(some)), [value for row in some for value in row])


@functools.cache
def _insertion(table: str, columns: str, count: int) -> str:
    """Return the statement. Content without an item, which damage has left, is in no new item's way."""
    verb = "REPLACE" if table == "item_content" else "INSERT"
    row = f"({', '.join('?' * len(columns.split(',')))})"
    return f"{verb} INTO {table} ({columns}) VALUES {', '.join([row] * count)}"
