"""Bodies that are cut off, broken or odd are the sender's fault at every route: 4xx or silence, never a traceback."""

import asyncio
import codecs
import gzip
import io
import json
import logging
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from gateway.api import body_reader
from gateway.api.hooks import MAX_BODY_BYTES
from gateway.api.route_table import list_routes
from gateway.simulator.camera import SimulatedCamera
from tests.products.test_workbooks import save

FORM = "multipart/form-data; boundary=x"
JSON = {"Content-Type": "application/json"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
ORDERS = "/api/v1/cloud/order/update"
PACKED = gzip.compress(b'{"order_list": [{"order_no": "1"}]}')


def part(head: bytes) -> bytes:
    return b"--x\r\n" + head + b"\r\n\r\n1\r\n--x--\r\n"


BROKEN: dict[str, tuple[bytes, dict[str, str]]] = {
    "no gzip": (b"{}" * 100, {"Content-Encoding": "gzip"}),
    "gzip, cut off": (PACKED[:-9], {"Content-Encoding": "gzip"}),
    "gzip, wrong sum": (PACKED[:-8] + bytes(8), {"Content-Encoding": "gzip"}),
    "no deflate": (b"\xff" * 100, {"Content-Encoding": "deflate"}),
    "deflate, cut off": (zlib.compress(b"{}")[:-5], {"Content-Encoding": "deflate"}),
    "unknown encoding": (b"{}", {"Content-Encoding": "br"}),
    "no JSON": (b"\xff{", JSON),
    "no object": (b"[]", JSON),
    "nested": (b"[" * 100_000, JSON),
    "nested less": (b'{"a":' * 500 + b"1" + b"}" * 500, JSON),
    "half of a surrogate pair": (rb'{"\ud800": "\udc00"}', JSON),
    "many digits": (b'{"a": %b}' % (b"1" * 5000), JSON),
    "name that is no UTF-8": (part(b'Content-Disposition: form-data; name="\xff"'), {"Content-Type": FORM}),
    "name in Chinese": (part('Content-Disposition: form-data; name="名"'.encode()), {"Content-Type": FORM}),
    "charset": (part(b'Content-Disposition: form-data; name="_charset_"'), {"Content-Type": FORM}),
    "long part head": (part(b"Content-Disposition: form-data; name=" + b"a" * 70_000), {"Content-Type": FORM}),
    "no boundary": (b"--x--", {"Content-Type": "multipart/form-data"}),
    "form without end": (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n", {"Content-Type": FORM}),
    "no form": (b"%ff=%fe", URLENCODED),
}


def calls(sn: str) -> Iterator[tuple[str, str, bool]]:
    """Yield method and path of every route that may have a body, and whether it reads one."""
    names = {"{sn}": sn, "{type}": "device", "{action}": "getInfo", "{path:.+}": "nothing/there", "{name}": "no one"}
    names |= {"{outbox_id}": "1", "{id}": "1"}
    for route in list_routes():
        path = route.path
        for placeholder, name in names.items():
            path = path.replace(placeholder, name)
        if route.method != "GET":
            yield route.method, path, route.body is not None or path.startswith(("/hooks/", "/api/v1/cloud/"))


async def find_url(session: aiohttp.ClientSession) -> URL:
    """Return where the gateway serves."""
    async with session.get("/healthz") as response:
        return response.url


@pytest.fixture(autouse=True)
def no_error_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_body_is_the_senders_fault(admin: Any, ours: SimulatedCamera, kind: str) -> None:
    body, headers = BROKEN[kind]
    for method, path, reads in calls(ours.sn):
        answer = await admin(method, path, data=body, headers=headers)
        assert answer.status != 500, (method, path)
        assert not reads or 400 <= answer.status < 500, (method, path, answer)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (rb'{"name": "\ud800", "scope": "pos"}', ("name", "must be valid Unicode")),
        (BROKEN["half of a surrogate pair"][0], ("?", "must be valid Unicode")),
        (BROKEN["nested less"][0], ("body", "is nested too deeply")),
        (BROKEN["many digits"][0], ("body", "must be a JSON object in UTF-8: a number has too many digits")),
    ],
)
async def test_what_is_odd_in_a_body_is_said(admin: Any, body: bytes, error: tuple[str, str]) -> None:
    answer = await admin("POST", "/api/v1/tokens", data=body, headers=JSON)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert [(one["parameter"], one["reason"]) for one in answer.body["errors"]] == [error]


