"""A damaged database is recovered: what can be read is there, what was deleted is not, and no interruption harms."""

import asyncio
import itertools
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.access.token_table import TokenTable
from gateway.cameras.provisioning.table import ProvisioningJobTable
from gateway.errors import StateError
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.migrations import Migration, load_packaged
from tests.storage import damage
from tests.storage.databases import create_sample, read_content, read_schema

FULL_PROOFS = os.environ.get("FULL_PROOFS") == "1"
COPIES = 30 if FULL_PROOFS else 3
STEP = 1 if FULL_PROOFS else 4
ADDED_ROWS = 1500 if FULL_PROOFS else 500
"""Rows of each large table, apart from the two of the sample: they fill hundreds of pages."""
NEW_AFTER_RECOVERY = {"migration", "event_log"}
"""Tables with values that a recovery makes anew."""

LENGTHS = (9, 900, 9000)

Kind = Callable[[damage.Damage], None]
Content = Mapping[str, Counter[str]]


def count_rows(path: Path) -> Content:
    """Return the rows of all tables that a recovery has to keep as they were."""
    return {
        table: Counter(repr(row) for row in rows)
        for table, rows in read_content(path).items()
        if table not in NEW_AFTER_RECOVERY
    }


def count_lost(before: Content, after: Content) -> int:
    return sum((before[table] - after[table]).total() for table in before)


def list_keys(path: Path) -> set[tuple[str, Any]]:
    """Return the first column of every row that a recovery has to keep, with its table: it tells rows apart."""
    return {
        (table, next(iter(row.values())))
        for table, rows in read_content(path).items()
        if table not in NEW_AFTER_RECOVERY
        for row in rows
    }


