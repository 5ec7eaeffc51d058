"""Where sending goes on after a new connection."""

import sqlite3

import pytest

from gateway.events.cursor import LogRange
from gateway.fleet.cursor import FleetCursor, StoredEvent, find_start
from gateway.fleet.cursor_table import FleetCursorTable
from gateway.storage.database import Database
from gateway.storage.migrations import mark_rewound

LOG = LogRange("bbbbbb", 11, 100)


@pytest.mark.parametrize(
    ("cursor", "last", "start"),
    [
        pytest.param(FleetCursor(), None, 0, id="a new shop sends everything"),
        pytest.param(FleetCursor("bbbbbb", 60, 50), None, 10, id="another cluster gets everything that is kept"),
        pytest.param(FleetCursor("", 60, 0), None, 60, id="a shop of which nothing was to be sent so far"),
        pytest.param(FleetCursor("bbbbbb", 60, 50), StoredEvent("bbbbbb", 50, 45), 60, id="as the cursor says"),
        pytest.param(FleetCursor("bbbbbb", 60, 50), StoredEvent("bbbbbb", 75, 70), 70, id="killed before it was saved"),
        pytest.param(FleetCursor("bbbbbb", 60, 50), StoredEvent("bbbbbb", 62, 55), 60, id="killed while sending"),
        pytest.param(FleetCursor("bbbbbb", 60, 50), StoredEvent("bbbbbb", 30, 25), 25, id="a cluster from yesterday"),
        pytest.param(FleetCursor("bbbbbb", 60, 50), StoredEvent("aaaaaa", 90, 80), 10, id="a cluster from long ago"),
        pytest.param(FleetCursor("aaaaaa", 60, 50), StoredEvent("aaaaaa", 90, 80), 60, id="a shop from yesterday"),
        pytest.param(FleetCursor("aaaaaa", 60, 50), StoredEvent("bbbbbb", 75, 70), 70, id="a lost cursor"),
        pytest.param(FleetCursor("aaaaaa", 500, 500), StoredEvent("aaaaaa", 500, 490), 100, id="a repaired log"),
        pytest.param(FleetCursor("aaaaaa", 60), StoredEvent("aaaaaa", 30, 25), 25, id="damage that cost the cursor"),
        pytest.param(FleetCursor("aaaaaa", 60), StoredEvent("aaaaaa", 90, 80), 60, id="damage that cost events, too"),
        pytest.param(FleetCursor("aaaaaa", 60), StoredEvent("cccccc", 30, 25), 60, id="a lost cursor of another shop"),
        pytest.param(FleetCursor("aaaaaa", 60), None, 60, id="a lost cursor, nothing sent"),
        pytest.param(FleetCursor("", 60, 0, 60), None, 60, id="another shop"),
        pytest.param(FleetCursor("bbbbbb", 80, 80, 60), None, 60, id="another shop, another cluster"),
        pytest.param(FleetCursor("", 60, 0, 60), StoredEvent("bbbbbb", 30, 25), 60, id="the former shop again"),
    ],
)
def test_where_to_go_on(cursor: FleetCursor, last: StoredEvent | None, start: int) -> None:
    assert find_start(cursor, last, LOG) == start


@pytest.mark.parametrize(
    ("event_id", "complete_to"), [("", ""), ("abc", "1"), ("abcdef-1", "1"), ("a/abcdef-1", "x"), ("a/abcdef-1", "-1")]
)
def test_headers_of_others_are_refused(event_id: str, complete_to: str) -> None:
    with pytest.raises(ValueError, match="no headers of an event"):
        StoredEvent.parse({"Nats-Msg-Id": event_id, "Sunmi-Complete-To": complete_to})


@pytest.mark.parametrize(
    ("loss", "number"),
    [
        ("UPDATE event_log SET next_number = 51", 50),
        ("DELETE FROM event_log", 0),
        ("UPDATE uptime SET seconds = 0", 60),
    ],
    ids=["a log from yesterday", "a lost log", "nothing"],
)
async def test_events_that_take_the_numbers_of_lost_ones_are_sent(database: Database, loss: str, number: int) -> None:
    table = FleetCursorTable(database)
    await table.save(FleetCursor("bbbbbb", 60, 55, 52, "berlin-1 00"))

    def lose(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE event_log SET next_number = 71")
        connection.execute(loss)
        mark_rewound(connection)

    await database.transact(lose)
    assert await table.load() == FleetCursor("bbbbbb", number, 55, min(number, 52), "berlin-1 00")
