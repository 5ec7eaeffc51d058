"""The intake of the outbox: what is handed over becomes submissions and items, many at once, in one transaction."""

import functools
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from gateway.errors import Conflict, OutboxFull, Problem
from gateway.outbox.batching import Item, content_digest, contradict, policy, same, split
from gateway.outbox.keys_table import WITH_KEY, Keys
from gateway.outbox.waiter import Watch
from gateway.protocol.endpoint import Call
from gateway.protocol.parameters import FilePart
from gateway.protocol.relay_policy import RelayPolicy

_ROW_BYTES: Final = 400
"""About what a row of each table takes beside the content."""
_ITEM: Final = (
    "sequence, submission, state, priority, path, sent_to, shared, order_key, other_keys, reference, size, barrier, "
    "digest, created_at, accepted_s, expires_s, token"
)
_MOST_ROWS: Final = 32
_SUBMISSION: Final = "id, token, idempotency_key, digest, path, items, members, accepted_s"


class Offer(NamedTuple):
    """A call as it is handed over: by which token, with which idempotency key if any, and cut into items.

    `size` is about how many bytes it takes on the disk; `watch` waits for what becomes of its new items.
    """

    path: str
    relay: RelayPolicy
    token: str
    key: str | None
    digest: bytes | None
    shared: str
    items: Sequence[Item]
    files: Mapping[str, FilePart]
    size: int
    watch: Watch | None

    @classmethod
    def of(cls, call: Call, *, token: str, key: str | None, watch: Watch | None) -> Self:
        """Cut a call into items."""
        shared, items = split(call)
        digest = content_digest(call) if key is not None else None
        size = sum([len(item.text) + _ROW_BYTES for item in items])
        if call.files:
            size += sum([len(part.data) for part in call.files.values()])
        endpoint = call.endpoint
        return cls(endpoint.path, policy(endpoint), token, key, digest, shared, items, call.files, size, watch)


class Receipt(NamedTuple):
    """What an accepted call became: its submission and the numbers of its items, in the order of the call.

    `fresh` are those of them that are new; the others were handed over before. `superseded` are older ones that the
    new ones put an end to.
    """

    submission: int
    members: Sequence[int]
    fresh: Sequence[int]
    superseded: Sequence[int] = ()

    @property
    def outbox_id(self) -> str:
        """How the submission is called outside: like its item if that is all there is of it."""
        alone = len(self.members) == 1 and self.members[0] == self.submission
        return str(self.submission) if alone else f"s{self.submission}"


class Intake:
    """Writes offers. `in_flight` are the numbers of the items that are being sent; `room` is how many bytes are left.

    All of it runs in the database's thread, within the transaction of a group commit.
    """

    def __init__(self, next_sequence: int, keys: Keys, in_flight: Collection[int]) -> None:
        self.next_sequence = next_sequence
        self._keys = keys
        self._in_flight = in_flight

    def take(
        self, connection: sqlite3.Connection, offers: Sequence[Offer], *, now_s: float, room: int
    ) -> list[Receipt | Problem]:
        """Write the offers that are new and for which there is room; return what became of each."""
        return _Batch(self, connection, offers, now_s, room, self._keys, self._in_flight).take()


class _Known(NamedTuple):
    """An item that was handed over before."""

    digest: bytes
    sequence: int
    submission: int
    token: str | None


