"""A chain with some shops, for the tests of the head office's web side: real servers, and shops that are connected."""

import base64
import contextlib
import io
import json
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from nats.aio.client import Client

from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import REPORTED, SHOPS, bucket_subject, event_subject, flow_subject
from gateway.office_site.access import OfficeScope
from gateway.office_site.server import serve_office
from gateway.office_site.site import OfficeSite
from tests.fleet.cluster import HeadOffice

SHOPS_OF_CHAIN = {"hamburg-1": ("north",), "hamburg-2": ("north",), "munich-1": ("south",)}
"""The shops that have joined, with their groups."""
CONNECTED = ("hamburg-1", "hamburg-2")
INVITED = "bremen-1"
TIME = "2026-11-20T08:00:00Z"
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


def describe_state(**changes: Any) -> bytes:
    """Return a state as a shop reports it."""
    camera = {
        "sn": "FM020A1", "name": "Entrance", "model": "FM020", "software_version": "1.2", "address": "192.168.1.5:443",
        "online": True, "activation": "activated",
    }  # fmt: skip
    state = {
        "version": "1.4.2", "settings_digest": "0" * 64, "cameras": [camera], "cloud_reachable": True,
        "outbox": {"depth": 3, "held": 0, "away": False}, "failing": {}, "time": TIME, "oldest_item_age_s": 90.0,
    }  # fmt: skip
    return json.dumps(state | changes).encode()


def find_user(office: HeadOffice, shop: str) -> str:
    """Return the public key of a shop, as the servers write it."""
    token = Path(office.settings(shop).user_jwt).read_text().split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))["sub"])


async def enrol_all(office: HeadOffice) -> None:
    """Put the records of the shops where `office enrol` puts them."""
    async with office.client() as client:
        for shop, groups in SHOPS_OF_CHAIN.items():
            record = ShopRecord(
                state="joined", title=f"Shop {shop}", groups=groups, since=TIME, public_key=find_user(office, shop)
            )
            await client.jetstream().publish(bucket_subject(SHOPS, shop), record.model_dump_json().encode())
        invited = ShopRecord(state="invited", title="Bremen", since=TIME, code_sha256="0" * 64, code_expires=TIME)
        await client.jetstream().publish(bucket_subject(SHOPS, INVITED), invited.model_dump_json().encode())


async def report(client: Client, shop: str, **changes: Any) -> None:
    """Report the state of a shop as its gateway does."""
    await client.jetstream().publish(bucket_subject(REPORTED, shop), describe_state(**changes))


async def send_event(client: Client, shop: str, number: int, event_type: str = "camera.offline") -> None:
    """Send an event as a gateway does."""
    event = {
        "id": f"e-{number}",
        "time": TIME,
        "type": event_type,
        "source": "gateway",
        "camera": "FM020A1",
        "data": {},
    }
    headers = {"Nats-Msg-Id": f"{shop}/e-{number}"}
    await client.jetstream().publish(event_subject(shop, event_type), json.dumps(event).encode(), headers=headers)


async def send_flow(client: Client, shop: str, day: str, total: int) -> None:
    """Send the customers of a day as a gateway does."""
    numbers = {"day": day, "final": True, "total": total, "new": total - 2, "repeat": 2, "members": 0}
    await client.jetstream().publish(flow_subject(shop, day), json.dumps(numbers).encode())


def make_list(size: int) -> io.BytesIO:
    """Return a list of products of so many bytes, as a file."""
    rows = "".join(f"{number},Cola {number},3.20,{'x' * 9000}\n" for number in range(1 + size // 9000))
    content = f"id,name,price,remark\n{rows}".encode()[: size - 1]
    return io.BytesIO(content + b"\n")


@contextlib.asynccontextmanager
async def connect_shops(office: HeadOffice) -> AsyncIterator[dict[str, Client]]:
    """Connect the shops that are there, and let them report: `hamburg-2` has a service that fails."""
    async with contextlib.AsyncExitStack() as stack:
        clients = {shop: await stack.enter_async_context(office.client(shop)) for shop in CONNECTED}
        await report(clients["hamburg-1"], "hamburg-1")
        await report(clients["hamburg-2"], "hamburg-2", failing={"outbox worker": "the disk is full"}, version="1.4.1")
        yield clients


@dataclass
class Visitor:
    """Somebody who uses the head office: a person with a cookie, or a program with a token."""

    site: OfficeSite
    url: str
    http: aiohttp.ClientSession
    tls: ssl.SSLContext

    async def sign_in(self, scope: OfficeScope = "admin") -> None:
        code = self.site.pairing.create("browser", [scope])
        response, _ = await self.post("sign-in", code=code.code)
        assert response.status == 303

    async def get(self, path: str) -> tuple[aiohttp.ClientResponse, str]:
        address = f"{self.url}/console/{path}"
        async with self.http.get(address, allow_redirects=False, ssl=self.tls) as response:
            return response, await response.text()

    async def read(self, path: str, *, language: str) -> str:
        headers = {"Accept-Language": language}
        async with self.http.get(f"{self.url}/{path}", headers=headers, ssl=self.tls) as response:
            assert response.status == 200
            return await response.text()

    async def post(self, path: str, **fields: Any) -> tuple[aiohttp.ClientResponse, str]:
        return await self.send(path, aiohttp.FormData(fields))

    async def send(self, path: str, form: aiohttp.FormData) -> tuple[aiohttp.ClientResponse, str]:
        address = f"{self.url}/console/{path}"
        async with self.http.post(address, data=form, allow_redirects=False, ssl=self.tls) as response:
            return response, await response.text()

    async def csrf(self) -> str:
        _, html = await self.get("access")
        found = _CSRF.search(html)
        assert found is not None
        return found[1]

    async def call(self, method: str, path: str, token: str = "", **given: Any) -> tuple[int, Any]:
        headers = {**given.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        async with self.http.request(method, f"{self.url}{path}", headers=headers, ssl=self.tls, **given) as response:
            is_json = response.content_type.endswith("json")
            return response.status, await (response.json(content_type=None) if is_json else response.text())


@contextlib.asynccontextmanager
async def visit(office: HeadOffice) -> AsyncIterator[Visitor]:
    """Serve the head office, and yield somebody who uses it."""
    tls = ssl.create_default_context(cadata=office.chain.authority.pem.decode())
    async with (
        office.connect() as connected,
        serve_office(connected, "127.0.0.1", 0) as site,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        yield Visitor(site, site.urls[0], http, tls)
