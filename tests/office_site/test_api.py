"""The API of the head office, checked against its own OpenAPI document."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
from nats.aio.client import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.api.asyncapi import build_asyncapi_document
from gateway.fleet.documents import MAX_CONTENT_BYTES
from gateway.office.readers import add_reader
from gateway.office_site.file_intake import MAX_FILES
from gateway.office_site.openapi import build_office_document
from gateway.office_site.route_list import ROUTES
from gateway.products.product_list import MAX_LIST_BYTES
from tests.office_site.chain import Visitor, make_list, report, send_event, send_flow

ALERTS = Path(__file__).parents[2] / "packaging/prometheus/alerts.yml"
DOCUMENT = build_office_document(ROUTES)
MISTYPED = {"parts": {"settings.discovery.intervall_s": None}}


@pytest.fixture(scope="module")
async def tokens(visitor: Visitor) -> dict[str, str]:
    access = visitor.site.view.access
    return {scope: await access.create_token(f"the {scope}", scope) for scope in ("view", "operate", "admin")}


def check(method: str, path: str, status: int, document: Any) -> None:
    """Check a response against the document."""
    declared = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)]
    schema = declared["content"]["application/problem+json" if status >= 400 else "application/json"]["schema"]
    jsonschema.validate(document, {**schema, "components": DOCUMENT["components"]})


def test_the_document_is_valid_and_has_every_route() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert {(route.method.lower(), route.path) for route in ROUTES} == {
        (method, path) for path, item in DOCUMENT["paths"].items() for method in item
    }


async def test_a_call_without_a_token_or_with_too_little_scope_is_refused(
    visitor: Visitor, tokens: dict[str, str]
) -> None:
    for route in ROUTES:
        if route.scope is None:
            continue
        path = route.path.replace("{shop}", "hamburg-1").replace("{key}", "chain").replace("{id}", "x")
        path = path.replace("{name}", "x")
        status, problem = await visitor.call(route.method, path)
        assert (status, problem["code"]) == (401, "unauthorized"), path
        if route.scope != "view":
            status, problem = await visitor.call(route.method, path, tokens["view"])
            assert (status, problem["code"]) == (403, "forbidden"), path


async def test_the_shops(visitor: Visitor, tokens: dict[str, str]) -> None:
    status, document = await visitor.call("GET", "/api/v1/shops", tokens["view"])
    check("GET", "/api/v1/shops", status, document)
    assert [one["shop"] for one in document["shops"]] == ["hamburg-2", "munich-1", "bremen-1", "hamburg-1"]
    assert document["counts"]["trouble"] == 1
    status, document = await visitor.call("GET", "/api/v1/shops?health=ok&limit=1", tokens["view"])
    assert [one["shop"] for one in document["shops"]] == ["hamburg-1"]
    status, problem = await visitor.call("GET", "/api/v1/shops?colour=red", tokens["view"])
    assert (status, problem["errors"][0]["parameter"]) == (400, "colour")


async def test_one_shop(visitor: Visitor, tokens: dict[str, str]) -> None:
    status, document = await visitor.call("GET", "/api/v1/shops/hamburg-2", tokens["view"])
    check("GET", "/api/v1/shops/{shop}", status, document)
    assert document["reported"]["state"]["version"] == "1.4.1"
    status, problem = await visitor.call("GET", "/api/v1/shops/nowhere", tokens["view"])
    assert (status, problem["code"]) == (404, "not_found")


async def test_a_shop_is_shown_as_it_reports(
    visitor: Visitor, shops: dict[str, Client], tokens: dict[str, str]
) -> None:
    await report(shops["hamburg-1"], "hamburg-1", version="1.9.9")

    async def version() -> str:
        _, document = await visitor.call("GET", "/api/v1/shops?q=hamburg-1", tokens["view"])
        return str(document["shops"][0]["version"])

    await become(version, "1.9.9")


async def become(read: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Wait until something is read that is wanted."""
    while await read() != wanted:
        await asyncio.sleep(0.05)


