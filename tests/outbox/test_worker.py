"""The worker by itself: a real outbox on one side, a simulated cloud over HTTPS on the other."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import gateway.outbox.worker as worker_module
from gateway.cloud.client import CloudClient
from gateway.outbox.events import OutboxEvent
from gateway.outbox.item import OutboxItem
from gateway.outbox.outbox import Outbox
from gateway.outbox.worker import OutboxWorker
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.simulator.account import SHOPS
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.server import ReceivedRequest, ServedResponse
from gateway.storage.database import Database
from tests.outbox.opened import OpenedOutbox, all_items
from tests.waiting import until

MakeClient = Callable[..., CloudClient]
SHOP_ID = next(iter(SHOPS))


class Whimsical(SimulatedCloud):
    """A simulated cloud that answers calls in which a text stands in a way of its own."""

    def __init__(self) -> None:
        self.whims: dict[str, ServedResponse] = {}
        super().__init__()

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        content = "".join(request.fields.values())
        whim = next((reply for text, reply in self.whims.items() if text in content), None)
        return super().respond(request) if whim is None else whim


@pytest.fixture
async def simulated() -> AsyncIterator[Whimsical]:
    cloud = Whimsical()
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenedOutbox]:
    opened = await OpenedOutbox.open(tmp_path / "gateway.db")
    yield opened
    await opened.close()


@pytest.fixture
def database(opened: OpenedOutbox) -> Database:
    return opened.database


@pytest.fixture
def outbox(opened: OpenedOutbox) -> Outbox:
    return opened.outbox


@pytest.fixture
async def client(simulated: Whimsical, make_client: MakeClient) -> CloudClient:
    return make_client(simulated)


@pytest.fixture
async def worker(client: CloudClient, opened: OpenedOutbox) -> AsyncIterator[OutboxWorker]:
    made = OutboxWorker(client, opened.outbox, opened.supervisor)
    yield made
    await made.close()


def call(path: str, **arguments: Any) -> Call:
    return CATALOGUE.get("cloud", path).encode(arguments, defaults={"shop_id": SHOP_ID})


def order(*numbers: str) -> Call:
    return call("order/update", order_list=[{"order_no": number} for number in numbers])


def unchecked(path: str, **lists: object) -> Call:
    """Make a call as if the gateway's own check of the parameters had let it pass."""
    fields = {name: json.dumps(value, separators=(",", ":")) for name, value in lists.items()}
    return Call(CATALOGUE.get("cloud", path), {"shop_id": SHOP_ID, **fields})


async def keep(outbox: Outbox, *calls: Call) -> None:
    for one in calls:
        await outbox.submit(one, token="till")


async def relayed(worker: OutboxWorker, outbox: Outbox, *, left: int = 0) -> list[OutboxItem]:
    """Let the worker send until no more than so many wait; return what is in the outbox then."""
    worker.start()
    while outbox.depth > left:
        await asyncio.sleep(0.01)
    return await all_items(outbox)


async def goes_away(outbox: Outbox) -> None:
    while outbox.unreachable is None:
        await asyncio.sleep(0.01)


def states(entries: list[OutboxItem]) -> dict[str, str]:
    return {entry.reference: entry.state for entry in entries}


def products(simulated: SimulatedCloud) -> Mapping[str, Mapping[str, Any]]:
    return simulated.state.shops[SHOP_ID].products


async def test_many_calls_become_one(simulated: Whimsical, worker: OutboxWorker, outbox: Outbox) -> None:
    await keep(outbox, *(order(str(number)) for number in range(30)))
    await relayed(worker, outbox)
    assert simulated.request_paths == ["order/update"]
    assert list(simulated.state.shops[SHOP_ID].orders) == [str(number) for number in range(30)]


