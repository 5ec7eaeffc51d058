"""`office readers` and `office asyncapi`: what a chain's own systems get."""

import asyncio
import json
from pathlib import Path
from typing import Any

import nats.errors
import nats.js.errors
import pytest

from gateway.api.asyncapi import build_asyncapi_document
from gateway.errors import Conflict
from gateway.fleet.credentials import CredentialFiles, load_credentials
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import EVENTS, OFFICE
from gateway.office import readers
from gateway.office.bucket import Bucket
from gateway.office.jwt import STREAM_CONSUMERS
from gateway.office.readers import add_reader, list_readers, revoke_reader
from tests.fleet.cluster import HeadOffice
from tests.office.test_init_command import run, run_json
from tests.waiting import until


async def test_a_reader_gets_files_that_let_it_read_and_no_more(office: HeadOffice, tmp_path: Path) -> None:
    folder = tmp_path / "erp"
    chosen = ("--folder", str(office.chain.path))
    made = await run_json("readers", "add", "erp", str(folder), *chosen)
    assert made["servers"] == office.servers
    assert set(made["files"]) == {"ca.pem", "erp.pem", "erp.key", "erp.jwt", "erp.creds", "erp.json"}
    files = CredentialFiles(*(str(folder / name) for name in ("ca.pem", "erp.pem", "erp.key", "erp.jwt")))
    async with office.client("erp", files) as client:
        for subject in (
            "fleet.v1.shop-1.event.x",
            "fleet.v1.shop-1.command.doctor",
            "$KV.desired.chain",
            "$JS.API.INFO",
        ):
            office.reported.clear()
            with pytest.raises(nats.errors.Error):
                await client.request(subject, b"{}", timeout=0.1)
            await until(lambda: any("permissions violation for publish" in text.lower() for text in office.reported))
        for subject in ("fleet.v1.*.command.>", "$KV.shops.>", "$KV.office.>", "_INBOX.>"):
            office.reported.clear()
            await client.subscribe(subject)
            await until(lambda: any("violation for subscription" in text.lower() for text in office.reported))
    status, _, errors = await run("readers", "add", "erp", str(folder), *chosen)
    assert (status, "choose another name" in errors) == (1, True)
    (tmp_path / "keys" / "lost.key").mkdir(parents=True)
    status, _, errors = await run("readers", "add", "lost", str(tmp_path / "keys"), *chosen)
    assert (status, "office readers revoke lost" in errors) == (1, True), errors
    assert (await run("readers", "revoke", "lost", "--yes", *chosen))[0] == 0
    status, _, errors = await run("readers", "add", "e.rp", str(folder), *chosen)
    assert (status, "letters, digits, - or _" in errors) == (1, True)


async def test_a_revoked_reader_is_disconnected_and_reads_no_more(office: HeadOffice, tmp_path: Path) -> None:
    chosen = ("--folder", str(office.chain.path))
    folder = tmp_path / "till"
    await run_json("readers", "add", "till", str(folder), *chosen)
    files = CredentialFiles(*(str(folder / name) for name in ("ca.pem", "till.pem", "till.key", "till.jwt")))
    async with office.client() as client:
        await client.jetstream().publish("fleet.v1.shop-1.event.camera.offline", b"{}")
    async with office.client("till", files) as client:
        [till] = await list_named(*chosen, name="till")
        assert (till["mqtt"], till["waiting"]) == (False, 1)
        assert till["connected_since"] is not None
        status, _, errors = await run("readers", "revoke", "till", *chosen)
        assert (status, "Use --yes to confirm" in errors, client.is_connected) == (1, True, True)
        status, output, errors = await run("readers", "revoke", "till", "--yes", *chosen)
        assert (status, "till: revoked" in output) == (0, True), errors
        await until(lambda: not client.is_connected)
    with pytest.raises(nats.errors.Error):
        await office.connect_once(load_credentials(files))
    assert await list_named(*chosen, name="till") == []
    status, _, errors = await run("readers", "revoke", "till", "--yes", *chosen)
    assert (status, "office readers list" in errors) == (1, True)
    async with office.client() as client:
        with pytest.raises(nats.js.errors.NotFoundError):
            await client.jetstream().consumer_info("events", "till")
    by_mqtt = ("readers", "add", "till", str(tmp_path / "new"), "--mqtt", *chosen)
    status, _, errors = await run(*by_mqtt)
    assert (status, "put mqtt_port = 8883 into" in errors) == (1, True)
    plan = office.chain.path / "office.toml"
    plan.write_text(plan.read_text() + "mqtt_port = 8883\n")
    assert (await run_json(*by_mqtt))["servers"] == ["127.0.0.1:8883"]
    [again] = await list_named(*chosen, name="till")
    assert (again["mqtt"], again["waiting"], again["connected_since"]) == (True, None, None)


