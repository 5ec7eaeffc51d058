"""`office init`: what it prints is all that a person needs to start a chain."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.fleet.documents import ShopRecord
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import SHOPS
from gateway.office import office as office_module
from gateway.office.bucket import Bucket
from gateway.office.chain_folder import ChainFolder
from gateway.office.office import Office
from gateway.office.streams import list_streams, make_stream
from gateway.simulator.ports import find_free_port
from tests.fleet.cluster import HeadOffice, Node, make_chain
from tests.forking import start_program


async def run(*words: str) -> tuple[int, str, str]:
    process = await start_program("gateway", "office", *words)
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def run_json(*words: str) -> dict[str, Any]:
    status, output, errors = await run(*words, "--json")
    assert status == 0, errors
    return dict(json.loads(output))


async def test_a_chain_begins_with_two_commands(tmp_path: Path) -> None:
    folder, server = tmp_path / "chain", f"127.0.0.1:{find_free_port()}"
    status, output, errors = await run("init", str(folder), "--servers", server)
    assert status == 0, errors
    assert "nats-server -c server.conf" in output
    assert f"sunmi-gateway office init {folder}" in output
    assert f"sunmi-gateway office serve --folder {folder}" in output
    assert "Shops join at 127.0.0.1:7443: if that is not the machine of `office serve`" in output
    chain = ChainFolder.open(folder)
    node = Node(chain.server_folder("chain-1"))
    await node.start()
    try:
        made = await run_json("init", str(folder))
        assert made["streams"] == [*(stream.name for stream in list_streams(1, 20 * 10**9)), "revocations"]
        assert (await run_json("init", str(folder), "--servers", server))["streams"] == []
        async with Office.connect(chain) as office:
            await office.jetstream.update_stream(name="flow", subjects=["fleet.v1.*.flow.*"], allow_direct=False)
        assert (await run_json("init", str(folder)))["streams"] == ["flow"]
    finally:
        await node.kill()


async def test_servers_whose_configuration_has_changed_are_to_get_it(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "chain", 1)
    node = Node(chain.server_folder("chain-1"))
    await node.start()
    try:
        assert (await run_json("init", str(chain.path)))["servers_changed"] is False
        plan = chain.path / "office.toml"
        plan.write_text(f"{plan.read_text()}mqtt_port = {find_free_port()}\n")
        _, output, errors = await run("init", str(chain.path))
        assert "server.conf has changed: copy it from" in errors
        assert "have everything already" not in output
        _, output, errors = await run("init", str(chain.path))
        assert ("have everything already" in output, errors) == (True, "")
    finally:
        await node.kill()


async def test_servers_get_more_room_when_they_are_started_again(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "chain", 1)
    node = Node(chain.server_folder("chain-1"))
    await node.start()
    try:
        await run_json("init", str(chain.path))
        plan = chain.path / "office.toml"
        plan.write_text(plan.read_text().replace("storage_gb = 20", "storage_gb = 30"))
        status, _, errors = await run("init", str(chain.path))
        assert status == 1
        assert "a lower limit than 30 GB: copy server.conf" in errors
        await node.kill()
        await node.start()
        assert "events" in (await run_json("init", str(chain.path)))["streams"]
    finally:
        await node.kill()


async def test_a_folder_for_other_servers_is_left_as_it_is(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "chain", 1)
    before = (chain.path / "office.toml").read_text()
    status, _, errors = await run("init", str(chain.path), "--servers", "other.example:4222", "--name", "other")
    assert status == 1
    assert "was made with other values of --servers, --name" in errors
    assert (chain.path / "office.toml").read_text() == before


async def test_without_servers_there_is_nothing_to_make(tmp_path: Path) -> None:
    status, _, errors = await run("init", str(tmp_path / "chain"))
    assert status == 1
    assert "--servers is needed" in errors
    status, _, errors = await run("init", str(tmp_path / "chain"), "--servers", "a:1,b:1")
    assert status == 1
    assert "the loss of one stops both" in errors
    assert not (tmp_path / "chain").exists()


async def test_servers_that_are_away_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office_module, "REFUSED_TIMEOUT_S", 0.3)
    chain = make_chain(tmp_path / "chain", 1)
    with pytest.raises(HeadOfficeUnavailable, match=rf"{chain.plan.servers[0]} cannot be reached.* see that they run"):
        async with Office.connect(chain):
            pass


async def test_shops_that_are_connected_are_listed_again_after_the_servers_were_lost(office: HeadOffice) -> None:
    folder = str(office.chain.path)
    async with office.connect() as connected, office.client("shop-1"), office.client("shop-2"):
        bucket = Bucket(connected, SHOPS)
        await bucket.purge(">")
        record = ShopRecord(state="retired", since="2026-11-29T00:00:00Z")
        await bucket.put("shop-2", record.model_dump_json().encode(), (await bucket.get("shop-2")).revision)
        status, output, errors = await run("init", folder)
        assert (status, "on no list, since the servers have lost it: shop-1." in output) == (0, True), errors
        assert (await run_json("init", folder))["listed"] == []
        [shop] = (await run_json("shops", "--folder", folder))["shops"]
        assert (shop["shop"], shop["health"]) == ("shop-1", "ok")
        await bucket.purge(">")


async def test_a_stream_that_is_right_is_left_alone(office: HeadOffice) -> None:
    async with office.connect() as connected:
        assert not any([await make_stream(connected.jetstream, wanted) for wanted in list_streams(1, 20 * 10**9)])
        info = await connected.jetstream.stream_info("events")
        assert (info.config.num_replicas, info.config.duplicate_window, info.config.max_age) == (1, 3600, 120 * 86400)
        for bucket in ("reported", "desired", "shops", "rollouts", "office", "tokens"):
            assert (await connected.jetstream.key_value(bucket))._direct
        await connected.jetstream.object_store("content")
