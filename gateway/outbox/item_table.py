"""Items in the database: listing them, and what a person does to those that were refused."""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from firmware_tools.language import message
from gateway.errors import Conflict, NotFound
from gateway.outbox.account import Account
from gateway.outbox.item import OutboxItem
from gateway.outbox.label_names import find_label_keys
from gateway.outbox.model import NewItem, Outcome, State
from gateway.outbox.table import read_members, revive_item

_MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
"""How much content one page of a list holds: an item may have a megabyte."""
_MAX_INTEGER: Final = 2**63 - 1
"""The largest number that SQLite takes; the vendor's codes have nine digits at most."""
_SELECT: Final = (
    "SELECT sequence, submission, created_at, attempts, token, path, state, shared, reference, order_key, vendor_code, "
    "vendor_meaning, result_list, vendor_response, "
    "(SELECT text FROM item_content WHERE item_content.sequence = item.sequence) AS text, "
    "item.account IS NOT (SELECT account FROM outbox) AS is_others, base_url, app_id, shop_id, sunmi_shop_no "
    "FROM item LEFT JOIN account ON account.id = item.account"
)


@dataclass(frozen=True, slots=True)
class InFlight:
    """What only the memory knows of items."""

    sequences: Set[int]
    """The items that are being sent."""
    attempts: Mapping[int, int]
    """Attempts that are not stored yet, by item."""


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items are meant; all by default."""

    token: str | None = None
    """Only items of this token."""
    states: tuple[State, ...] = ()
    """Only items in these states; all if empty."""
    path: str | None = None
    """Only items of this endpoint."""
    code: int | None = None
    """Only items with this code of the vendor."""
    before: float | None = None
    """Only items that were accepted before this time, in Unix seconds."""
    reference: str | None = None
    """Only items with this identifier, as an order number."""

    def make_condition(self, in_flight: Set[int]) -> tuple[str, list[Any]]:
        """Return the condition in SQL, and its values. What is in flight is stored as waiting."""
        conditions = ["sequence > ?"]
        values: list[Any] = []
        if self.states:
            listed = json.dumps(list(in_flight))
            states = []
            for state in self.states:
                if state in ("waiting", "sending"):
                    negation = "NOT " if state == "waiting" else ""
                    states.append(f"(state = 'waiting' AND sequence {negation}IN (SELECT value FROM json_each(?)))")  # noqa: S608
                    values.append(listed)
                else:
                    states.append("state = ?")
                    values.append(state)
            conditions.append(f"({' OR '.join(states)})")
        code = None if self.code is None else max(-_MAX_INTEGER, min(self.code, _MAX_INTEGER))
        compared = {"path": self.path, "token": self.token, "vendor_code": code, "reference": self.reference}
        for column, wanted in compared.items():
            if wanted is not None:
                conditions.append(f"{column} = ?")
                values.append(wanted)
        if self.before is not None:
            conditions.append("created_at < ?")
            values.append(self.before)
        return " AND ".join(conditions), values


ALL_ITEMS: Final = ItemFilter()


class Left(NamedTuple):
    """An item with which nothing was done."""

    sequence: int
    """Its number."""
    reason: str
    """Why."""


class Changed(NamedTuple):
    """What a change of several items did."""

    sequences: list[int]
    """The items that were changed."""
    left: list[Left]
    """The items that were not."""

    def add(self, more: "Changed") -> None:
        """Add what another change did."""
        self.sequences.extend(more.sequences)
        self.left.extend(more.left)

    def check(self) -> Self:
        """Return it. Raises `Conflict`, with the reason of the first item, if nothing was changed."""
        if self.left and not self.sequences:
            raise Conflict(self.left[0].reason)
        return self


Change = Callable[[Sequence[int]], Awaitable[Changed]]
"""Changes items."""


class Count(NamedTuple):
    """How many items of an endpoint are in a state."""

    path: str
    """The endpoint."""
    state: State
    """The state."""
    vendor_code: int | None
    """The vendor's code, if there was one."""
    items: int
    """How many."""


def count_items(connection: sqlite3.Connection) -> list[Count]:
    """Count items by path, state and code. Those that are being sent count as waiting."""
    grouped = "SELECT path, state, vendor_code, count(*) FROM item GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    return [Count(*row) for row in connection.execute(grouped)]


def list_items(
    connection: sqlite3.Connection, in_flight: InFlight, wanted: ItemFilter, *, after: int = 0, limit: int = 50
) -> tuple[list[OutboxItem], int | None]:
    """Return items in the order of acceptance, and the number after which the next page begins, if there is one."""
    condition, values = wanted.make_condition(in_flight.sequences)
    found: list[OutboxItem] = []
    size = 0
    for row in connection.execute(f"{_SELECT} WHERE {condition} ORDER BY sequence", [after, *values]):
        if len(found) == limit or size > _MAX_PAGE_BYTES:
            return found, found[-1].sequence
        found.append(_read_item(row, in_flight))
        size += len((row["text"] or "").encode())
    return found, None


