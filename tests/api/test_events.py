"""Events through the REST API: callbacks in, streams and pages out."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.protocol.signing import add_signature
from gateway.simulator.account import APP_ID, SECRET_KEY
from gateway.simulator.camera import SimulatedCamera
from tests.api.told_time import NOW, clock, store  # noqa: F401  fixtures

EVENTS = "/api/v1/events"
STREAM = {"Accept": "text/event-stream"}
FACE = {"ipc_id": "928", "face_id": "29195", "gender": 1, "age_range": 4, "group_id": "8927", "group_name": "stranger",
        "group_type": 2}  # fmt: skip
"""The vendor's sample of event 2001."""


def callback(event: object, payload: object, *, key: str = SECRET_KEY, **more: Any) -> dict[str, str]:
    """Return the form of a callback, signed as the vendor does."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    fields = {"shop_id": "10096", "event": str(event), "payload": text}
    given: dict[str, Any] = {"app_id": APP_ID, "timestamp": NOW, "random": str(time.monotonic_ns())[-9:]}
    return add_signature(fields, key=key, **given | more)


class Hooks:
    """The vendor's side: posts callbacks."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(self, fields: dict[str, str], path: str = "/hooks/cloud") -> tuple[int, Any]:
        async with self._session.post(path, data=fields) as response:
            return response.status, await response.json(content_type=None)


@pytest.fixture
def hooks(session: aiohttp.ClientSession) -> Hooks:
    return Hooks(session)


class Reader:
    """A till that reads the stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def block(self) -> dict[str, str]:
        """Return the fields of the next block of the stream; a comment has the empty name."""
        fields: dict[str, str] = {}
        while line := (await self.response.content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        return fields

    async def event(self) -> Any:
        """Return the next event."""
        while True:
            block = await self.block()
            if "data" in block and "event" not in block:
                document = json.loads(block["data"])
                assert block["id"] == document["id"]
                return document


@pytest.fixture
async def streams(pos: Any) -> AsyncIterator[Any]:
    opened = []

    async def open_stream(query: str = "", **headers: str) -> Reader:
        response = await pos.session.get(
            f"{EVENTS}?{query}", headers=STREAM | {"Authorization": f"Bearer {pos.token}"} | headers
        )
        opened.append(response)
        assert response.status == 200, await response.text()
        reader = Reader(response)
        assert "retry" in await reader.block()
        return reader

    yield open_stream
    for response in opened:
        response.close()


async def test_a_callback_reaches_the_stream_and_the_pages(hooks: Hooks, streams: Any, pos: Any) -> None:
    reader = await streams()
    assert await hooks(callback(2001, FACE)) == (200, {"code": 0, "msg": "succeed", "data": {}})
    event = await reader.event()
    assert (event["type"], event["source"], event["camera"]) == ("face.seen", "cloud", None)
    assert event["data"]["gender"] == "male"
    assert event["data"]["payload"] == FACE
    page = await pos("GET", EVENTS)
    assert page.body == {"events": [event], "next": event["id"]}
    assert (await pos("GET", f"{EVENTS}?after={event['id']}")).body == {"events": [], "next": event["id"]}


async def test_a_reader_resumes_without_gap_or_duplicate(hooks: Hooks, streams: Any) -> None:
    first = await streams()
    await hooks(callback(2001, FACE))
    seen = await first.event()
    first.response.close()
    for number in range(5):
        await hooks(callback(1100, {"code": 0, "msg": "", "face_id": number}))
    again = await streams(**{"Last-Event-ID": seen["id"]})
    got = [(await again.event())["data"]["face_id"] for _ in range(5)]
    assert got == ["0", "1", "2", "3", "4"]


async def test_a_wrong_signature_and_an_old_time_are_refused(hooks: Hooks, pos: Any) -> None:
    assert (await hooks(callback(2001, FACE, key="wrong")))[0] == 401
    assert (await hooks(callback(2001, FACE, timestamp=NOW - 301)))[0] == 401
    assert (await pos("GET", EVENTS)).body["events"] == []


async def test_a_replayed_callback_is_stored_once(hooks: Hooks, pos: Any) -> None:
    same = callback(2001, FACE)
    assert [(await hooks(same))[0] for _ in range(3)] == [200, 200, 200]
    assert len((await pos("GET", EVENTS)).body["events"]) == 1


async def test_a_camera_reports_only_for_itself_and_only_when_it_is_ours(
    hooks: Hooks, pos: Any, ours: SimulatedCamera, gateway: Gateway
) -> None:
    assert (await hooks(callback("face_recog_event", FACE), f"/hooks/cameras/{ours.sn}"))[0] == 200
    found = next(camera.sn for camera in gateway.registry.all() if not camera.managed)
    assert (await hooks(callback("face_recog_event", FACE), f"/hooks/cameras/{found}"))[1]["code"] == "unauthorized"
    assert (await hooks(callback("face_recog_event", FACE), "/hooks/cameras/nobody"))[0] == 401
    [event] = (await pos("GET", f"{EVENTS}?types=face.*&camera={ours.sn}")).body["events"]
    assert (event["type"], event["source"], event["camera"]) == ("face.seen", "camera", ours.sn)


async def test_the_same_face_from_both_sources_is_related(hooks: Hooks, pos: Any, ours: SimulatedCamera) -> None:
    await hooks(callback("face_recog_event", FACE), f"/hooks/cameras/{ours.sn}")
    await hooks(callback(2001, FACE | {"face_id": 7}))
    await hooks(callback(2001, FACE | {"face_id": 8}))
    first, second, third = (await pos("GET", f"{EVENTS}?types=face.seen")).body["events"]
    assert second["data"]["related_to"] == first["id"]
    assert "related_to" not in third["data"]
