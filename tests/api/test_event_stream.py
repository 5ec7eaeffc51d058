"""The event stream as its readers meet it: slow ones, late ones, browsers, curl, and an independent client."""

import asyncio
import contextlib
import http.client
import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import sseclient
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from gateway.api.server import serve
from gateway.api.stream import MAX_QUEUED_BYTES, EventStream
from gateway.api.tickets import VALID_S, Tickets
from gateway.app import Gateway
from gateway.errors import Unauthorized
from gateway.events.cursor import ResumePoint
from gateway.events.event import EventFilter, NewEvent
from tests.api.test_events import EVENTS, STREAM, Reader

TICKETS = "/api/v1/events/tickets"


async def happen(gateway: Gateway, count: int, *, kind: str = "a", size: int = 10) -> list[str]:
    """Record so many events; return their ids."""
    drafts = [NewEvent(kind, "gateway", {"text": "x" * size}) for _ in range(count)]
    events = await asyncio.gather(*map(gateway.event_log.append, drafts))
    return [event.id for event in events if event is not None]


@pytest.fixture
async def stream(pos: Any) -> AsyncIterator[Any]:
    async with contextlib.AsyncExitStack() as stack:

        async def read(query: str = "", **headers: str) -> Reader:
            given = STREAM | {"Authorization": f"Bearer {pos.token}"} | headers
            reader = Reader(await stack.enter_async_context(pos.session.get(f"{EVENTS}?{query}", headers=given)))
            assert "retry" in await reader.block()
            return reader

        yield read


