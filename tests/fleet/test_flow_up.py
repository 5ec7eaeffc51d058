"""The customer flow of the shop at the head office: each day once it is final, the present one so far."""

import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.fleet import day_flow
from gateway.fleet.documents import DayFlow
from gateway.simulator.store import SimulatedStore
from tests.fleet.cluster import HeadOffice
from tests.fleet.linked import linked_gateway


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


async def read_flow(office: HeadOffice, shop: str, days: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Wait until there are so many days; return header and content by day, in the order of arrival."""
    subject = f"fleet.v1.{shop}.flow.*"
    async with office.client() as client:
        jetstream = client.jetstream(timeout=5)
        while True:
            info = await jetstream.stream_info("flow", subjects_filter=subject)
            if len(info.state.subjects or {}) >= days:
                break
        found = []
        for name in info.state.subjects or {}:
            message = await jetstream.get_last_msg("flow", name, direct=True)
            assert message.data is not None
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
