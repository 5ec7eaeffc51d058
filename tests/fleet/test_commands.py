"""Commands of the head office: each is done once, or refused with the reason; and secrets stay in the shop."""

import asyncio
import base64
import dataclasses
import io
import json
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.app import Gateway
from gateway.fleet import command_handler, command_table
from gateway.fleet.commands import COMMANDS
from gateway.fleet_settings import CommandName
from gateway.protocol import json_text
from gateway.protocol.endpoint import REDACTED
from gateway.simulator.store import SimulatedStore
from tests.fleet.cluster import HeadOffice
from tests.fleet.linked import linked_gateway
from tests.search import manage

SHOP = "shop-1"
ALL = list(get_args(CommandName))


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture(scope="module")
async def gateway(
    office: HeadOffice, store: SimulatedStore, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    async with linked_gateway(folder, store, office.settings(SHOP, may=ALL)) as linked:
        yield linked


async def read_audit(gateway: Gateway) -> list[tuple[str, str, str, str]]:
    """Return the changes, the newest first."""
    changes, _ = await gateway.audit.read()
    return [(one.who, one.via, one.action, one.object) for one in changes]


def test_every_command_is_declared_and_can_be_allowed() -> None:
    assert list(COMMANDS) == ALL


async def test_a_command_is_done_once_and_leaves_a_line_in_the_audit_log(office: HeadOffice, gateway: Gateway) -> None:
    await gateway.tokens.create("till 1", "pos")
    first = await office.command(SHOP, "token_revoke", {"name": "till 1"}, id="revoke-till-1")
    assert first == {"id": "revoke-till-1", "outcome": "done", "reason": "", "result": {"revoked": "till 1"}}
    await gateway.tokens.create("till 1", "pos")
    assert await office.command(SHOP, "token_revoke", {"name": "till 1"}, id="revoke-till-1") == first
    assert [one.name for one in gateway.tokens.all()] == ["till 1"]
    assert (await read_audit(gateway))[0] == ("anna", "head_office", "Revoke a token", "till 1: done")
    assert (await read_audit(gateway))[1:] == []
    second = await office.command(SHOP, "token_revoke", {"name": "nobody"})
    assert (second["outcome"], second["result"]) == ("refused", {})
    assert "nobody" in second["reason"]
    other = await office.command(SHOP, "outbox_release", id="revoke-till-1")
    assert other["outcome"] == "refused"
    assert "was used for the command token_revoke" in other["reason"]


async def test_the_doctor_and_a_search_for_cameras(office: HeadOffice, gateway: Gateway, store: SimulatedStore) -> None:
    response = await office.command(SHOP, "discover", {"timeout_s": 0.3, "methods": ["broadcast"]})
    assert response["outcome"] == "done", response
    assert list(response["result"]["methods"]) == ["broadcast"]
    response = await office.command(SHOP, "doctor", id="doctor-1")
    while response["outcome"] == "running":
        response = await office.command(SHOP, "doctor", id="doctor-1")
    assert response["outcome"] == "done", response
    findings = {one["check"]: one["status"] for one in response["result"]["findings"]}
    assert (findings["head_office"], findings["database"]) == ("ok", "ok")
    assert store.secret_key not in json.dumps(response)


async def test_a_camera_is_called_and_keeps_its_secrets(
    office: HeadOffice, gateway: Gateway, store: SimulatedStore
) -> None:
    camera = store.cameras[0]
    await manage(gateway, camera)
    camera.state.config.ssid, camera.state.config.password = "Shop", "wifi-secret-7"
    call = {"sn": camera.sn.lower(), "endpoint": "config/getWifiConf"}
    response = await office.command(SHOP, "camera_call", call)
    assert response["outcome"] == "done", response
    assert (response["result"]["code"], response["result"]["data"]["password"]) == (0, REDACTED)
    assert (await read_audit(gateway))[0][2:] == (
        "Call an endpoint of a camera",
        f"{camera.sn.lower()} config/getWifiConf: done",
    )
    activation = {"sn": camera.sn}
    for wrong, reason in (
        ({"sn": "FM029999", "endpoint": "device/getInfo"}, "FM029999"),
        ({"sn": camera.sn, "endpoint": "device/nothing"}, "device/nothing"),
        ({"sn": camera.sn, "endpoint": "device/activate", "parameters": activation}, "erases the camera's face groups"),
        ({"sn": camera.sn, "endpoint": "device/getInfo", "parameters": {"x": 1}}, "x"),
    ):
        response = await office.command(SHOP, "camera_call", wrong)
        assert response["outcome"] == "refused", response
        assert reason in response["reason"]


async def test_a_support_bundle_comes_whole_and_without_secrets(
    office: HeadOffice, gateway: Gateway, store: SimulatedStore
) -> None:
    response = await office.command(SHOP, "support_bundle", id="bundle-1")
    while response["outcome"] == "running":
        response = await office.command(SHOP, "support_bundle", id="bundle-1")
    assert response["outcome"] == "done", response
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(response["result"]["base64"]))) as archive:
        texts = {one.name.rpartition("/")[2]: _read(archive, one) for one in archive.getmembers()}
    assert {"settings.json", "doctor.json", "log.txt", "versions.json", "status.json"} <= texts.keys()
    assert not any(store.secret_key in text for text in texts.values())


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = archive.extractfile(member)
    assert content is not None
    return content.read().decode()


