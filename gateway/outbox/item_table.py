"""The ledger of the outbox: what people and tills see of items and submissions, and what they may do to them."""

import json
import sqlite3
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.errors import Conflict, NotFound
from gateway.outbox.batching import Fate, Item, Member, State, aggregate, parameters, rebuilt
from gateway.outbox.keys_table import WITH_KEY, Keys
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.parameters import FilePart
from gateway.runtime.timestamps import utc_text

_PAGE_BYTES: Final = 4 * 1024 * 1024
"""How much content one page of a list holds at most: an item may have a megabyte."""
_SELECT: Final = "SELECT item.*, (SELECT text FROM content WHERE content.sequence = item.sequence) AS text FROM item"


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as it is stored; `state` is `sending` while it is under way. `token` is None if nobody knows whose."""

    sequence: int
    submission: int
    token: str | None
    path: str
    state: State
    shared: str
    text: str | None
    reference: str
    order_key: str
    created_at: int
    attempts: int
    fate: Fate

    def describe(self) -> dict[str, Any]:
        """Return it as the REST interface shows it. Content goes when room is needed; then parameters are null."""
        endpoint = CATALOGUE.get("cloud", self.path)
        told = self.state in ("delivered", "refused")
        return {
            "outbox_id": str(self.sequence),
            "path": self.path,
            "state": self.state,
            "sequence": self.sequence,
            "created_at": utc_text(self.created_at),
            "attempts": self.attempts,
            "parameters": None if self.text is None else parameters(endpoint, self.shared, self.text),
            "vendor_code": self.fate.code,
            "vendor_meaning": self.fate.meaning or None,
            "vendor_answer": json_text.loads(rebuilt(endpoint, [self.member])) if told else None,
        }

    @property
    def member(self) -> Member:
        """What the answer to its submission is made of."""
        return Member(self.reference, self.fate)


@dataclass(frozen=True, slots=True)
class View:
    """What the memory adds to the disk: the items that are being sent, attempts not yet written down, young keys."""

    in_flight: Set[int]
    tries: dict[int, int]
    keys: Keys


class Count(NamedTuple):
    """How many items of an endpoint are in a state, with which of the vendor's codes."""

    path: str
    state: State
    vendor_code: int | None
    items: int


def counts(connection: sqlite3.Connection) -> list[Count]:
    """Return how many items there are, by path, state and code; those being sent count as waiting."""
    grouped = "SELECT path, state, vendor_code, count(*) FROM item GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    return [Count(*row) for row in connection.execute(grouped)]