class _Batch:
    def __init__(
        self,
        intake: Intake,
        connection: sqlite3.Connection,
        offers: Sequence[Offer],
        now_s: float,
        room: int,
        keys: Keys,
        in_flight: Collection[int],
    ) -> None:
        self._intake = intake
        self._connection = connection
        self._offers = offers
        self._now_s = now_s
        self._room = room
        self._keys = keys
        self._in_flight = in_flight
        self._created_at = int(time.time())
        self._repeatable = self._known_keys()
        self._items = self._known_items()
        self._made: dict[int, list[int]] = {}
        self._submissions: list[tuple[Any, ...]] = []
        self._rows: list[tuple[Any, ...]] = []
        self._contents: list[tuple[Any, ...]] = []

    def take(self) -> list[Receipt | Problem]:
        results: list[Receipt | Problem] = []
        for offer in self._offers:
            try:
                results.append(self._one(offer))
            except Problem as exc:
                results.append(exc)
        self._write()
        return results

    def _one(self, offer: Offer) -> Receipt:
        if offer.key is not None and (known := self._repeatable.get((offer.token, offer.key))) is not None:
            digest, receipt = known
            if digest and offer.digest and contradict(digest, offer.digest):
                raise Conflict(
                    f"the Idempotency-Key {offer.key!r} was used for another call before; use a new key for a new call"
                )
            return receipt
        if offer.key is None and (repeat := self._repeat(offer)) is not None:
            return repeat
        if offer.size > self._room:
            raise OutboxFull("there is no room left to keep calls for the cloud; free space on the disk, or wait")
        self._room -= offer.size
        return self._new(offer)

    def _earlier(self, item: Item) -> _Known | None:
        """Return the item that was handed over before with the same order key and content, if there is one."""
        for known in self._items.get(item.keys[0], ()):
            if known.digest == item.digest or same(self._text(known.sequence), item.text):
                return known
        return None

    def _text(self, sequence: int) -> str:
        found = next((text for number, text in self._contents if number == sequence), None)
        if found is None:
            row = self._connection.execute("SELECT text FROM content WHERE sequence = ?", (sequence,)).fetchone()
            found = row[0] if row is not None else ""
        return found

    def _repeat(self, offer: Offer) -> Receipt | None:
        """Return the receipt of the submission that this one repeats as a whole, if its caller can see that one."""
        numbers: list[int] = []
        submission: int | None = None
        for item in offer.items:
            known = self._earlier(item)
            if known is None or known.token != offer.token or known.submission != (submission or known.submission):
                return None
            submission = known.submission
            numbers.append(known.sequence)
        if submission is None:
            return None
        made = self._made.get(submission)
        members = _members(self._connection, submission) if made is None else made
        return Receipt(submission, members, ()) if members == numbers else None

    def _new(self, offer: Offer) -> Receipt:
        submission = sequence = self._intake.next_sequence
        members: list[int] = []
        for item in offer.items:
            known = self._earlier(item) if offer.key is None else None
            if known is not None:
                members.append(known.sequence)
                continue
            self._add(offer, item, sequence, submission)
            members.append(sequence)
            sequence += 1
        fresh = range(submission, sequence)
        self._intake.next_sequence = max(sequence, submission + 1)
        if offer.key is not None or len(fresh) != 1 or len(members) != 1:
            listed = None if members == list(fresh) else json.dumps(members)
            self._submissions.append(
                (submission, offer.token, offer.key, offer.digest, offer.path, len(fresh), listed, self._now_s)
            )
        superseded = self._supersede(offer, submission) if offer.relay.on_newer == "replace" else ()
        receipt = Receipt(submission, members, fresh, superseded)
        self._made[submission] = members
        if offer.key is not None:
            self._repeatable[offer.token, offer.key] = (offer.digest, Receipt(submission, members, ()))
        return receipt

    def _add(self, offer: Offer, item: Item, sequence: int, submission: int) -> None:
        relay = offer.relay
        expires_s = None if relay.expires_after_s is None else self._now_s + relay.expires_after_s
        others = json.dumps(item.keys[1:]) if len(item.keys) > 1 else None
        self._rows.append((
            sequence, submission, "waiting", relay.priority, offer.path, offer.path, offer.shared, item.keys[0],
            others, item.reference, item.size, int(relay.barrier), item.digest, self._created_at, self._now_s,
            expires_s, offer.token,
        ))  # fmt: skip
        self._contents.append((sequence, item.text))
        self._keys.add(item.keys[0], sequence)
        if item.digest is not None:
            self._items[item.keys[0]].append(_Known(item.digest, sequence, submission, offer.token))
        if offer.files:
            self._connection.executemany(
                "INSERT INTO file VALUES (?, ?, ?, ?, ?)",
                [(sequence, name, part.filename, part.content_type, part.data) for name, part in offer.files.items()],
            )

    def _supersede(self, offer: Offer, newest: int) -> list[int]:
        """End the items whose whole value the new one replaces: waiting, not being sent, and not behind a barrier."""
        self._write()
        sought = self._keys.sought([offer.items[0].keys[0]])
        barrier = (
            f"SELECT coalesce(max(sequence), 0) FROM item WHERE {WITH_KEY} AND state = 'waiting' AND barrier "  # noqa: S608
            "AND sequence < ?"
        )
        [after] = self._connection.execute(barrier, (*sought, newest)).fetchone()
        waiting = (
            f"SELECT sequence FROM item WHERE {WITH_KEY} AND path = ? AND state = 'waiting' "  # noqa: S608
            "AND sequence > ? AND sequence < ?"
        )
        found = self._connection.execute(waiting, (*sought, offer.path, after, newest)).fetchall()
        ended = [row[0] for row in found if row[0] not in self._in_flight]
        end_items(self._connection, "superseded", ended, self._now_s)
        return ended

    def _write(self) -> None:
        """Write what is collected, in few statements: each one costs a change of threads when others are busy."""
        _insert(self._connection, "submission", _SUBMISSION, self._submissions)
        _insert(self._connection, "item", _ITEM, self._rows)
        _insert(self._connection, "content", "sequence, text", self._contents)
        for rows in (self._submissions, self._rows, self._contents):
            rows.clear()

    def _known_keys(self) -> dict[tuple[str, str], tuple[bytes | None, Receipt]]:
        wanted = [(offer.token, offer.key) for offer in self._offers if offer.key is not None]
        if not wanted:
            return {}
        rows = self._connection.execute(
            "SELECT token, idempotency_key, digest, id FROM submission WHERE idempotency_key IS NOT NULL AND "
            "(token, idempotency_key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
            (json.dumps(wanted),),
        ).fetchall()
        return {(row[0], row[1]): (row[2], Receipt(row[3], _members(self._connection, row[3]), ())) for row in rows}

    def _known_items(self) -> defaultdict[str, list[_Known]]:
        """Return the items with the same order keys, where the content identifies them; the newest first."""
        found: defaultdict[str, list[_Known]] = defaultdict(list)
        wanted = [
            item.keys[0]
            for offer in self._offers
            if offer.key is None
            for item in offer.items
            if item.digest is not None
        ]
        if wanted:
            rows = self._connection.execute(
                f"SELECT order_key, digest, sequence, submission, token FROM item WHERE {WITH_KEY} "  # noqa: S608
                "AND digest IS NOT NULL ORDER BY sequence DESC",
                self._keys.sought(wanted),
            )
            for row in rows:
                found[row[0]].append(_Known(*row[1:]))
        return found


