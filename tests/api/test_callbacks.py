"""Bad callbacks are refused or stored as they are: nothing is lost, nothing is stored twice, no picture is kept."""

import asyncio
import base64
import io
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from gateway.api.hooks import MAX_BODY_BYTES
from gateway.app import Gateway
from gateway.protocol.signing import add_signature
from gateway.simulator.account import APP_ID, SECRET_KEY
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.api.told_time import NOW, clock, store  # noqa: F401  fixtures

EVENTS = "/api/v1/events"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FACE = {"face_id": "29195", "gender": 1}
PICTURE = "data:image/jpeg;base64," + base64.b64encode(bytes(range(256)) * 8).decode()

Send = Callable[..., Awaitable[tuple[int, Any]]]
ReadEvents = Callable[[], Awaitable[list[Any]]]


def callback(event: object = 2001, payload: object = FACE, *, key: str = SECRET_KEY, **more: Any) -> dict[str, str]:
    """Return the form of a callback, signed as the vendor does."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    given: dict[str, Any] = {
        "app_id": APP_ID,
        "timestamp": NOW,
        "random": str(time.monotonic_ns())[-9:],
    } | more
    return add_signature({"shop_id": "10096", "event": str(event), "payload": text}, key=key, **given)


@pytest.fixture
def send(session: aiohttp.ClientSession) -> Send:
    """Post a body as it is, or a form; return status and document."""

    async def post(body: Any, path: str = "/hooks/cloud", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        data = urlencode(body) if isinstance(body, dict) else body
        raw = io.BytesIO(data if isinstance(data, bytes) else data.encode())
        async with session.post(path, data=raw, headers=headers or FORM) as response:
            return response.status, await response.json(content_type=None)

    return post


@pytest.fixture
def vendor_events(pos: Any) -> ReadEvents:
    """Return the vendor's events that the event log holds."""

    async def read() -> list[Any]:
        events = (await pos("GET", f"{EVENTS}?limit=1000")).body["events"]
        return [event for event in events if event["source"] != "gateway"]

    return read


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fields: fields | {"sign": "0" * 32},
        lambda fields: fields | {"sign": fields["sign"].lower()},
        lambda fields: fields | {"sign": ""},
        lambda fields: fields | {"sign": "é" * 32},
        lambda fields: {name: value for name, value in fields.items() if name != "sign"},
        lambda fields: fields | {"payload": '{"face_id": "1"}'},
        lambda fields: fields | {"extra": "1"},
        lambda fields: fields | {"shop_id": "10097"},
        lambda _: callback(key="another"),
        lambda _: callback(app_id="SOMEBODY"),
        lambda _: callback(app_id=""),
        lambda _: callback(timestamp=NOW - 301),
        lambda _: callback(timestamp=NOW + 400),
        lambda _: {},
    ],
)
async def test_who_cannot_prove_itself_is_refused(send: Send, vendor_events: ReadEvents, spoil: Any) -> None:
    status, problem = await send(spoil(callback()))
    assert (status, problem["code"]) == (401, "unauthorized")
    assert SECRET_KEY not in json.dumps(problem)
    assert await vendor_events() == []


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1e9", "99999999999999", "١٢٣"])
async def test_a_timestamp_that_is_none_is_refused(send: Send, vendor_events: ReadEvents, timestamp: str) -> None:
    status, problem = await send(callback(timestamp=timestamp))
    assert (status, problem["errors"][0]["parameter"]) == (400, "timestamp")
    assert await vendor_events() == []


async def test_times_within_the_window_are_taken(gateway: Gateway, send: Send, vendor_events: ReadEvents) -> None:
    for offset in (-290, 0, 290):
        gateway.cloud.clock.set(NOW)
        assert (await send(callback(timestamp=NOW + offset)))[0] == 200
    assert len(await vendor_events()) == 3


