"""A gateway that serves its REST API on loopback, in a simulated store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.settings import load_settings
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.search import find


@dataclass(frozen=True)
class Response:
    """An HTTP response: status, headers, and the JSON document."""

    status: int
    headers: Any
    body: Any


class Rest:
    """A till's view of the gateway, with a token of one scope."""

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self.session = session
        self.token = token

    async def __call__(self, method: str, path: str, body: object = None, **given: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        if body is not None:
            given["json"] = body
        async with self.session.request(method, path, headers=headers, **given) as response:
            raw = await response.read()
            document = await response.json(content_type=None) if raw else None
            return Response(response.status, response.headers, document)


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=3) as simulated:
        yield simulated


@pytest.fixture
async def gateway(store: SimulatedStore, tmp_path: Path) -> AsyncIterator[Gateway]:
    file = tmp_path / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{tmp_path}/state"\n'
    file.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
    opened = await Gateway.open(load_settings(file))
    yield opened
    await opened.close()


@pytest.fixture
async def session(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    async with serve(gateway) as urls, aiohttp.ClientSession(urls[0]) as http:
        yield http


@pytest.fixture
async def admin(gateway: Gateway, session: aiohttp.ClientSession) -> Rest:
    return Rest(session, await gateway.tokens.create("the admin", "admin"))


@pytest.fixture
async def installer(gateway: Gateway, session: aiohttp.ClientSession) -> Rest:
    return Rest(session, await gateway.tokens.create("the installer", "installer"))


@pytest.fixture
async def pos(gateway: Gateway, session: aiohttp.ClientSession) -> Rest:
    return Rest(session, await gateway.tokens.create("till 1", "pos"))


@pytest.fixture
async def ours(store: SimulatedStore, gateway: Gateway, installer: Rest) -> SimulatedCamera:
    """Return the camera that is activated by this account, found and managed."""
    camera = store.cameras[0]
    await find(gateway, [camera])
    added = await installer("POST", "/api/v1/cameras", {"sn": camera.sn})
    assert added.status == 201
    return camera
