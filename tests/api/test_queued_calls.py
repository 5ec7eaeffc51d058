"""What the OpenAPI document says of queued calls: it follows the catalogue, and real answers are as it says."""

from typing import Any

import pytest

from gateway.api.openapi import local_path
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.simulator.store import SimulatedStore
from tests.api_document import build_gateway_document

DOCUMENT = build_gateway_document()
QUEUED = [endpoint for endpoint in CATALOGUE.endpoints if endpoint.relay is not None]
PATH = "/api/v1/cloud/order/update"


def operation(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][local_path(endpoint)]["post"]
    return found


def headers(operation: dict[str, Any]) -> set[str]:
    return {one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"}


def test_only_calls_with_a_relay_policy_may_be_answered_202() -> None:
    told = {endpoint.path for endpoint in CATALOGUE.endpoints if "202" in operation(endpoint)["responses"]}
    asked = {endpoint.path for endpoint in CATALOGUE.endpoints if headers(operation(endpoint))}
    assert told == asked == {endpoint.path for endpoint in QUEUED}


@pytest.mark.parametrize("endpoint", QUEUED, ids=lambda endpoint: endpoint.path)
def test_a_queued_call_tells_its_headers_and_answers(endpoint: Endpoint) -> None:
    described = operation(endpoint)
    assert headers(described) == {"Prefer", "Idempotency-Key"}
    answers = described["responses"]
    assert {"200", "202", "409", "422", "504", "507"} <= set(answers)
    own = {"X-Request-Id", "Preference-Applied", "Idempotent-Replayed"}
    assert set(answers["200"]["headers"]) == own
    assert set(answers["202"]["headers"]) == own | {"Location"}
    assert "queued, priority" in described["description"].lower()
    assert ("Expires" in described["description"]) == (endpoint.path == "device/esl/flashLed")


async def test_real_answers_are_as_described(store: SimulatedStore, pos: Any) -> None:
    answers = operation(CATALOGUE.get("cloud", "order/update"))["responses"]
    store.cloud.faults.latency_s = 0.3

    async def send(number: str, wait: str, key: str) -> Any:
        given = {"Prefer": f"wait={wait}", "Idempotency-Key": key}
        answer = await pos("POST", PATH, {"order_list": [{"order_no": number}]}, headers=given)
        described = answers[str(answer.status)]
        kind = answer.headers["Content-Type"].partition(";")[0]
        assert kind in described["content"]
        return answer

    accepted = await send("1", "0", "a")
    assert accepted.status == 202
    name = answers["202"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = DOCUMENT["components"]["schemas"][name]
    assert set(accepted.body) == set(schema["required"]) == set(schema["properties"])
    assert accepted.body["state"] in schema["properties"]["state"]["enum"]
    assert (await send("1", "10", "a")).status == 200
    conflict = await send("2", "10", "a")
    assert (conflict.status, conflict.body["outbox_id"]) == (409, accepted.body["outbox_id"])
    store.cloud.faults.add("refuse", path="order/update", code=5047)
    refused = await send("3", "10", "b")
    assert refused.status == 422
    assert refused.headers["Location"] == f"/api/v1/outbox/{refused.body['outbox_id']}"
    assert (await pos("GET", refused.headers["Location"])).body["state"] == "refused"


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNMI_GATEWAY__OUTBOX__MAX_BYTES", "1048576")


async def test_a_full_outbox_is_as_described(no_room: None, store: SimulatedStore, pos: Any) -> None:
    await store.cloud.stop()
    text = "x" * 200_000
    statuses = []
    for number in range(8):
        body = {"order_list": [{"order_no": str(number), "remark": text}]}
        answer = await pos("POST", PATH, body, headers={"Prefer": "wait=0"})
        statuses.append((answer.status, answer.body.get("code")))
    assert statuses[0] == (202, None)
    assert statuses[-1] == (507, "outbox_full")
    assert (await pos("GET", "/api/v1/status")).body["outbox"]["depth"] == [one for one, _ in statuses].count(202)
