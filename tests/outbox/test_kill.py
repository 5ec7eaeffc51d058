"""Nothing acknowledged is lost: death at any moment, power cuts, and torn copies of the database."""

import asyncio
import contextlib
import itertools
import os
import random
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.outbox import disk
from tests.outbox.cloud import ObservedCloud, Version
from tests.outbox.day import Report, drained, end_of_day, tills_at_work
from tests.outbox.judgement import judge
from tests.outbox.process import GatewayProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    # A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


OTHER_PROGRAM = """
import sqlite3, sys, time
opened = 0
print("ready", flush=True)
try:
    while True:
        try:
            connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True)
            connection.execute("SELECT count(*) FROM token").fetchall()
            opened += 1
            connection.close()
        except sqlite3.OperationalError:  # not there yet, or busy
            pass
        time.sleep(0.02)
except KeyboardInterrupt:
    print(opened)
"""


@contextlib.asynccontextmanager
async def other_program(database: Path) -> AsyncIterator[None]:
    """Let another program open, read and close the database all the time."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OTHER_PROGRAM, str(database), stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    assert await program.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        program.send_signal(signal.SIGINT)
        output, _ = await program.communicate()
    assert int(output) > 0, "it read nothing"


@pytest.mark.parametrize("is_observed", [False, True], ids=["alone", "beside-another-program"])
async def test_kill_9_at_random_moments(
    cloud: ObservedCloud, gateway: GatewayProcess, counts: dict[str, int], report: Report, is_observed: bool
) -> None:
    dice = random.Random(cloud.dice.random())
    async with contextlib.AsyncExitStack() as stack:
        if is_observed:
            await stack.enter_async_context(other_program(gateway.state / "gateway.db"))
        shift = await stack.enter_async_context(tills_at_work(gateway))
        cloud.flap()
        for _ in range(counts["kills"]):
            await gateway.spawn()
            if dice.random() < 0.8:
                await gateway.ready()
                promised = len(shift.acknowledged) + dice.randint(1, 40)
                while len(shift.acknowledged) < promised:
                    await asyncio.sleep(dice.uniform(0, 0.05))
            else:  # in the midst of its start
                await asyncio.sleep(dice.uniform(0, 1.0))
            await gateway.kill()
        await gateway.start()
    took_s = await end_of_day(gateway, cloud)
    found = judge(cloud, shift.acknowledged, gateway.deaths)
    report(f"{len(gateway.deaths)} kills: {shift.summary()}; {found}; empty {took_s:.1f} s after the last")
    found.check()


@pytest.mark.parametrize("away", [False, True], ids=["delivered-at-once", "cloud-away"])
async def test_a_way_back_and_a_repeat_survive_a_death_after_each_step(
    cloud: ObservedCloud, gateway: GatewayProcess, away: bool
) -> None:
    [token] = await gateway.tokens("till 1")
    if away:
        await cloud.fall()
    answers = []
    for kind in ("1", "4", "1", "1"):
        await gateway.start()
        order = {"order_no": "A", "order_type": int(kind), "received_amount": 1, "receipt_no": kind}
        async with gateway.caller(token) as till:
            wait = {"Prefer": "wait=0" if away else "wait=20"}
            async with till.post("/api/v1/cloud/order/update", json={"order_list": [order]}, headers=wait) as answer:
                answers.append((answer.status, "Idempotent-Replayed" in answer.headers))
        await gateway.kill()
    status = 202 if away else 200
    assert answers == [(status, False)] * 3 + [(status, True)]
    await gateway.start()
    await cloud.rise()
    await drained(gateway)
    arrived = [version.number for delivery in cloud.deliveries for version in delivery.orders]
    assert [number for number, _ in itertools.groupby(arrived)] == [1, 4, 1]


async def test_power_cuts_at_random_moments(
    cloud: ObservedCloud,
    gateway: GatewayProcess,
    counts: dict[str, int],
    tmp_path: Path,
    disk_library: Path,
    report: Report,
) -> None:
    """As above, and what was written but not flushed is lost, kept or torn by chance when the gateway dies."""
    dice = random.Random(cloud.dice.random())
    before, journal = tmp_path / "before", tmp_path / "journal"
    gateway.environment = {
        "LD_PRELOAD": str(disk_library),
        "DISK_FOLDER": str(gateway.state),
        "DISK_JOURNAL": str(journal),
        "DISK_DELAY_US": "2000",
    }
    lost = 0
    async with tills_at_work(gateway) as shift:
        cloud.flap()
        for _ in range(counts["cuts"]):
            shutil.rmtree(before, ignore_errors=True)
            shutil.copytree(gateway.state, before, ignore=shutil.ignore_patterns("*.sock"))
            journal.unlink(missing_ok=True)
            await gateway.start()
            await asyncio.sleep(dice.uniform(0, 1.5))
            await gateway.kill()
            lost += disk.after_power_cut(journal, before, gateway.state, dice)
        gateway.environment = {}
        await gateway.start()
    took_s = await end_of_day(gateway, cloud)
    found = judge(cloud, shift.acknowledged, gateway.deaths)
    report(
        f"{len(gateway.deaths)} power cuts, {lost} sectors lost: {shift.summary()}; {found}; "
        f"empty {took_s:.1f} s after the last"
    )
    found.check()
    assert not list(gateway.state.glob("*.corrupt-*")), "a power cut looked like a damaged database"


async def test_copies_of_the_database_taken_under_load(
    cloud: ObservedCloud, gateway: GatewayProcess, counts: dict[str, int], tmp_path: Path, report: Report
) -> None:
    """A copy that shows one moment holds all that was acknowledged by then and not yet delivered."""
    dice = random.Random(cloud.dice.random())
    copies: list[tuple[Path, set[Version]]] = []
    async with tills_at_work(gateway, text="x" * 500) as shift:
        await gateway.start()
        cloud.flap()
        for number in range(counts["copies"]):
            await asyncio.sleep(dice.uniform(0.2, 1.0))
            os.kill(gateway.pid, signal.SIGSTOP)
            try:
                copy = tmp_path / f"copy-{number}"
                _copy(gateway, copy)
                delivered = {version for one in cloud.deliveries for version in one.orders}
                copies.append((copy, set(shift.acknowledged) - delivered))
            finally:
                os.kill(gateway.pid, signal.SIGCONT)
    await end_of_day(gateway, cloud)
    judge(cloud, shift.acknowledged, gateway.deaths).check()
    for copy, expected in copies:
        async with ObservedCloud() as other:
            opened = await _opened(copy, other)
            await opened.stop()
            found = judge(other, expected, [])
            report(f"{copy.name}: {len(expected)} to come; {found}")
            found.check()


async def test_torn_copies_of_the_database(
    cloud: ObservedCloud, gateway: GatewayProcess, counts: dict[str, int], tmp_path: Path, report: Report
) -> None:
    """A copy made of pieces of different moments, or with garbage in it, is opened; what is readable is delivered."""
    dice = random.Random(cloud.dice.random())
    await cloud.fall()
    copies: list[tuple[Path, set[Version], set[Version]]] = []
    async with tills_at_work(gateway, text="x" * 500) as shift:
        await gateway.start()
        for number in range(counts["copies"]):
            await asyncio.sleep(dice.uniform(0.2, 1.0))
            before = set(shift.acknowledged)
            copy = tmp_path / f"copy-{number}"
            _copy(gateway, copy)
            await asyncio.sleep(0.3)
            _tear(gateway, copy, dice, number)
            copies.append((copy, before, set(shift.acknowledged)))
    await gateway.kill()
    for number, (copy, before, after) in enumerate(copies):
        async with ObservedCloud() as other:
            opened = await _opened(copy, other)
            found = judge(other, before, [])
            aside = [path.name for path in (copy / "state").glob("*.corrupt-*")]
            report(f"{copy.name}: of {len(before)} to {len(after)} orders: {found}; set aside: {aside}")
            assert not found.unexplained
            assert not found.disordered
            if number % 3 == 1:
                assert len(found.missing) < len(before) / 2, "three bad pages cost only what was in them"
            if aside:
                assert any(word in opened.log.lower() for word in ("damaged", "corrupt")), opened.log[-2000:]
            await opened.stop()


def _copy(gateway: GatewayProcess, copy: Path) -> None:
    (copy / "state").mkdir(parents=True)
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-schema"):
        if (gateway.state / name).exists():
            shutil.copy(gateway.state / name, copy / "state" / name)


def _tear(gateway: GatewayProcess, copy: Path, dice: random.Random, number: int) -> None:
    """Damage a copy: another moment's log, pages of garbage, or a cut-off file, in turn."""
    database, log = copy / "state" / "gateway.db", copy / "state" / "gateway.db-wal"
    match number % 3:
        case 0:
            shutil.copy(gateway.state / "gateway.db-wal", log)
        case 1:
            with contextlib.closing(sqlite3.connect(database)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            content = bytearray(database.read_bytes())
            for _ in range(3):
                page = dice.randrange(1, max(2, len(content) // 4096)) * 4096
                content[page : page + 4096] = dice.randbytes(4096)
            database.write_bytes(content)
        case _:
            content = bytearray(log.read_bytes())
            del content[dice.randrange(len(content)) :]
            log.write_bytes(content)


async def _opened(copy: Path, cloud: ObservedCloud) -> GatewayProcess:
    """Open a copy of the database with a new gateway, whose cloud is another one, and let it deliver all it has."""
    opened = GatewayProcess(copy, cloud.settings_toml(), cloud.simulated.ca_pem)
    try:
        await opened.start()
        move = {"to_current": True}
        async with opened.caller() as owner, owner.post("/api/v1/outbox/release", json=move) as response:
            assert response.status == 200, await response.text()
        await drained(opened)
    except BaseException:
        await opened.discard()
        raise
    return opened