def _members(connection: sqlite3.Connection, submission: int) -> list[int]:
    row = connection.execute("SELECT items, members FROM submission WHERE id = ?", (submission,)).fetchone()
    if row is None:  # one item without a key
        return [submission]
    return list(range(submission, submission + row[0])) if row[1] is None else json.loads(row[1])


def end_items(connection: sqlite3.Connection, state: str, sequences: Sequence[int], now_s: float) -> None:
    """Give waiting items a last state that the vendor has no part in, and let their files go."""
    listed = json.dumps(list(sequences))
    connection.execute(
        "UPDATE item SET state = ?, finished_s = ? WHERE sequence IN (SELECT value FROM json_each(?))",
        (state, now_s, listed),
    )
    connection.execute("DELETE FROM file WHERE sequence IN (SELECT value FROM json_each(?))", (listed,))


def _insert(connection: sqlite3.Connection, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, up to 32 in one statement: more are not often there at once, and SQLite keeps each size prepared."""
    for start in range(0, len(rows), _MOST_ROWS):
        some = rows[start : start + _MOST_ROWS]
        connection.execute(_insertion(table, columns, len(some)), [value for row in some for value in row])


@functools.cache
def _insertion(table: str, columns: str, count: int) -> str:
    one = f"({', '.join('?' * len(columns.split(',')))})"
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join([one] * count)}"  # noqa: S608
