"""Cross-origin requests: preflights, responses, failures and streams; and which origins can be configured."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError
from pytest_aiohttp import AiohttpClient

from gateway.api.cors import allow_origins
from gateway.settings import ServerSettings
from tests.api.serving import Served, served

TILL = "https://till.shop.example"
PREFLIGHT = {
    "Origin": TILL,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,prefer,last-event-id",
}


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, cors_origins=[TILL, "http://localhost:5173"]) as one:
        yield one


@pytest.fixture
async def http(at: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(at.plain) as session:
        yield session


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


async def test_a_preflight_needs_no_token(http: aiohttp.ClientSession) -> None:
    async with http.options("/api/v1/cloud/order/update", headers=PREFLIGHT) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == TILL
        assert response.headers["Vary"] == "Origin"
        assert words(response.headers["Access-Control-Allow-Methods"]) >= {"get", "post", "put", "delete"}
        asked = words(PREFLIGHT["Access-Control-Request-Headers"])
        assert asked <= words(response.headers["Access-Control-Allow-Headers"])
        assert "Access-Control-Allow-Private-Network" not in response.headers
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_a_preflight_from_the_internet_into_the_lan(http: aiohttp.ClientSession) -> None:
    asks = PREFLIGHT | {"Access-Control-Request-Private-Network": "true"}
    async with http.options("/api/v1/status", headers=asks) as response:
        assert response.headers["Access-Control-Allow-Private-Network"] == "true"
    async with http.options("/api/v1/status", headers=asks | {"Origin": "https://evil.example"}) as response:
        assert response.status == 403
        assert not [name for name in response.headers if name.lower().startswith("access-control")]
        assert "server.cors_origins" in (await response.json(content_type=None))["detail"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://till.shop.example", f"{TILL}:8443", f"{TILL}.evil.example", "null", ""]
)
async def test_pages_of_other_origins_cannot_read_the_response(http: aiohttp.ClientSession, origin: str) -> None:
    async with http.get("/healthz", headers={"Origin": origin}) as response:
        assert response.status == 200
        assert response.headers["Vary"] == "Origin"
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


async def test_responses_and_failures_can_be_read(at: Served, http: aiohttp.ClientSession) -> None:
    token = await at.gateway.tokens.create("till 1", "pos")
    for headers, path, status in (
        ({"Authorization": f"Bearer {token}"}, "/api/v1/status", 200),
        ({}, "/api/v1/status", 401),
        ({}, "/api/v2/nothing", 404),
        ({"Authorization": f"Bearer {token}"}, "/api/v1/tokens", 403),
    ):
        async with http.get(path, headers=headers | {"Origin": TILL}) as response:
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == TILL
            exposed = words(response.headers["Access-Control-Expose-Headers"])
            assert exposed == {
                "allow", "etag", "idempotent-replayed", "location", "preference-applied", "retry-after", "x-request-id"
            }  # fmt: skip


async def test_options_that_is_no_preflight_names_the_methods(http: aiohttp.ClientSession) -> None:
    async with http.options("/healthz", headers={"Origin": TILL}) as response:
        assert (response.status, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_without_origins_preflights_allow_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as at, aiohttp.ClientSession(at.plain) as http:
        async with http.options("/healthz", headers=PREFLIGHT) as response:
            assert response.status == 204
            assert "Access-Control-Allow-Origin" not in response.headers
        async with http.get("/healthz", headers={"Origin": TILL}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
            assert "Vary" not in response.headers


async def test_the_headers_are_sent_with_the_beginning_of_a_stream(aiohttp_client: AiohttpClient) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Vary": "Accept"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        return response

    app = web.Application()
    allow_origins(app, [TILL], ["GET"], otherwise=stream)
    app.router.add_get("/", stream)
    async with (await aiohttp_client(app)).get("/", headers={"Origin": TILL}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == TILL
        assert response.headers.getall("Vary") == ["Accept", "Origin"]
        assert await response.read() == b"data: 1\n\n"


@pytest.mark.parametrize(
    "origin",
    ["https://till.shop.example", "http://localhost:5173", "https://192.168.1.9:8443", "http://[fd00::1]:80808"[:-1],
     "capacitor://localhost", "chrome-extension://abcdefgh", "https://xn--bcher-kva.example"],
)  # fmt: skip
def test_a_web_origin_is_accepted(origin: str) -> None:
    assert ServerSettings(cors_origins=[origin]).cors_origins == [origin]


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("*", "any page"),
        ("null", "any page"),
        ("https://till.shop.example/", "slash"),
        ("https://till.shop.example/till", "path"),
        ("https://till.shop.example:443", "default port"),
        ("http://till.shop.example:80", "default port"),
        ("HTTPS://till.shop.example", "lower case"),
        ("https://Till.shop.example", "lower case"),
        ("till.shop.example", "scheme"),
        ("https://*.shop.example", "not a web origin"),
        ("https://user@shop.example", "not a web origin"),
        ("https://bücher.example", "not a web origin"),
        ("", "not a web origin"),
    ],
)
def test_what_is_not_a_web_origin_is_refused_with_the_reason(origin: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ServerSettings(cors_origins=[origin])