async def test_events_are_paged_and_streamed(
    visitor: Visitor, shops: dict[str, Client], tokens: dict[str, str]
) -> None:
    for number in range(3):
        await send_event(shops["hamburg-1"], "hamburg-1", number)
    await send_event(shops["hamburg-2"], "hamburg-2", 1, "cloud.lost")
    status, document = await visitor.call("GET", "/api/v1/events?limit=2", tokens["view"])
    check("GET", "/api/v1/events", status, document)
    assert [one["event"]["id"] for one in document["events"]] == ["e-0", "e-1"]
    _, document = await visitor.call("GET", f"/api/v1/events?after={document['next']}", tokens["view"])
    assert [one["type"] for one in document["events"]] == ["camera.offline", "cloud.lost"]
    _, document = await visitor.call("GET", "/api/v1/events?type=cloud", tokens["view"])
    assert [one["shop"] for one in document["events"]] == ["hamburg-2"]
    headers = {"Authorization": f"Bearer {tokens['view']}", "Accept": "text/event-stream", "Last-Event-ID": "3"}
    async with visitor.http.get(f"{visitor.url}/api/v1/events", headers=headers, ssl=visitor.tls) as stream:
        first = await _read_event(stream)
        await send_event(shops["hamburg-1"], "hamburg-1", 9)
        second = await _read_event(stream)
    assert (first["type"], second["event"]["id"]) == ("cloud.lost", "e-9")


async def _read_event(stream: aiohttp.ClientResponse) -> Any:
    async for line in stream.content:
        if line.startswith(b"data: "):
            return json.loads(line[6:])
    raise AssertionError("the stream has ended")


async def test_the_customers(visitor: Visitor, shops: dict[str, Client], tokens: dict[str, str]) -> None:
    await send_flow(shops["hamburg-1"], "hamburg-1", "2026-11-20", 100)
    await send_flow(shops["hamburg-2"], "hamburg-2", "2026-11-20", 50)
    await visitor.site.view.flow.refresh()
    status, document = await visitor.call("GET", "/api/v1/flow", tokens["view"])
    check("GET", "/api/v1/flow", status, document)
    assert document["days"][-1] == {
        "day": "2026-11-20", "total": 150, "new": 146, "repeat": 4, "members": 0, "final": True, "shops": 2,
    }  # fmt: skip
    _, document = await visitor.call("GET", "/api/v1/flow?shop=hamburg-2", tokens["view"])
    assert document["days"][-1]["total"] == 50
    await visitor.sign_in("view")
    for group, counted in (("north", 2), ("south", 0)):
        _, html = await visitor.get(f"flow?group={group}")
        assert f"<strong>{counted}</strong>" in html
        assert ("shops/hamburg-1" in html) == (counted > 0)
    for query, field in (("since=today", "since"), ("until=2026-11-31", "until"), ("until=20261120", "until"),
                         ("since=2026-11-21&until=2026-11-20", "until")):  # fmt: skip
        status, problem = await visitor.call("GET", f"/api/v1/flow?{query}", tokens["view"])
        assert (status, [one["parameter"] for one in problem["errors"]]) == (400, [field])
    for query, status in (("group=nobody", 404), ("with=nobody", 404), ("days=some", 400), ("days=7", 200)):
        assert (await visitor.get(f"flow?{query}"))[0].status == status
    for path in ("audit", "events", "shops"):
        query = f"/api/v1/{path}?after={10**20 - 1}"
        assert (await visitor.call("GET", query, tokens["admin"]))[0] in (200, 400), path
    for path in ("events?shop=nowhere", "flow?shop=nowhere", "flow?group=nobody"):
        assert (await visitor.call("GET", f"/api/v1/{path}", tokens["view"]))[0] == 404


