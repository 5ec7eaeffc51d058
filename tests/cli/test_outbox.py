"""The outbox from the command line: waiting and refused items, and what a person does with them."""

import json
from pathlib import Path
from typing import Any

from gateway.simulator.store import SimulatedStore
from tests.cli.conftest import until_response

ORDER = 'order_list=[{"order_no":"CN1"}]'


async def until(command: Any, outbox_id: str, state: str) -> None:
    await until_response(command, f"/api/v1/outbox/{outbox_id}", lambda item: item["state"] == state)
    assert (await command("outbox", "show", outbox_id, "--json")).json["state"] == state


async def test_an_order_waits_while_the_cloud_is_away(running: str, store: SimulatedStore, command: Any) -> None:
    await store.cloud.stop()
    queued = await command("cloud", "call", "order/update", ORDER, "--json")
    assert queued.status == 0, queued.errors
    assert set(queued.json) == {"outbox_id", "state"}
    assert "outbox show" in queued.errors
    while not (listed := await command("outbox", "list", "--state", "waiting", "--json")).json["items"]:
        pass  # it is tried just now
    assert [item["path"] for item in listed.json["items"]] == ["order/update"]
    assert (await command("outbox", "stats", "--json")).json["depth"] == 1
    await store.cloud.start()
    await until(command, queued.json["outbox_id"], "delivered")
    assert [request.path for request in store.cloud.accepted] == ["order/update"]


async def test_without_a_service_it_stays_for_the_next_command(store: SimulatedStore, command: Any) -> None:
    await store.cloud.stop()
    queued = await command("cloud", "call", "order/update", ORDER, "--json")
    assert queued.status == 0, queued.errors
    shown = await command("outbox", "show", queued.json["outbox_id"], "--json")
    assert (shown.json["state"], shown.json["path"]) == ("waiting", "order/update")


async def test_a_refused_order_is_corrected(running: str, store: SimulatedStore, command: Any, tmp_path: Path) -> None:
    store.cloud.faults.add("refuse", code=5047, times=None)
    refused = await command("cloud", "call", "order/update", ORDER, "--json")
    assert refused.status == 1
    assert refused.json["code"] == "vendor_refused"
    item = (await command("outbox", "list", "--state", "refused", "--json")).json["items"][0]
    assert item["vendor_code"] == 5047
    retried = await command("outbox", "retry", item["outbox_id"], "--json")
    assert retried.status == 0, retried.errors
    await until(command, item["outbox_id"], "refused")
    store.cloud.faults.clear()
    edited = await command(
        "outbox", "edit", item["outbox_id"], 'order_list=[{"order_no":"CN1","order_type":2}]', "--json"
    )
    assert edited.status == 0, edited.errors
    await until(command, item["outbox_id"], "delivered")
    file = tmp_path / "items.json"
    exported = await command("outbox", "export", "--output", str(file))
    assert exported.status == 0, exported.errors
    assert [one["outbox_id"] for one in json.loads(file.read_text())["items"]] == [item["outbox_id"]]


async def test_many_are_retried_exported_and_dropped(running: str, store: SimulatedStore, command: Any) -> None:
    store.cloud.faults.add("refuse", code=5047, times=None)
    for number in ("A1", "A2"):
        await command("cloud", "call", "order/update", f'order_list=[{{"order_no":"{number}"}}]')
    shown = await command("outbox", "list", "--state", "refused", "--code", "5047")
    assert "A1" in shown.output
    assert "invalid order" in shown.output
    store.cloud.faults.clear()
    for wrong in (("retry",), ("drop",), ("retry", "1", "--all"), ("export", "--all", "--code", "1")):
        assert (await command("outbox", *wrong)).status != 0
    assert (await command("outbox", "drop", "--all")).status != 0
    retried = await command("outbox", "retry", "--code", "5047", "--before", "2999-01-01")
    assert (retried.status, retried.output.strip()) == (0, "2 calls are sent again"), retried.errors
    exported = await command("outbox", "export", "--path", "order/update", "--json")
    assert [one["reference"] for one in exported.json["items"]] == ["A1", "A2"]
    for one in exported.json["items"]:
        await until(command, one["outbox_id"], "delivered")
    dropped = await command("outbox", "drop", "--all", "--yes", "--json")
    assert dropped.json == {"dropped": 0, "left": 0, "left_items": []}


async def test_a_refused_order_is_dropped(running: str, store: SimulatedStore, command: Any) -> None:
    store.cloud.faults.add("refuse", code=5047)
    await command("cloud", "call", "order/update", ORDER)
    item = (await command("outbox", "list", "--json")).json["items"][0]
    assert (await command("outbox", "drop", item["outbox_id"])).status == 0
    gone = await command("outbox", "show", item["outbox_id"], "--json")
    assert (gone.status, gone.json["code"]) == (1, "not_found")