async def test_the_outbox_and_the_site_plan(office: HeadOffice, gateway: Gateway) -> None:
    assert (await office.command(SHOP, "outbox_release"))["result"] == {"released": 0}
    nothing = await office.command(SHOP, "outbox_retry")
    assert (nothing["outcome"], nothing["reason"][:8]) == ("refused", "all: mus")
    retried = await office.command(SHOP, "outbox_retry", {"all": True})
    assert retried["result"] == {"retried": 0, "left": 0, "left_items": []}
    without = await office.command(SHOP, "site_plan")
    assert (without["outcome"], "no site plan" in without["reason"]) == ("refused", True)
    wrong = await office.command(SHOP, "site_plan", {"plan": {"cameras": [{"sn": 5}]}})
    assert wrong["outcome"] == "refused"
    assert wrong["reason"].startswith("cameras.0.sn: ")
    plan = {"cameras": [{"sn": "FM020A2300009", "name": "Entrance"}]}
    began = await office.command(SHOP, "site_plan", {"plan": plan})
    assert began["outcome"] == "done", began
    assert [one["sn"] for one in began["result"]["cameras"]] == ["FM020A2300009"]
    await gateway.shop.stop_run()


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("doctor", b"", "must be a JSON object"),
        ("doctor", b"\xff\xfe", "must be a JSON object"),
        ("doctor", b"[" * 100_000, "must be a JSON object"),
        ("doctor", b"[]", "must be a valid dictionary"),
        ("doctor", b'{"by":"anna"}', "id: is required; deadline: is required"),
        ("doctor", b"x" * 1_000_000, "the message has 1000000 bytes"),
        ("doctor", {"id": "short"}, "id: must match"),
        ("doctor", {"id": ["list"]}, "id: must be a valid string"),
        ("doctor", {"by": "x" * 201}, "by: must have at most 200 characters"),
        ("doctor", {"deadline": "tomorrow"}, "deadline: must be a time"),
        ("doctor", {"arguments": []}, "arguments: must be a valid dictionary"),
        ("doctor", {"arguments": {"quick": True}}, "arguments.quick: is not known"),
        ("discover", {"arguments": {"timeout_s": "3"}}, "arguments.timeout_s: must be a valid number"),
        ("discover", {"arguments": {"timeout_s": 1e9}}, "arguments.timeout_s: must be less than or equal to 60"),
        ("camera_call", {"arguments": {}}, "arguments.sn: is required; arguments.endpoint: is required"),
        ("camera_call", {"arguments": {"sn": "x", "endpoint": "../x"}}, "arguments.endpoint: must match"),
        ("doctor", {"by": "\ud800"}, "must be a JSON object in UTF-8"),
        ("token_revoke", {"arguments": {"name": "\ud800"}}, "must be a JSON object in UTF-8"),
        ("camera_call", {"arguments": {"sn": "x", "parameters": {"\ud800": 1}}}, "must be a JSON object in UTF-8"),
        ("doctor", b'{"arguments":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "must be a JSON object"),
        ("doctor", b'{"id":"deep-deep","deadline":"2100-01-01","by":"","arguments":{"x":1e999999}}', "arguments.x"),
        ("reboot", {}, "'reboot' is no command of this gateway, which has camera_call, discover"),
    ],
)
async def test_what_cannot_be_right_is_refused_with_the_reason(
    office: HeadOffice, gateway: Gateway, name: str, payload: bytes | dict[str, Any], reason: str
) -> None:
    if isinstance(payload, bytes):
        response = await office.command(SHOP, name, payload=payload)
    else:
        response = await office.command(SHOP, name, **payload)
    assert (response["outcome"], response["result"]) == ("refused", {})
    assert reason in response["reason"]