def fill(path: Path) -> None:
    """Add many rows, among them long ones, to the tables of a sample that are large in a shop."""
    dice = random.Random(7)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        for number in range(100, 100 + ADDED_ROWS):
            for table, values in (
                ("item", {"sequence": number, "order_key": f"order:1:{number}"}),
                ("item_content", {"sequence": number, "text": f'{{"n":{number},"t":"{"x" * dice.choice(LENGTHS)}"}}'}),
                ("event", {"number": number, "data": "y" * dice.choice((30, 300))}),
                ("token", {"name": f"token {number}", "sha256": f"{number:064}"}),
            ):  # fmt: skip
                row = {**dict(connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()), **values}  # noqa: S608
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608
        connection.execute("COMMIT")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a database with many rows, which nobody has open. It is copied and not changed."""
    path = tmp_path_factory.mktemp("large") / "gateway.db"
    asyncio.run(create_sample(path))
    fill(path)
    return path.parent


@pytest.fixture
def path(large: Path, tmp_path: Path) -> Path:
    """Give a copy of the large database."""
    shutil.copytree(large, tmp_path, dirs_exist_ok=True)
    return tmp_path / "gateway.db"


def spoil(path: Path, kind: Kind, seed: int = 0, *, roots_from: Path | None = None) -> None:
    """Damage a file; `roots_from` is the sound database that tells where the tables of one with a log begin."""
    damaged = damage.Damage(path, random.Random(f"{kind.__name__} {seed}"), roots_from or path)
    kind(damaged)
    damaged.write()


def reopen(path: Path, known: Sequence[Migration] | None = None) -> None:
    """Open a database, as a start of the gateway does, and close it."""

    async def work() -> None:
        await (await Database.open(path, known)).close()

    asyncio.run(work())


def test_tables_of_many_pages_are_told_apart_by_their_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        columns = {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name, _ in tables}
    shapes = {
        name: tuple("rowid" if kind == "INTEGER" and is_key else kind for _, _, kind, _, _, is_key in columns[name])
        for name, sql in tables
        if "CHECK (id = 1)" not in sql and "WITHOUT ROWID" not in sql
    }
    assert len(set(shapes.values())) == len(shapes), "pages of tables with the same shape belong to neither"


@pytest.mark.parametrize("kind", damage.HARMLESS, ids=lambda kind: kind.__name__)
def test_what_is_known_from_elsewhere_costs_no_row(path: Path, kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    before, schema = count_rows(path), read_schema(path)
    spoil(path, kind)
    reopen(path)
    assert count_lost(before, count_rows(path)) == 0
    assert count_lost(count_rows(path), before) == 0, "nothing was added"
    assert read_schema(path) == schema
    assert "gateway.db.corrupt-1" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("kind", damage.HARMFUL, ids=lambda kind: kind.__name__)
def test_other_damage_costs_what_was_there(path: Path, kind: Kind, large: Path) -> None:
    """Compare with the rows that have a part on an undamaged page, found by searching the file for their text."""
    before, keys = count_rows(path), list_keys(path)
    lost = []
    for seed in range(COPIES):
        shutil.rmtree(path.parent)
        shutil.copytree(large, path.parent)
        spoil(path, kind, seed)
        content = path.read_bytes()
        readable = {int(number) for number in re.findall(rb'"n":([0-9]+),"t"', content)}
        reopen(path)
        after = count_rows(path)
        # A row with a damaged text is kept: what it is about can still be shown to a person.
        assert len(list_keys(path) - keys) <= 2, "hardly ever does garbage look like a row"
        with closing(sqlite3.connect(path)) as connection:
            found = {number for (number,) in connection.execute("SELECT sequence FROM item_content")}
        # What is on a page with a damaged sector, or has its other end on a damaged page, may be lost.
        assert len(readable - found) <= 40
        lost.append(count_lost(before, after))
    total = sum(rows.total() for rows in before.values())
    print(f"{COPIES} copies with damage of the kind {kind.__name__}: of {total} rows each, {lost} were lost")  # noqa: T201  a proof's result


def test_the_report_names_what_was_damaged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spoil(path, lambda one: one.spoil([one.roots["item_content"]]))
    reopen(path)
    assert f"item_content: {ADDED_ROWS + 2} rows, damaged in 1 places" in caplog.text
    assert "camera: 2 rows;" in caplog.text


def test_readers_of_events_notice(path: Path) -> None:
    [before] = read_content(path)["event_log"]
    spoil(path, damage.first_page)
    reopen(path)
    [after] = read_content(path)["event_log"]
    assert before["epoch"] != after["epoch"]
    assert before["ticket_key"] == after["ticket_key"]


@pytest.mark.parametrize("lost", [["fleet_cursor"], ["fleet_cursor", "event_log"]], ids=["alone", "with-the-epoch"])
def test_of_events_that_may_have_been_sent_to_a_head_office_none_counts_as_new(path: Path, lost: list[str]) -> None:
    [log] = read_content(path)["event_log"]
    spoil(path, lambda one: one.spoil([one.roots[table] for table in lost]))
    reopen(path)
    content = read_content(path)
    [cursor] = content["fleet_cursor"]
    assert cursor["number"] == max(event["number"] for event in content["event"])
    assert (cursor["epoch"] == log["epoch"]) == ("event_log" not in lost)
    assert (cursor["published"], cursor["since"], cursor["member"]) == (0, 0, "")


def test_events_that_a_head_office_has_are_not_sent_again_for_the_loss_of_the_epoch(path: Path) -> None:
    before = read_content(path)["fleet_cursor"]
    spoil(path, lambda one: one.spoil([one.roots["event_log"]]))
    reopen(path)
    assert read_content(path)["fleet_cursor"] == before


def test_a_gateway_without_a_head_office_stays_one(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM fleet_cursor")
    spoil(path, lambda one: one.spoil([one.roots["item_content"]]))
    reopen(path)
    assert read_content(path)["fleet_cursor"] == []


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "gateway.db"
    path.write_text("Dear diary, " * 500)
    reopen(path)
    assert read_content(path)["token"] == []
    assert (tmp_path / "gateway.db.corrupt-1").read_text() == "Dear diary, " * 500
    assert "it is not a database" in caplog.text
    assert "gateway.db.corrupt-1" in caplog.text


@pytest.mark.parametrize("statement", ["DELETE FROM token WHERE name != 'till 1'", "UPDATE token SET scope = 'admin'"])
def test_the_log_in_front_of_a_damaged_database_counts(path: Path, tmp_path: Path, statement: str) -> None:
    """The log holds the first page after the first statement, but not after the second."""

    async def work() -> Path:
        database = await Database.open(path)
        await database.execute(statement)
        copy = copy_with_log(path, tmp_path / "copy")
        await database.close()
        return copy

    copy = asyncio.run(work())
    spoil(copy, lambda one: one.spoil([1, one.roots["item"]]), roots_from=path)
    reopen(copy)
    assert count_lost(count_rows(path), count_rows(copy)) == 0
    assert sorted(one.name for one in copy.parent.iterdir()) == [
        "gateway.db", "gateway.db-schema", "gateway.db.corrupt-1",
    ]  # fmt: skip


def copy_with_log(path: Path, folder: Path) -> Path:
    """Copy a database in use, as a power cut leaves it."""
    folder.mkdir()
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-schema"):
        shutil.copy(path.with_name(name), folder / name)
    return folder / path.name


SECRETS = (b"the password of a job that has ended", b"the secret of a webhook that was deleted")


@pytest.mark.parametrize("written_back", [False, True], ids=["in-the-log", "written-back"])
@pytest.mark.parametrize("kind", [*damage.HARMLESS, *damage.HARMFUL], ids=lambda kind: kind.__name__)
def test_nothing_that_was_deleted_comes_back(path: Path, tmp_path: Path, kind: Kind, written_back: bool) -> None:
    async def work() -> Path:
        database = await Database.open(path)
        tokens = await TokenTable.open(database, Supervisor(), uptime_s=time.monotonic)
        await tokens.create("revoked", "admin")
        await ProvisioningJobTable(database).save("SN1", {"password": SECRETS[0].decode()})
        await database.execute(
            "INSERT INTO webhook SELECT 'wh_2', name, url, ?, types, camera, created_at, delivered FROM webhook",
            (SECRETS[1].decode(),),
        )
        await database.checkpoint()
        await tokens.revoke("revoked")
        await database.execute("DELETE FROM webhook WHERE id = 'wh_2'")
        await database.execute("DELETE FROM provisioning_job WHERE sn = 'SN1'")
        if written_back:
            await database.checkpoint()
        copy = copy_with_log(path, tmp_path / "copy")
        await database.close()
        return copy

    copy = asyncio.run(work())
    spoil(copy, kind, roots_from=path)
    reopen(copy)
    content = read_content(copy)
    assert "revoked" not in {row["name"] for row in content["token"]}
    assert "wh_2" not in {row["id"] for row in content["webhook"]}
    assert "SN1" not in {row["sn"] for row in content["provisioning_job"]}
    for secret in SECRETS:
        assert secret not in copy.read_bytes()


@pytest.mark.parametrize("kind", [damage.first_page, damage.root_and_map], ids=lambda kind: kind.__name__)
def test_the_file_that_is_set_aside_holds_no_passwords(path: Path, kind: Kind) -> None:
    [job] = read_content(path)["provisioning_job"]
    password = json.loads(job["state"])["password"].encode()
    assert password in path.read_bytes()
    spoil(path, kind)
    reopen(path)
    assert read_content(path)["provisioning_job"] == [job], "the job goes on"
    assert password not in path.with_name("gateway.db.corrupt-1").read_bytes()


INTERRUPT = """
import asyncio, os, sys
from pathlib import Path
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database

