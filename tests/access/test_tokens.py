import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.access import token_table
from gateway.access.token_table import TokenRecord, TokenTable
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.protocol.endpoint import Scope
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from tests.manual_clock import ManualClock
from tests.storage.databases import refused_writes

FileBytes = Callable[[], dict[str, bytes]]
START = 1_763_766_878
DAY = 86400


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    made = Supervisor(initial_delay_s=0.01)
    yield made
    await made.close()


@pytest.fixture
async def tokens(database: Database, supervisor: Supervisor, clock: ManualClock) -> AsyncIterator[TokenTable]:
    table = await TokenTable.open(database, supervisor, uptime_s=time.monotonic, now=clock)
    yield table
    await table.close()


async def reopen(database: Database) -> TokenTable:
    """Return the tokens as they are stored."""
    supervisor = Supervisor()
    table = await TokenTable.open(database, supervisor, uptime_s=time.monotonic)
    await supervisor.close()
    return table


async def stored_use(database: Database, name: str) -> int | None:
    use: int | None = (await database.read("SELECT last_used_at FROM token WHERE name = ?", (name,)))[0][0]
    return use


async def test_a_token_is_found_and_only_its_hash_is_stored(
    tokens: TokenTable, database: Database, file_bytes: FileBytes
) -> None:
    token = await tokens.create("till 1", "pos")
    assert re.fullmatch(r"sgw_[0-9A-Za-z_-]{43}", token)
    record = TokenRecord("till 1", ("pos",), START, None)
    assert tokens.find(token) == record
    assert tokens.all() == [record]
    assert record.describe() == {
        "name": "till 1",
        "scope": "pos",
        "scopes": ["pos"],
        "created_at": "2025-11-21T23:14:38Z",
        "last_used_at": None,
        "kind": "token",
    }
    for wrong in ("", "sgw_", token[:-1], token + "x", token.upper(), "\ud800"):
        assert tokens.find(wrong) is None
    assert token[4:].encode() not in b"".join(file_bytes().values())
    assert (await reopen(database)).find(token) == record