async def test_what_an_unknown_entry_may_mean_is_sent_alone(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    simulated.whims["bad"] = ServedResponse({"code": 0, "msg": "succeed", "data": {"invalid_list": ["something"]}})
    await keep(outbox, order("A", "bad", "B"))
    entries = await relayed(worker, outbox)
    assert states(entries) == {"A": "delivered", "bad": "refused", "B": "delivered"}
    assert len(simulated.request_paths) == 4
    assert set(simulated.state.shops[SHOP_ID].orders) == {"A", "B"}


async def test_only_those_in_the_invalid_list_are_refused(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    bad = unchecked("order/update", order_list=[{"order_no": "bad", "received_amount": []}])
    await keep(outbox, order("A"), bad, order("B"))
    entries = await relayed(worker, outbox)
    assert states(entries) == {"A": "delivered", "bad": "refused", "B": "delivered"}
    assert simulated.request_paths == ["order/update"], "the answer tells them apart: nothing is sent again"
    [refused] = [entry.describe() for entry in entries if entry.state == "refused"]
    assert refused["vendor_answer"]["data"] == {"invalid_list": ["bad"]}
    assert "invalid_list" in refused["vendor_meaning"]


async def test_a_create_that_finds_the_product_becomes_an_update(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    await keep(outbox, call("product/create", product_list=[{"id": "1", "name": "Cola", "unit": "l"}]))
    await relayed(worker, outbox)
    both = [{"id": "1", "name": "Cola light"}, {"id": "2", "name": "Tea"}]
    await keep(outbox, call("product/create", product_list=both))
    entries = await relayed(worker, outbox)
    assert [entry.state for entry in entries] == ["delivered"] * 3
    assert simulated.request_paths == ["product/create", "product/create", "product/update"]
    assert [one["id"] for one in json.loads(simulated.accepted[-1].fields["product_list"])] == ["1"]
    assert products(simulated)["1"] == {"id": "1", "name": "Cola light", "unit": "l"}
    assert [entry.outcome.result_list for entry in entries] == ["", "exist_list", ""]


async def test_an_update_of_what_is_not_there_is_refused_unless_it_makes_it(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    await keep(outbox, call("product/update", product_list=[{"id": "1", "unit": "l"}, {"id": "2", "name": "Tea"}]))
    assert states(await relayed(worker, outbox)) == {"1": "refused", "2": "delivered"}
    assert list(products(simulated)) == ["2"]


async def test_a_delete_of_what_is_not_there_is_done(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    await keep(outbox, call("product/delete", product_key_list=["1", "2"]))
    entries = await relayed(worker, outbox)
    assert states(entries) == {"1": "delivered", "2": "delivered"}
    assert {entry.outcome.result_list for entry in entries} == {"not_exist_list"}


async def test_updates_that_were_refused_as_one_are_told_apart(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    await keep(outbox, *(call("product/update", product_list=[{"id": "1", "unit": unit}]) for unit in ("l", "cl")))
    entries = await relayed(worker, outbox)
    assert [(entry.state, entry.attempts) for entry in entries] == [("refused", 2), ("refused", 2)]
    sent = [json.loads(one.fields["product_list"]) for one in simulated.accepted]
    assert sent == [[{"id": "1", "unit": "cl"}], [{"id": "1", "unit": "l"}], [{"id": "1", "unit": "cl"}]]


async def test_a_refusal_of_a_whole_call_that_names_items_refuses_those(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    simulated.whims["bad"] = ServedResponse({"code": 1, "msg": "invalid", "data": {"invalid_list": ["bad"]}})
    await keep(outbox, order("A", "B", "bad", "C"))
    assert states(await relayed(worker, outbox)) == {
        "A": "delivered",
        "B": "delivered",
        "bad": "refused",
        "C": "delivered",
    }
    assert len(simulated.request_paths) == 2


async def test_a_refusal_of_a_whole_call_that_names_nobody_is_halved(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    simulated.whims["bad"] = ServedResponse({"code": 5047, "msg": "invalid", "data": {}})
    names = [*"ABCDEFG", "bad"]
    await keep(outbox, order(*names))
    assert states(await relayed(worker, outbox)) == dict.fromkeys(names, "delivered") | {"bad": "refused"}
    assert len(simulated.request_paths) == 7, "eight, four and four, two and two, one and one"


@pytest.mark.parametrize("code", [5013, 5041])
async def test_nothing_is_refused_while_the_cloud_refuses_the_account(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox, code: int
) -> None:
    events: list[OutboxEvent] = []
    worker.subscribe(events.append)
    simulated.faults.add("refuse", code=code, times=None)
    await keep(outbox, order(*"ABCDEFGH"))
    await keep(outbox, *[call("product/update", product_list=[{"id": "1", "name": f"Cola {one}"}]) for one in range(9)])
    worker.start()
    await until(lambda: len(simulated.request_paths) >= 3)  # the first two classes, then probes
    assert str(code) in (outbox.unreachable or "")
    assert outbox.depth == 17
    simulated.faults.clear()
    assert set(states(await relayed(worker, outbox)).values()) == {"delivered"}
    assert len(simulated.request_paths) < 17, "nothing was taken apart"
    assert [event.type for event in events] == ["cloud.lost", "cloud.back"]


async def test_an_item_for_which_alone_the_account_is_refused_blocks_nobody(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    simulated.whims["odd"] = ServedResponse({"code": 5013, "msg": "no data", "data": {}})
    await keep(outbox, order("A"), order("odd"), order("B"), order("C"))
    entries = await relayed(worker, outbox, left=1)
    assert {name for name, state in states(entries).items() if state == "delivered"} == set("ABC")


async def test_a_shop_that_a_call_names_is_refused_only_once_the_account_is_known_to_be_right(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    simulated.faults.add("refuse", code=5041, times=3)
    await keep(outbox, call("order/update", shop_id="999", order_list=[{"order_no": "other shop"}]))
    worker.start()
    await until(lambda: len(simulated.request_paths) >= 3)
    assert outbox.depth == 1, "it waits while nothing tells that the account is right"
    for number in range(20):
        if outbox.depth == 0:
            break
        await keep(outbox, order(f"own {number}"))
        await relayed(worker, outbox, left=1)
    assert states(await relayed(worker, outbox))["other shop"] == "refused"


async def test_trouble_of_the_clouds_own_refuses_nothing(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    simulated.faults.add("refuse", code=5000)
    await keep(outbox, order("A"))
    [entry] = await relayed(worker, outbox)
    assert (entry.state, entry.attempts) == ("delivered", 2)


async def test_an_item_on_which_the_cloud_chokes_blocks_nobody(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    simulated.whims["poison"] = ServedResponse(None, 500)
    await keep(outbox, order("A"), order("B"), order("poison"), order("C"), order("D"))
    entries = await relayed(worker, outbox, left=1)
    names = {name for name, state in states(entries).items() if state == "delivered"}
    assert names == set("ABCD")
    await keep(outbox, order("E"))
    assert states(await relayed(worker, outbox, left=1))["E"] == "delivered"
    simulated.whims.clear()
    assert states(await relayed(worker, outbox))["poison"] == "delivered"


@pytest.mark.parametrize("status", [503, 429])
async def test_retry_after_holds_for_every_call(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox, client: CloudClient, status: int
) -> None:
    simulated.faults.add("status", status=status, retry_after_s=1)
    began = time.monotonic()
    await keep(outbox, order("A"))
    worker.start()
    await goes_away(outbox)
    await keep(outbox, order("B"), call("product/delete", product_key_list=["1"]))
    await client.call(call("product/getList"))
    asked = list(simulated.request_paths)
    assert asked == ["order/update", "product/getList"] or time.monotonic() - began >= 1, "not before it may"
    await relayed(worker, outbox)
    assert time.monotonic() - began >= 1, "even though the cloud has answered another call since"
    assert sorted(simulated.request_paths) == ["order/update"] * 2 + ["product/delete", "product/getList"]


async def test_what_was_looked_up_while_the_cloud_went_away_waits_too(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox, database: Database
) -> None:
    simulated.faults.latency_s = 0.1
    simulated.faults.add("status", status=503, retry_after_s=1)
    await keep(outbox, order("A"))
    worker.start()
    while not simulated.request_paths:
        await asyncio.sleep(0.01)
    release = threading.Event()
    holding = asyncio.ensure_future(database.inspect(lambda _: release.wait(10)))
    outbox.on_work()  # the worker looks for more, and the database keeps it waiting
    await goes_away(outbox)
    release.set()
    await holding
    began = time.monotonic()
    await relayed(worker, outbox)
    assert time.monotonic() - began > 0.8, "it waited for as long as the cloud asked"
    assert simulated.request_paths == ["order/update"] * 2


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be tried again by itself for longer than a test lasts."""
    for name in ("INITIAL_DELAY_S", "MAX_DELAY_S", "_MAX_WAIT_S"):
        monkeypatch.setattr(worker_module, name, 3600.0)


async def test_what_could_not_be_sent_goes_together_when_the_cloud_is_back(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    await simulated.stop()
    await keep(outbox, *(order(str(number)) for number in range(30)))
    worker.start()
    await goes_away(outbox)
    await simulated.start()
    await relayed(worker, outbox)
    sent = [json.loads(request.fields["order_list"]) for request in simulated.accepted]
    assert list(map(len, sent)) == [1, 29], "one to find out whether the cloud is back, then all others"


async def test_what_is_merged_is_merged_also_to_find_out_whether_the_cloud_is_back(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    await simulated.stop()
    await keep(
        outbox, *(call("product/update", product_list=[{"id": "8", **fields}]) for fields in ({}, {"name": "x"}))
    )
    worker.start()
    await goes_away(outbox)
    await simulated.start()
    assert [one.state for one in await relayed(worker, outbox)] == ["delivered", "delivered"], "as one, it makes it"
    assert products(simulated)["8"]["name"] == "x"


@pytest.mark.usefixtures("long_pauses")
async def test_nobody_waits_while_the_cloud_is_away_and_one_success_starts_all(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox, client: CloudClient
) -> None:
    worker.start()
    await simulated.stop()
    first = await outbox.submit(order("0"), token="till", wait_s=0.3)
    assert first.state in ("waiting", "sending")
    await goes_away(outbox)
    for number in range(1, 6):
        submitted = await outbox.submit(order(str(number)), token="till", wait_s=300)
        assert submitted.state in ("waiting", "sending")
    await simulated.start()
    await client.call(call("product/getList"))
    assert set(states(await relayed(worker, outbox)).values()) == {"delivered"}


async def test_a_submission_is_answered_from_its_own_items(
    simulated: Whimsical, worker: OutboxWorker, outbox: Outbox
) -> None:
    worker.start()
    simulated.faults.latency_s = 0.1
    mine, theirs = await asyncio.gather(
        outbox.submit(
            call("product/update", product_list=[{"id": "1", "unit": "l"}, {"id": "2", "name": "Tea"}]),
            token="till 1", wait_s=10,
        ),
        outbox.submit(call("product/update", product_list=[{"id": "3", "unit": "l"}]), token="till 2", wait_s=10),
    )  # fmt: skip
    assert (mine.state, theirs.state) == ("delivered", "refused")
    assert [json.loads(one.response)["data"]["not_exist_list"] for one in (mine, theirs)] == [["1", "2"], ["3"]]


@pytest.mark.usefixtures("long_pauses")  # what is being sent is not superseded
async def test_a_superseded_call_is_told_so(simulated: Whimsical, worker: OutboxWorker, outbox: Outbox) -> None:
    older, newer = (call("product/updateTemplate", product_id="1", template_id=template) for template in "12")
    worker.start()
    await simulated.stop()
    submitted = await outbox.submit(older, token="till", wait_s=0)
    await goes_away(outbox)
    await outbox.submit(newer, token="till", wait_s=0)
    entry = await outbox.item(int(submitted.outbox_id), None)
    assert entry.state == "superseded"