def find_items(
    connection: sqlite3.Connection, in_flight: InFlight, wanted: ItemFilter, *, after: int, limit: int
) -> list[int]:
    """Return the numbers of some items, in the order of acceptance."""
    condition, values = wanted.make_condition(in_flight.sequences)
    query = f"SELECT sequence FROM item WHERE {condition} ORDER BY sequence LIMIT ?"  # noqa: S608
    return [row[0] for row in connection.execute(query, [after, *values, limit])]


def get_item(connection: sqlite3.Connection, in_flight: InFlight, sequence: int, token: str | None) -> OutboxItem:
    """Return one item. Raises `NotFound`, also for one of another token."""
    found = get_items(connection, in_flight, [sequence])
    if not found or (token is not None and found[0].token != token):
        raise NotFound(
            message("the outbox has no item {sequence}; delivered ones are kept for some days", sequence=sequence)
        )
    return found[0]


def get_submission(
    connection: sqlite3.Connection, in_flight: InFlight, submission: int, token: str | None
) -> list[OutboxItem]:
    """Return the items of a submission, in the order of its call. Raises `NotFound`, also for one of another token."""
    row = connection.execute("SELECT token, items, members FROM submission WHERE id = ?", (submission,)).fetchone()
    if row is None or (token is not None and row["token"] != token):
        raise NotFound(
            message(
                "the outbox has no submission s{submission}; delivered ones are kept for some days",
                submission=submission,
            )
        )
    return get_items(connection, in_flight, read_members(submission, row["items"], row["members"]))


def get_items(connection: sqlite3.Connection, in_flight: InFlight, sequences: Sequence[int]) -> list[OutboxItem]:
    """Return the items with these numbers that are there, in that order."""
    rows = connection.execute(
        f"{_SELECT} WHERE sequence IN (SELECT value FROM json_each(?))",  # noqa: S608
        (json.dumps(list(sequences)),),
    ).fetchall()
    found = {row["sequence"]: _read_item(row, in_flight) for row in rows}
    return [found[sequence] for sequence in sequences if sequence in found]


def get_outcomes(connection: sqlite3.Connection, sequences: Sequence[int]) -> dict[int, Outcome]:
    """Return the outcomes of the items with these numbers that are there."""
    rows = connection.execute(
        "SELECT sequence, state, vendor_code, vendor_meaning, result_list, vendor_response FROM item "
        "WHERE sequence IN (SELECT value FROM json_each(?))",
        (json.dumps(list(sequences)),),
    ).fetchall()
    return {row[0]: Outcome(*row[1:]) for row in rows}


def revive_items(
    connection: sqlite3.Connection, in_flight: InFlight, sequences: Sequence[int], uptime_s: float
) -> Changed:
    """Let refused and expired items wait again at their old places."""
    changed = Changed([], [])
    for item in get_items(connection, in_flight, sequences):
        try:
            _check_revivable(connection, in_flight, item, _load_keys(connection, item))
            if item.text is None:
                raise Conflict(
                    message(
                        "item {sequence} has no content any more, which made room for others or was damaged; "
                        "edit it, which gives it a new one, or drop it",
                        sequence=item.sequence,
                    )
                )
            policy = item.queued_endpoint.relay
        except Conflict as exc:
            changed.left.append(Left(item.sequence, exc.detail))
            continue
        expires_s = None if policy is None or policy.expires_after_s is None else uptime_s + policy.expires_after_s
        revive_item(connection, item.sequence, expires_s)
        changed.sequences.append(item.sequence)
    return changed


def edit_item(
    connection: sqlite3.Connection, in_flight: InFlight, sequence: int, shared: str, new: NewItem, uptime_s: float
) -> Changed:
    """Give a refused or expired item new content and let it wait again. Raises `Conflict`."""
    for item in get_items(connection, in_flight, [sequence]):
        _check_revivable(connection, in_flight, item, new.keys)
    other_keys = json.dumps(new.keys[1:]) if len(new.keys) > 1 else None
    connection.execute(
        "UPDATE item SET shared = ?, order_key = ?, other_keys = ?, reference = ?, size = ?, digest = ?, "
        "content_removed = 0 WHERE sequence = ?",
        (shared, new.keys[0], other_keys, new.reference, new.size, new.digest, sequence),
    )
    connection.execute("INSERT OR REPLACE INTO item_content VALUES (?, ?)", (sequence, new.text))
    return revive_items(connection, in_flight, [sequence], uptime_s)