def entries(
    connection: sqlite3.Connection,
    view: View,
    *,
    token: str | None = None,
    state: State | None = None,
    path: str | None = None,
    after: int = 0,
    limit: int = 50,
) -> tuple[list[Entry], int | None]:
    """Return items in the order of acceptance, and the number after which the next page begins, if there is one."""
    conditions: list[str] = ["sequence > ?"]
    values: list[Any] = [after]
    if state is not None:
        conditions.append(f"state = '{'waiting' if state == 'sending' else state}'")
    if state in ("waiting", "sending"):
        conditions.append(f"sequence {'NOT ' if state == 'waiting' else ''}IN (SELECT value FROM json_each(?))")  # noqa: S608
        values.append(json.dumps(list(view.in_flight)))
    for column, wanted in (("path", path), ("token", token)):
        if wanted is not None:
            conditions.append(f"{column} = ?")
            values.append(wanted)
    found: list[Entry] = []
    size = 0
    for row in connection.execute(f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY sequence", values):
        if len(found) == limit or size > _PAGE_BYTES:
            return found, found[-1].sequence
        found.append(_entry(row, view))
        size += len(row["text"] or "")
    return found, None


def item(connection: sqlite3.Connection, view: View, sequence: int, token: str | None) -> Entry:
    """Return one item. Raises `NotFound`, also for one of another token."""
    row = connection.execute(f"{_SELECT} WHERE sequence = ?", (sequence,)).fetchone()
    if row is None or (token is not None and row["token"] != token):
        raise NotFound(f"the outbox has no item {sequence}; delivered ones are kept for some days")
    return _entry(row, view)


def members(connection: sqlite3.Connection, view: View, submission: int, token: str | None) -> list[Entry]:
    """Return the items of a submission, in the order of its call. Raises `NotFound`, also for one of another token."""
    row = connection.execute("SELECT token, items, members FROM submission WHERE id = ?", (submission,)).fetchone()
    if row is None or (token is not None and row["token"] != token):
        raise NotFound(f"the outbox has no submission s{submission}; delivered ones are kept for some days")
    own = range(submission, submission + row["items"])
    numbers: Sequence[int] = own if row["members"] is None else json.loads(row["members"])
    return by_number(connection, view, numbers)


def by_number(connection: sqlite3.Connection, view: View, numbers: Sequence[int]) -> list[Entry]:
    """Return the items with these numbers that are there, in that order."""
    rows = connection.execute(
        f"{_SELECT} WHERE sequence IN (SELECT value FROM json_each(?))",  # noqa: S608
        (json.dumps(list(numbers)),),
    ).fetchall()
    found = {row["sequence"]: _entry(row, view) for row in rows}
    return [found[number] for number in numbers if number in found]


def describe_submission(submission: int, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return a submission of several items as the REST interface shows it."""
    state = aggregate([entry.state for entry in entries])
    first = entries[0]
    endpoint = CATALOGUE.get("cloud", first.path)
    done = state in ("delivered", "refused")
    refused = next((entry.fate for entry in entries if entry.state == "refused"), None)
    fate = refused if state == "refused" and refused is not None else first.fate
    items = [entry.describe() for entry in entries]
    each = endpoint.relay.list_parameter if endpoint.relay is not None else ""
    given = [one["parameters"] for one in items if one["parameters"] is not None]
    return {
        "outbox_id": f"s{submission}",
        "path": first.path,
        "state": state,
        "sequence": submission,
        "created_at": utc_text(first.created_at),
        "attempts": max(entry.attempts for entry in entries),
        "parameters": {**given[0], each: [element for one in given for element in one[each]]} if given else None,
        "vendor_code": fate.code if done else None,
        "vendor_meaning": (fate.meaning or None) if done else None,
        "vendor_answer": json_text.loads(rebuilt(endpoint, [entry.member for entry in entries])) if done else None,
        "items": items,
    }


def files(connection: sqlite3.Connection, sequence: int) -> dict[str, FilePart]:
    """Return the files of an item."""
    rows = connection.execute("SELECT name, filename, content_type, data FROM file WHERE sequence = ?", (sequence,))
    return {row[0]: FilePart(row[1], row[2], row[3]) for row in rows}


def revive(connection: sqlite3.Connection, view: View, sequences: Sequence[int], now_s: float) -> list[int]:
    """Let refused and expired items wait again at their old places; return their numbers. Raises `Conflict`."""
    found = by_number(connection, view, sequences)
    for entry in found:
        _check_dead(connection, view, entry, entry.order_key)
        if entry.text is None:
            raise Conflict(
                f"item {entry.sequence} has no content any more, which made room for others or was damaged; edit it, "
                "which gives it a new one, or drop it"
            )
    for entry in found:
        relay = CATALOGUE.get("cloud", entry.path).relay
        expires_s = now_s + relay.expires_after_s if relay is not None and relay.expires_after_s is not None else None
        connection.execute(
            "UPDATE item SET state = 'waiting', finished_s = NULL, sent_to = path, expires_s = ?, listed = '', "
            "vendor_code = NULL, vendor_meaning = '', vendor_answer = '' WHERE sequence = ?",
            (expires_s, entry.sequence),
        )
    return [entry.sequence for entry in found]


def edit(connection: sqlite3.Connection, view: View, sequence: int, shared: str, new: Item, now_s: float) -> list[int]:
    """Give a refused or expired item new content and let it wait again. Raises `Conflict`."""
    for entry in by_number(connection, view, [sequence]):
        _check_dead(connection, view, entry, new.keys[0])
    others = json.dumps(new.keys[1:]) if len(new.keys) > 1 else None
    connection.execute(
        "UPDATE item SET shared = ?, order_key = ?, other_keys = ?, reference = ?, size = ?, digest = ?, "
        "stripped = 0 "
        "WHERE sequence = ?",
        (shared, new.keys[0], others, new.reference, new.size, new.digest, sequence),
    )
    connection.execute("INSERT OR REPLACE INTO content VALUES (?, ?)", (sequence, new.text))
    return revive(connection, view, [sequence], now_s)


def drop(connection: sqlite3.Connection, view: View, sequences: Sequence[int]) -> list[int]:
    """Remove items that were not delivered; return the numbers of those that waited. Raises `Conflict`."""
    found = by_number(connection, view, sequences)
    for entry in found:
        if entry.state in ("sending", "delivered"):
            why = "is being sent now; try again" if entry.state == "sending" else "was delivered; it goes by itself"
            raise Conflict(f"item {entry.sequence} {why}")
    for entry in found:
        for table in ("item", "content", "file"):
            connection.execute(f"DELETE FROM {table} WHERE sequence = ?", (entry.sequence,))  # noqa: S608
        connection.execute(
            "DELETE FROM submission WHERE id = ? AND members IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM item WHERE sequence >= id AND sequence < id + items)",
            (entry.submission,),
        )
    return [entry.sequence for entry in found if entry.state == "waiting"]


def _check_dead(connection: sqlite3.Connection, view: View, entry: Entry, order_key: str) -> None:
    """Raise `Conflict` unless it can be sent again: an old item must not undo what a newer one of its key has done."""
    if entry.state not in ("refused", "expired"):
        raise Conflict(f"item {entry.sequence} is {entry.state}: only refused and expired ones can be sent again")
    newer = connection.execute(
        f"SELECT sequence, state FROM item WHERE {WITH_KEY} AND path = ? AND sequence > ?",  # noqa: S608
        (*view.keys.sought([order_key]), entry.path, entry.sequence),
    ).fetchall()
    for row in newer:
        if row["state"] == "delivered" or row["sequence"] in view.in_flight:
            raise Conflict(
                f"item {entry.sequence} is older than item {row['sequence']} for the same thing, which was sent since "
                "and would be undone; drop it, or hand it over as a new call"
            )


def _entry(row: sqlite3.Row, view: View) -> Entry:
    state: State = "sending" if row["state"] == "waiting" and row["sequence"] in view.in_flight else row["state"]
    fate = Fate(row["state"], row["vendor_code"], row["vendor_meaning"], row["listed"], row["vendor_answer"])
    return Entry(
        row["sequence"], row["submission"], row["token"], row["path"], state, row["shared"], row["text"],
        row["reference"], row["order_key"], row["created_at"],
        row["attempts"] + view.tries.get(row["sequence"], 0), fate,
    )  # fmt: skip
