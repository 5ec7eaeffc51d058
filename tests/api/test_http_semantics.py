"""What HTTP promises holds for every route: methods, conditional requests, media types, query parameters, repeats.

The tests run over `ROUTES`, so that a new route is covered.
"""

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from PIL import Image

from gateway.api import problems
from gateway.api.auth import authenticate_socket
from gateway.api.body_budget import BodyBudget
from gateway.api.route import Route
from gateway.api.route_table import list_routes
from gateway.app import Gateway
from gateway.errors import (
    CameraUnreachable,
    CloudRejectedCredentials,
    CloudUnreachable,
    OutboxFull,
    Overloaded,
    Problem,
    RateLimited,
    list_problem_types,
)
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import Rest
from tests.api_document import build_gateway_document
from tests.each import for_each

NAMES = {"{type}": "device", "{action}": "getInfo", "{path:.+}": "openapi/order/update", "{name}": "till 7",
    "{section}": "problems", "{file}": "docs.css", "{moment}": "before",
    "{product_id}": "0001", "{source}": "erp", "{esl}": "SKDI39DN", "{template}": "price", "{number}": "1"}  # fmt: skip
ORDER = {"order_list": [{"order_no": "1", "received_amount": 5}]}
ROUTES = list_routes()
DOCUMENT = build_gateway_document()


def make_path(route: Route, sn: str = "0000") -> str:
    """Return a path of a route."""
    path = route.path
    for placeholder, name in (NAMES | {"{sn}": sn, "{outbox_id}": "1", "{id}": "1"}).items():
        path = path.replace(placeholder, name)
    return path


def select(**wanted: object) -> list[Any]:
    """Return the routes with these attributes as parameters of a test."""
    found = [route for route in ROUTES if all(getattr(route, name) == value for name, value in wanted.items())]
    return [pytest.param(route, id=f"{route.method} {route.path}") for route in found]


def describe(route: Route) -> Any:
    """Return the operation of a documented route in the OpenAPI document."""
    return DOCUMENT["paths"][route.path][route.method.lower()]


@pytest.fixture(autouse=True)
def no_error_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_head_is_answered_as_get(gateway: Gateway, ours: SimulatedCamera, admin: Rest) -> None:
    for route in ROUTES:
        if route.method != "GET":
            continue
        path = make_path(route, ours.sn)
        headers = {"Authorization": f"Bearer {admin.token}"}
        async with admin.session.get(path, headers=headers) as got:
            body = await got.read()
        async with admin.session.head(path, headers=headers) as response:
            assert await response.read() == b""
            assert (response.status, response.content_type) == (got.status, got.content_type), path
            assert got.status >= 400 or "Content-Length" in response.headers, path
            if route.etag_ignores is not None and got.status == 200:
                assert response.headers["ETag"] == got.headers["ETag"], path
        assert body


async def test_head_opens_no_stream(pos: Rest) -> None:
    headers = {"Authorization": f"Bearer {pos.token}", "Accept": "text/event-stream"}
    async with pos.session.head("/api/v1/events", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "application/json")


async def test_other_methods_are_refused_with_those_that_there_are(session: aiohttp.ClientSession) -> None:
    for path in {make_path(route) for route in ROUTES}:
        async with session.options(path) as response:
            assert response.status == 204, path
            allowed = {name.strip() for name in response.headers["Allow"].split(",")}
        expected = {method for route in ROUTES if make_path(route) == path for method in route.methods}
        assert allowed >= expected | {"OPTIONS"}, path
        async with session.request("PROPFIND", path) as response:
            assert response.status == 405, path
            assert {name.strip() for name in response.headers["Allow"].split(",")} == allowed, path
            problem = await response.json(content_type=None)
            assert (problem["code"], problem["status"]) == ("method_not_allowed", 405)
    async with session.options("/api/v1/nothing") as response:
        assert response.status == 404


async def test_unknown_query_parameters_are_refused_by_name(ours: SimulatedCamera, admin: Rest) -> None:
    for route in ROUTES:
        answer = await admin(
            route.method, make_path(route, ours.sn), {} if route.body else None, params={"strange": "1"}
        )
        if route.any_query:
            assert route.path.startswith(("/hooks/", "/saas/"))
            assert "strange" not in str(answer.body)
        else:
            assert answer.status == 400, (route.path, answer.body)
            refused = {"parameter": "strange", "reason": "is not a parameter of this call"}
            assert refused in answer.body["errors"], "beside what is required"