async def test_names_are_unique(tokens: TokenTable) -> None:
    first = await tokens.create("till", "pos")
    with pytest.raises(Conflict, match="'till' exists already"):
        await tokens.create("till", "admin")
    made = await asyncio.gather(*(tokens.create("both", "pos") for _ in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["Conflict", "str"]
    assert tokens.find(first) is not None
    assert [record.name for record in tokens.all()] == ["both", "till"]


@pytest.mark.parametrize("name", ["", " ", " x", "x ", "a\nb", "a\x00", "x" * 65, "\ud800"])
async def test_names_are_readable(tokens: TokenTable, name: str) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        await tokens.create(name, "pos")
    assert tokens.all() == []


async def test_a_revoked_token_is_worthless_at_once_and_its_name_free(tokens: TokenTable, database: Database) -> None:
    token = await tokens.create("till", "pos")
    other = await tokens.create("other", "admin")
    await tokens.revoke("till")
    assert tokens.find(token) is None
    assert tokens.find(other) is not None
    assert (await reopen(database)).find(token) is None
    with pytest.raises(NotFound, match="'till'"):
        await tokens.revoke("till")
    tokens.touch("till")
    assert await tokens.create("till", "pos") != token


async def test_last_use_is_stored_once_a_day_and_at_the_end(
    tokens: TokenTable, database: Database, clock: ManualClock
) -> None:
    token = await tokens.create("till", "pos")

    async def use_at(time: float) -> int | None:
        clock.now_s = time
        tokens.touch("till")
        await tokens.store_uses()
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


async def test_what_was_stored_before_counts(
    tokens: TokenTable, database: Database, supervisor: Supervisor, clock: ManualClock
) -> None:
    await tokens.create("till", "pos")
    tokens.touch("till")
    await tokens.close()
    again = await TokenTable.open(database, supervisor, uptime_s=time.monotonic, now=clock)
    commits = database.commits
    again.touch("till")
    await again.store_uses()
    await again.close()
    assert database.commits == commits


async def test_many_uses_write_once(
    tokens: TokenTable, database: Database, clock: ManualClock, file_bytes: FileBytes
) -> None:
    for name in ("till 1", "till 2"):
        await tokens.create(name, "pos")
        tokens.touch(name)
    commits = database.commits
    await tokens.store_uses()
    assert database.commits == commits + 1, "one transaction for all tokens"
    before = file_bytes()
    for second in range(1000):
        clock.now_s = START + second
        tokens.touch("till 1")
    await tokens.store_uses()
    assert file_bytes() == before
    await tokens.close()
    assert file_bytes() != before


async def test_a_use_that_cannot_be_stored_is_reported_and_stored_later(
    database: Database,
    supervisor: Supervisor,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(token_table, "CHECK_INTERVAL_S", 0.01)
    tokens = await TokenTable.open(database, supervisor, uptime_s=time.monotonic, now=clock)
    token = await tokens.create("till", "pos")
    async with refused_writes(database):
        tokens.touch("till")
        while supervisor.reports()[0].failures < 3:
            await asyncio.sleep(0.005)
        assert tokens.find(token) is not None
    while await stored_use(database, "till") is None:
        await asyncio.sleep(0.005)
    await tokens.close()
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert "'token uses' failed" in caplog.text
    assert token not in caplog.text


async def test_a_damaged_name_keeps_nobody_out(tokens: TokenTable, database: Database) -> None:
    token = await tokens.create("till", "pos")
    await database.execute("UPDATE token SET name = CAST(x'74ff' AS TEXT)")
    again = await reopen(database)
    record = again.find(token)
    assert record is not None
    assert record.name == "t\ufffd"
    await again.revoke("t\ufffd")
    assert (await reopen(database)).all() == []


@pytest.mark.parametrize(
    ("given", "scope", "granted"),
    [
        (["pos"], "pos", ["pos"]),
        (["installer"], "installer", ["pos", "media", "installer"]),
        (["installer", "pos", "media"], "installer", ["pos", "media", "installer"]),
        (["admin", "people"], "admin", ["pos", "media", "people", "installer", "admin"]),
        (["media", "pos"], "custom", ["pos", "media"]),
        (["people"], "custom", ["people"]),
        (["installer", "people"], "custom", ["pos", "media", "people", "installer"]),
    ],
)
async def test_scopes_have_a_name_and_a_list(
    tokens: TokenTable, database: Database, given: list[Scope], scope: str, granted: list[str]
) -> None:
    token = await tokens.create("x", *given)
    for table in (tokens, await reopen(database)):
        record = table.find(token)
        assert record is not None
        shown = record.describe()
        assert (shown["scope"], shown["scopes"]) == (scope, granted)


async def test_a_damaged_scope_gives_no_right(tokens: TokenTable, database: Database) -> None:
    token = await tokens.create("x", "pos")
    await database.execute("UPDATE token SET scope = 'pos root media'")
    record = (await reopen(database)).find(token)
    assert record is not None
    assert record.granted == {"pos", "media"}
    await database.execute("UPDATE token SET scope = 'everything'")
    record = (await reopen(database)).find(token)
    assert record is not None
    assert record.granted == set()


async def test_a_session_lasts_as_long_as_it_is_used(
    database: Database, supervisor: Supervisor, clock: ManualClock
) -> None:
    uptime = ManualClock()
    tokens = await TokenTable.open(database, supervisor, uptime_s=uptime, now=clock)
    secret = await tokens.create_session("phone", "pos")
    for _ in range(4):
        uptime.now_s += token_table.SESSION_S - DAY
        assert tokens.find_session(secret) is not None
        await tokens.store_uses()
    await tokens.close()
    tokens = await TokenTable.open(database, supervisor, uptime_s=uptime, now=clock)
    uptime.now_s += token_table.SESSION_S - 2 * DAY
    assert tokens.find_session(secret) is not None
    uptime.now_s += token_table.SESSION_S + 1
    assert tokens.find_session(secret) is None
    assert [record.name for record in tokens.all()] == ["phone"]
    await tokens.store_uses()
    assert tokens.all() == []
    assert await database.read("SELECT * FROM token") == []


async def test_a_session_is_no_token_and_a_token_no_session(tokens: TokenTable) -> None:
    token, secret = await tokens.create("till 1", "pos"), await tokens.create_session("till 1", "pos")
    assert tokens.find(secret) is None
    assert tokens.find_session(token) is None
    assert {record.name: record.is_session for record in tokens.all()} == {"till 1": False, "till 1 2": True}


async def test_the_session_that_was_used_longest_ago_makes_room(tokens: TokenTable, clock: ManualClock) -> None:
    secrets = []
    for _ in range(token_table.MAX_SESSIONS + 1):
        clock.now_s += 1
        secrets.append(await tokens.create_session("phone", "pos"))
    assert tokens.find_session(secrets[0]) is None
    assert len(tokens.all()) == token_table.MAX_SESSIONS
    assert all(tokens.find_session(secret) for secret in secrets[1:])


async def test_sessions_of_one_name_that_begin_together_get_different_names(tokens: TokenTable) -> None:
    secrets = await asyncio.gather(*(tokens.create_session("browser", "pos") for _ in range(3)))
    found = [tokens.find_session(secret) for secret in secrets]
    assert sorted(one.name for one in found if one is not None) == ["browser", "browser 2", "browser 3"]


async def test_a_session_that_is_ended_while_old_ones_are_removed_is_no_failure(
    database: Database, supervisor: Supervisor
) -> None:
    uptime = ManualClock()
    tokens = await TokenTable.open(database, supervisor, uptime_s=uptime)
    for _ in range(4):
        await tokens.create_session("phone", "pos")
    uptime.now_s += token_table.SESSION_S + 1
    await asyncio.gather(tokens.store_uses(), tokens.revoke("phone 4"))
    assert tokens.all() == []
    await tokens.close()
