"""Webhooks: a real till that takes what is pushed, refuses it, is slow, or is away; and addresses that are no till."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpServer
from standardwebhooks import Webhook

from gateway.app import Gateway
from gateway.events.event import NewEvent

WEBHOOKS = "/api/v1/webhooks"


class Till:
    """A till that takes webhooks; `status` is what it answers, and it waits for `free` before it does."""

    def __init__(self, serve: AiohttpServer) -> None:
        self.status = 204
        self.free = asyncio.Event()
        self.free.set()
        self.requests: list[tuple[dict[str, str], str]] = []
        self.arrived = asyncio.Condition()
        self.url = ""
        self._serve = serve
        self._server: TestServer | None = None
        self._port: int | None = None

    async def start(self) -> None:
        """Serve, after a stop on the port of before."""
        app = web.Application()
        app.router.add_post("/events", self._take)
        self._server = await self._serve(app, port=self._port, shutdown_timeout=0.1)
        self._port = self._server.port
        self.url = str(self._server.make_url("/events"))

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.close()

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((headers, await request.text()))
        async with self.arrived:
            self.arrived.notify_all()
        await self.free.wait()
        return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:1/"})

    async def got(self, count: int) -> list[Any]:
        """Wait for so many requests; return their documents."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= count)
        return [json.loads(text) for _, text in self.requests]


@pytest.fixture
async def till(aiohttp_server: AiohttpServer) -> Till:
    one = Till(aiohttp_server)
    await one.start()
    return one


@pytest.fixture
async def pushing(gateway: Gateway) -> Gateway:
    gateway.webhooks.start([8080])
    return gateway


async def happen(gateway: Gateway, *kinds: str) -> None:
    for kind in kinds:
        await gateway.event_log.append(NewEvent(kind, "gateway", {"kind": kind}))


async def settled(admin: Any, webhook_id: str, **wanted: object) -> Any:
    """Wait until the webhook is described so."""
    while True:
        shown = (await admin("GET", f"{WEBHOOKS}/{webhook_id}")).body
        if wanted.items() <= shown.items():
            return shown
        await asyncio.sleep(0.02)


async def test_events_are_pushed_in_order_with_a_signature_that_others_can_check(
    pushing: Gateway, admin: Any, till: Till
) -> None:
    await happen(pushing, "before.it")
    made = await admin("POST", WEBHOOKS, {"url": till.url, "name": "Till 1", "types": ["camera.*"]})
    assert made.status == 201
    await happen(pushing, "camera.found", "cloud.lost", "camera.moved")
    documents = await till.got(2)
    assert [one["type"] for one in documents] == ["camera.found", "camera.moved"]
    for headers, text in till.requests:
        assert Webhook(made.body["secret"]).verify(text, headers) == json.loads(text)
        assert headers["webhook-id"] == json.loads(text)["id"]
    shown = await settled(admin, made.body["webhook_id"], delivered=2, state="ok", behind=0)
    assert "secret" not in shown
    assert made.body["secret"] not in json.dumps((await admin("GET", WEBHOOKS)).body)


async def test_what_a_till_missed_arrives_when_it_is_back_and_another_never_waits(
    pushing: Gateway, admin: Any, till: Till, aiohttp_server: AiohttpServer
) -> None:
    slow = Till(aiohttp_server)
    await slow.start()
    away = (await admin("POST", WEBHOOKS, {"url": slow.url})).body["webhook_id"]
    await admin("POST", WEBHOOKS, {"url": till.url})
    await slow.stop()
    await happen(pushing, "a", "b", "c")
    assert [one["type"] for one in await till.got(3)] == ["a", "b", "c"]
    failing = await settled(admin, away, state="failing")
    assert failing["behind"] == 3
    assert "cannot be reached" in failing["last_error"]
    in_chinese = await admin("GET", f"{WEBHOOKS}/{away}", headers={"Accept-Language": "zh"})
    assert in_chinese.body["last_error"] == "无法连接：连接被拒绝"
    await slow.start()
    assert [one["type"] for one in await slow.got(3)] == ["a", "b", "c"]


async def test_a_till_that_hangs_delays_no_other(
    pushing: Gateway, admin: Any, till: Till, aiohttp_server: AiohttpServer
) -> None:
    hanging = Till(aiohttp_server)
    hanging.free.clear()
    await hanging.start()
    await admin("POST", WEBHOOKS, {"url": hanging.url})
    await admin("POST", WEBHOOKS, {"url": till.url})
    await happen(pushing, "a", "b")
    assert [one["type"] for one in await till.got(2)] == ["a", "b"]
    assert [one["type"] for one in await hanging.got(1)] == ["a"]
    hanging.free.set()
    assert [one["type"] for one in await hanging.got(2)] == ["a", "b"]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422, 500])
async def test_a_till_that_rejects_events_for_a_while_loses_none(
    pushing: Gateway, admin: Any, till: Till, status: int
) -> None:
    till.status = status
    made = (await admin("POST", WEBHOOKS, {"url": till.url})).body["webhook_id"]
    await happen(pushing, "a", "b")
    await till.got(2)
    till.status = 204
    await settled(admin, made, delivered=2, left_out=0, behind=0)