async def test_what_is_desired_is_changed_only_by_who_has_read_it(visitor: Visitor, tokens: dict[str, str]) -> None:
    path, operate = "/api/v1/desired/group.north", tokens["operate"]
    status, document = await visitor.call("GET", path, operate)
    check("GET", "/api/v1/desired/{key}", status, document)
    body = {"parts": {"settings.discovery.interval_s": 120}}
    status, problem = await visitor.call("PUT", path, operate, json=body)
    assert (status, problem["errors"][0]["parameter"]) == (400, "If-Match")
    match = {"If-Match": f'"{document["revision"]}"'}
    status, document = await visitor.call("PUT", path, operate, json=body, headers=match)
    assert (status, document["parts"]) == (200, body["parts"])
    status, problem = await visitor.call("PUT", path, operate, json={"parts": {}}, headers=match)
    assert (status, problem["code"]) == (409, "conflict")
    match = {"If-Match": f'"{document["revision"]}"'}
    wrong = {"parts": {"settings.discovery.interval_s": "often", "settings.cloud.secret_key": "x", "sunshine": True}}
    status, problem = await visitor.call("PUT", path, operate, json=wrong, headers=match)
    assert status == 400
    assert [one["parameter"] for one in problem["errors"]] == ["sunshine"]
    del wrong["parts"]["sunshine"]
    status, problem = await visitor.call("PUT", path, operate, json=wrong, headers=match)
    assert {one["parameter"] for one in problem["errors"]} == {"discovery.interval_s", "cloud.secret_key"}
    status, problem = await visitor.call("PUT", path, operate, json=MISTYPED, headers=match)
    assert (status, [one["parameter"] for one in problem["errors"]]) == (400, ["discovery.intervall_s"])


async def test_a_rollout_is_started_paused_and_undone(visitor: Visitor, tokens: dict[str, str]) -> None:
    operate = tokens["operate"]
    body = {"parts": {"settings.outbox.max_bytes": 8388608}, "groups": ["north"], "waves": ["50", "100"]}
    status, rollout = await visitor.call("POST", "/api/v1/rollouts", operate, json=body)
    assert status == 201, rollout
    check("POST", "/api/v1/rollouts", status, rollout)
    path = f"/api/v1/rollouts/{rollout['id']}"
    status, changed = await visitor.call("POST", f"{path}/pause", operate)
    assert (status, changed["state"]) == (200, "paused")
    status, problem = await visitor.call("POST", f"{path}/pause", operate)
    assert (status, problem["code"]) == (409, "conflict")
    await visitor.call("POST", f"{path}/undo", operate)

    async def state() -> str:
        _, document = await visitor.call("GET", path, operate)
        check("GET", "/api/v1/rollouts/{id}", 200, document)
        return str(document["rollout"]["state"])

    await become(state, "undone")
    status, problem = await visitor.call("POST", "/api/v1/rollouts", operate, json={**body, "everyone": True})
    assert (status, problem["errors"][0]["parameter"]) == (400, "shops")
    status, problem = await visitor.call("POST", "/api/v1/rollouts", operate, json={**MISTYPED, "groups": ["north"]})
    assert (status, [one["parameter"] for one in problem["errors"]]) == (400, ["discovery.intervall_s"])


@pytest.mark.parametrize("version", ["v1.4.2", "", "1.4.2 ", "1" * 65, 2])
async def test_what_cannot_be_a_version_is_never_wanted(
    visitor: Visitor, tokens: dict[str, str], version: object
) -> None:
    body = {"parts": {"version": version}, "everyone": True}
    status, problem = await visitor.call("POST", "/api/v1/rollouts", tokens["operate"], json=body)
    assert (status, [one["parameter"] for one in problem["errors"]]) == (400, ["version"])


