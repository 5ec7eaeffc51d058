"""A till in a browser: Chromium trusts the gateway by its root, and calls it from a page of another origin."""

import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding
from pytest_aiohttp import AiohttpServer

from gateway.authority.certificates import Issuer, create_issuer, issue_leaf
from gateway.discovery.camera_tls import load_chain
from gateway.simulator.ports import find_free_port
from tests.api.serving import Served, served
from tests.browser import BrowserError, browsing, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


TILL, OTHER = "till.shop.example", "other.shop.example"
ServePages = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def serve_pages(tmp_path: Path, aiohttp_server: AiohttpServer) -> ServePages:
    """Serve an empty page at HTTPS with a certificate for each of the names; return their origins.

    The root is put down as `pages.pem`.
    """

    async def serve(issuer: Issuer, *names: str) -> list[str]:
        (tmp_path / "pages.pem").write_bytes(issuer.root.public_bytes(Encoding.PEM))
        return [f"https://{name}:{await serve_page(issuer, name)}" for name in names]

    async def serve_page(issuer: Issuer, name: str) -> int | None:
        leaf = issue_leaf(issuer, [name], [], datetime.now(UTC))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        load_chain(context, leaf.key, (leaf.certificate, issuer.certificate))
        app = web.Application()
        app.router.add_get("/", show_empty_page)
        return (await aiohttp_server(app, ssl=context)).port

    return serve


async def show_empty_page(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<!doctype html><title>till</title>", content_type="text/html")


async def root_of(at: Served, folder: Path) -> Path:
    async with aiohttp.ClientSession() as session, session.get(f"{at.plain}authority.pem") as response:
        file = folder / "root.pem"
        file.write_bytes(await response.read())
        return file


AWAY = {"base_url": "https://127.0.0.1:1", "app_id": "app", "secret_key": "secret", "shop_id": "1"}
"""A cloud that is out of reach."""

CALL = """
    const headers = {"Authorization": "Bearer %s", "Content-Type": "application/json", "Idempotency-Key": "k1",
        "Prefer": "wait=0"};
    const answer = await fetch(%s, {method: "POST", body: %s, headers});
    return {status: answer.status, location: answer.headers.get("Location"), body: await answer.json()};
"""


async def test_a_browser_trusts_the_gateway_and_its_origin_alone_may_call(
    tmp_path: Path, serve_pages: ServePages
) -> None:
    origin, foreign = await serve_pages(create_issuer("shop", [TILL, OTHER]), TILL, OTHER)
    server = {"https_port": find_free_port(), "cors_origins": [origin], "allow_plain_http": False}
    async with served(tmp_path, cloud=AWAY, **server) as at:
        token = await at.gateway.tokens.create("till 1", "pos")
        name = f"https://sunmi-gateway.local:{at.https_port}"
        order = json.dumps({"order_list": [{"order_no": "CN1", "order_type": 1}]})
        call = CALL % (token, json.dumps(f"{name}/api/v1/cloud/order/update"), json.dumps(order))
        async with browsing(tmp_path, [await root_of(at, tmp_path), tmp_path / "pages.pem"]) as browser:
            for trusted in (name, f"https://127.0.0.1:{at.https_port}", f"https://localhost:{at.https_port}"):
                page = await browser.open(f"{trusted}/docs")
                assert (
                    await page.run("return isSecureContext && document.title") == "API reference · SUNMI store gateway"
                )
            till = await browser.open(origin)
            answer = await till.run(call)
            assert answer["status"] == 202, answer
            assert answer["location"].startswith("/api/v1/outbox/")
            refused = await till.run(call.replace(token, "nonsense"))
            assert (refused["status"], refused["body"]["code"]) == (401, "unauthorized")
            other = await browser.open(foreign)
            with pytest.raises(BrowserError, match="Failed to fetch"):
                await other.run(call)
            told = await browser.open(f"{at.plain}authority")
            assert await told.run(WAIT_FOR_RESULT) == "Yes, this device trusts the gateway."
            with pytest.raises(BrowserError, match="ERR_CERT_COMMON_NAME_INVALID"):
                await browser.open(f"https://elsewhere.local:{at.https_port}/")


WAIT_FOR_RESULT = """
    for (let left = 100; left && !document.getElementById("result").textContent; left--)
        await new Promise(done => setTimeout(done, 50));
    return document.getElementById("result").textContent;
"""


async def test_a_browser_without_the_root_says_so(tmp_path: Path) -> None:
    async with served(tmp_path, https_port=find_free_port()) as at, browsing(tmp_path) as browser:
        with pytest.raises(BrowserError, match="ERR_CERT_AUTHORITY_INVALID"):
            await browser.open(at.encrypted)
        page = await browser.open(f"{at.plain}authority")
        assert (await page.run(WAIT_FOR_RESULT)).startswith("Not yet.")
        assert await page.run("return document.querySelector('details[open]').id") == "linux"
        assert await page.run("return document.querySelector('svg').getBoundingClientRect().width > 100")


async def test_a_browser_refuses_what_the_root_may_not_vouch_for(tmp_path: Path, serve_pages: ServePages) -> None:
    inside, outside = await serve_pages(create_issuer("shop", [TILL]), TILL, OTHER)
    async with browsing(tmp_path, [tmp_path / "pages.pem"]) as browser:
        await browser.open(inside)
        with pytest.raises(BrowserError, match="ERR_CERT"):
            await browser.open(outside)


async def test_a_page_from_the_internet_calls_into_the_lan_once_a_person_agreed(
    tmp_path: Path, serve_pages: ServePages
) -> None:
    [origin] = await serve_pages(create_issuer("shop", [TILL]), TILL)
    async with served(tmp_path, https_port=find_free_port(), cors_origins=[origin]) as at:
        roots = [await root_of(at, tmp_path), tmp_path / "pages.pem"]
        public = f"--ip-address-space-overrides=127.0.0.1:{origin.rpartition(':')[2]}=public"
        async with browsing(tmp_path, roots, [public]) as browser:
            till = await browser.open(origin)
            call = f"return (await fetch('https://sunmi-gateway.local:{at.https_port}/healthz')).status"
            with pytest.raises(BrowserError, match="Failed to fetch"):
                await till.run(call)
            await browser.tell("Browser.grantPermissions", permissions=["loopbackNetwork"], origin=origin)
            assert await till.run(call) == 200