def slow_reader(address: tuple[str, int], token: str, query: str = "") -> socket.socket:
    """Ask for the stream, and read nothing of it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(address)
    head = f"GET {EVENTS}{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: text/event-stream\r\n"
    connection.sendall(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
    return connection


def read_to_the_end(connection: socket.socket) -> int:
    """Read what the system held for a connection that was broken off; return how many bytes."""
    connection.settimeout(10)
    count = 0
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            count += len(piece)
    return count


@pytest.mark.parametrize("size", [300, MAX_QUEUED_BYTES // 10, MAX_QUEUED_BYTES + 100_000])
async def test_a_reader_that_does_not_read_is_dropped_and_hurts_nobody(
    gateway: Gateway, session: Any, pos: Any, stream: Any, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    url = session._base_url
    good = await stream()
    with slow_reader((url.host, url.port), pos.token) as slow:
        head = b""
        while b"retry" not in head:
            piece = await asyncio.to_thread(slow.recv, 2048)
            assert piece
            head += piece
        made: list[str] = []
        got: list[str] = []
        sent = 0
        while sent < 40 * MAX_QUEUED_BYTES:
            count = max(1, MAX_QUEUED_BYTES // size)
            made += await happen(gateway, count, size=size)
            got += [(await good.event())["id"] for _ in range(count)]
            sent += count * size
        assert got == made
        assert await asyncio.to_thread(read_to_the_end, slow) < sent
        assert caplog.text.count("does not read its event stream fast enough, and is disconnected") == 1
    late = await stream(**{"Last-Event-ID": made[-3]})
    assert [(await late.event())["id"] for _ in range(2)] == made[-2:]


@pytest.mark.parametrize("reason", ["pruned", "from_the_future", "new_epoch"])
async def test_a_reader_gets_a_notice_why_it_does_not_resume_where_it_was(
    gateway: Gateway, pos: Any, stream: Any, reason: str
) -> None:
    made = await happen(gateway, 6)
    last = {"pruned": made[1], "from_the_future": f"{gateway.event_log.epoch}-99", "new_epoch": f"{0:016}-3"}[reason]
    if reason == "pruned":
        gateway.event_log._limits = gateway.event_log._limits._replace(max_events=2)
        await gateway.event_log.apply_retention()
        made = made[-2:]
    reader = await stream(**{"Last-Event-ID": last})
    notice = await reader.block()
    assert (notice["event"], json.loads(notice["data"])["reason"]) == ("notice", reason)
    assert [(await reader.event())["id"] for _ in made] == made
    page = await pos("GET", f"{EVENTS}?after={last}")
    assert page.body["notice"]["reason"] == reason
    assert [event["id"] for event in page.body["events"]] == made


async def test_catching_up_while_events_come_misses_none_and_repeats_none(gateway: Gateway, stream: Any) -> None:
    made = await happen(gateway, 500)
    more = asyncio.create_task(_trickle(gateway, 300))
    reader = await stream("after=0&types=a")
    got = [(await reader.event())["id"] for _ in range(800)]
    assert got == made + await more


async def _trickle(gateway: Gateway, count: int) -> list[str]:
    made = []
    for _ in range(count):
        made += await happen(gateway, 1)
        await happen(gateway, 1, kind="other")
    return made


async def test_a_ticket_opens_the_events_and_nothing_else(gateway: Gateway, session: Any, pos: Any, admin: Any) -> None:
    made = await pos("POST", TICKETS, {})
    assert (made.status, made.body["valid_s"]) == (201, 12 * 3600)
    await happen(gateway, 1)
    async with session.get(made.body["url"]) as page:
        assert len((await page.json())["events"]) == 1
        assert page.headers["Vary"] == "Accept"
    for path in ("/api/v1/status", "/api/v1/webhooks", f"{EVENTS}/erase"):
        async with session.get(f"{path}?ticket={made.body['ticket']}") as other:
            assert other.status in (401, 405)
    for wrong in ("", "x", made.body["ticket"][:-1], f"{made.body['ticket']}0", "é.0", "AAAA.AAAA"):
        async with session.get(EVENTS, params={"ticket": wrong}) as other:
            assert (other.status, (await other.json())["code"]) == (401, "unauthorized"), wrong
    assert (await admin("DELETE", "/api/v1/tokens/till 1")).status == 204
    async with session.get(made.body["url"]) as other:
        assert other.status == 401
    await gateway.tokens.create("till 1", "pos")
    async with session.get(made.body["url"]) as other:
        assert other.status == 401


async def test_a_ticket_ends_after_half_a_day_of_running_time(gateway: Gateway, pos: Any) -> None:
    tickets = Tickets(gateway.tokens, gateway.event_log.ticket_key)
    ticket = tickets.create("till 1", 1000.0)
    assert tickets.check(ticket, 1000.0 + VALID_S) == ("till 1", frozenset({"pos"}))
    with pytest.raises(Unauthorized, match="expired"):
        tickets.check(ticket, 1002.0 + VALID_S)


async def test_revoking_a_token_ends_its_streams_at_once(gateway: Gateway, stream: Any, admin: Any) -> None:
    reader = await stream()
    assert (await admin("DELETE", "/api/v1/tokens/till 1")).status == 204
    assert await reader.response.content.read() == b""


async def test_revoking_a_token_ends_a_stream_that_catches_up(
    gateway: Gateway, session: Any, pos: Any, admin: Any
) -> None:
    await happen(gateway, 300, size=100_000)
    url = session._base_url
    with slow_reader((url.host, url.port), pos.token, "?after=0") as slow:
        while not await asyncio.to_thread(slow.recv, 2048):
            pass
        assert (await admin("DELETE", "/api/v1/tokens/till 1")).status == 204
        assert await asyncio.to_thread(read_to_the_end, slow) < 300 * 100_000


async def test_a_failure_of_the_stream_costs_no_event(gateway: Gateway, stream: Any) -> None:
    reader = await stream()
    [before] = await happen(gateway, 1)
    assert (await reader.event())["id"] == before
    now, gateway.event_log._now = gateway.event_log._now, lambda: 1e15  # a year that no text can name
    await happen(gateway, 1)
    gateway.event_log._now = now
    assert await reader.response.content.read() == b""
    [after] = await happen(gateway, 1)
    again = await stream(**{"Last-Event-ID": before})
    assert (await again.event())["id"] == after, "the event between them cannot be shown"


async def test_an_idle_stream_has_a_heartbeat(gateway: Gateway, aiohttp_client: AiohttpClient) -> None:
    events = EventStream(gateway.event_log, gateway.supervisor, heartbeat_interval_s=0.05)
    app = web.Application()

    async def serve(request: web.Request) -> web.StreamResponse:
        return await events.serve(request, ResumePoint(0), EventFilter(), token="")

    app.router.add_get("/", serve)
    async with (await aiohttp_client(app)).get("/") as response:
        reader = Reader(response)
        assert [set(await reader.block()) for _ in range(3)] == [{"retry"}, {""}, {""}]
    await events.close()


async def test_stopping_the_gateway_ends_the_streams_without_waiting(gateway: Gateway) -> None:
    token = await gateway.tokens.create("till", "pos")
    async with contextlib.AsyncExitStack() as server, contextlib.AsyncExitStack() as stack:
        urls = await server.enter_async_context(serve(gateway))
        http = await stack.enter_async_context(aiohttp.ClientSession(urls[0]))
        headers = STREAM | {"Authorization": f"Bearer {token}"}
        response = await stack.enter_async_context(http.get(EVENTS, headers=headers))
        assert response.status == 200
        reader = Reader(response)
        assert "retry" in await reader.block()
        await happen(gateway, 1)
        await reader.event()
        stopping = asyncio.create_task(server.aclose())
        assert await response.content.read() == b""
        await stopping


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])  # nginx passes requests on as the older one
async def test_curl_reads_and_resumes(gateway: Gateway, session: Any, pos: Any, version: str) -> None:
    made = await happen(gateway, 3)
    command = [
        "curl",
        "-sN",
        version,
        "--max-time",
        "60",
        f"{session._base_url}{EVENTS[1:]}",
        "-H",
        "Accept: text/event-stream",
    ]
    command += ["-H", f"Authorization: Bearer {pos.token}", "-H", f"Last-Event-ID: {made[0]}"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(8)]
    process.kill()
    await process.wait()
    assert [line[4:].strip() for line in lines if line.startswith("id: ")] == made[1:]


async def test_an_independent_client_reads_the_stream(gateway: Gateway, session: Any, pos: Any) -> None:
    url = session._base_url

    def read() -> list[tuple[str, str, Any]]:
        connection = http.client.HTTPConnection(url.host, url.port)
        headers = STREAM | {"Authorization": f"Bearer {pos.token}", "Last-Event-ID": f"{0:016}-1"}
        connection.request("GET", EVENTS, headers=headers)
        response = connection.getresponse()

        def pieces() -> Iterator[bytes]:
            while piece := response.read1(4096):
                yield piece

        events = sseclient.SSEClient(pieces()).events()
        got = [next(events) for _ in range(4)]
        connection.close()
        return [(event.event, event.id or "", json.loads(event.data)) for event in got]

    made = await happen(gateway, 3)
    notice, *events = await asyncio.to_thread(read)
    assert (notice[0], notice[2]["reason"]) == ("notice", "new_epoch")
    assert [(kind, number) for kind, number, _ in events] == [("message", one) for one in made]
    assert [document["id"] for _, _, document in events] == made


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("after=x", "after"), ("after=", "after"), ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"),
     ("types=a b", "types"), ("what=1", "what")],
)  # fmt: skip
async def test_a_bad_query_is_refused_by_name(pos: Any, query: str, parameter: str) -> None:
    answer = await pos("GET", f"{EVENTS}?{query}")
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (400, parameter)


async def test_erasing_a_face_leaves_a_line_that_says_so(gateway: Gateway, admin: Any, pos: Any) -> None:
    data = {"vendor_event": 2001, "face_id": "77"}
    await gateway.event_log.append(NewEvent("face.seen", "cloud", data, personal=True, face_id="77"))
    assert (await pos("POST", f"{EVENTS}/erase", {"face_id": "77"})).status == 403
    assert (await admin("POST", f"{EVENTS}/erase", {"face_id": "77"})).body == {"events": 1}
    seen, audit = (await pos("GET", EVENTS)).body["events"]
    assert seen["data"] == {"vendor_event": 2001, "personal_data": "erased"}
    assert (audit["type"], audit["data"]) == ("events.erased", {"events": 1, "by": "the admin"})