async def test_a_command_reaches_its_shop_once(
    visitor: Visitor, shops: dict[str, Client], tokens: dict[str, str]
) -> None:
    received = []

    async def answer(message: Any) -> None:
        request = json.loads(message.data)
        received.append(request)
        outcome = {"id": request["id"], "outcome": "done", "reason": "", "result": {"cameras": 2}}
        await message.respond(json.dumps(outcome).encode())

    await shops["hamburg-1"].subscribe("fleet.v1.hamburg-1.command.*", cb=answer)
    await shops["hamburg-1"].flush()
    body = {"command": "discover", "arguments": {"timeout_s": 1}, "shops": ["hamburg-1"]}
    status, made = await visitor.call("POST", "/api/v1/commands", tokens["operate"], json=body)
    check("POST", "/api/v1/commands", status, made)

    async def calls() -> list[Any]:
        _, document = await visitor.call("GET", f"/api/v1/commands/{made['id']}", tokens["view"])
        check("GET", "/api/v1/commands/{id}", 200, document)
        return list(document["calls"])

    wanted = {"shop": "hamburg-1", "outcome": "done", "reason": "", "result": {"cameras": 2}}
    await become(calls, [wanted])
    assert [(one["by"], one["arguments"]) for one in received] == [("the operate", {"timeout_s": 1})]
    wrong = {**body, "arguments": {"timeout_s": 1000, "loudly": True}}
    status, problem = await visitor.call("POST", "/api/v1/commands", tokens["operate"], json=wrong)
    assert status == 400
    assert {one["parameter"] for one in problem["errors"]} == {"timeout_s", "loudly"}
    large = {"command": "site_plan", "arguments": {"plan": {"remark": "x" * 300_000}}, "shops": ["hamburg-1"]}
    status, problem = await visitor.call("POST", "/api/v1/commands", tokens["operate"], json=large)
    assert (status, [one["parameter"] for one in problem["errors"]]) == (400, ["arguments"])


async def test_a_command_is_repeated_safely_with_its_key(
    visitor: Visitor, shops: dict[str, Client], tokens: dict[str, str]
) -> None:
    received = []

    async def answer(message: Any) -> None:
        request = json.loads(message.data)
        received.append(request["id"])
        await message.respond(json.dumps({"id": request["id"], "outcome": "done"}).encode())

    await shops["hamburg-2"].subscribe("fleet.v1.hamburg-2.command.*", cb=answer)
    await shops["hamburg-2"].flush()
    body = {"command": "doctor", "shops": ["hamburg-2"]}

    async def give(key: str, token: str = tokens["operate"], **changes: Any) -> tuple[int, Any]:
        headers = {"Idempotency-Key": key}
        return await visitor.call("POST", "/api/v1/commands", token, json={**body, **changes}, headers=headers)

    async def state(name: str) -> str:
        return str((await visitor.call("GET", f"/api/v1/commands/{name}", tokens["view"]))[1]["state"])

    status, made = await give("order 7")
    check("POST", "/api/v1/commands", status, made)
    await become(lambda: state(made["id"]), "over")
    status, again = await give("order 7")
    assert (status, again["id"], again["calls"][0]["outcome"], len(received)) == (202, made["id"], "done", 1)
    status, problem = await give("order 7", command="discover")
    check("POST", "/api/v1/commands", status, problem)
    assert (status, problem["code"]) == (409, "conflict")
    assert (await give("order 7", shops=["hamburg-1", "hamburg-2"]))[0] == 409
    assert (await give("order 7", tokens["admin"]))[1]["id"] != made["id"]
    visitor.site.view.commands._runs.clear()  # as after a restart: the shop knows the id
    status, again = await give("order 7")
    await become(lambda: state(again["id"]), "over")
    assert (again["id"], received.count(received[0])) == (made["id"], 2)
    status, problem = await give("x" * 256)
    assert (status, problem["errors"][0]["parameter"]) == (400, "Idempotency-Key")


async def test_a_file_is_read_before_it_goes_anywhere(visitor: Visitor, tokens: dict[str, str]) -> None:
    path = "/api/v1/files?kind=products&name=list.csv"
    good, bad = b"id,name,price\n1,Cola,3.20\n", b"id,name,price\n1,Cola,cheap\n"
    status, document = await visitor.call("POST", path, tokens["operate"], data=good)
    check("POST", "/api/v1/files", status, document)
    assert (document["part"], document["value"]["complete"]) == ("products", True)
    status, problem = await visitor.call("POST", path, tokens["operate"], data=bad)
    assert (status, problem["code"]) == (400, "invalid_request")


async def test_a_file_may_be_as_large_as_shops_take_it(visitor: Visitor, tokens: dict[str, str]) -> None:
    assert MAX_CONTENT_BYTES == MAX_LIST_BYTES
    path = "/api/v1/files?kind=products&name=list.csv"
    status, document = await visitor.call("POST", path, tokens["operate"], data=make_list(12 * 1024**2))
    assert (status, document["value"]["size"]) == (201, 12 * 1024**2), document
    longer = {"Content-Length": str(MAX_CONTENT_BYTES + 1), "Connection": "close"}
    status, problem = await visitor.call("POST", path, tokens["operate"], data=b"id", headers=longer)
    assert (status, problem["code"]) == (413, "too_large")
    status, problem = await visitor.call("POST", path, tokens["operate"], data=b"")
    assert (status, problem["errors"][0]["parameter"]) == (400, "body")


