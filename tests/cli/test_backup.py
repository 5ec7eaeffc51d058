"""Replacing a dead Pi: backup of a running gateway, restore on another machine, and release of the held queue."""

import asyncio
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.simulator.account import SECRET_KEY
from gateway.simulator.store import SimulatedStore
from tests.cli.conftest import until_response


def order(number: int, amount: str = "1") -> str:
    return f'order_list=[{{"order_no":"CN{number}","received_amount":{amount}}}]'


def delete_machine(tmp_path: Path) -> None:
    """Delete everything that the old machine had. A new one has settings that name the state directory."""
    (tmp_path / "state").rename(tmp_path / "old-state")
    (tmp_path / "gateway.toml").rename(tmp_path / "old-gateway.toml")
    (tmp_path / "gateway.toml").write_text(f'[storage]\ndirectory = "{tmp_path}/state"\n')
    (tmp_path / "gateway.toml").chmod(0o600)


async def start(command: Any) -> asyncio.subprocess.Process:
    process: asyncio.subprocess.Process = await command.begin("run")
    assert process.stderr is not None
    line = (await process.stderr.readline()).decode()
    assert "serves on" in line
    return process


async def stop(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.communicate()


async def test_a_dead_pi_is_replaced(store: SimulatedStore, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    old = await start(command)
    await store.cloud.stop()
    assert (await command("cloud", "call", "order/update", order(1))).status == 0
    made = await command("backup", str(file), "--json")
    assert made.status == 0, made.errors
    assert "holds secrets" in made.errors
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    old.kill()
    await old.communicate()
    delete_machine(tmp_path)

    done = await command("restore", str(file), "--replace", "--json")
    assert done.status == 0, done.errors
    assert (done.json["held"], done.json["put_aside"]) == (1, [str(tmp_path / "gateway.toml.replaced-1")])
    assert "outbox release" in done.errors
    assert SECRET_KEY in command.config.read_text()
    assert stat.S_IMODE(command.config.stat().st_mode) == 0o600

    await store.cloud.start()
    new = await start(command)
    try:
        assert (await command("cloud", "call", "order/update", order(2), "--json")).json["state"] == "waiting"
        assert "order/update" not in store.cloud.request_paths
        assert (await command("outbox", "release", "--json")).json == {"released": 2}
        await until_response(command, "/api/v1/status", lambda status: not status["outbox"]["depth"])
        assert orders(store) == ["CN1", "CN2"]
    finally:
        await stop(new)


def orders(store: SimulatedStore) -> list[str]:
    """Return the orders that have arrived at the cloud, in that order."""
    texts = [call.fields["order_list"] for call in store.cloud.accepted if call.path == "order/update"]
    return [one["order_no"] for text in texts for one in json.loads(text)]


async def test_a_backup_of_a_busy_gateway_has_all_that_was_accepted(
    store: SimulatedStore, command: Any, running: str, tmp_path: Path
) -> None:
    await store.cloud.stop()
    token = (await command("token", "create", "--scope", "pos", "--name", "till 1")).output.strip()
    accepted: list[int] = []
    enough = asyncio.Event()

    async def sell(session: aiohttp.ClientSession, first: int) -> None:
        for number in range(first, 100000, 4):
            body = {"order_list": [{"order_no": f"CN{number}"}]}
            async with session.post("api/v1/cloud/order/update", json=body) as answer:
                assert answer.status == 202
            accepted.append(number)
            if len(accepted) == 200:
                enough.set()

    headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=0"}
    file = tmp_path / "busy.tar.gz"
    async with aiohttp.ClientSession(running, headers=headers) as session:
        tills = [asyncio.create_task(sell(session, number)) for number in range(4)]
        await enough.wait()
        known = list(accepted)
        made = await command("backup", str(file), "--json")
        during = len(accepted)
        for till in tills:
            till.cancel()
        await asyncio.gather(*tills, return_exceptions=True)
    assert made.status == 0, made.errors
    assert during > len(known), "the tills went on meanwhile"
    other = {"SUNMI_GATEWAY__STORAGE__DIRECTORY": str(tmp_path / "other")}
    done = await command("restore", str(file), "--json", **other)
    assert done.status == 0, done.errors
    exported = json.loads((await command("outbox", "export", "--json", **other)).output)["items"]
    restored = {int(item["parameters"]["order_list"][0]["order_no"][2:]) for item in exported}
    assert set(known) <= restored
    assert len(exported) == len(restored) == done.json["held"]


def listed(file: Path) -> list[str]:
    done = subprocess.run(["tar", "-tzf", file], capture_output=True, text=True, check=True)
    return done.stdout.split()


async def test_ordinary_tools_read_the_archive(command: Any, tmp_path: Path) -> None:
    await command("token", "list")
    (tmp_path / "state" / "authority.pem").write_text("the root key")
    (tmp_path / "state" / "notes.txt").write_text("of a person")
    for old in ("before-900_future", "corrupt-1"):
        (tmp_path / "state" / f"gateway.db.{old}").write_text("a database of the past")
    file = tmp_path / "backup.tar.gz"
    made = await command("backup", str(file), "--json")
    assert made.status == 0, made.errors
    assert listed(file) == [
        "sunmi-gateway/manifest.json",
        "sunmi-gateway/settings/gateway.toml",
        "sunmi-gateway/files/cloud.ca_file",
        "sunmi-gateway/state/gateway.db",
        "sunmi-gateway/state/gateway.suffix",
        "sunmi-gateway/state/authority.pem",
    ]
    with tarfile.open(file) as archive:
        assert {member.mode for member in archive} == {0o600}
        content = archive.extractfile("sunmi-gateway/manifest.json")
        assert content is not None
        assert json.load(content)["members"].keys() == set(made.json["files"])
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")], "nothing is left over"


async def test_a_running_gateway_is_not_restored_over(running: str, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    assert (await command("backup", str(file))).status == 0
    done = await command("restore", str(file), "--replace")
    assert (done.status, done.errors.count("\n")) == (1, 1)
    assert "another gateway holds" in done.errors
    assert (await command("token", "list")).status == 0


@pytest.mark.parametrize("words", [("backup", "/nowhere/backup.tar.gz"), ("restore", "/nowhere/backup.tar.gz")])
async def test_a_file_that_cannot_be_used_is_named(command: Any, words: tuple[str, str]) -> None:
    await command("token", "list")
    done = await command(*words)
    assert (done.status, done.errors.count("\n")) == (1, 1)
    assert "/nowhere/backup.tar.gz" in done.errors


async def test_an_existing_backup_is_left_alone(command: Any, tmp_path: Path) -> None:
    await command("token", "list")
    file = tmp_path / "backup.tar.gz"
    file.write_text("of yesterday")
    done = await command("backup", str(file))
    assert done.status == 1
    assert "exists" in done.errors
    assert file.read_text() == "of yesterday"
    assert os.listdir(tmp_path).count("backup.tar.gz") == 1
