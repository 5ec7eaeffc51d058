"""Databases as earlier versions left them: each comes to the newest schema with everything that it held.

The dumps are what `sqlite3 gateway.db .dump` writes, one for each version of the schema, named after its last
migration. When a migration is released, add the dump of a database from before it.
"""

import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from gateway.api.token_table import TokenTable
from gateway.cameras.provisioning.table import JobTable
from gateway.cameras.table import CameraTable
from gateway.errors import StateError
from gateway.outbox import Outbox
from gateway.protocol.catalogue import CATALOGUE
from gateway.storage.database import Database
from gateway.storage.migrations import Migration, copy_before, migrate, packaged

FOLDER = Path(__file__).parents[1] / "fixtures" / "databases"
DUMPS = sorted(FOLDER.glob("*.sql"))
KNOWN = packaged()
NAMES = [migration.name for migration in KNOWN]
FUTURE = Migration("900_future", "CREATE TABLE future (x); DELETE FROM camera;")
EVERY = pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


def load(dump: Path, path: Path) -> int:
    """Make the database of a dump; return how many migrations it has."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    return NAMES.index(dump.stem) + 1


def content(path: Path, *, without: str = "") -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: sorted(map(dict, connection.execute(f"SELECT * FROM {table}")), key=repr)  # noqa: S608
            for table in tables
            if table != without
        }


def schema(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def kept_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("gateway.db.before-*"))


async def run(path: Path, migrations: list[Migration]) -> None:
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await migrate(connection, migrations, path)


def statements(sql: str) -> Iterator[str]:
    begun = ""
    for line in sql.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            yield begun
            begun = ""


def test_the_dumps_are_readable_and_none_is_missing_between() -> None:
    assert [dump.stem for dump in DUMPS] == NAMES[: len(DUMPS)]
    assert len(DUMPS) >= 9
    for dump in DUMPS:
        assert len(dump.read_text(encoding="utf-8")) < 20_000, "small enough to be read"


@EVERY
async def test_it_comes_to_the_newest_schema(dump: Path, path: Path, tmp_path: Path) -> None:
    load(dump, path)
    await (await Database.open(path)).close()
    fresh = tmp_path / "fresh.db"
    await (await Database.open(fresh)).close()
    assert schema(path) == schema(fresh)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@EVERY
async def test_no_row_is_lost(dump: Path, path: Path) -> None:
    """Compare every value that the newest schema still has a place for."""
    load(dump, path)
    before = content(path)
    await (await Database.open(path)).close()
    after = content(path)
    assert [row["name"] for row in after["migration"]] == NAMES
    assert after["migration"][: len(before["migration"])] == before["migration"]
    compared = 0
    for table in before.keys() & after.keys() - {"migration"}:
        assert len(after[table]) == len(before[table]), table
        for old, new in zip(before[table], after[table], strict=True):
            assert {name: new[name] for name in old if name in new} == {
                name: value for name, value in old.items() if name in new
            }
            compared += 1
    assert compared >= 3


@EVERY
async def test_the_gateway_finds_what_it_knew(dump: Path, path: Path) -> None:
    level = load(dump, path)
    database = await Database.open(path)
    try:
        cameras = {camera.sn: camera for camera in await CameraTable(database).load_all()}
        assert list(cameras) == ["FM02D96S00001", "FM01D96S00002", "FM02D96S00003"]
        one = cameras["FM02D96S00001"]
        assert (one.managed, one.address, one.name) == (True, "192.168.1.31:443", "Entrance; left")
        assert (one.activation, one.certificate_sha256, one.first_seen) == ("activated", "9f" * 32, 1763767000)
        assert cameras["FM01D96S00002"].name == "Kasse 'zwei' 收银台"
        tokens = await TokenTable.open(database)
        till, admin = tokens.find("sgw_till"), tokens.find("sgw_admin")
        if level >= 2:
            assert till is not None
            assert admin is not None
            assert (till.name, till.scope, till.last_used_at) == ("till 1", "pos", None)
            assert (admin.name, admin.scope, admin.last_used_at) == ("Müller's laptop", "admin", 1763850000)
        else:
            assert till is admin is None
        jobs = await JobTable(database).load_all()
        assert [job["ssid"] for job in jobs.values()] == (["Shop"] if level >= 3 else [])
        outbox = await Outbox.open(database, max_bytes=1 << 30)
        try:
            assert outbox.depth == (6 if level >= 4 else 0)
            if level >= 4:
                await check_outbox(outbox)
        finally:
            await outbox.close()
    finally:
        await database.close()


async def check_outbox(outbox: Outbox) -> None:
    """Compare what waits, what became of the rest, and who may ask for it."""
    entries, _ = await outbox.entries(token=None, state=None, path=None, after=0, limit=100)
    assert [entry.state for entry in entries] == [
        "delivered", "refused", "refused", "superseded", "waiting", "expired", *["waiting"] * 5,
    ]  # fmt: skip
    first, second, third = (entry.describe() for entry in entries[:3])
    assert first["parameters"] == {
        "shop_id": "10096",
        "order_list": [{"order_no": "A-1", "received_amount": "10.00"}],
    }
    assert second["vendor_answer"]["data"] == {"invalid_list": ["A-2"]}
    assert (third["vendor_code"], third["vendor_meaning"]) == (5047, "invalid order")
    assert len(await outbox.members(3, "till 1")) == 2
    for token, numbers in (("till 1", [1, 2, 3, 4]), ("the installer", [5])):
        own, _ = await outbox.entries(token=token, state=None, path=None, after=0, limit=100)
        assert [entry.sequence for entry in own][:4] == numbers
    picture = (await outbox.files(11))["pic"]
    assert (picture.filename, picture.data[:4]) == ("label.png", b"\x89PNG")
    assert outbox.running.now() >= 778400

    orders = [{"order_no": "A-1", "received_amount": "10.00"}, {"order_no": "A-2", "remark": "it's; done"}]
    endpoint = CATALOGUE.get("cloud", "order/update")
    repeat = endpoint.encode({"order_list": orders}, defaults={"shop_id": "10096"})
    for key in ("first", None):
        accepted = await outbox.accept(repeat, token="till 1", key=key, watched=False)
        assert (accepted.outbox_id, list(accepted.members)) == ("s1", [1, 2])
    newest = await outbox.accept(
        endpoint.encode({"order_list": [{"order_no": "A-9"}]}, defaults={"shop_id": "10096"}),
        token="till 1", key=None, watched=False,
    )  # fmt: skip
    assert int(newest.outbox_id) >= 12, "numbers are never given twice"

    sent = []
    while (batch := await outbox.claim(lambda _: 1000)) is not None:
        sent.append((batch.endpoint.path, [json.loads(parcel.text) for parcel in batch.parcels], len(batch.files)))
    assert sent[0] == ("order/update", [{"order_no": "A-9"}], 0)
    assert sent[1][:2] == ("product/updateTemplate", [{"product_id": "7", "template_id": "2"}])
    assert ("device/esl/pushImage", [{"esl_id": "129200"}], 1) in sent
    assert not any(path == "product/create" for path, *_ in sent), "that product exists: it is an update now"


@EVERY
async def test_the_copy_before_is_kept_and_opens(dump: Path, path: Path, tmp_path: Path) -> None:
    level = load(dump, path)
    before, old_schema = content(path, without="job"), schema(path)
    await (await Database.open(path)).close()
    copies = kept_in(tmp_path)
    if level == len(KNOWN):
        assert copies == []
        return
    assert copies == [tmp_path / f"gateway.db.before-{NAMES[level]}"]
    assert stat.S_IMODE(copies[0].stat().st_mode) == 0o600
    assert schema(copies[0]) == old_schema
    assert content(copies[0], without="job") == before
    assert content(copies[0]).get("job", []) == [], "passwords of work under way are in no copy"
    await run(copies[0], KNOWN[:level])  # as the older version opens it
    await (await Database.open(copies[0])).close()


@EVERY
async def test_a_failure_at_any_statement_changes_nothing(dump: Path, path: Path, tmp_path: Path) -> None:
    level = load(dump, path)
    before = content(path), schema(path)
    rewrite = "CREATE TABLE camera_new AS SELECT sn FROM camera; DROP TABLE camera; DELETE FROM migration;\n"
    tried = 0
    for index, migration in enumerate([*KNOWN, Migration("900_rewrite", rewrite)]):
        if index < level:
            continue
        pieces = list(statements(migration.sql))
        for place in range(len(pieces) + 1):
            broken = "".join([*pieces[:place], "INSERT INTO nowhere VALUES (1);\n", *pieces[place:]])
            with pytest.raises(StateError, match=f"{migration.name}, nothing was changed"):
                await run(path, [*KNOWN[:index], Migration(migration.name, broken)])
            assert (content(path), schema(path)) == before, (migration.name, place)
            tried += 1
    assert tried >= 2
    await (await Database.open(path)).close()
    assert [row["name"] for row in content(path)["migration"]] == NAMES


@EVERY
async def test_the_version_before_refuses_and_names_the_copy(dump: Path, path: Path) -> None:
    level = load(dump, path)
    before = content(path, without="job")
    newer = [*KNOWN, FUTURE]
    await run(path, newer)
    after = content(path)
    copy = copy_before(path, newer[level].name)
    with pytest.raises(StateError, match="a newer gateway has used it") as refused:
        await run(path, newer[:level])
    assert str(copy) in str(refused.value)
    assert content(path) == after
    copy.replace(path)
    await run(path, newer[:level])
    assert content(path, without="job") == before


async def test_this_version_refuses_a_newer_one_and_names_the_copy(path: Path) -> None:
    await (await Database.open(path)).close()
    await run(path, [*KNOWN, FUTURE])
    with pytest.raises(StateError, match=r"900_future.*gateway\.db\.before-900_future"):
        await Database.open(path)
    copy_before(path, FUTURE.name).replace(path)
    await (await Database.open(path)).close()
