"""Another program opens and closes the database of a gateway that runs: nothing that was acknowledged is lost.

On Linux, closing any descriptor of a file drops all locks that the process has on it. Without its locks, SQLite in the
other program takes the database for unused, and deletes the log in front of it, into which the gateway goes on writing.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.simulator.ports import find_free_port
from tests.forking import Program, start_program
from tests.outbox.process import GatewayProcess

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

USE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM camera").fetchall()
connection.close()
"""


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    """Give a gateway whose cloud is away, so that every call stays in its outbox."""
    cloud = f'[cloud]\nbase_url = "https://127.0.0.1:{find_free_port()}"\napp_id = "A"\nsecret_key = "a secret key"\n'
    process = GatewayProcess(tmp_path, f'{cloud}shop_id = "1"\n', "")
    (tmp_path / "gateway.toml").write_text((tmp_path / "gateway.toml").read_text().replace("ca_file", "# ca_file"))
    yield process
    await process.discard()


def has_locks(pid: int, file: Path) -> bool:
    """Tell whether a process holds POSIX locks on a file, as /proc/locks says."""
    inode = file.stat().st_ino
    locks = (line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines())
    return any(lock[1:2] == ["POSIX"] and lock[4] == str(pid) and lock[5].endswith(f":{inode}") for lock in locks)


def deleted_files(pid: int) -> list[str]:
    """Return the names of deleted files that a process still has open."""
    links: list[str] = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it is closed meanwhile
            links.append(os.readlink(one))
    return [link for link in links if link.endswith("(deleted)") and "gateway.db" in link]


async def run(*arguments: str) -> None:
    if arguments[0] == "-m":
        process: Program = await start_program(*arguments[1:])
    else:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    _, errors = await process.communicate()
    assert b"Traceback" not in errors, errors.decode()


async def test_nothing_acknowledged_is_lost(gateway: GatewayProcess, tmp_path: Path) -> None:
    database = gateway.state / "gateway.db"
    [token] = await gateway.tokens("till")
    await gateway.start()
    acknowledged = []
    command = ["-m", "gateway", "--config", str(gateway.config)]
    programs: dict[str, list[str]] = {
        "nothing yet": [],
        "a program that reads": ["-c", USE, str(database)],
        "the doctor": [*command, "doctor", "--json"],
        "a backup": [*command, "backup", str(tmp_path / "backup.tar.gz")],
        "a support bundle": [*command, "support-bundle", str(tmp_path / "bundle.tar.gz")],
        "a program that reads again": ["-c", USE, str(database)],
    }
    async with gateway.caller(token) as till:
        for name, program in programs.items():
            if program:
                await run(*program)
            assert deleted_files(gateway.pid) == [], f"after {name}"
            assert has_locks(gateway.pid, database), f"after {name}"
            order = {"order_no": name, "order_type": 1, "received_amount": "1.00"}
            async with till.post("/api/v1/cloud/order/update", json={"order_list": [order]}) as response:
                assert response.status == 202, await response.text()
            acknowledged.append(name)
    await gateway.kill()
    await gateway.start()
    async with gateway.caller(token) as till, till.get("/api/v1/outbox") as response:
        items = (await response.json())["items"]
    assert [item["parameters"]["order_list"][0]["order_no"] for item in items] == acknowledged
