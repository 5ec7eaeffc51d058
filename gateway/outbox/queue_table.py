"""The queue of the outbox: which items are sent next, together, and writing down what became of them."""

import functools
import itertools
import json
import sqlite3
from collections.abc import Callable, Container, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.outbox.batching import CALL_BYTES, Fate, combine, merge, merged, policy
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.parameters import FilePart
from gateway.protocol.relay_policy import PRIORITIES

_FIRST_PAGE: Final = 16
_PAGE: Final = 2000
"""How many items are read at once: few at first, since many calls have only one."""
_SCAN: Final = 5 * _PAGE
"""How far behind its first item a call looks for company."""
LAST_PRIORITY: Final = max(PRIORITIES.values())


@dataclass(slots=True)
class Parcel:
    """What is sent as one item: items of one key that merge, or a single one. `text` is its JSON."""

    keys: tuple[str, ...]
    reference: str
    sequences: list[int]
    text: str = ""


@dataclass(slots=True)
class Batch:
    """Parcels that go to the cloud in one call; they share everything but their elements."""

    endpoint: Endpoint
    shared: str
    parcels: list[Parcel]
    files: dict[str, FilePart] = field(default_factory=dict)

    @property
    def sequences(self) -> list[int]:
        """The numbers of the items."""
        return [sequence for parcel in self.parcels for sequence in parcel.sequences]

    def call(self) -> Call:
        """Return the call."""
        return combine(self.endpoint, self.shared, [parcel.text for parcel in self.parcels], self.files)

    def part(self, sequences: Container[int]) -> "Batch":
        """Return the part of it that consists of these items."""
        return self.of([parcel for parcel in self.parcels if parcel.sequences[0] in sequences])

    def of(self, parcels: Sequence[Parcel]) -> "Batch":
        """Return the part of it that consists of these parcels."""
        return Batch(self.endpoint, self.shared, list(parcels), self.files)

    def halves(self) -> tuple["Batch", "Batch"]:
        """Cut it in two."""
        half = len(self.parcels) // 2
        return self.of(self.parcels[:half]), self.of(self.parcels[half:])


Limit = Callable[[int], int]
"""In a call of how many parcels an item may take part at most: 1 is all by itself, 0 has to wait."""


class Queue:
    """Hands out batches. What is handed out is in flight, and its keys are busy, until it is given back.

    It is read in the order of priority and number, and a key is busy for everything behind the first item that has it:
    so the items of each key go out in the order of their acceptance, one at a time.
    """

    def __init__(self) -> None:
        self.in_flight: set[int] = set()
        self._busy: set[str] = set()
        self._begin = [0] * (LAST_PRIORITY + 1)
        """By priority: nothing that could be sent has a smaller number."""
        self._seen = list(self._begin)
        self._taking = False
        self._returned: list[Batch] = []
        self._reopened: list[int] = []

    def prepare(self) -> None:
        """Begin a `take`, in the event loop: until `advance`, nothing is given back behind its back."""
        self._taking = True
        self._seen = list(self._begin)

    def advance(self) -> None:
        """End a `take`, in the event loop; next time skip what it found to be under way."""
        self._taking = False
        self._begin = list(self._seen)
        for batch in self._returned:
            self.give_back(batch)
        self.look_from(self._reopened)
        self._returned.clear()
        self._reopened.clear()

    def look_from(self, sequences: Sequence[int]) -> None:
        """Look at these items again."""
        if self._taking:
            self._reopened += sequences
        elif sequences:
            self._begin = [min(known, *sequences) for known in self._begin]

    def give_back(self, batch: Batch) -> None:
        """End the flight of a batch: its items are settled, or wait again."""
        if self._taking:
            self._returned.append(batch)
            return
        for parcel in batch.parcels:
            self._busy.difference_update(parcel.keys)
            self.in_flight.difference_update(parcel.sequences)
        self.look_from(batch.sequences)

    def take(self, connection: sqlite3.Connection, *, limit: Limit, now_s: float) -> Batch | None:
        """Return the next batch, or None when nothing can be sent now. Runs in the database's thread."""
        for priority in range(LAST_PRIORITY + 1):
            picked = self._pick(connection, priority, limit, now_s)
            if picked is not None:
                for parcel in picked.parcels:
                    self._busy.update(parcel.keys)
                    self.in_flight.update(parcel.sequences)
                _load(connection, picked)
                return picked
        return None

    def _pick(self, connection: sqlite3.Connection, priority: int, limit: Limit, now_s: float) -> Batch | None:
        picking = _Picking(self.in_flight, self._busy, limit, now_s)
        begin, count = self._seen[priority], _FIRST_PAGE
        while page := _page(connection, priority, begin, count):
            begin = page[-1].sequence + 1
            if not all(map(picking.consider, page)):
                break
            count = picking.wanted
        self._seen[priority] = begin if picking.left is None else picking.left
        return picking.batch


class _Row(NamedTuple):
    """A waiting item, as far as choosing it needs."""

    sequence: int
    sent_to: str
    shared: str
    order_key: str
    other_keys: str | None
    reference: str
    size: int
    barrier: int
    expires_s: float | None

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.order_key,) if self.other_keys is None else (self.order_key, *json.loads(self.other_keys))