async def test_only_some_files_are_received_at_the_same_time(visitor: Visitor, tokens: dict[str, str]) -> None:
    path, go_on, begun = "/api/v1/files?kind=products&name=list.csv", asyncio.Event(), asyncio.Semaphore(0)

    async def send_slowly() -> AsyncIterator[bytes]:
        yield b"id,name,price\n"
        begun.release()
        await go_on.wait()
        yield b"1,Cola,3.20\n"

    slow = [visitor.call("POST", path, tokens["operate"], data=send_slowly()) for _ in range(MAX_FILES)]
    sent = asyncio.gather(*slow)
    for _ in range(MAX_FILES):
        await begun.acquire()

    async def status() -> int:
        return (await visitor.call("POST", path, tokens["operate"], data=b"id,name,price\n1,Cola,3.20\n"))[0]

    await become(status, 503)
    go_on.set()
    assert [one for one, _ in await sent] == [201] * MAX_FILES
    assert await status() == 201


async def test_a_shop_is_enrolled_and_retired(visitor: Visitor, tokens: dict[str, str]) -> None:
    body = {"shop": "kiel-1", "title": "Kiel", "groups": ["north"]}
    status, document = await visitor.call("POST", "/api/v1/shops", tokens["admin"], json=body)
    check("POST", "/api/v1/shops", status, document)
    assert f"/{body['shop']}/" in document["join_code"]
    status, problem = await visitor.call("POST", "/api/v1/shops", tokens["admin"], json=body)
    assert (status, problem["code"]) == (409, "conflict")
    status, problem = await visitor.call("POST", "/api/v1/shops", tokens["admin"], json={"shop": "kiel/2"})
    assert (status, problem["errors"][0]["parameter"]) == (400, "shop")
    again = {"shop": "kiel-3", "again": True}
    status, problem = await visitor.call("POST", "/api/v1/shops", tokens["admin"], json=again)
    assert (status, problem["code"]) == (404, "not_found")
    assert (await visitor.call("DELETE", "/api/v1/shops/kiel-1", tokens["admin"]))[0] == 204
    _, document = await visitor.call("GET", "/api/v1/shops/kiel-1", tokens["view"])
    assert document["health"] == "retired"


async def test_a_token_is_good_until_it_is_revoked(visitor: Visitor, tokens: dict[str, str]) -> None:
    admin = tokens["admin"]
    status, made = await visitor.call("POST", "/api/v1/tokens", admin, json={"name": "erp", "scope": "view"})
    check("POST", "/api/v1/tokens", status, made)
    assert (await visitor.call("GET", "/api/v1/shops", made["token"]))[0] == 200
    status, document = await visitor.call("GET", "/api/v1/tokens", admin)
    check("GET", "/api/v1/tokens", status, document)
    assert made["token"] not in json.dumps(document)
    status, _ = await visitor.call("POST", "/api/v1/tokens", admin, json={"name": "erp", "scope": "view"})
    assert status == 409
    assert (await visitor.call("DELETE", "/api/v1/tokens/erp", admin))[0] == 204
    assert (await visitor.call("GET", "/api/v1/shops", made["token"]))[0] == 401


async def test_readers_are_listed_and_revoked(visitor: Visitor, tokens: dict[str, str]) -> None:
    await add_reader(visitor.site.office, "erp", mqtt=False)
    admin = tokens["admin"]
    status, document = await visitor.call("GET", "/api/v1/readers", admin)
    check("GET", "/api/v1/readers", status, document)
    assert [(one["name"], one["connected_since"]) for one in document["readers"]] == [("erp", None)]
    assert (await visitor.call("DELETE", "/api/v1/readers/erp", admin))[0] == 204
    assert (await visitor.call("GET", "/api/v1/readers", admin))[1] == {"readers": []}
    for name in ("erp", "e.rp", "*"):
        status, problem = await visitor.call("DELETE", f"/api/v1/readers/{name}", admin)
        assert (status, problem["code"]) == (404, "not_found")


