"""A page that resolves its own name to the gateway (DNS rebinding) gets nothing; every name of the gateway works."""

import re
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.route_table import list_routes
from gateway.errors import SettingsError
from gateway.settings import parse_settings
from gateway.simulator.ports import find_free_port
from tests.api.serving import served

MACHINE = socket.gethostname().partition(".")[0]
FOREIGN = ("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "[", "a b", "",
           "sunmi-gateway.local.evil.example", f"{MACHINE}.evil.example", "evil@127.0.0.1.example")  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN)
async def test_a_foreign_page_gets_nothing_but_healthz(tmp_path: Path, host: str) -> None:
    async with served(tmp_path) as at, aiohttp.ClientSession(at.plain, headers={"Host": host}) as http:
        for path in ("/metrics", "/docs", "/openapi.json", "/api/v1/status", "/authority", "/nothing", "/hooks/cloud"):
            async with http.get(path) as response:
                problem = await response.json(content_type=None)
                assert (response.status, problem["code"]) == (421, "misdirected"), path
                assert response.content_type == "application/problem+json"
                assert "server.hosts" in problem["detail"]
        async with http.get("/healthz") as response:
            assert response.status == 200


async def test_every_route_but_one_checks_the_host(tmp_path: Path) -> None:
    async with served(tmp_path, cors_origins=["https://till.example"]) as at:
        token = await at.gateway.tokens.create("admin", "admin")
        headers = {"Host": "evil.example", "Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(at.plain, headers=headers) as http:
            calls = {(route.method, re.sub(r"\{[^}]*\}", "1", route.path)) for route in list_routes()}
            for method, path in calls | {("OPTIONS", "/api/v1/status"), ("PATCH", "/metrics")}:
                async with http.request(method, path) as response:
                    assert response.status == (200 if path == "/healthz" else 421), (method, path)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "203.0.113.9", "[::1]:80", "[fe80::1]", "localhost", "LocalHost:8080", "localhost.",
     "app.localhost", "x", "my_gateway:80", "sunmi-gateway.local", "sunmi-gateway-1A2B.local:80",
     "sunmi-gateway-1a2b-2.local", MACHINE, f"{MACHINE}.local", f"{MACHINE}.lan:8080", "proxy.shop.example",
     "PROXY.shop.example:443", "tunnel.example", "inside.example"],
)  # fmt: skip
async def test_the_gateways_own_names_work(tmp_path: Path, host: str) -> None:
    hooks = {"public_url": "https://tunnel.example/x", "camera_url": "http://inside.example:8080"}
    async with (
        served(tmp_path, hooks=hooks, hosts=["Proxy.shop.example"]) as at,
        aiohttp.ClientSession(at.plain, headers={"Host": host}) as http,
    ):
        for _ in range(2):
            async with http.get("/metrics") as response:
                assert response.status == 200


async def test_many_names_are_not_remembered(tmp_path: Path) -> None:
    async with served(tmp_path) as at, aiohttp.ClientSession(at.plain) as http:
        for number in range(1, 400):
            async with http.get("/nothing", headers={"Host": f"127.0.0.1:{number}"}) as response:
                assert response.status == 404


async def test_https_goes_by_the_certificate(tmp_path: Path) -> None:
    async with served(tmp_path, https_port=find_free_port()) as at:
        assert at.gateway.authority is not None
        trusting = ssl.create_default_context(cadata=at.gateway.authority.root_pem.decode())
        async with (
            aiohttp.ClientSession(at.encrypted) as http,
            http.get("/docs", headers={"Host": "proxy.example"}, ssl=trusting) as response,
        ):
            assert response.status == 200


async def test_commands_of_this_machine_name_what_they_like(gateway: Any, session: aiohttp.ClientSession) -> None:
    connector = aiohttp.UnixConnector(path=str(gateway.socket))
    async with (
        aiohttp.ClientSession("http://whatever.example", connector=connector) as http,
        http.get("/api/v1/status") as response,
    ):
        assert response.status == 200


@pytest.mark.parametrize("host", ["*", "http://till.example", "till.example:80", "till.example/", "", " ", "[::1]"])
def test_a_setting_that_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=r"server\.hosts: .* is not a host name"):
        parse_settings(f"[server]\nhosts = ['{host}']", "here")