async def test_a_till_that_is_gone_gets_nothing_twice(pushing: Gateway, admin: Any, till: Till) -> None:
    till.status = 410
    made = (await admin("POST", WEBHOOKS, {"url": till.url})).body["webhook_id"]
    await happen(pushing, "a", "b")
    await settled(admin, made, left_out=2, behind=0)
    assert [one["type"] for one in await till.got(2)] == ["a", "b"]


async def test_a_redirect_is_not_followed_and_counts_as_a_failure(pushing: Gateway, admin: Any, till: Till) -> None:
    till.status = 307
    made = (await admin("POST", WEBHOOKS, {"url": till.url})).body["webhook_id"]
    answer = await admin("POST", f"{WEBHOOKS}/{made}/test", {})
    assert (answer.body["delivered"], answer.body["status"]) == (False, 307)
    [document] = await till.got(1)
    assert document["type"] == "webhook.test"


async def test_a_webhook_outlives_a_restart_with_what_it_missed(pushing: Gateway, admin: Any, till: Till) -> None:
    made = (await admin("POST", WEBHOOKS, {"url": till.url})).body
    await happen(pushing, "a")
    await till.got(1)
    await settled(admin, made["webhook_id"], delivered=1)
    await pushing.webhooks.close()
    await happen(pushing, "b")
    again = await type(pushing.webhooks).open(
        pushing.webhooks._table,
        pushing.event_log,
        pushing.supervisor,
        own_addresses=lambda: {"127.0.0.1"},
        now=pushing.cloud.clock.now,
    )
    again.start([8080])
    try:
        assert [one["type"] for one in await till.got(2)] == ["a", "b"]
    finally:
        await again.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://8.8.8.8/events", "not in the store's network"),
        ("http://[2001:4860:4860::8888]/", "not in the store's network"),
        ("http://[::ffff:8.8.8.8]/", "not in the store's network"),
        ("http://0.0.0.0:9/", "not in the store's network"),
        ("http://224.0.0.251/", "not in the store's network"),
        ("http://2130706433/", "neither a host name nor an IP address"),
        ("http://0x7f000001/", "neither a host name nor an IP address"),
        ("http://0x7f.1:8080/", "neither a host name nor an IP address"),
        ("http://0177.0.0.1/", "neither a host name nor an IP address"),
        ("http://127.1/", "neither a host name nor an IP address"),
        ("http://till..local/", "neither a host name nor an IP address"),
        ("http://" + "a" * 64 + ".local/", "neither a host name nor an IP address"),
        ("http://127.0.0.1./", "neither a host name nor an IP address"),
        ("http://%31%32%37.0.0.1/", "neither a host name nor an IP address"),
        ("http://\uff11\uff12\uff17.0.0.1/", "neither a host name nor an IP address"),
        ("http://192.168.1.20:0/events", "a port from 1 to 65535"),
        ("https://till.example:0/", "a port from 1 to 65535"),
        ("http://169.254.169.254/latest/meta-data", "not in the store's network"),
        ("http://[::ffff:169.254.1.1]/", "not in the store's network"),
        ("http://127.0.0.1:8080/hooks/cloud", "is this gateway itself"),
        ("http://localhost:8080/", "is this gateway itself"),
        ("http://[::1]:8080/", "is this gateway itself"),
        ("ftp://192.168.1.20/", "must be an http:// or https:// address"),
        ("192.168.1.20/events", "must be an http:// or https:// address"),
        ("http://user:word@192.168.1.20/", "must hold no user"),
        ("http://192.168.1.20:99999/", "is no URL"),
        ("", "must be an http:// or https:// address"),
    ],
)
async def test_an_address_that_is_no_till_is_refused(pushing: Gateway, admin: Any, url: str, reason: str) -> None:
    answer = await admin("POST", WEBHOOKS, {"url": url})
    assert answer.status == 400
    [fault] = answer.body["errors"]
    assert fault["parameter"] == "url"
    assert reason in fault["reason"]


async def test_a_name_that_leads_to_the_gateway_is_found_out_when_it_is_looked_up(
    gateway: Gateway, admin: Any, session: Any
) -> None:
    port = session._base_url.port
    gateway.webhooks.start([port])
    made = await admin("POST", WEBHOOKS, {"url": f"http://localhost.:{port + 1}/"})
    assert made.status == 201
    gateway.webhooks._policy.ports = frozenset({port + 1})
    answer = await admin("POST", f"{WEBHOOKS}/{made.body['webhook_id']}/test", {})
    assert "this gateway itself" in answer.body["error"]


async def test_only_an_admin_manages_webhooks(installer: Any, admin: Any) -> None:
    assert (await installer("POST", WEBHOOKS, {"url": "http://192.168.1.20/"})).status == 403
    assert (await installer("GET", WEBHOOKS)).status == 403
    assert (await admin("DELETE", f"{WEBHOOKS}/nobody")).status == 404
    made = await admin("POST", WEBHOOKS, {"url": "http://192.168.1.20/"})
    assert (await admin("DELETE", f"{WEBHOOKS}/{made.body['webhook_id']}")).status == 204
    assert (await admin("GET", WEBHOOKS)).body == {"webhooks": []}
