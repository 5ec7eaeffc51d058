"""The customer flow of the shop at the head office: each day once it is final, the present one so far."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.cloud.customer_flow import CustomerFlow
from gateway.fleet import connection, day_flow
from gateway.fleet.documents import DayFlow
from gateway.fleet_settings import FleetSettings
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.store import SimulatedStore
from tests.fleet.asyncapi_document import ChainDocument
from tests.fleet.cluster import HeadOffice
from tests.fleet.linked import linked_gateway, make_settings
from tests.waiting import until

DOCUMENT = ChainDocument()


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


async def read_flow(office: HeadOffice, shop: str, days: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Wait until there are so many days; return header and content by day, in the order of arrival."""
    subject = f"fleet.v1.{shop}.flow.*"
    async with office.client() as client:
        jetstream = client.jetstream(timeout=60)
        while True:
            info = await jetstream.stream_info("flow", subjects_filter=subject)
            if len(info.state.subjects or {}) >= days:
                break
        found = []
        for name in info.state.subjects or {}:
            message = await jetstream.get_last_msg("flow", name, direct=True)
            assert message.data is not None
            assert DOCUMENT.find_mistake(name, message.headers, message.data) is None
            found.append((message.seq or 0, name, (message.headers or {})[day_flow.FINAL_TO], json.loads(message.data)))
    return {name.rpartition(".")[2]: (header, document) for _, name, header, document in sorted(found)}


async def test_days_go_up_and_a_new_connection_goes_on_there(
    office: HeadOffice, store: SimulatedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_flow, "MAX_DAYS", 5)
    monkeypatch.setattr(day_flow, "PAUSE_S", 0.0)
    async with linked_gateway(tmp_path / "state", store, office.settings("shop-1")) as gateway:
        flow = await read_flow(office, "shop-1", 6)
        expected = await gateway.flow.history({}, (first := date.fromisoformat(next(iter(flow)))), first)
    finals = [day for day, (_, document) in flow.items() if document["final"]]
    assert len(flow) == 6
    assert finals == list(flow)[: len(finals)]
    assert 3 <= len(finals) <= 4, "the vendor changes the numbers of a day for two more"
    header, document = flow[str(first)]
    assert header == str(first)
    assert {name: document[name] for name in ("total", "hours", "ages")} == {
        name: json.loads(json.dumps(expected[name])) for name in ("total", "hours", "ages")
    }
    assert {header for header, _ in list(flow.values())[len(finals) :]} == {finals[-1]}
    DayFlow.model_validate(document)
    asked = len(store.cloud.accepted)
    async with linked_gateway(tmp_path / "state", store, office.settings("shop-1")):
        later = await read_flow(office, "shop-1", 6)
        while len(store.cloud.accepted) < asked + 4:
            later = await read_flow(office, "shop-1", 6)
    # What is final is not asked for, nor sent again.
    assert {day: later[day] for day in finals} == {day: flow[day] for day in finals}
    asked_days = {call.fields.get("start_time") for call in store.cloud.accepted[asked:]} - {None}
    assert asked_days.isdisjoint(finals)


async def test_days_of_another_shop_of_the_cloud_do_not_stay(
    office: HeadOffice, store: SimulatedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_flow, "MAX_DAYS", 5)
    monkeypatch.setattr(day_flow, "PAUSE_S", 0.0)
    async with linked_gateway(tmp_path / "state", store, office.settings("shop-3")):
        [*finals, _, _, _] = await read_flow(office, "shop-3", 6)
    wrong = {"day": finals[0]}  # as from a gateway that had the settings of another shop of the cloud
    async with office.client("shop-2") as client:
        for day in finals:
            headers = {day_flow.FINAL_TO: finals[-1], day_flow.ACCOUNT: "another"}
            await client.jetstream().publish(f"fleet.v1.shop-2.flow.{day}", json.dumps(wrong).encode(), headers=headers)
    async with linked_gateway(tmp_path / "state", store, office.settings("shop-2")):
        flow = await read_flow(office, "shop-2", 6)
        while any(flow[day][1] == wrong for day in finals):
            flow = await read_flow(office, "shop-2", 6)


async def test_days_without_numbers_that_are_found_while_the_head_office_is_slow_count(
    office: HeadOffice, store: SimulatedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_flow, "MAX_DAYS", 5)
    monkeypatch.setattr(day_flow, "PAUSE_S", 0.0)
    monkeypatch.setattr(connection, "ACKNOWLEDGEMENT_TIMEOUT_S", 600.0)
    [node] = office.nodes
    asked: list[CustomerFlow] = []
    sending: list[asyncio.Future[bool]] = []
    offered = 0

    def find_flow() -> CustomerFlow:
        asked.append(gateway.flow)
        if len(asked) == 3:  # after the present day and the first one
            store.cloud.faults.add("refuse", code=5013, times=None)
        return gateway.flow

    def send() -> None:
        nonlocal offered
        offered += 1
        if not sending:
            sending.append(asyncio.ensure_future(uplink.work(link)))

    gateway = await Gateway.open(make_settings(tmp_path / "state", store, FleetSettings()), Supervisor())
    link = await connection.FleetConnection.open(office.settings("shop-4"), on_lost=lambda: None)
    uplink = day_flow.FlowUplink("shop-4", find_flow, gateway.clock, gateway.supervisor, account="shop", on_change=send)
    try:
        await uplink.begin(link)
        node.freeze()
        await uplink.work(link)
        await until(lambda: offered == 2)  # the first day, and the present one after all
        node.thaw()
        await sending[0]
        [(first, (header, _)), (_, (final_to, document))] = (await read_flow(office, "shop-4", 2)).items()
    finally:
        node.thaw()
        await uplink.close()
        await link.close()
        await gateway.close()
    assert (header, document["final"]) == (first, False)
    assert date.fromisoformat(final_to) > date.fromisoformat(first)
