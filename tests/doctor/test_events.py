"""The ways of events: a public URL that leads nowhere, subscriptions that fail, webhooks that get nothing."""

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.doctor.checks import CHECKS
from gateway.errors import Problem
from gateway.events.event import NewEvent
from gateway.simulator.store import SimulatedStore
from tests.search import find
from tests.waiting import until


async def respond(serve: AiohttpServer, status: int) -> str:
    """Serve one status for everything; return the URL."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    return str((await serve(app)).make_url("/")).rstrip("/")


@pytest.fixture
def serving(tmp_path: Path) -> None:
    """Let a gateway have said that it serves."""
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "gateway.address").write_text("http://127.0.0.1:8080/")


async def test_no_public_url(doctor: Any) -> None:
    assert (await doctor.one("public_url")).status == "skipped"
    assert (await doctor.one("camera_url")).status == "skipped"


@pytest.mark.parametrize(("status", "verdict"), [(405, "ok"), (404, "failed"), (200, "failed"), (502, "failed")])
async def test_what_a_public_url_leads_to(
    with_settings: Callable[..., Any], aiohttp_server: AiohttpServer, serving: None, status: int, verdict: str
) -> None:
    url = await respond(aiohttp_server, status)
    doctor = with_settings(hooks__public_url=url, hooks__camera_url=url)
    for check in ("public_url", "camera_url"):
        found = await doctor.one(check)
        assert found.status == verdict
        assert url in found.what


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1/till", "http://no-such-host.invalid"])
async def test_a_public_url_that_leads_nowhere(with_settings: Callable[..., Any], serving: None, url: str) -> None:
    found = await with_settings(hooks__public_url=url).one("public_url")
    assert found.status == "failed"
    assert "hooks.public_url" in found.what_to_do


async def test_a_public_url_while_no_gateway_runs(with_settings: Callable[..., Any]) -> None:
    found = await with_settings(hooks__public_url="http://127.0.0.1:1").one("public_url")
    assert (found.status, found.what_to_do) == ("warning", "start the gateway, and run the doctor again")


async def test_the_gateway_itself_responds_as_the_check_expects(gateway: Gateway) -> None:
    async with serve(gateway) as urls, aiohttp.ClientSession() as http:
        for path in ("hooks/cloud", "hooks/cameras/SN"):
            async with http.get(f"{urls[0]}{path}") as response:
                assert response.status == 405


async def test_a_subscription_that_fails(gateway: Gateway, resident: Any, store: SimulatedStore) -> None:
    assert (await resident.one("subscriptions")).status == "skipped"
    [camera, *_] = store.cameras
    await find(gateway, [camera])
    await gateway.registry.manage(camera.sn)
    await gateway.cameras.confirm_certificate(camera.sn)
    await gateway.cameras.probe_activation(camera.sn)
    with contextlib.suppress(Problem):
        await gateway.subscriptions.add(camera.sn)
    found = await resident.one("subscriptions")
    assert (found.status, camera.sn in found.what) == ("warning", True)
    assert found.evidence


async def test_a_webhook_that_never_succeeded(gateway: Gateway, resident: Any, aiohttp_server: AiohttpServer) -> None:
    assert (await resident.one("webhooks")).status == "skipped"
    url = await respond(aiohttp_server, 404)
    gateway.webhooks.start([8080])
    made = await gateway.webhooks.add(f"{url}/events", name="till 1", types="", camera="")
    assert (await resident.one("webhooks")).status == "skipped", "it had no event to get"
    await gateway.event_log.append(NewEvent("a", "gateway", {}))
    await until(lambda: gateway.webhooks.describe(made["webhook_id"])["state"] == "failing")
    found = await resident.one("webhooks")
    assert (found.status, "'till 1' has got no event" in found.what) == ("failed", True)
    assert "HTTP status 404" in found.evidence
    assert f"webhooks test {made['webhook_id']}" in found.what_to_do
    assert made["secret"] not in json.dumps(found.describe())


async def test_a_webhook_that_takes_events(gateway: Gateway, resident: Any, aiohttp_server: AiohttpServer) -> None:
    url = await respond(aiohttp_server, 204)
    gateway.webhooks.start([8080])
    made = await gateway.webhooks.add(f"{url}/events", name="", types="", camera="")
    await gateway.event_log.append(NewEvent("a", "gateway", {}))
    await until(lambda: gateway.webhooks.describe(made["webhook_id"])["delivered"] == 1)
    assert (await resident.one("webhooks")).status == "ok"


async def test_a_webhook_that_rejects_events(gateway: Gateway, resident: Any, aiohttp_server: AiohttpServer) -> None:
    url = await respond(aiohttp_server, 410)
    gateway.webhooks.start([8080])
    made = await gateway.webhooks.add(f"{url}/events", name="", types="", camera="")
    await gateway.event_log.append(NewEvent("a", "gateway", {}))
    await until(lambda: gateway.webhooks.describe(made["webhook_id"])["left_out"] == 1)
    assert (await resident.one("webhooks")).status == "warning"


def test_every_check_is_tested() -> None:
    tests = Path(__file__).parents[1]
    files = [*tests.glob("doctor/test_*.py"), *tests.rglob("test_doctor.py"), tests / "fleet/test_clone.py"]
    texts = [file.read_text(encoding="utf-8") for file in files]
    for name in (check.name for check in CHECKS):
        assert any(re.search(rf'"{name}"|check_{name}\b', text) for text in texts), name


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "ok"),
        ({"products__vendor_token": "a-secret-of-the-shop"}, "ok"),
        ({"products__vendor_path": ""}, "skipped"),
        ({"products__vendor_path": "/saas/elsewhere"}, "warning"),
        ({"hooks__public_url": ""}, "skipped"),
    ],
)
async def test_the_way_to_the_list_of_products(
    with_settings: Callable[..., Any], aiohttp_server: AiohttpServer, changed: dict[str, str], verdict: str
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=405)

    app = web.Application()
    for path in ("/saas/getProductList", "/saas/getProductList/SECRET"):
        app.router.add_get(path, refuse)
    url = str((await aiohttp_server(app)).make_url("/")).rstrip("/")
    found = await with_settings(**{"hooks__public_url": url} | changed).one("product_fetch")
    assert found.status == verdict, found


async def test_a_list_of_products_that_nobody_may_fetch(with_settings: Callable[..., Any]) -> None:
    without_shop = with_settings(hooks__public_url="http://127.0.0.1:1", cloud__shop_id="")
    assert "name no shop" in (await without_shop.one("product_fetch")).what
    found = await with_settings(hooks__public_url="http://127.0.0.1:1", cloud__app_id="").one("product_fetch")
    assert (found.status, "cannot be checked" in found.what) == ("warning", True)
