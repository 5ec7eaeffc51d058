"""The database: one thread that writes, a reader beside it, and no failure without an error."""

import asyncio
import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import DiskFull, StateError
from gateway.runtime.supervisor import Supervisor
from gateway.storage import database as database_module
from gateway.storage.database import Database
from gateway.storage.migrations import Migration
from tests.storage.databases import apply


async def test_files_are_private_and_settings_are_safe(tmp_path: Path, database: Database) -> None:
    await database.execute("CREATE TABLE t (x)")
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm", "gateway.db-schema"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout", "page_size")
    values = await database.inspect(
        lambda connection: {pragma: connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in pragmas}
    )
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 5000,
        "page_size": 4096,
    }


async def test_closing_twice_is_harmless(database: Database) -> None:
    await database.close()
    await database.close()


async def test_a_file_readable_by_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.touch(mode=0o644)
    await (await Database.open(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    await database.execute("CREATE TABLE t (x UNIQUE)")
    await database.execute("INSERT INTO t VALUES (1)")
    commits = database.commits

    async def insert(*numbers: int) -> None:
        await database.executemany("INSERT INTO t VALUES (?)", ((1 // number,) for number in numbers))

    with pytest.raises(ZeroDivisionError):
        await insert(2, 0)
    with pytest.raises(sqlite3.IntegrityError):
        await insert(2, 1)
    assert [row["x"] for row in await database.read("SELECT x FROM t")] == [1]
    assert database.commits == commits


async def test_an_error_of_the_caller_stays_what_it_is(database: Database) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await database.transact(fail)
    with pytest.raises(ConnectionResetError):
        await database.inspect(fail)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.read("SELECT * FROM nowhere")


async def test_a_cursor_is_closed_in_the_thread_that_uses_its_statement(database: Database) -> None:
    """Freed in another thread, it would reset a statement that the database's thread may be executing again."""
    await database.execute("CREATE TABLE t (x)")
    cursor = await database.transact(lambda connection: connection.executemany("INSERT INTO t VALUES (?)", [(1,)]))
    with pytest.raises(sqlite3.ProgrammingError, match="closed cursor"):
        cursor.execute("SELECT 1")


async def test_one_writer_at_a_time(database: Database) -> None:
    await database.execute("CREATE TABLE t (x)")
    await database.execute("INSERT INTO t VALUES (0)")

    def add_one(connection: sqlite3.Connection) -> None:
        [value] = connection.execute("SELECT x FROM t").fetchone()
        connection.execute("UPDATE t SET x = ?", (value + 1,))

    await asyncio.gather(*(database.transact(add_one) for _ in range(20)))
    assert (await database.read("SELECT x FROM t"))[0][0] == 20


async def test_a_reader_neither_waits_for_a_write_under_way_nor_sees_it(database: Database) -> None:
    await database.execute("CREATE TABLE t (x)")
    half_way, go_on = threading.Event(), threading.Event()

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        half_way.set()
        assert go_on.wait(10)

    writing = asyncio.ensure_future(database.transact(write))
    await asyncio.to_thread(half_way.wait, 10)
    assert await database.read("SELECT x FROM t") == []
    go_on.set()
    await writing
    assert [row["x"] for row in await database.read("SELECT x FROM t")] == [1]


async def test_nothing_is_written_by_reading(database: Database) -> None:
    with pytest.raises(StateError, match="cannot be written to"):
        await database.read("DELETE FROM token")


async def test_a_cancelled_writer_blocks_nobody(database: Database) -> None:
    await database.execute("CREATE TABLE t (x)")
    begun, go_on = threading.Event(), threading.Event()

    def write(connection: sqlite3.Connection) -> None:
        begun.set()
        assert go_on.wait(10)
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(1000)])

    first = asyncio.ensure_future(database.transact(write))
    second = asyncio.ensure_future(database.execute("DELETE FROM t WHERE x < 500"))
    await asyncio.to_thread(begun.wait, 10)
    first.cancel()
    second.cancel()
    for writing in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await writing
    go_on.set()
    await database.execute("INSERT INTO t VALUES (1000)")
    assert len(await database.read("SELECT x FROM t")) == 1001, "what had begun is whole, what had not is not begun"


async def test_an_open_that_is_cancelled_leaves_no_thread(
    tmp_path: Path, file_bytes: Callable[[], dict[str, bytes]]
) -> None:
    before = set(threading.enumerate())
    for number in range(20):
        opening = asyncio.ensure_future(Database.open(tmp_path / f"{number}.db"))
        await asyncio.sleep(number / 1000)
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await opening).close()
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("asyncio"):
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive(), thread
    assert not any(name.endswith("-wal") for name in file_bytes()), "every connection was closed"


async def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    script = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.storage.database import Database

async def main():
    database = await Database.open(Path(sys.argv[1]))
    await database.execute("CREATE TABLE t (x)")
    await database.execute("INSERT INTO t VALUES (1)")

    def write(connection):
        connection.execute("INSERT INTO t VALUES (2)")
        os.kill(os.getpid(), signal.SIGKILL)

    await database.transact(write)

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


async def test_refuses_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="No such file or directory"):
        await Database.open(tmp_path / "nowhere" / "gateway.db")


async def test_a_full_disk_is_told_and_undoes_the_write(database: Database) -> None:
    await database.execute("CREATE TABLE t (x)")
    pages = (await database.read("PRAGMA page_count"))[0][0]
    # SQLite itself keeps the file from growing, with the same error as a full disk gives.
    await database.inspect(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(DiskFull, match="the disk is full"):
        await database.execute("INSERT INTO t VALUES (?)", ("x" * 100_000,))
    assert await database.read("SELECT x FROM t") == []


async def test_another_program_in_the_way_is_told(tmp_path: Path, database: Database) -> None:
    await database.inspect(lambda connection: connection.execute("PRAGMA busy_timeout = 50"))
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="another program"):
            await database.execute("DELETE FROM token")
        other.execute("ROLLBACK")
    await database.execute("DELETE FROM token")


async def test_another_program_that_reads_keeps_the_log_from_being_emptied(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await database.inspect(lambda connection: connection.execute("PRAGMA busy_timeout = 50"))
    await database.execute("DELETE FROM token")
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM token").fetchone()
        await database.execute("DELETE FROM camera")
        await database.checkpoint()
    assert "another program is reading" in caplog.text
    await database.checkpoint()
    assert (tmp_path / "gateway.db-wal").stat().st_size == 0


async def test_an_open_that_fails_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    apply(tmp_path / "gateway.db", [Migration("900_future", "CREATE TABLE future (x);")])
    with pytest.raises(StateError):
        await Database.open(tmp_path / "gateway.db")
    for thread in set(threading.enumerate()) - before:
        thread.join()
        assert not thread.is_alive()


async def test_a_thread_that_hangs_is_noticed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "CHECK_INTERVAL_S", 0.01)
    supervisor = Supervisor()
    database.start(supervisor)
    [report] = supervisor.reports()
    assert (report.name, report.vital) == ("database", True)
    while supervisor.reports()[0].last_success_age_s is None:
        await asyncio.sleep(0.005)
    go_on = threading.Event()
    hanging = asyncio.ensure_future(database.inspect(lambda _: go_on.wait(10)))
    while supervisor.silent_vital_services(0.2) != ["database"]:
        await asyncio.sleep(0.01)
    go_on.set()
    await hanging
    while supervisor.silent_vital_services(0.2) or supervisor.reports()[0].failures:
        await asyncio.sleep(0.01)
    await database.close()
    assert supervisor.reports()[0].state == "stopped"


async def test_damage_that_something_meets_is_left_to_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A restart recovers what can be read; no other failure that is foreseen makes the service fall silent."""
    path = tmp_path / "gateway.db"
    database = await Database.open(path)
    await database.execute("CREATE TABLE t (x)")
    await database.executemany("INSERT INTO t VALUES (?)", [("x" * 4000,) for _ in range(2000)])
    await database.close()
    database = await Database.open(path)
    with path.open("r+b") as file:
        file.seek(1000 * 4096)
        file.write(b"\xa5" * 500 * 4096)
    monkeypatch.setattr(database_module, "CHECK_INTERVAL_S", 0.01)
    supervisor = Supervisor(initial_delay_s=0.01)
    database.start(supervisor)
    while supervisor.reports()[0].last_success_age_s is None:
        await asyncio.sleep(0.005)
    with pytest.raises(StateError, match="start the gateway again"):
        await database.read("SELECT sum(length(x)) FROM t")
    while supervisor.silent_vital_services(0.2) != ["database"]:
        await asyncio.sleep(0.01)
    await database.close()
    assert "the database is damaged" in caplog.text