async def test_a_deadline_counts_if_the_clock_is_proven(
    office: HeadOffice, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.clock, "_ahead_of_monotonic_s", None)  # put back at the end

    async def command(deadline: str, unix_s: float | None) -> dict[str, Any]:
        while True:  # the cloud tells the time with any response to this gateway
            gateway.clock._ahead_of_monotonic_s = set_to = None if unix_s is None else unix_s - time.monotonic()
            response = await office.command(SHOP, "outbox_release", deadline=deadline)
            if gateway.clock._ahead_of_monotonic_s == set_to:
                return response

    assert (await command("2020-01-01T00:00:00Z", None))["outcome"] == "done"
    response = await command("2020-01-01T00:00:00Z", 1_700_000_000)
    assert response["outcome"] == "refused"
    assert "2020-01-01T00:00:00Z, is over: it is 2023-11-14T22:1" in response["reason"]
    assert (await command("2024-01-01T00:00:00+02:00", 1_700_000_000))["outcome"] == "done"
    assert (await command("2023-11-14T22:13:00", 1_700_000_000))["outcome"] == "refused"


async def test_few_commands_run_at_a_time_and_a_long_one_is_running(
    office: HeadOffice, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_handler, "ANSWER_WITHIN_S", 0.05)
    scan = {"timeout_s": 60, "methods": ["broadcast"]}
    ids = [f"long-scan-{number}" for number in range(command_handler.MAX_RUNNING)]
    began = [await office.command(SHOP, "discover", scan, id=one) for one in ids]
    assert [one["outcome"] for one in began] == ["running"] * len(ids)
    assert (await office.command(SHOP, "discover", scan, id=ids[0]))["outcome"] == "running"
    waits = await office.command(SHOP, "outbox_release", id="waits-for-them")
    assert (waits["outcome"], waits["reason"]) == (
        "running",
        f"{len(ids)} other commands are under way; this one waits",
    )
    for task in asyncio.all_tasks():
        if task.get_name() == "command discover":
            task.cancel()
    link = gateway.fleet_link
    assert link is not None
    while (await office.command(SHOP, "outbox_release", id="waits-for-them"))["outcome"] != "done":
        await asyncio.sleep(0.01)


async def test_commands_that_come_at_the_same_time_are_no_more_than_a_few(
    office: HeadOffice, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_handler, "ANSWER_WITHIN_S", 0.05)
    scan = {"timeout_s": 60, "methods": ["broadcast"]}
    ids = [f"flood-scan-{number}" for number in range(4 * command_handler.MAX_RUNNING)]
    async with office.client() as client:
        for one in ids:
            request = {"id": one, "deadline": "2999-01-01", "by": "anna", "arguments": scan}
            reply = f"fleet.v1.{SHOP}.response.{one}"
            await client.publish(f"fleet.v1.{SHOP}.command.discover", json.dumps(request).encode(), reply)
    for one in ids:
        await office.command(SHOP, "discover", scan, id=one)
    scans = [task for task in asyncio.all_tasks() if task.get_name() == "command discover"]
    assert len(scans) == command_handler.MAX_RUNNING
    for task in scans:
        task.cancel()


async def test_a_command_that_takes_too_long_is_ended(
    office: HeadOffice, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "discover", dataclasses.replace(COMMANDS["discover"], timeout_s=0.05))
    response = await office.command(SHOP, "discover", {"timeout_s": 60})
    assert (response["outcome"], response["reason"]) == ("failed", "it was not done within 0.05 s, and was ended")