path, left = Path(sys.argv[1]), int(sys.argv[2])

def count(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove", "sqlite3.connect", "shutil.copyfile") and any(
        isinstance(one, (str, Path)) and str(path) in str(one) for one in arguments
    ):
        left -= 1
        if left == 0:
            os._exit(9)

sys.addaudithook(count)
asyncio.run(Database.open(path))
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [damage.first_page, damage.schema], ids=lambda kind: kind.__name__)
def test_an_interruption_at_any_moment_is_harmless(tmp_path: Path, kind: Kind) -> None:
    original = tmp_path / "original" / "gateway.db"
    original.parent.mkdir()
    asyncio.run(create_sample(original))
    before = count_rows(original)
    with closing(sqlite3.connect(original)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    spoil(original, kind)
    moments = 0
    for moment in itertools.count(1, STEP):
        path = tmp_path / str(moment) / "gateway.db"
        shutil.copytree(original.parent, path.parent)
        command = [sys.executable, "-c", INTERRUPT, str(path), str(moment)]
        done = subprocess.run(command, check=False, timeout=60)
        reopen(path)
        assert count_lost(before, count_rows(path)) == 0, f"interrupted at step {moment}"
        assert path.with_name("gateway.db.corrupt-1").exists()
        assert not list(path.parent.glob("*.recover*"))
        if done.returncode == 0:
            break
        moments += 1
    assert moments > 10
    print(f"interrupted at {moments} moments of a recovery")  # noqa: T201  a proof's result


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from gateway.errors import StateError
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    asyncio.run(Database.open(Path(sys.argv[1])))
except StateError as exc:
    print(exc)
"""


def test_a_full_disk_costs_nothing(path: Path) -> None:
    before = count_rows(path)
    spoil(path, damage.first_page)
    size = path.stat().st_size
    for part in (0.1, 0.5, 0.9):
        command = [sys.executable, "-Bc", FULL, str(path), str(int(size * part))]
        done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
        assert "the disk" in done.stdout
        assert not path.exists(), "there is no new database without the rows of the old one"
    reopen(path)
    assert count_lost(before, count_rows(path)) == 0


def test_a_damaged_database_of_an_older_version_is_recovered_and_brought_up_to_date(path: Path) -> None:
    future = Migration(
        "900_future", "ALTER TABLE camera ADD COLUMN colour TEXT NOT NULL DEFAULT 'white'; DROP TABLE file;"
    )
    future = Migration("900_future", "ALTER TABLE camera ADD COLUMN colour TEXT NOT NULL DEFAULT 'white';")
    spoil(path, damage.first_page)
    reopen(path, [*load_packaged(), future])
    content = read_content(path)
    assert [row["colour"] for row in content["camera"]] == ["white", "white"]
    assert [row["name"] for row in content["migration"]] == [one.name for one in [*load_packaged(), future]]
    spoil(path, damage.first_page)
    reopen(path, [*load_packaged(), future])
    assert read_content(path)["camera"] == content["camera"], "also what old rows lack"


def test_a_damaged_database_of_a_newer_version_is_left_alone(
    path: Path, file_bytes: Callable[[], dict[str, bytes]]
) -> None:
    future = Migration("900_future", "CREATE TABLE future (x);")
    reopen(path, [*load_packaged(), future])
    spoil(path, damage.first_page)
    before = file_bytes()
    with pytest.raises(StateError, match="a newer gateway has used it"):
        reopen(path)
    assert file_bytes() == before


def test_a_second_damage_gets_the_next_name(path: Path) -> None:
    for number in (1, 2, 3):
        spoil(path, damage.first_page)
        reopen(path)
        assert path.with_name(f"gateway.db.corrupt-{number}").exists()
