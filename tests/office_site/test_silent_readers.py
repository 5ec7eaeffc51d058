"""Programs that ask the head office for events and do not read them: what they cost, and whom they hold up."""

import asyncio
import contextlib
import json
import logging
import socket
import ssl

import pytest
from nats.aio.client import Client

from gateway.office_site import api_shops, reader_stream
from gateway.office_site.chain_view import ChainView
from tests.office_site.chain import Visitor
from tests.waiting import until

EVENTS = "/api/v1/events"
SIZE, COUNT = 400_000, 12


@pytest.fixture(scope="module")
async def full(shops: dict[str, Client]) -> int:
    """Let the stream hold large events; return the number of the last one."""
    event = json.dumps({"id": "e-1", "data": {"text": "x" * SIZE}}).encode()
    jetstream = shops["hamburg-1"].jetstream(timeout=30)
    for _ in range(COUNT):
        last = await jetstream.publish("fleet.v1.hamburg-1.event.x", event)
    return last.seq


async def ask_and_read_nothing(visitor: Visitor, token: str, stack: contextlib.ExitStack) -> ssl.SSLSocket:
    """Ask for the stream from its beginning on; it is open until the stack is closed."""

    def ask() -> ssl.SSLSocket:
        host, _, port = visitor.url.removeprefix("https://").partition(":")
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect((host, int(port)))
        connection = stack.enter_context(visitor.tls.wrap_socket(plain, server_hostname=host))
        head = f"GET {EVENTS}?after=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        connection.sendall(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
        return connection

    return await asyncio.to_thread(ask)


def read_to_the_end(connection: ssl.SSLSocket) -> int:
    """Read what was on its way to a connection that was broken off; return how many bytes."""
    connection.settimeout(30)
    count = 0
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(65536):
            count += len(piece)
    return count


async def read_numbers(visitor: Visitor, token: str, last: int) -> list[int]:
    """Read the stream up to an event; return the numbers of all."""
    numbers: list[int] = []
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    async with visitor.http.get(f"{visitor.url}{EVENTS}?after=0", headers=headers, ssl=visitor.tls) as stream:
        while last not in numbers:
            chunk = await stream.content.readuntil(b"\n\n")
            if chunk.startswith(b"id: "):
                numbers.append(int(chunk.partition(b"\n")[0].removeprefix(b"id: ")))
    return numbers


async def test_a_reader_that_does_not_read_is_dropped_with_a_reason_and_holds_up_nobody(
    visitor: Visitor, full: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader_stream, "MAX_STALL_S", 1.0)
    token = await visitor.site.view.access.create_token("forgetful", "view")
    monkeypatch.setattr(visitor.http, "_read_bufsize", 2 * SIZE)
    with contextlib.ExitStack() as stack, caplog.at_level(logging.WARNING, reader_stream.__name__):
        silent = [await ask_and_read_nothing(visitor, token, stack) for _ in range(3)]
        assert len(await read_numbers(visitor, token, full)) >= COUNT
        await until(lambda: caplog.text.count("forgetful at 127.0.0.1 has read nothing of its stream for 1 s") == 3)
        for connection in silent:
            assert await asyncio.to_thread(read_to_the_end, connection) < SIZE * COUNT


async def test_a_token_that_forgets_its_streams_keeps_nobody_else_out(
    visitor: Visitor, full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_shops, "MAX_TOKEN_STREAMS", 1)
    access = visitor.site.view.access
    leaking, other = await access.create_token("leaking", "view"), await access.create_token("other", "view")
    with contextlib.ExitStack() as stack:
        await ask_and_read_nothing(visitor, leaking, stack)
        view: ChainView = visitor.site.view
        await until(lambda: view._streams._open["token leaking"])
        status, problem = await visitor.call("GET", EVENTS, leaking, headers={"Accept": "text/event-stream"})
        assert (status, problem["detail"]) == (503, "1 streams are open already: close some, or try again")
        monkeypatch.setattr(visitor.http, "_read_bufsize", 2 * SIZE)
        assert full in await read_numbers(visitor, other, full)


async def test_a_page_of_large_events_ends_before_it_takes_much_room(visitor: Visitor, full: int) -> None:
    token = await visitor.site.view.access.create_token("pages", "view")
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        status, page = await visitor.call("GET", f"{EVENTS}?limit=500&after={after}", token)
        assert status == 200
        assert sum(len(json.dumps(one)) for one in page["events"]) < api_shops.MAX_PAGE_BYTES + 2 * SIZE
        seen += [one["sequence"] for one in page["events"]]
        after = page["next"]
    assert seen == sorted(set(seen))
    assert seen[-1] == full
