"""Databases as released versions left them: each comes to the newest schema with everything that it held.

`released/README.md` says what to add at a release. The newest schema takes part as if it were released already.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.migrations import load_packaged
from tests.storage.databases import create_sample, read_content, read_schema

RELEASED: list[str] = []
"""The last migration of each released schema, oldest first."""

FOLDER = Path(__file__).with_name("released")
NAMES = [migration.name for migration in load_packaged()]
EVERY = pytest.mark.parametrize("old", sorted({*RELEASED, NAMES[-1]}), indirect=True)


@pytest.fixture
async def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Give a database of a released schema, or of the newest one."""
    path = tmp_path / "gateway.db"
    dump = FOLDER / f"{request.param}.sql"
    if request.param in RELEASED:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(dump.read_text(encoding="utf-8"))
    else:
        await create_sample(path)
    return path


def test_every_released_schema_has_a_dump() -> None:
    assert sorted(dump.stem for dump in FOLDER.glob("*.sql")) == RELEASED
    assert NAMES[:-1] == RELEASED[: len(NAMES) - 1], (
        "a schema that is not released yet needs no second migration: change it, or add the dump of the released one, "
        "as released/README.md says"
    )


@EVERY
def test_it_has_rows_in_every_table(old: Path) -> None:
    assert [table for table, rows in read_content(old).items() if not rows] == []


@EVERY
async def test_a_released_migration_is_never_changed(old: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    level = NAMES.index(request.node.callspec.params["old"]) + 1
    made = tmp_path / "made.db"
    await (await Database.open(made, load_packaged()[:level])).close()
    assert read_schema(made) == read_schema(old)


@EVERY
async def test_it_comes_to_the_newest_schema(old: Path, tmp_path: Path) -> None:
    await (await Database.open(old)).close()
    fresh = tmp_path / "fresh.db"
    await (await Database.open(fresh)).close()
    assert read_schema(old) == read_schema(fresh)


@EVERY
async def test_no_value_is_lost_that_the_newest_schema_has_a_place_for(old: Path) -> None:
    before = read_content(old)
    await (await Database.open(old)).close()
    after = read_content(old)
    assert [row["name"] for row in after["migration"]] == NAMES
    for table in before.keys() & after.keys() - {"migration"}:
        assert len(after[table]) == len(before[table]), table
        for old_row, row in zip(before[table], after[table], strict=True):
            kept = old_row.keys() & row.keys()
            assert {name: row[name] for name in kept} == {name: old_row[name] for name in kept}


@EVERY
async def test_the_gateway_opens_it(old: Path) -> None:
    settings = Settings.model_validate({"storage": {"directory": str(old.parent)}})
    gateway = await Gateway.open(settings)
    try:
        assert {token.name for token in gateway.tokens.all()} == {row["name"] for row in read_content(old)["token"]}
    finally:
        await gateway.close()