async def test_a_byte_order_mark_is_skipped(admin: Any) -> None:
    for method, path, document in (
        ("POST", "/api/v1/tokens", {"name": "till 7", "scope": "pos"}),
        ("POST", ORDERS, {"order_list": [{"order_no": "1"}]}),
        ("POST", "/api/v1/site-plan/check", {"cameras": [{"sn": "FM020A2300001"}]}),
        ("PUT", "/api/v1/labels/SKDI0001", {"product_id": "000417"}),
    ):
        answer = await admin(method, path, data=codecs.BOM_UTF8 + json.dumps(document).encode(), headers=JSON)
        assert answer.status < 300, (path, answer)


async def test_the_numbers_of_a_workbook_are_texts_in_a_site_plan(installer: Any) -> None:
    head, row = ("sn", "name", "place", "ssid", "password"), ("FM020A2300001", 7, 12, 2024, 12345678)
    kept = await installer("PUT", "/api/v1/site-plan", data=save(head, row))
    assert kept.status == 200, kept
    shown = (await installer("GET", "/api/v1/site-plan")).body
    assert shown == kept.body
    [camera] = shown["cameras"]
    assert (camera["name"], camera["place"], shown["wifi"]["ssid"]) == ("7", "12", "2024")


async def test_json_with_a_mistake_is_no_other_type_of_body(admin: Any) -> None:
    for method, path in (("POST", "/api/v1/tokens"), ("PUT", "/api/v1/site-plan"), ("PUT", "/api/v1/labels/SKDI0001")):
        answer = await admin(method, path, data=b'{"cameras": [}', headers=JSON)
        assert (answer.status, answer.body["code"]) == (400, "invalid_request"), (path, answer)


async def test_an_upload_that_is_cut_off_is_the_senders_fault(admin: Any, ours: SimulatedCamera) -> None:
    url = await find_url(admin.session)
    kinds = ["application/json", FORM, "application/x-www-form-urlencoded"]
    lengths = ["Content-Length: 100", "Content-Length: 100000", "Transfer-Encoding: chunked"]

    async def cut_off(method: str, path: str, kind: str, length: str) -> None:
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = (
            f"{method} {path.replace(' ', '%20')} HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: {kind}\r\n{length}\r\n"
        )
        writer.write(f"{head}Authorization: Bearer {admin.token}\r\n\r\n14\r\n--x\r\n".encode())
        await writer.drain()
        writer.write_eof()
        await reader.read()
        writer.close()

    for kind, length in zip(kinds, lengths, strict=True):
        for method, path, _ in calls(ours.sn):
            await cut_off(method, path, kind, length)
    assert (await admin("GET", "/healthz")).status == 200


async def test_a_compressed_body_is_read(pos: Any) -> None:
    packed = {"gzip": PACKED, "deflate": zlib.compress(gzip.decompress(PACKED)), "identity": gzip.decompress(PACKED)}
    packed["Deflate"] = zlib.compress(gzip.decompress(PACKED), wbits=-15)
    for encoding, body in packed.items():
        answer = await pos("POST", ORDERS, data=body, headers=JSON | {"Content-Encoding": encoding})
        assert answer.status in (200, 202), (encoding, answer)


async def test_a_body_that_unpacks_without_end_is_too_large(pos: Any) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    answer = await pos("POST", ORDERS, data=bomb, headers=JSON | {"Content-Encoding": "gzip"})
    assert (answer.status, answer.body["code"]) == (413, "too_large")