def drop_items(
    connection: sqlite3.Connection, in_flight: InFlight, sequences: Sequence[int]
) -> tuple[Changed, list[int]]:
    """Remove items that were not delivered; return also the numbers of those that waited."""
    changed = Changed([], [])
    waited: list[int] = []
    for item in get_items(connection, in_flight, sequences):
        if item.state in ("sending", "delivered"):
            is_sent = item.state == "sending"
            why = (
                "is being sent now; try again"
                if is_sent
                else "was delivered; delivered calls are removed after 8 days of running"
            )
            changed.left.append(Left(item.sequence, f"item {item.sequence} {why}"))
            continue
        for table in ("item", "item_content", "item_file"):
            connection.execute(f"DELETE FROM {table} WHERE sequence = ?", (item.sequence,))  # noqa: S608
        connection.execute(
            "DELETE FROM submission WHERE id = ? AND members IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM item WHERE sequence >= id AND sequence < id + items)",
            (item.submission,),
        )
        changed.sequences.append(item.sequence)
        if item.state == "waiting":
            waited.append(item.sequence)
    return changed, waited


def refuse_items(connection: sqlite3.Connection, reasons: Mapping[int, str], uptime_s: float) -> None:
    """Store that waiting items can never be sent, and why."""
    connection.executemany(
        "UPDATE item SET state = 'refused', finished_s = ?, vendor_code = NULL, vendor_meaning = ?, "
        "vendor_response = '' WHERE sequence = ?",
        [(uptime_s, reason, sequence) for sequence, reason in reasons.items()],
    )


def _load_keys(connection: sqlite3.Connection, item: OutboxItem) -> tuple[str, ...]:
    """Return everything that an item changes, as far as it can be read."""
    row = connection.execute(
        "SELECT CAST(other_keys AS BLOB) FROM item WHERE sequence = ?", (item.sequence,)
    ).fetchone()
    try:
        others = json.loads(row[0]) if row[0] is not None else []
    except ValueError:
        others = []
    return (item.order_key, *map(str, others if isinstance(others, list) else []))


def _check_revivable(
    connection: sqlite3.Connection, in_flight: InFlight, item: OutboxItem, keys: tuple[str, ...]
) -> None:
    """Raise `Conflict` unless an item can be sent again: it must not undo what a newer one of its key has done."""
    if item.state not in ("refused", "expired"):
        raise Conflict(
            message(
                "item {sequence} is {state}: only refused and expired ones can be sent again",
                sequence=item.sequence,
                state=item.state,
            )
        )
    if item.is_others:
        raise Conflict(
            message(
                "item {sequence} belongs to {account}, and the settings name another account: move "
                "all items to that one with `outbox release --to-current`, or drop this one",
                sequence=item.sequence,
                account=item.account_name,
            )
        )
    newer = connection.execute(
        "SELECT newer.sequence, newer.state FROM item JOIN item AS newer USING (account) "
        "WHERE item.sequence = ? AND newer.order_key = ? AND newer.sequence > item.sequence "
        "AND (newer.path = item.path OR newer.barrier OR item.barrier)",
        (item.sequence, keys[0]),
    ).fetchall()
    for key in find_label_keys(keys):  # the newer one may name the label by its other name
        newer += connection.execute(
            "SELECT newer.sequence, newer.state FROM item JOIN item AS newer USING (account) "
            "WHERE item.sequence = ? AND newer.sequence > item.sequence AND (newer.order_key = ? OR "
            "instr(newer.other_keys, ?)) AND (newer.path = item.path OR newer.barrier OR item.barrier)",
            (item.sequence, key, json.dumps(key)),
        ).fetchall()
    for row in newer:
        if row["state"] == "delivered" or row["sequence"] in in_flight.sequences:
            raise Conflict(
                message(
                    "item {sequence} is older than item {newer} for the same thing, which was sent since "
                    "and would be undone; drop it, or hand it over as a new call",
                    sequence=item.sequence,
                    newer=row["sequence"],
                )
            )


def _read_item(row: sqlite3.Row, in_flight: InFlight) -> OutboxItem:
    sequence: int = row["sequence"]
    stored: Any = row["state"]
    state: State = "sending" if stored == "waiting" and sequence in in_flight.sequences else stored
    return OutboxItem(
        sequence=sequence,
        submission=row["submission"],
        token=row["token"],
        path=row["path"],
        state=state,
        shared=row["shared"],
        text=row["text"],
        reference=row["reference"],
        order_key=row["order_key"],
        created_at=row["created_at"],
        attempts=row["attempts"] + in_flight.attempts.get(sequence, 0),
        outcome=Outcome(stored, row["vendor_code"], row["vendor_meaning"], row["result_list"], row["vendor_response"]),
        account=_read_account(row),
        is_others=bool(row["is_others"]),
    )


def _read_account(row: sqlite3.Row) -> Account | None:
    if row["app_id"] is None:
        return None
    return Account(row["base_url"], row["app_id"], row["shop_id"], row["sunmi_shop_no"])