async def test_changes_are_audited(visitor: Visitor, shops: dict[str, Client], tokens: dict[str, str]) -> None:
    admin, operate = tokens["admin"], tokens["operate"]
    _, document = await visitor.call("GET", "/api/v1/audit?limit=500", admin)
    after = document["entries"][-1]["number"] if document["entries"] else 0
    await visitor.call("POST", "/api/v1/tokens", admin, json={"name": "cash desk", "scope": "view"})
    await visitor.call("DELETE", "/api/v1/tokens/cash desk", admin)
    _, desired = await visitor.call("GET", "/api/v1/desired/shop.munich-1", operate)
    _, desired = await visitor.call(
        "PUT", "/api/v1/desired/shop.munich-1", operate, json={"parts": {"settings.discovery.interval_s": 99}},
        headers={"If-Match": f'"{desired["revision"]}"'},
    )  # fmt: skip
    arguments = {"sn": "FM1", "endpoint": "device/setWifi", "parameters": {"password": "rosebud"}}
    body = {"command": "camera_call", "arguments": arguments, "shops": ["munich-1"], "deadline_s": 0.01}
    assert (await visitor.call("POST", "/api/v1/commands", operate, json=body))[0] == 202

    async def count() -> int:
        _, document = await visitor.call("GET", f"/api/v1/audit?after={after}", admin)
        check("GET", "/api/v1/audit", 200, document)
        return len(document["entries"])

    await become(count, 4)
    _, document = await visitor.call("GET", f"/api/v1/audit?after={after}", admin)
    made, revoked, changed, command = document["entries"]
    assert [(one["action"], one["object"]) for one in (made, revoked, changed, command)] == [
        ("token_create", "cash desk"), ("access_revoke", "cash desk"), ("desired", "shop.munich-1"),
        ("command", "camera_call"),
    ]  # fmt: skip
    assert [(one["who"], one["via"], one["host"]) for one in (made, changed)] == [
        ("the admin", "api", "127.0.0.1"), ("the operate", "api", "127.0.0.1"),
    ]  # fmt: skip
    assert changed["revision"] == desired["revision"]
    assert (command["details"]["about"], command["details"]["shops"]) == ("FM1 device/setWifi", ["munich-1"])
    assert "rosebud" not in json.dumps(document)
    _, document = await visitor.call("GET", f"/api/v1/audit?after={after}&q=CASH&limit=1", admin)
    assert [one["number"] for one in document["entries"]] == [made["number"]] == [document["next"]]
    assert (await visitor.call("GET", "/api/v1/audit", operate))[0] == 403


async def test_prometheus_reads_the_chain(visitor: Visitor, tokens: dict[str, str]) -> None:
    status, text = await visitor.call("GET", "/metrics", tokens["view"])
    assert status == 200
    assert 'sunmi_office_shops{state="trouble"} 1.0' in text
    assert [one for one in text.splitlines() if one.startswith("sunmi_office_outbox")] == [
        "sunmi_office_outbox_items 6.0", "sunmi_office_outbox_oldest_age_seconds 90.0",
    ]  # fmt: skip
    assert "sunmi_office_servers 1.0" in text
    for name in set(re.findall(r"\bsunmi_office_[a-z_]+\b", ALERTS.read_text())):
        assert f"# TYPE {name} gauge\n" in text


async def test_the_description_needs_no_token(visitor: Visitor) -> None:
    assert (await visitor.call("GET", "/openapi.json"))[0] == 200
    status, document = await visitor.call("GET", "/asyncapi.json")
    assert (status, document) == (200, json.loads(json.dumps(build_asyncapi_document())))
    status, html = await visitor.call("GET", "/docs/problems")
    assert (status, html.count('"/asyncapi.json"')) == (200, 1)
    status, document = await visitor.call("GET", "/healthz")
    check("GET", "/healthz", status, document)
