import asyncio
import re
from collections.abc import Callable

import pytest

from gateway.api.token_table import TokenRecord, TokenTable
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.storage.database import Database
from tests.storage.databases import refused_writes

FileBytes = Callable[[], dict[str, bytes]]
START = 1_763_766_878
DAY = 86400


class Clock:
    def __init__(self) -> None:
        self.time = float(START)

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def stored_use(database: Database, name: str) -> int | None:
    use: int | None = (await database.read("SELECT last_used_at FROM token WHERE name = ?", (name,)))[0][0]
    return use


async def settled(database: Database) -> None:
    """Wait until what is being written in passing is written."""
    await asyncio.sleep(0)
    await database.inspect(lambda connection: connection.execute("SELECT 1").fetchall())


async def test_a_token_is_found_and_only_its_hash_is_stored(
    database: Database, clock: Clock, file_bytes: FileBytes
) -> None:
    tokens = await TokenTable.open(database, now=clock)
    token = await tokens.create("till 1", "pos")
    assert re.fullmatch(r"sgw_[0-9A-Za-z_-]{43}", token)
    record = TokenRecord("till 1", "pos", START, None)
    assert tokens.find(token) == record
    assert tokens.all() == [record]
    assert record.describe() == {
        "name": "till 1",
        "scope": "pos",
        "created_at": "2025-11-21T23:14:38Z",
        "last_used_at": None,
    }
    for wrong in ("", "sgw_", token[:-1], token + "x", token.upper(), "\ud800"):
        assert tokens.find(wrong) is None
    assert token[4:].encode() not in b"".join(file_bytes().values())
    assert (await TokenTable.open(database)).find(token) == record


async def test_names_are_unique(database: Database) -> None:
    tokens = await TokenTable.open(database)
    first = await tokens.create("till", "pos")
    with pytest.raises(Conflict, match="'till' exists already"):
        await tokens.create("till", "admin")
    made = await asyncio.gather(*(tokens.create("both", "pos") for _ in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["Conflict", "str"]
    assert tokens.find(first) is not None
    assert [record.name for record in tokens.all()] == ["both", "till"]


@pytest.mark.parametrize("name", ["", " ", " x", "x ", "a\nb", "a\x00", "x" * 65, "\ud800"])
async def test_names_are_readable(database: Database, name: str) -> None:
    tokens = await TokenTable.open(database)
    with pytest.raises(InvalidRequest, match="name"):
        await tokens.create(name, "pos")
    assert tokens.all() == []


async def test_a_revoked_token_is_worthless_at_once_and_its_name_free(database: Database) -> None:
    tokens = await TokenTable.open(database)
    token = await tokens.create("till", "pos")
    other = await tokens.create("other", "admin")
    await tokens.revoke("till")
    assert tokens.find(token) is None
    assert tokens.find(other) is not None
    assert (await TokenTable.open(database)).find(token) is None
    with pytest.raises(NotFound, match="'till'"):
        await tokens.revoke("till")
    tokens.touch("till")
    assert await tokens.create("till", "pos") != token


async def test_last_use_is_stored_once_a_day_and_at_the_end(database: Database, clock: Clock) -> None:
    tokens = await TokenTable.open(database, now=clock)
    token = await tokens.create("till", "pos")

    async def use_at(time: float) -> int | None:
        clock.time = time
        tokens.touch("till")
        await settled(database)
        record = tokens.find(token)
        assert record is not None
        assert record.last_used_at == int(time)
        return await stored_use(database, "till")

    assert await use_at(START + 1) == START + 1
    for later in (1.5, 2, 3600, DAY):
        assert await use_at(START + later) == START + 1
    assert await use_at(START + 1 + DAY) == START + 1 + DAY
    assert await use_at(START + 2 + DAY) == START + 1 + DAY
    await tokens.close()
    assert await stored_use(database, "till") == START + 2 + DAY
    again = await TokenTable.open(database, now=clock)
    again.touch("till")
    await again.close()
    assert await stored_use(database, "till") == START + 2 + DAY


async def test_many_uses_write_once(database: Database, clock: Clock, file_bytes: FileBytes) -> None:
    tokens = await TokenTable.open(database, now=clock)
    await tokens.create("till", "pos")
    tokens.touch("till")
    await settled(database)
    before = file_bytes()
    for second in range(1000):
        clock.time = START + second
        tokens.touch("till")
    await settled(database)
    assert file_bytes() == before
    await tokens.close()
    assert file_bytes() != before


async def test_a_use_that_cannot_be_stored_is_reported_and_harms_nobody(
    database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = await TokenTable.open(database, now=clock)
    token = await tokens.create("till", "pos")
    async with refused_writes(database):
        for second in range(3):
            clock.time = START + second
            tokens.touch("till")
            await settled(database)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "'till' could not be stored" in caplog.text
    assert token not in caplog.text
    assert tokens.find(token) is not None
    await tokens.close()
    assert await stored_use(database, "till") == START + 2
