from pathlib import Path

from gateway.audit import table
from gateway.audit.change import MAX_TEXT, NewChange
from gateway.audit.log import AuditLog
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime


async def test_it_is_bounded_in_rows_and_age(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "gateway.db")
    change = NewChange("till 1", "api", "Make a token", "x" * 1000)
    many = [change] * (table.MAX_ROWS + 5)
    await database.transact(lambda connection: table.insert(connection, many, time=1, uptime_s=0.0))
    changes = await table.load_page(database, before=None, limit=table.MAX_ROWS + 5)
    assert len(changes) == table.MAX_ROWS
    assert changes[0].number == table.MAX_ROWS + 5
    assert len(changes[0].object) == MAX_TEXT
    late = table.MAX_AGE_S + 1
    await database.transact(lambda connection: table.insert(connection, [change], time=2, uptime_s=late))
    [left] = await table.load_page(database, before=None, limit=10)
    # Numbers are never given twice.
    assert (left.number, left.time) == (table.MAX_ROWS + 6, 2)
    await database.close()


async def test_pages_are_the_newest_first(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "gateway.db")
    supervisor = Supervisor()
    uptime = await Uptime.open(database, supervisor)
    log = AuditLog(database, uptime, supervisor, now=lambda: 1763850000.7)
    for number in range(5):
        await log.add(NewChange("phone", "console", "Make a token", f"till {number}"))
    changes, following = await log.read(limit=2)
    assert [one.object for one in changes] == ["till 4", "till 3"]
    assert changes[0].time == 1763850000
    changes, following = await log.read(before=following, limit=3)
    assert [one.object for one in changes] == ["till 2", "till 1", "till 0"]
    assert await log.read(before=following, limit=3) == ([], None)
    await log.close()
    await supervisor.close()
    await database.close()
