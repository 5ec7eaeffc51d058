"""Health, status, tokens, the catalogue, and the documentation of the API."""

import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openapi_spec_validator import validate

from gateway import __version__
from gateway.api.openapi import local_path
from gateway.api.route_table import list_routes
from gateway.api.server import serve
from gateway.app import Gateway
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import Rest

OPERATION_IDS = {
    "access_points",
    "activate",
    "add_camera",
    "add_webhook",
    "authority_der",
    "authority_install_page",
    "authority_pem",
    "camera_hook",
    "cancel_provisioning",
    "capture_camera",
    "catalogue",
    "cloud_hook",
    "create_ticket",
    "create_token",
    "discover",
    "docs_page",
    "doctor",
    "drop_item",
    "edit_item",
    "erase",
    "events",
    "flow_history",
    "flow_today",
    "forget_camera",
    "healthz",
    "hook_camera",
    "hook_cloud",
    "list_cameras",
    "list_hooks",
    "list_items",
    "list_tokens",
    "list_webhooks",
    "metrics",
    "openapi_json",
    "release",
    "remove_webhook",
    "retry_item",
    "revoke_token",
    "set_wifi",
    "show_authority",
    "show_camera",
    "show_item",
    "show_provisioning",
    "show_stream",
    "show_webhook",
    "snapshot",
    "start_provisioning",
    "status",
    "test_webhook",
    "trust",
    "unhook_camera",
    "unhook_cloud",
    "watch_live",
    "watch_playback",
}
"""Generated clients name their methods by these, so none is ever renamed."""


async def test_health_needs_no_token(session: aiohttp.ClientSession) -> None:
    async with session.get("/healthz") as response:
        assert response.status == 200


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}])
async def test_every_other_route_needs_a_token(session: aiohttp.ClientSession, header: dict[str, str]) -> None:
    for route in list_routes():
        if route.scope is None:
            continue
        path = route.path.replace("{path:.+}", "order/update").replace("{", "").replace("}", "")
        async with session.request(route.method, path, headers=header) as response:
            assert response.status == 401, path
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await response.json(content_type=None))["code"] == "unauthorized"


async def test_status(pos: Any) -> None:
    answer = await pos("GET", "/api/v1/status")
    assert answer.status == 200
    assert answer.body["version"] == __version__
    assert answer.body["uptime_s"] >= 0
    assert answer.body["cloud"] == {"reachable": None, "clock_offset_s": None}
    assert answer.body["cameras"] == {"known": 0, "online": 0}
    assert answer.body["outbox"] == {"depth": 0, "oldest_age_s": None}


async def test_state_that_a_restart_empties_is_said(
    store: SimulatedStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # in memory on every Linux
        file = tmp_path / "gateway.toml"
        rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{folder}/state"\n'
        file.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
        gateway = await Gateway.open(load_settings(file))
        try:
            async with serve(gateway) as urls, aiohttp.ClientSession(urls[0]) as session:
                await gateway.start(port=1, https_port=0)
                till = Rest(session, await gateway.tokens.create("till", "pos"))
                shown = await till("GET", "/api/v1/status")
                async with session.get("/metrics", headers={"Authorization": f"Bearer {till.token}"}) as response:
                    metrics = await response.text()
        finally:
            await gateway.close()
    assert shown.body["storage"] == {"volatile": True}
    assert "\nsunmi_gateway_state_volatile 1.0\n" in metrics
    assert f"{folder}/state is on /dev/shm (tmpfs)" in caplog.text


async def test_the_catalogue_is_served(pos: Any) -> None:
    answer = await pos("GET", "/api/v1/catalogue")
    assert len(answer.body["endpoints"]) == len(CATALOGUE.endpoints)
    named = {"path", "side", "title", "auth", "availability", "parameters", "return_codes", "scope", "relay"}
    assert all(named <= set(endpoint) for endpoint in answer.body["endpoints"])


async def test_the_document_is_valid_and_whole(session: aiohttp.ClientSession) -> None:
    async with session.get("/openapi.json") as response:
        document = await response.json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert {local_path(endpoint) for endpoint in CATALOGUE.endpoints} <= set(document["paths"])
    assert "/api/v1/cameras/{sn}/openapi/{type}/{action}" not in document["paths"]
    operations = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(operations) == len(set(operations))
    assert set(operations) >= OPERATION_IDS


async def test_tokens(gateway: Gateway, session: aiohttp.ClientSession, admin: Any) -> None:
    made = await admin("POST", "/api/v1/tokens", {"name": "till 2", "scope": "pos"})
    assert made.status == 201
    header = {"Authorization": f"Bearer {made.body['token']}"}
    async with session.get("/api/v1/status", headers=header) as response:
        assert response.status == 200
    twice = await admin("POST", "/api/v1/tokens", {"name": "till 2", "scope": "pos"})
    assert (twice.status, twice.body["code"]) == (409, "conflict")
    listed = await admin("GET", "/api/v1/tokens")
    assert made.body["token"] not in str(listed.body)
    assert {"name", "kind", "scope", "scopes", "created_at", "last_used_at"} == set(listed.body["tokens"][0])
    revoked = await admin("DELETE", "/api/v1/tokens/till%202")
    assert revoked.status == 204
    async with session.get("/api/v1/status", headers=header) as response:
        assert response.status == 401
    assert (await admin("DELETE", "/api/v1/tokens/till%202")).status == 404


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"name": "x"}, "scope"),
        ({"name": "x", "scope": "root"}, "scope"),
        ({"name": "x", "scope": "custom"}, "scope"),
        ({"name": "x", "scope": "pos", "scopes": ["pos"]}, "scope"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["pos", "root"]}, "scopes.1"),
        ({"name": "", "scope": "pos"}, "name"),
        ({"name": "x", "scope": "pos", "ttl": 1}, "ttl"),
        ({"name": 5, "scope": "pos"}, "name"),
    ],
)
async def test_a_bad_token_request_is_named(admin: Any, body: dict[str, Any], parameter: str) -> None:
    answer = await admin("POST", "/api/v1/tokens", body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert parameter in [error["parameter"] for error in answer.body["errors"]]


async def test_only_an_admin_makes_tokens(pos: Any, installer: Any) -> None:
    for caller in (pos, installer):
        assert (await caller("POST", "/api/v1/tokens", {"name": "x", "scope": "admin"})).status == 403
        assert (await caller("GET", "/api/v1/tokens")).status == 403


async def test_unknown_paths_and_methods_are_problems(session: aiohttp.ClientSession) -> None:
    async with session.get("/api/v2/anything") as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"
        assert (await response.json(content_type=None))["code"] == "not_found"
    async with session.put("/healthz") as response:
        assert response.status == 405
        assert response.headers["Allow"]
        assert response.content_type == "application/problem+json"


async def test_the_socket_is_the_owners_alone(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    assert gateway.socket.stat().st_mode & 0o777 == 0o600
    connector = aiohttp.UnixConnector(path=str(gateway.socket))
    http = aiohttp.ClientSession("http://gateway", connector=connector)
    async with http as local, local.get("/api/v1/tokens") as response:
        assert response.status == 200