async def test_a_replay_is_good_and_changes_nothing(send: Send, vendor_events: ReadEvents) -> None:
    same = callback()
    answers = await asyncio.gather(*(send(same) for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    assert len(await vendor_events()) == 1
    assert (await send(callback()))[0] == 200
    assert len(await vendor_events()) == 2, "the same content with another random is another event"


@pytest.mark.parametrize("missing", ["event", "payload"])
@pytest.mark.parametrize("blank", [True, False])
async def test_what_a_callback_needs_is_named(send: Send, vendor_events: ReadEvents, missing: str, blank: bool) -> None:
    fields = {name: value for name, value in callback().items() if name not in ("sign", missing)}
    unsigned = {name: fields[name] for name in fields if name not in ("app_id", "timestamp", "random")}
    if blank:
        unsigned[missing] = ""
    whole = add_signature(unsigned, app_id=APP_ID, key=SECRET_KEY, timestamp=NOW, random="123456")
    status, problem = await send(whole)
    assert (status, problem["errors"]) == (400, [{"parameter": missing, "reason": "is required"}])
    assert await vendor_events() == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps(FACE), {"Content-Type": "application/json"}),
        (urlencode(callback()), {"Content-Type": "text/plain"}),
        (urlencode(callback()), {"Content-Type": "multipart/form-data; boundary=x"}),
        (json.dumps(FACE), FORM),
        (b"\xff\xfe\x00", FORM),
        (b"event=%ff%fe&payload=1", FORM),
        ("event=2001&event=2001&payload={}", FORM),
        (urlencode(callback()) + "&shop_id=10096", FORM),
        ("&".join(f"field{number}=1" for number in range(65)), FORM),
    ],
)
async def test_what_is_no_form_is_refused(
    send: Send, vendor_events: ReadEvents, body: Any, headers: dict[str, str]
) -> None:
    status, problem = await send(body, headers=headers)
    assert (status, problem["code"], problem["errors"][0]["parameter"]) == (400, "invalid_request", "body")
    assert await vendor_events() == []


async def test_the_size_is_bounded(send: Send, vendor_events: ReadEvents, session: aiohttp.ClientSession) -> None:
    fields = callback(payload={"text": ""})
    room = MAX_BODY_BYTES - len(urlencode(fields))
    for more, expected in ((room - 2, 200), (room + 10, 413), (3 * MAX_BODY_BYTES, 413)):
        assert (await send(callback(payload={"text": "x" * more})))[0] == expected

    async def endless() -> Any:
        for _ in range(64):
            yield b"x" * 65536

    async with session.post("/hooks/cloud", data=endless(), headers=FORM) as response:
        assert response.status == 413, "also where no length is told beforehand"
    [event] = await vendor_events()
    assert len(event["data"]["payload"]["text"]) == room - 2
    assert (await send(callback()))[0] == 200


@pytest.mark.parametrize(
    "event", ["9999", "new_event", "0", "-1", "2001.0", "٢٠٠١", "../../x", "x" * 5000, "9" * 5000, "a b\nc"]
)
async def test_an_event_that_nobody_documented_is_kept(send: Send, vendor_events: ReadEvents, event: str) -> None:
    assert (await send(callback(event, {"thing": [1.50, "2", None]})))[0] == 200
    [stored] = await vendor_events()
    assert stored["type"].startswith("vendor.")
    assert len(stored["type"]) <= 64
    assert stored["data"]["payload"] == {"thing": [1.50, "2", None]}
    assert str(stored["data"]["vendor_event"]) == event


@pytest.mark.parametrize(
    "payload",
    ["{", "not json", "[1, 2]", '"text"', "null", "1e400", '{"a": NaN}', '{"a": 1}}', "\x00", '{"a":"\\ud800"}',
     "[" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "9" * 100_000],
)  # fmt: skip
async def test_a_payload_that_cannot_be_read_is_kept_as_text(
    send: Send, vendor_events: ReadEvents, payload: str
) -> None:
    assert (await send(callback(2001, payload)))[0] == 200
    [event] = await vendor_events()
    assert event["type"] in ("vendor.unreadable", "face.seen")
    if event["type"] == "vendor.unreadable":
        assert event["data"]["payload"] == payload
    assert (await send(callback()))[0] == 200
    assert len(await vendor_events()) == 2


async def test_half_a_character_does_not_cost_the_event(send: Send, vendor_events: ReadEvents, pos: Any) -> None:
    text = '{"face_id": "7\\udc00", "gender": 2, "group_name": "caf\\u00e9 \\ud83d", "\\ud800": ["\\ud83d\\ude00"]}'
    answers = await asyncio.gather(send(callback(2001, text)), *(send(callback()) for _ in range(5)))
    assert [status for status, _ in answers] == [200] * 6
    half = next(event for event in await vendor_events() if "group_name" in event["data"])
    assert (half["type"], half["data"]["gender"], half["data"]["group_name"]) == ("face.seen", "female", "caf\u00e9 ?")
    assert half["data"]["payload"]["?"] == ["\U0001f600"]