NO_JSON = [b"name=x&scope=pos", b"<order/>", b"hello", b"\xff\xfe{\x00}\x00", b"--x\r\n\r\n--x--", b"NaN"]


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/xml", ""])
async def test_a_body_that_is_no_json_is_refused_whatever_it_says(
    ours: SimulatedCamera, admin: Rest, kind: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    for route in ROUTES:
        if route.body is None and not route.path.startswith(("/api/v1/cloud/", "/api/v1/cameras/{sn}/openapi/")):
            continue
        if route.file_types:
            continue  # it takes lists too, and says what is wrong with one
        for body in NO_JSON if route.body is not None else NO_JSON[:1]:
            skip = {"skip_auto_headers": ["Content-Type"]} if not kind else {}
            answer = await admin(route.method, make_path(route, ours.sn), data=body, headers=headers, **skip)
            if answer.status == 409:
                assert "without describing it" in answer.body["detail"]  # so that no body can be right
                continue
            assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type"), (route.path, body)
            assert answer.headers["Accept"] == "application/json"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"])
async def test_json_is_taken_whatever_it_says(store: SimulatedStore, pos: Rest, kind: str) -> None:
    body = b'{"order_list": [{"order_no": "CN0000938", "received_amount": 12.80}]}'
    answer = await pos("POST", "/api/v1/cloud/order/update", data=body, headers={"Content-Type": kind})
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("body", [b'{"order_list": [', b"[1, 2", b"{'a': 1}", b"[]", b"7"])
async def test_json_with_a_mistake_is_an_invalid_request(pos: Rest, body: bytes) -> None:
    answer = await pos("POST", "/api/v1/cloud/order/update", data=body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")


async def test_a_form_is_refused_where_no_file_is_taken(pos: Rest) -> None:
    form = aiohttp.FormData({"order_list": "[]"})
    form.add_field("pic", b"x", filename="x.png")
    answer = await pos("POST", "/api/v1/cloud/order/update", data=form)
    assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type")


async def test_whoever_has_the_present_state_gets_no_body(
    gateway: Gateway, ours: SimulatedCamera, admin: Rest, pos: Rest
) -> None:
    assert (await pos("POST", "/api/v1/cloud/order/update", ORDER, headers={"Prefer": "wait=30"})).status == 200
    added = await admin("POST", "/api/v1/webhooks", {"url": "http://127.0.0.1:9/"})
    assert (await admin("PUT", "/api/v1/site-plan", {"cameras": [{"sn": ours.sn}]})).status == 200
    cola = {"products": [{"id": "0001", "name": "Cola", "price": "3.20"}]}
    assert (await admin("PUT", "/api/v1/products", cola)).status == 200
    picture = io.BytesIO()
    Image.new("RGB", (400, 300)).save(picture, "PNG")
    assert (await pos("PUT", "/api/v1/labels/SKDI39DN?model=SL142", data=picture.getvalue())).status == 201
    while (await pos("GET", "/api/v1/labels/SKDI39DN")).body["state"] != "failed":  # it is another model
        await asyncio.sleep(0.02)
    for route in ROUTES:
        if route.etag_ignores is None:
            continue
        path = make_path(route, ours.sn).replace("webhooks/1", f"webhooks/{added.body['webhook_id']}")
        async with admin.session.get(path, headers={"Authorization": f"Bearer {admin.token}"}) as first:
            assert first.status == 200, await first.text()
        tag = first.headers["ETag"]
        assert tag.startswith('W/"') == bool(route.etag_ignores), "weak if it leaves anything out"
        assert first.headers["Cache-Control"] == "private, no-cache"
        for known in (tag, f'"other", {tag}', "*"):
            for method in route.methods:
                again = await admin(method, path, headers={"If-None-Match": known})
                assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag), (method, path)
        for odd in ('"other"', "nonsense"):
            headers = {"Authorization": f"Bearer {admin.token}", "If-None-Match": odd}
            async with admin.session.get(path, headers=headers) as response:
                assert response.status == 200


async def test_the_tag_follows_what_matters(store: SimulatedStore, ours: SimulatedCamera, admin: Rest) -> None:
    async def tag(path: str) -> str:
        return str((await admin("GET", path)).headers["ETag"])

    cameras, tokens, outbox = await tag("/api/v1/cameras"), await tag("/api/v1/tokens"), await tag("/api/v1/outbox")
    seen = (await admin("GET", f"/api/v1/cameras/{ours.sn}")).body["last_seen"]
    while (await admin("GET", f"/api/v1/cameras/{ours.sn}")).body["last_seen"] == seen:
        await admin("POST", "/api/v1/discovery", {"timeout_s": 0.3})
    assert await tag(f"/api/v1/cameras/{ours.sn}") == await tag(f"/api/v1/cameras/{ours.sn}")
    await admin("POST", "/api/v1/tokens", {"name": "till 2", "scope": "pos"})
    assert await tag("/api/v1/tokens") != tokens
    await admin("POST", "/api/v1/cloud/order/update", ORDER)
    assert await tag("/api/v1/outbox") != outbox
    await admin("DELETE", f"/api/v1/cameras/{ours.sn}")
    assert await tag("/api/v1/cameras") != cameras


async def test_a_repeat_says_so(store: SimulatedStore, pos: Rest) -> None:
    async def send(body: object, key: str = "") -> tuple[int, str | None]:
        headers = {"Idempotency-Key": key} if key else {}
        answer = await pos("POST", "/api/v1/cloud/order/update", body, headers=headers)
        return answer.status, answer.headers.get("Idempotent-Replayed")

    assert [await send(ORDER), await send(ORDER)] == [(200, None), (200, "true")], "the same order"
    newer = {"order_list": [{"order_no": "1", "received_amount": 6}]}
    assert [await send(newer), await send(newer)] == [(200, None), (200, "true")]
    assert [await send(ORDER, "a"), await send(ORDER, "a")] == [(200, None), (200, "true")], "the same key"
    assert await send(newer, "a") == (409, None)
    both = {"order_list": [*newer["order_list"], {"order_no": "2"}]}
    assert await send(both) == (200, None), "some of it is new"
    store.cloud.faults.add("refuse", code=5047, times=1)
    refused = {"order_list": [{"order_no": "3"}]}
    assert [await send(refused, "b"), await send(refused, "b")] == [(422, None), (422, "true")]
    store.cloud.faults.add("refuse", code=5047, times=1)
    assert [await send({"order_list": [{"order_no": "4"}]}) for _ in range(2)] == [(422, None), (200, None)]


async def test_a_repeat_that_waits_says_so(store: SimulatedStore, pos: Rest) -> None:
    store.cloud.faults.add("status", status=500, times=None)
    first, second = [await pos("POST", "/api/v1/cloud/order/update", ORDER, headers={"Prefer": "wait=0"}) for _ in "ab"]
    assert (first.status, first.headers.get("Idempotent-Replayed")) == (202, None)
    assert (second.status, second.headers["Idempotent-Replayed"]) == (202, "true")
    assert first.headers["Location"] == second.headers["Location"]


def test_problems_that_pass_say_when_to_try_again() -> None:
    assert {one for one in list_problem_types() if problems.may_be_retried(one)} == {
        RateLimited, Overloaded, CloudUnreachable, OutboxFull
    }  # fmt: skip
    for problem, expected in (
        (RateLimited("x", retry_after_s=3), "3"),
        (Overloaded("x", retry_after_s=4), "4"),
        (OutboxFull("x"), "60"),
        (CloudUnreachable("x", retry_after_s=5), "5"),
        (CloudUnreachable("x"), "10"),
        (CloudRejectedCredentials("x"), None),
        (CameraUnreachable("x"), None),
    ):
        response = problems.problem_response(None, problem)  # type: ignore[arg-type]  # no request is looked at
        assert response.headers.get("Retry-After") == expected, problem


async def test_every_route_says_when_to_try_again(gateway: Gateway) -> None:
    failures = [
        RateLimited("x", retry_after_s=7),
        Overloaded("x", retry_after_s=7),
        CloudUnreachable("x", retry_after_s=7),
        OutboxFull("x"),
    ]
    for route in ROUTES:
        for failure in failures:

            def fail(_: web.Request, failure: Problem = failure) -> None:
                raise failure

            handle = route.bind(gateway, authenticate_socket, BodyBudget(), fail)
            response = await handle(make_mocked_request(route.method, "/"))
            assert response.status == failure.status
            assert response.headers["Retry-After"] == str(failure.retry_after_s), route.path


@for_each([one for one in ROUTES if one.documented], name=lambda route: f"{route.method} {route.path}")
def test_the_document_says_what_holds_for_a_route(route: Route) -> None:
    operation = describe(route)
    statuses = set(operation["responses"])
    assert {"400", "503", "default"} <= statuses
    assert ({"401", "403"} <= statuses) == (route.scope is not None)
    assert ("415" in statuses) == (route.body is not None or bool(route.file_types))
    assert ("304" in statuses) == (route.etag_ignores is not None)
    if route.etag_ignores is not None:
        assert "ETag" in operation["responses"]["200"]["headers"]
        assert "If-None-Match" in [one["name"] for one in operation["parameters"]]


def test_the_document_says_when_to_try_again() -> None:
    responses = DOCUMENT["components"]["responses"]
    for code in (429, 502, 503, 507):
        assert "Retry-After" in responses[f"Problem{code}"]["headers"], code
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            if any(one.get("name") == "Idempotency-Key" for one in operation.get("parameters", ())):
                assert {"429", "502", "503", "507"} <= set(operation["responses"]), path
                for status in ("200", "202", "422"):
                    assert "Idempotent-Replayed" in operation["responses"][status]["headers"], path