async def test_a_result_that_is_too_long_is_not_sent(
    office: HeadOffice, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_handler, "MAX_RESULT_BYTES", 10)
    response = await office.command(SHOP, "outbox_release")
    assert (response["outcome"], response["result"]) == ("done", {})
    assert "more than a response holds" in response["reason"]


async def test_a_result_is_measured_in_bytes_not_in_letters(
    office: HeadOffice, gateway: Gateway, store: SimulatedStore
) -> None:
    camera = store.cameras[0]
    await manage(gateway, camera)
    camera.state.config.ssid = "店" * 300_000  # three bytes each
    response = await office.command(SHOP, "camera_call", {"sn": camera.sn, "endpoint": "config/getWifiConf"})
    assert (response["outcome"], response["result"]) == ("done", {})
    assert "more than a response holds" in response["reason"]


async def test_only_the_newest_commands_are_remembered(
    office: HeadOffice, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_table, "MAX_ROWS", 3)
    monkeypatch.setattr(command_table, "MAX_RESULTS", 1)
    for number in range(5):
        await office.command(SHOP, "outbox_release", id=f"release-{number}")
    rows = await gateway.database.read("SELECT id, outcome, result IS NULL FROM fleet_command ORDER BY number")
    assert [tuple(row) for row in rows] == [
        ("release-2", "done", 1),
        ("release-3", "done", 1),
        ("release-4", "done", 0),
    ]
    known = await office.command(SHOP, "outbox_release", id="release-2")
    assert (known["outcome"], known["result"]) == ("done", {})


async def test_nothing_is_done_that_the_shop_does_not_allow(
    office: HeadOffice, store: SimulatedStore, tmp_path: Path
) -> None:
    async with linked_gateway(tmp_path, store, office.settings("shop-2", may=["discover"])) as gateway:
        await gateway.tokens.create("till 1", "pos")
        response = await office.command("shop-2", "token_revoke", {"name": "till 1"}, id="refused-1")
        assert response == {
            "id": "refused-1",
            "outcome": "refused",
            "reason": "the shop's setting fleet.may does not list token_revoke: add it there, and restart its gateway",
            "result": {},
        }
        assert [one.name for one in gateway.tokens.all()] == ["till 1"]
        assert await read_audit(gateway) == [("anna", "head_office", "Revoke a token", "refused")]
        link = gateway.fleet_link
        assert link is not None
        assert link.status().commands == {"done": 0, "refused": 1, "failed": 0}


async def test_a_database_that_cannot_remember_refuses(
    office: HeadOffice, store: SimulatedStore, tmp_path: Path
) -> None:
    async with linked_gateway(tmp_path, store, office.settings("shop-3", may=ALL)) as gateway:
        await gateway.tokens.create("till 1", "pos")
        await gateway.database.execute("PRAGMA query_only = ON")
        response = await office.command("shop-3", "token_revoke", {"name": "till 1"})
        await gateway.database.inspect(lambda connection: connection.execute("PRAGMA query_only = OFF"))
        assert response["outcome"] == "refused"
        assert "none is acted on" in response["reason"]
        assert [one.name for one in gateway.tokens.all()] == ["till 1"]


async def test_another_shop_cannot_give_commands(office: HeadOffice, gateway: Gateway) -> None:
    link = gateway.fleet_link
    assert link is not None
    before = link.status().commands
    async with office.client("shop-4") as other:
        await other.publish(f"fleet.v1.{SHOP}.command.outbox_release", b"{}", reply="_INBOX_shop-4.x")
        await other.flush()
    await office.command(SHOP, "outbox_release")
    assert link.status().commands == before | {"done": before["done"] + 1}


async def test_a_flood_of_messages_is_bounded(office: HeadOffice, gateway: Gateway) -> None:
    async with office.client() as client:
        responses = f"fleet.v1.{SHOP}.response"
        got = await client.subscribe(f"{responses}.*")
        for number in range(500):
            await client.publish(f"fleet.v1.{SHOP}.command.doctor", b"{}", reply=f"{responses}.{number}")
        message = await got.next_msg(timeout=30)
    assert json_text.loads(message.data)["outcome"] == "refused"
    assert (await office.command(SHOP, "outbox_release"))["outcome"] == "done"