async def test_strange_values_in_documented_fields_do_no_harm(send: Send, vendor_events: ReadEvents) -> None:
    strange = {"face_id": {"a": 1}, "gender": "male", "age_range": -3, "group_type": 4, "group_name": ["x"], "sn": 5}
    assert (await send(callback(2001, strange)))[0] == 200
    [event] = await vendor_events()
    assert event["type"] == "face.seen"
    assert event["data"]["payload"] == strange
    assert (event["data"]["gender"], event["data"]["age_range"], event["data"]["group_type"]) == ("unknown",) * 3
    assert "face_id" not in event["data"]


async def test_a_number_without_end_is_no_code(send: Send, vendor_events: ReadEvents) -> None:
    assert (await send(callback(2001, '{"gender": "%s"}' % ("9" * 5000))))[0] == 200
    [event] = await vendor_events()
    assert event["data"]["gender"] == "unknown"


async def test_numbers_keep_their_digits(pos: Any, send: Send) -> None:
    text = '{"price": 3.10, "id": 123456789012345678901234567890}'
    assert (await send(callback(4100, text)))[0] == 200
    async with pos.session.get(EVENTS, headers={"Authorization": f"Bearer {pos.token}"}) as response:
        raw = await response.text()
    assert "3.10" in raw
    assert "123456789012345678901234567890" in raw


async def test_a_picture_reaches_who_listens_and_is_not_kept(pos: Any, send: Send, vendor_events: ReadEvents) -> None:
    headers = {"Authorization": f"Bearer {pos.token}", "Accept": "text/event-stream"}
    async with pos.session.get(EVENTS, headers=headers) as stream:
        assert (await stream.content.readline()).startswith(b"retry")
        payload = {**FACE, "picture": PICTURE, "more": [{"crop": PICTURE}], "note": "data:image/ but short"}
        assert (await send(callback(2001, payload)))[0] == 200
        while not (line := (await stream.content.readline()).decode()).startswith("data: "):
            pass
    live = json.loads(line.removeprefix("data: "))
    assert live["data"]["payload"] == payload
    [event] = await vendor_events()
    assert PICTURE not in json.dumps(event)
    assert event["id"] == live["id"]
    assert event["data"]["payload"]["picture"] == f"(a picture of {len(PICTURE)} characters, which is not kept)"
    assert event["data"]["payload"]["more"][0]["crop"] == event["data"]["payload"]["picture"]
    assert event["data"]["payload"]["note"] == payload["note"]


async def test_a_cameras_callbacks_are_checked_alike(
    send: Send, vendor_events: ReadEvents, ours: SimulatedCamera
) -> None:
    path = f"/hooks/cameras/{ours.sn}"
    assert (await send(callback("face_recog_event", key="another"), path))[0] == 401
    assert (await send("not a form", path))[0] == 401
    same = callback("face_recog_event", FACE | {"sn": "SOMEBODY-ELSE"})
    assert [(await send(same, path))[0] for _ in range(3)] == [200] * 3
    [event] = await vendor_events()
    assert event["camera"] == ours.sn, "whose address was called, not what the payload claims"


async def test_a_stranger_does_not_learn_which_cameras_there_are(
    send: Send,
    vendor_events: ReadEvents,
    ours: SimulatedCamera,
    store: SimulatedStore,  # noqa: F811
) -> None:
    found = next(camera.sn for camera in store.cameras if camera is not ours)
    bodies: tuple[Any, ...] = (callback(key="another"), callback(app_id=""), {}, "not a form", b"a=%ff", b"x" * 2000)
    for body in bodies:
        answers = [await send(body, f"/hooks/cameras/{sn}") for sn in (ours.sn, found, "nobody", "%00", "é")]
        for _, problem in answers:
            problem.pop("request_id")
        assert answers == [(401, answers[0][1])] * 5
    for headers in ({"Content-Type": "text/plain"}, FORM | {"Content-Encoding": "gzip"}):
        answers = [await send("a=1", f"/hooks/cameras/{sn}", headers) for sn in (ours.sn, found, "nobody")]
        assert [status for status, _ in answers] == [400] * 3
    assert await vendor_events() == []
