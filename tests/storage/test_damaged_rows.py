"""Rows whose texts are not UTF-8 or whose numbers cannot be true: the gateway starts, and works with the others."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.errors import StateError
from gateway.events.event import NewEvent
from gateway.settings import Settings
from gateway.storage.database import Database
from tests.storage.databases import create_sample

DAMAGED_TEXT = "CAST(x'ff41' || rowid AS TEXT)"


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.db"
    await create_sample(path)
    return path


def damage(path: Path, kind: str, value: str) -> int:
    """Give every column of a type this value, where the schema lets it; return how many have it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = connection.execute(
            "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c "
            "WHERE t.type = 'table' AND c.type = ? AND t.name NOT IN ('migration', 'uptime')",
            (kind,),
        ).fetchall()
        changed = 0
        for table, column in columns:
            one = f"SELECT rowid FROM {table} WHERE {column} IS NOT NULL ORDER BY rowid DESC LIMIT 1"  # noqa: S608
            try:
                statement = f"UPDATE {table} SET {column} = {value} WHERE rowid = ({one})"  # noqa: S608
                changed += connection.execute(statement).rowcount
            except sqlite3.IntegrityError:  # only some values are allowed there
                continue
    return changed


async def use_gateway(path: Path) -> None:
    """Start a gateway, and use what is in its tables."""
    gateway = await Gateway.open(Settings.model_validate({"storage": {"directory": str(path.parent)}}))
    try:
        assert "FM02D96S00001" in [camera.describe()["sn"] for camera in gateway.registry.all()]
        assert [token.describe() for token in gateway.tokens.all()]
        assert [item.describe() for item in (await gateway.outbox.list_items())[0]]
        assert await gateway.outbox.counts()
        await gateway.outbox.prune()
        await gateway.outbox.stats()
        event = await gateway.event_log.append(NewEvent("cloud.away", "gateway", {"reason": "a test"}))
        assert event is not None
        gateway.webhooks.describe_all()
        assert not [report for report in gateway.supervisor.reports() if report.failures]
        assert 700_000 < gateway.uptime.now() < 800_000
    finally:
        await gateway.close()


async def test_the_gateway_starts_with_texts_that_are_not_utf_8(path: Path) -> None:
    assert damage(path, "TEXT", DAMAGED_TEXT) > 30
    await use_gateway(path)


@pytest.mark.parametrize(
    ("kind", "value"), [("INTEGER", "9e18"), ("INTEGER", "-9e18"), ("REAL", "1e15"), ("REAL", "-1e15")]
)
async def test_the_gateway_starts_with_numbers_that_cannot_be_true(path: Path, kind: str, value: str) -> None:
    assert damage(path, kind, f"CAST({value} AS {kind})") >= 3
    await use_gateway(path)


@pytest.mark.parametrize("seconds", ["1e15", "-1e15", "1e999"])
async def test_an_uptime_that_cannot_be_true_is_taken_from_the_newest_item(path: Path, seconds: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE uptime SET seconds = {seconds}")  # noqa: S608
    await use_gateway(path)


async def test_a_damaged_record_of_migrations_is_one_sentence(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE migration SET name = CAST(x'ff41' AS TEXT)")
    with pytest.raises(StateError, match=r"has used it|record of migrations"):
        await Database.open(path)