class HalfSent:
    """Requests whose head has arrived, and of whose body nothing."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._writers: list[asyncio.StreamWriter] = []

    async def __call__(
        self, path: str, length: int, token: str = "", address: str = "127.0.0.1", kind: str = "application/json"
    ) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection(self._url.host, self._url.port, local_addr=(address, 0))
        self._writers.append(writer)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
        writer.write(f"{head}Authorization: Bearer {token}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        return reader

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            await writer.wait_closed()
        self._writers.clear()


@pytest.fixture
async def half_sent(session: aiohttp.ClientSession) -> AsyncIterator[HalfSent]:
    half = HalfSent(await find_url(session))
    yield half
    await half.close()


async def read_problem(reader: asyncio.StreamReader) -> tuple[str, dict[str, Any]]:
    """Return the head and the document of a response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line for line in head.split("\r\n") if line.startswith("Content-Length:")).partition(":")[2]
    problem: dict[str, Any] = json.loads(await reader.readexactly(int(length)))
    return head, problem


async def large(rest: Any) -> Any:
    """Send the largest body, which is no good call."""
    return await rest("POST", ORDERS, data=io.BytesIO(b"[" * body_reader.MAX_BODY_BYTES), headers=JSON)


async def test_large_bodies_share_a_budget(half_sent: HalfSent, admin: Any, pos: Any, installer: Any) -> None:
    size = body_reader.MAX_BODY_BYTES
    for _ in range(2):
        await half_sent(ORDERS, size, pos.token)
    answer = await large(pos)
    assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (503, "overloaded", "1")
    small = await pos("POST", ORDERS, {"order_list": [{"order_no": "1"}]})
    assert small.status in (200, 202), "small bodies need no room"
    head, problem = await read_problem(await half_sent(ORDERS, size, installer.token))
    assert ("503" in head, problem["code"]) == (True, "overloaded"), "another token from the same address"
    for _ in range(2):
        await half_sent(ORDERS, size, installer.token, "127.0.0.2")
    _, problem = await read_problem(await half_sent(ORDERS, size, admin.token, "127.0.0.3"))
    assert "all request bodies" in problem["detail"]
    await half_sent.close()
    while (answer := await large(pos)).status == 503:
        await asyncio.sleep(0.01)
    assert answer.status == 400, "what was taken is given back"


async def test_an_answered_request_takes_no_room(pos: Any) -> None:
    for _ in range(6):
        assert (await large(pos)).status == 400


async def test_strangers_have_a_small_budget_of_their_own(half_sent: HalfSent, pos: Any) -> None:
    form = "application/x-www-form-urlencoded"
    for address in ("127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"):
        await half_sent("/hooks/cloud", MAX_BODY_BYTES, "whoever", address, form)
    for address, whose in (("127.0.0.2", "from 127.0.0.2"), ("127.0.0.4", "without a token")):
        head, problem = await read_problem(await half_sent("/hooks/cloud", MAX_BODY_BYTES, "", address, form))
        assert "Retry-After: 1" in head
        assert (problem["status"], problem["code"], whose in problem["detail"]) == (503, "overloaded", True)
    answer = await pos("POST", ORDERS, data=b" " * 1_000_000, headers=JSON)
    assert answer.status == 400, "tills do not feel it"


async def test_a_body_that_pauses_is_given_up(half_sent: HalfSent, pos: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_reader, "MAX_PAUSE_S", 0.1)
    for path, kind in ((ORDERS, "application/json"), ("/hooks/cloud", "application/x-www-form-urlencoded")):
        head, problem = await read_problem(await half_sent(path, 100, pos.token, kind=kind))
        assert ("408" in head, problem["code"]) == (True, "request_timeout")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (URLENCODED | {"Content-Length": "1048577"}, 413),
        (URLENCODED | {"Content-Encoding": "gzip", "Content-Length": "1000"}, 400),
        ({"Content-Type": "text/plain", "Content-Length": "1000"}, 400),
    ],
)
async def test_a_callback_is_judged_by_its_head(
    session: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    url = await find_url(session)
    for path, expected in (("/hooks/cloud", status), ("/hooks/cameras/nobody", status)):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        _, problem = await read_problem(reader)
        assert problem["status"] == expected
        writer.close()
        await writer.wait_closed()
