"""The keys of items: what is known by heart and what the table has are together what the items say."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox import keys_table as keys
from gateway.outbox.keys_table import WITH_KEY, Keys
from gateway.storage import migrations

INSERT = (
    "INSERT INTO item (sequence, submission, state, priority, path, sent_to, shared, order_key, reference, size, "
    "barrier, created_at, accepted_s) "
    "VALUES (?, ?, 'waiting', 1, 'order/update', 'order/update', '{}', ?, '1', 5, 0, 0, 0)"
)
NAMES = "abcd"


class Items:
    """Items and their keys, in a database with the product's schema."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        for migration in migrations.packaged():
            self.connection.executescript(migration.sql)
        self.next = 1
        self.reload()

    def reload(self) -> None:
        self.keys = Keys()
        self.connection.execute("BEGIN")
        self.keys.load(self.connection)
        self.connection.execute("COMMIT")

    def accept(self, order_keys: Sequence[str], *, undone: bool = False) -> None:
        """Write items in one transaction, as the outbox does; numbers are never given twice, also if it is undone."""
        self.connection.execute("BEGIN")
        for order_key in order_keys:
            self.connection.execute(INSERT, (self.next, self.next, order_key))
            self.keys.add(order_key, self.next)
            self.next += 1
        self.keys.write(self.connection)
        self.connection.execute("ROLLBACK" if undone else "COMMIT")

    def found(self, *order_keys: str) -> list[int]:
        query = f"SELECT sequence FROM item WHERE {WITH_KEY} ORDER BY sequence"  # noqa: S608
        return [row[0] for row in self.connection.execute(query, self.keys.sought(order_keys))]

    def there(self, *order_keys: str) -> list[int]:
        rows = self.connection.execute("SELECT sequence, order_key FROM item ORDER BY sequence")
        return [sequence for sequence, order_key in rows if order_key in order_keys]

    @property
    def written(self) -> list[tuple[str, int]]:
        return self.connection.execute("SELECT order_key, sequence FROM item_of_key").fetchall()


@pytest.fixture
def items() -> Iterator[Items]:
    made = Items()
    with closing(made.connection):
        yield made


def agrees(items: Items) -> None:
    for name in NAMES:
        assert items.found(name) == items.there(name)
    assert items.found(*NAMES) == items.there(*NAMES)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["accept", "undo"]), st.lists(st.sampled_from(NAMES), max_size=6)),
        st.tuples(st.sampled_from(["drop", "rename"]), st.integers(1, 30), st.sampled_from(NAMES)),
        st.tuples(st.just("reload")),
        st.tuples(st.just("lose")),
    ),
    max_size=25,
)


@given(steps=STEPS)
def test_every_item_is_found_by_its_key(steps: list[tuple[str, *tuple[object, ...]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_MOST_YOUNG", 4)
        items = Items()
        with closing(items.connection):
            for step in steps:
                match step:
                    case (("accept" | "undo") as kind, list(names)):
                        items.accept(names, undone=kind == "undo")
                    case ("drop", number, _):
                        items.connection.execute("DELETE FROM item WHERE sequence = ?", (number,))
                    case ("rename", number, name):
                        items.connection.execute("UPDATE item SET order_key = ? WHERE sequence = ?", (name, number))
                    case ("lose",):  # as a salvage leaves it
                        items.connection.execute("DELETE FROM item_of_key")
                        items.connection.execute("DELETE FROM keyed")
                        items.reload()
                    case ("reload",):
                        items.reload()
                agrees(items)
            for order_key, sequence in items.written:
                assert sequence in items.there(order_key), "the table has nothing but what is there"


def test_the_table_is_written_for_many_at_once(items: Items) -> None:
    for number in range(999):
        items.accept([f"order:{number}"])
    assert items.written == []
    items.accept(["order:999"])
    assert len(items.written) == 1000
    items.accept(["order:1000"])
    assert len(items.written) == 1000
    assert items.found("order:0", "order:999", "order:1000") == [1, 1000, 1001]


def test_what_is_written_is_not_kept_by_heart(items: Items) -> None:
    for number in range(3000):
        items.accept([f"order:{number}"])
    known = [items.keys.sought([f"order:{number}"])[0] for number in range(3000)]
    assert sum(one != "[]" for one in known) <= 1001


def test_it_is_found_by_searching_and_not_by_reading_everything(items: Items) -> None:
    items.accept([f"order:{number}" for number in range(5000)])
    query = f"EXPLAIN QUERY PLAN SELECT sequence FROM item WHERE {WITH_KEY} AND state = 'waiting'"  # noqa: S608
    plan = [row[3] for row in items.connection.execute(query, items.keys.sought(["order:7"]))]
    assert "SEARCH item USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert any(line.startswith("SEARCH item_of_key USING PRIMARY KEY") for line in plan)
    assert not any(line.startswith(("SCAN item", "SCAN item_of_key")) for line in plan)


def test_a_young_key_costs_no_page_of_its_own(tmp_path: Path) -> None:
    """Tills that number their orders each in its own way: what a transaction writes does not grow with them."""
    items = Items()
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        items.connection.backup(connection)
        items.connection.close()
        items.connection = connection
        items.accept([f"till-{till:02}-{number:06}" for till in range(32) for number in range(300)])
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        log = tmp_path / "gateway.db-wal"
        sizes = []
        for number in range(300, 310):
            before = log.stat().st_size
            items.accept([f"till-{till:02}-{number:06}" for till in range(32)])
            sizes.append(log.stat().st_size - before)
    assert max(sizes) < 32 * 4096