async def list_named(*chosen: str, name: str) -> list[dict[str, Any]]:
    return [one for one in (await run_json("readers", "list", *chosen))["readers"] if one["name"] == name]


async def test_what_a_crash_has_left_of_a_reader_can_be_revoked(office: HeadOffice) -> None:
    async with office.connect() as connected:
        await add_reader(connected, "half", mqtt=False)
        await connected.jetstream.delete_consumer("events", "half")
        [half] = [one for one in await list_readers(connected) if one.name == "half"]
        assert half.waiting is None
        _, output, _ = await run("readers", "list", "--folder", str(office.chain.path))
        assert [line.split()[0] for line in output.splitlines() if "gets no events: revoke it" in line] == ["half"]
        await revoke_reader(connected, "half")
        await add_reader(connected, "half", mqtt=False)


async def test_of_a_reader_that_cannot_be_added_nothing_is_left(office: HeadOffice) -> None:
    async with office.connect() as connected:
        names = [f"full-{number}" for number in range(STREAM_CONSUMERS)]
        adding = (connected.jetstream.add_consumer(EVENTS, durable_name=name, mem_storage=True) for name in names)
        await asyncio.gather(*adding, return_exceptions=True)  # the last ones are refused
        with pytest.raises(HeadOfficeUnavailable, match=r"late was not added.*maximum consumers limit reached"):
            await add_reader(connected, "late", mqtt=False)
        assert "late" not in [one.name for one in await list_readers(connected)]
        deleting = (connected.jetstream.delete_consumer(EVENTS, name) for name in names)
        await asyncio.gather(*deleting, return_exceptions=True)
        await add_reader(connected, "late", mqtt=False)
        assert [one.waiting is None for one in await list_readers(connected) if one.name == "late"] == [False]


async def test_a_folder_that_cannot_be_written_is_named_before_a_reader_is_added(
    office: HeadOffice, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    chosen = ("--folder", str(office.chain.path))
    status, _, errors = await run("readers", "add", "homeless", str(tmp_path / "file/homeless"), *chosen)
    assert (status, f"{tmp_path}/file/homeless: cannot be written" in errors) == (1, True)
    assert await list_named(*chosen, name="homeless") == []


async def test_the_servers_are_asked_once_however_many_readers_there_are(office: HeadOffice) -> None:
    """Where one of them is silent, it is waited for each time."""
    async with office.connect() as connected:
        for name in ("asked-1", "asked-2"):
            await add_reader(connected, name, mqtt=False)
        asked = await connected.observer.subscribe("$SYS.REQ.SERVER.PING")
        assert {"asked-1", "asked-2"} <= {one.name for one in await list_readers(connected)}
        await connected.observer.flush()
        assert asked.pending_msgs == 1


async def test_there_are_not_more_readers_than_can_be_listed(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office.connect() as connected:
        monkeypatch.setattr(readers, "MAX_READERS", len(await list_readers(connected)))
        with pytest.raises(Conflict, match="revoke one"):
            await add_reader(connected, "one-more", mqtt=False)


async def test_the_document_is_printed(office: HeadOffice) -> None:
    status, output, _ = await run("asyncapi")
    assert status == 0
    assert json.loads(output) == json.loads(json.dumps(build_asyncapi_document()))


async def test_a_reader_whose_record_is_damaged_is_revoked_by_the_command_that_its_error_names(
    office: HeadOffice, tmp_path: Path
) -> None:
    chosen, folder = ("--folder", str(office.chain.path)), tmp_path / "scale"
    await run_json("readers", "add", "scale", str(folder), *chosen)
    files = CredentialFiles(*(str(folder / name) for name in ("ca.pem", "scale.pem", "scale.key", "scale.jwt")))
    async with office.connect() as connected, office.client("scale", files) as client:
        bucket = Bucket(connected, OFFICE)
        await bucket.put("reader.scale", b"{oops", (await bucket.get("reader.scale")).revision)
        status, _, errors = await run("readers", "list", *chosen)
        assert (status, "`sunmi-gateway office readers revoke scale`" in errors) == (1, True), errors
        status, _, errors = await run("readers", "revoke", "scale", "--yes", *chosen)
        assert status == 0, errors
        await until(lambda: not client.is_connected)
    with pytest.raises(nats.errors.Error):
        await office.connect_once(load_credentials(files))
    assert await list_named(*chosen, name="scale") == []
