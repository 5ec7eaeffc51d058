import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import aiosqlite
import pytest

from gateway.api.token_table import TokenTable
from gateway.errors import StateError
from gateway.storage.database import Database


async def test_files_are_private_and_settings_are_safe(tmp_path: Path, database: Database) -> None:
    async with database.write() as connection:
        await connection.execute("CREATE TABLE t (x)")
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
    values = {
        pragma: (await database.read(f"PRAGMA {pragma}"))[0][0]
        for pragma in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
    }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 5000,
    }


async def test_closing_twice_is_harmless(database: Database) -> None:
    await database.close()
    await database.close()


async def test_a_file_readable_by_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.touch(mode=0o644)
    await (await Database.open(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_block_is_kept_whole_or_not_at_all(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute("CREATE TABLE t (x UNIQUE)")
        await connection.execute("INSERT INTO t VALUES (1)")

    async def insert(*numbers: int) -> None:
        async with database.write() as connection:
            for number in numbers:
                await connection.execute("INSERT INTO t VALUES (?)", (1 // number,))

    with pytest.raises(ZeroDivisionError):
        await insert(2, 0)
    with pytest.raises(sqlite3.IntegrityError):
        await insert(2, 1)
    assert [row["x"] for row in await database.read("SELECT x FROM t")] == [1]


async def test_an_error_of_the_caller_stays_what_it_is(database: Database) -> None:
    with pytest.raises(ConnectionResetError):
        async with database.write():
            raise ConnectionResetError


async def test_one_writer_at_a_time_and_no_dirty_reads(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute("CREATE TABLE t (x)")
        await connection.execute("INSERT INTO t VALUES (0)")

    async def add_one() -> None:
        async with database.write() as connection:
            value = next(iter(await connection.execute_fetchall("SELECT x FROM t")))[0]
            await asyncio.sleep(0)
            await connection.execute("UPDATE t SET x = ?", (value + 1,))

    await asyncio.gather(*(add_one() for _ in range(20)))
    assert (await database.read("SELECT x FROM t"))[0][0] == 20

    half_way, go_on = asyncio.Event(), asyncio.Event()

    async def change_of_mind() -> None:
        async with database.write() as connection:
            await connection.execute("UPDATE t SET x = -1")
            half_way.set()
            await go_on.wait()
            raise ZeroDivisionError

    changing = asyncio.create_task(change_of_mind())
    await half_way.wait()
    reading = asyncio.create_task(database.read("SELECT x FROM t"))
    await asyncio.sleep(0)
    go_on.set()
    assert (await reading)[0][0] == 20
    with pytest.raises(ZeroDivisionError):
        await changing


async def test_a_cancelled_writer_leaves_nothing_and_blocks_nobody(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute("CREATE TABLE t (x)")

    async def write() -> None:
        async with database.write() as connection:
            for number in range(1000):
                await connection.execute("INSERT INTO t VALUES (?)", (number,))

    for steps in (1, 2, 3, 10, 40):
        writing = asyncio.create_task(write())
        for _ in range(steps):
            await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await database.read("SELECT x FROM t") == []
        async with database.write() as connection:
            await connection.execute("DELETE FROM t")


async def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    script = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.storage.database import Database

async def main():
    database = await Database.open(Path(sys.argv[1]))
    async with database.write() as connection:
        await connection.execute("CREATE TABLE t (x)")
        await connection.execute("INSERT INTO t VALUES (1)")
    async with database.write() as connection:
        await connection.execute("INSERT INTO t VALUES (2)")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    path = tmp_path / "gateway.db"
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, str(path)], check=False)
    database = await Database.open(path)
    rows = await database.read("SELECT x FROM t")
    await database.close()
    assert [row["x"] for row in rows] == [1]


async def test_opening_again_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    await (await Database.open(path)).close()
    before = path.read_bytes(), path.stat().st_mtime_ns
    await (await Database.open(path)).close()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


async def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "gateway.db"
    path.write_text("Dear diary, " * 500)
    database = await Database.open(path)
    assert [row["token"] for row in await database.read("SELECT count(*) AS token FROM token")] == [0]
    await database.close()
    assert (tmp_path / "gateway.db.corrupt-1").read_text() == "Dear diary, " * 500
    assert "it is not a database" in caplog.text
    assert "gateway.db.corrupt-1" in caplog.text


async def test_what_can_be_read_of_a_damaged_database_is_saved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gateway.db"
    database = await Database.open(path)
    async with database.write() as connection:
        rows = [(f"token {number:03}", "pos", f"{number:0500}", number) for number in range(200)]
        await connection.executemany("INSERT INTO token VALUES (?, ?, ?, ?, NULL)", rows)
        await connection.execute("INSERT INTO provisioning_job VALUES ('SN', '{}')")
    await database.close()
    content = bytearray(path.read_bytes())
    begin = content.index(b"token 100pos") // 4096 * 4096
    content[begin : begin + 4096] = bytes(range(256)) * 16
    path.write_bytes(content)
    database = await Database.open(path)
    names = {row["name"] for row in await database.read("SELECT name FROM token")}
    jobs = await database.read("SELECT sn FROM provisioning_job")
    await database.close()
    assert 150 < len(names) < 200
    assert {"token 000", "token 199"} <= names
    assert [row["sn"] for row in jobs] == ["SN"]
    assert "damaged in 1 places" in caplog.text
    assert not (tmp_path / "gateway.db.corrupt-2").exists()


async def test_refuses_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="No such file or directory"):
        await Database.open(tmp_path / "nowhere" / "gateway.db")


async def test_a_full_disk_is_told_and_undoes_the_write(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute("CREATE TABLE t (x)")
    pages = (await database.read("PRAGMA page_count"))[0][0]
    # SQLite itself keeps the file from growing, with the same error as a full disk gives.
    await database.read(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateError, match="the disk is full"):
        async with database.write() as connection:
            await connection.execute("INSERT INTO t VALUES (?)", ("x" * 100_000,))
    assert await database.read("SELECT x FROM t") == []


async def test_another_program_in_the_way_is_told(tmp_path: Path, database: Database) -> None:
    await database.read("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match="another program"):
        async with database.write():
            pass
    other.execute("ROLLBACK")
    other.close()
    async with database.write() as connection:
        await connection.execute("CREATE TABLE t (x)")


async def test_an_open_that_fails_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    async with aiosqlite.connect(tmp_path / "gateway.db") as connection:
        await connection.execute("CREATE TABLE migration (name TEXT, applied_at INTEGER)")
        await connection.execute("INSERT INTO migration VALUES ('900_future', 0)")
        await connection.commit()
    with pytest.raises(StateError):
        await Database.open(tmp_path / "gateway.db")
    for thread in set(threading.enumerate()) - before:
        thread.join()
        assert not thread.is_alive()


async def test_what_tells_where_the_tables_are_may_be_damaged_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gateway.db"
    database = await Database.open(path)
    for number in range(50):
        await TokenTable(database, lambda: 1000.0).create(f"till {number}", "pos")
    await database.scrub()
    await database.close()
    content = bytearray(path.read_bytes())
    schema = [page for page in range(1, len(content) // 4096) if b"CREATE TABLE" in content[page * 4096 :][:4096]]
    assert schema, "the schema has pages of its own"
    for page in schema:
        content[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    database = await Database.open(path)
    try:
        assert len((await TokenTable.open(database)).all()) == 50
    finally:
        await database.close()
    assert "token: 50 rows" in caplog.text