class _Picking:
    """Goes through waiting items in their order and takes those that can go together."""

    def __init__(self, in_flight: Set[int], busy: Set[str], limit: Limit, now_s: float) -> None:
        self.batch: Batch | None = None
        self.left: int | None = None
        """The first item that was left for later."""
        self._in_flight = in_flight
        self._busy = busy
        self._limit = limit
        self._now_s = now_s
        self._passed: set[str] = set()
        self._parcels: dict[str, Parcel] = {}
        self._most = 0
        self._size = 0
        self._seen = 0
        self._full = False

    @property
    def wanted(self) -> int:
        """About how many more items there is room for."""
        mean = self._size // len(self._parcels) if self._parcels else 0
        return min(_PAGE, (CALL_BYTES - self._size) // mean + _FIRST_PAGE) if mean else _PAGE

    def consider(self, row: _Row) -> bool:
        """Take an item or leave it; return whether to go on."""
        self._seen += 1
        if row.sequence in self._in_flight or (row.expires_s is not None and row.expires_s <= self._now_s):
            return True
        keys = row.keys
        if not self._takes(row, keys):
            self._passed.update(keys)
            if self.left is None:
                self.left = row.sequence
        return not (self._full or (self.batch is not None and self._seen >= _SCAN))

    def _takes(self, row: _Row, keys: tuple[str, ...]) -> bool:
        if not (self._busy.isdisjoint(keys) and self._passed.isdisjoint(keys)):
            return False
        most = self._limit(row.sequence)
        if not most:
            return False
        if self.batch is None:
            endpoint = CATALOGUE.get("cloud", row.sent_to)
            self.batch = Batch(endpoint, row.shared, [])
            self._most = policy(endpoint).max_batch_size
        elif row.sent_to != self.batch.endpoint.path or row.shared != self.batch.shared:
            return False
        company = self._parcels.get(row.order_key)
        if company is not None and (row.barrier or min(most, self._most) == 1 or not merge(self.batch.endpoint)):
            return False
        self._most = most = min(self._most, most) if company is None else self._most
        if self._parcels and (self._size + row.size > CALL_BYTES or (company is None and len(self._parcels) >= most)):
            self._full = True
            return False
        self._size += row.size
        if company is not None:
            company.sequences.append(row.sequence)
        else:
            self._parcels[row.order_key] = parcel = Parcel(keys, row.reference, [row.sequence])
            self.batch.parcels.append(parcel)
        return True


def _page(connection: sqlite3.Connection, priority: int, begin: int, count: int) -> list[_Row]:
    """Return the next waiting items, in one step of SQLite: each one costs a change of threads when others are busy."""
    columns = ", ".join(_Row._fields)
    [text] = connection.execute(
        f"SELECT json_group_array(json_array({columns})) FROM (SELECT {columns} FROM item WHERE state = 'waiting' "  # noqa: S608
        "AND priority = ? AND sequence >= ? ORDER BY sequence LIMIT ?)",
        (priority, begin, count),
    ).fetchone()
    return list(map(_Row._make, json.loads(text)))


def _load(connection: sqlite3.Connection, batch: Batch) -> None:
    """Fetch the content of what was picked, merging what goes as one."""
    [text] = connection.execute(
        "SELECT group_concat(coalesce(text, ''), char(10)) FROM json_each(?) LEFT JOIN content ON sequence = value",
        (json.dumps(batch.sequences),),
    ).fetchone()
    texts = iter(text.split("\n"))  # compact JSON has no line breaks
    for parcel in batch.parcels:
        found = [own for own in itertools.islice(texts, len(parcel.sequences)) if own]
        parcel.text = functools.reduce(merged, found) if found else ""
    if batch.endpoint.takes_file:
        rows = connection.execute(
            "SELECT name, filename, content_type, data FROM file WHERE sequence = ?", (batch.sequences[0],)
        )
        batch.files = {row[0]: FilePart(row[1], row[2], row[3]) for row in rows}


def settle(connection: sqlite3.Connection, outcomes: Sequence["Outcome"], now_s: float) -> None:
    """Write down the fate of items."""
    for fate, attempts, sequences in outcomes:
        listed = json.dumps(sequences)
        connection.execute(
            "UPDATE item SET state = ?, sent_to = CASE WHEN ? = '' THEN sent_to ELSE ? END, finished_s = ?, "
            "attempts = attempts + ?, listed = CASE WHEN ? = '' THEN listed ELSE ? END, vendor_code = ?, "
            "vendor_meaning = ?, vendor_answer = ? WHERE sequence IN (SELECT value FROM json_each(?))",
            (
                fate.state, fate.instead, fate.instead, None if fate.state == "waiting" else now_s, attempts,
                fate.listed, fate.listed, fate.code, fate.meaning, fate.answer, listed,
            ),
        )  # fmt: skip
        if fate.state == "delivered":
            connection.execute("DELETE FROM file WHERE sequence IN (SELECT value FROM json_each(?))", (listed,))


class Outcome(NamedTuple):
    """What became of some items, and how many attempts that took since the last time that it was written down."""

    fate: Fate
    attempts: int
    sequences: list[int]


def alike(fates: Mapping[int, Fate], tries: Mapping[int, int]) -> list[Outcome]:
    """Gather the items that have the same fate after as many attempts; `tries` are those that failed before."""
    found: dict[tuple[Fate, int], Outcome] = {}
    # By identity first: thousands of items share one fate, and to compare fates takes longer than all else.
    known: dict[tuple[int, int], Outcome] = {}
    for sequence, fate in fates.items():
        attempts = 1 + tries.get(sequence, 0)
        outcome = known.get((id(fate), attempts))
        if outcome is None:
            outcome = found.setdefault((fate, attempts), Outcome(fate, attempts, []))
            known[id(fate), attempts] = outcome
        outcome.sequences.append(sequence)
    return list(found.values())
