"""Simulated cameras and the simulated cloud report events as the vendor's do: as a signed form."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.traffic import TrafficGenerator

Post = Callable[..., Awaitable[dict[str, Any]]]
Signed = Callable[..., dict[str, str]]
Make = Callable[..., Awaitable[Any]]
Sign = Callable[[Any, str], str]

FACE = "face_recog_event"
MOTION = "dynamic_detect_event"


class CallbackServer:
    """An HTTP server that has subscribed to events."""

    def __init__(self) -> None:
        self.received: list[dict[str, str]] = []
        self.peers: list[str] = []
        self.status = 200
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-www-form-urlencoded"
        self.received.append({name: str(value) for name, value in (await request.post()).items()})
        self.peers.append(request.remote or "")
        return web.json_response({"code": 0}, status=self.status)


@pytest.fixture
async def callback_server(aiohttp_server: AiohttpServer) -> CallbackServer:
    server = CallbackServer()
    app = web.Application()
    app.router.add_post("/hook", server.receive)
    server.url = str((await aiohttp_server(app)).make_url("/hook"))
    return server


async def test_a_camera_reports_signed_at_its_own_time(
    make_camera: Make, post: Post, signed: Signed, sign: Sign, callback_server: CallbackServer
) -> None:
    camera = await make_camera(activated=True, host="127.20.9.9", clock=lambda: time.time() + 86400)
    subscription = {"event_list": json.dumps([FACE, MOTION]), "http_callback": callback_server.url}
    body = signed(subscription | {"timestamp": str(int(time.time()) + 86400)})
    assert await post(camera, "hook/add", body) == {"code": 0}
    assert await camera.report(FACE, {"face_id": "1", "名": "é&=+"}) == 200
    [fields] = callback_server.received
    assert callback_server.peers == ["127.20.9.9"]
    assert fields["sign"] == sign(fields, "kdsofkdsnflke9382938k")
    assert (fields["app_id"], fields["event"]) == ("JO83UNV983U9OR", FACE)
    assert int(fields["timestamp"]) == pytest.approx(time.time() + 86400, abs=300)
    assert json.loads(fields["payload"]) == {"face_id": "1", "名": "é&=+"}
    callback_server.status = 503
    assert await camera.report(FACE, {}) == 503
    assert len(callback_server.received) == 2, "whether the vendor tries again is not known, so it does not"


async def test_a_camera_reports_subscribed_events_only(
    camera: SimulatedCamera, post: Post, signed: Signed, callback_server: CallbackServer
) -> None:
    assert await camera.report(FACE, {}) is None
    both = {"event_list": json.dumps([FACE, MOTION]), "http_callback": callback_server.url}
    await post(camera, "hook/add", signed(both))
    assert await post(camera, "hook/delete", signed({"event_list": json.dumps([FACE])})) == {"code": 0}
    assert await camera.report(FACE, {}) is None
    assert await camera.report(MOTION, {}) == 200
    await camera.stop()
    assert await camera.report(MOTION, {}) is None
    await camera.start()
    camera.state.factory_reset()
    assert await camera.report(MOTION, {}) is None


async def test_a_callback_without_response(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    body = {"event_list": json.dumps([FACE]), "http_callback": "http://127.0.0.1:1/hook"}
    assert await post(camera, "hook/add", signed(body)) == {"code": 0}
    assert await camera.report(FACE, {}) == 0


@pytest.mark.parametrize(
    ("model", "events", "callback", "code"),
    [
        ("FM010", [FACE], "http://192.0.2.1/", 310),
        ("FM010", [MOTION], "http://192.0.2.1/", 0),
        ("FM020", [FACE, "warp_event"], "http://192.0.2.1/", 310),
        ("FM020", [2001], "http://192.0.2.1/", 310),
        ("FM020", [], "http://192.0.2.1/", 310),
        ("FM020", "faces", "http://192.0.2.1/", 310),
        ("FM020", [FACE], "192.0.2.1", 311),
        ("FM020", [FACE], "ftp://192.0.2.1/", 311),
        ("FM020", [FACE], "", 311),
    ],
)
async def test_a_subscription_is_checked(
    make_camera: Make, post: Post, signed: Signed, model: str, events: object, callback: str, code: int
) -> None:
    camera = await make_camera(activated=True, model=model)
    body = signed({"event_list": json.dumps(events), "http_callback": callback})
    assert await post(camera, "hook/add", body) == {"code": code}
    assert camera.state.hooks == ({MOTION: callback} if code == 0 else {})


async def test_a_subscription_needs_the_owners_signature(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    body = {"event_list": json.dumps([FACE]), "http_callback": "http://192.0.2.1/"}
    assert await post(camera, "hook/add", signed(body, key="wrong")) == {"code": 5}
    assert camera.state.hooks == {}


async def test_the_cloud_reports_with_the_shops_keys(
    cloud: SimulatedCloud, ask: Post, sign: Sign, callback_server: CallbackServer
) -> None:
    assert await cloud.report(2001, {}, "7948") == []
    assert (await ask(cloud, "hook/add", http_callback=callback_server.url, event_list=[2001]))["code"] == 0
    assert await cloud.report(1010, {}, "7948") == []
    assert await cloud.report(2001, {"face_id": "29195"}, "7948") == [200]
    [fields] = callback_server.received
    assert fields["sign"] == sign(fields, "tokenlty123")
    assert (fields["shop_id"], fields["sunmi_shop_no"], fields["event"]) == ("7948", "100000007948", "2001")
    assert json.loads(fields["payload"]) == {"face_id": "29195"}


async def test_the_cloud_refuses_an_event_that_is_unavailable(cloud: SimulatedCloud, ask: Post) -> None:
    cloud.state.unavailable_events = {4100}
    for events, code in (([2001, 4100], 5022), ([2001], 0)):
        answer = await ask(cloud, "hook/add", http_callback="http://192.0.2.1/", event_list=events)
        assert answer["code"] == code


async def test_events_of_a_bound_camera_are_reported_by_camera_and_cloud(
    make_camera: Make, cloud: SimulatedCloud, post: Post, ask: Post, signed: Signed, callback_server: CallbackServer
) -> None:
    face_sense = await make_camera(activated=True)
    store_sense = await make_camera(activated=True, sn="SS101D8BS00107", model="FM010")
    await post(
        face_sense, "hook/add", signed({"event_list": json.dumps([FACE, MOTION]), "http_callback": callback_server.url})
    )
    ipc = cloud.state.bind_camera("7948", sn=face_sense.sn, name="Door", model="FM020")
    await ask(cloud, "hook/add", http_callback=callback_server.url, event_list=[1010, 2001])
    traffic = TrafficGenerator([face_sense, store_sense], cloud)
    await traffic.show_face(face_sense)
    here, there = callback_server.received
    assert (here["event"], there["event"]) == (FACE, "2001")
    seen, told = json.loads(here["payload"]), json.loads(there["payload"])
    assert told["ipc_id"] == ipc.ipc_id
    assert seen["face_id"] != told["face_id"], "camera and cloud share no id"
    assert {name: seen[name] for name in ("gender", "age_range")} == {n: told[n] for n in ("gender", "age_range")}
    assert seen["face_rect"]
    await traffic.show_motion(face_sense)
    assert [one["event"] for one in callback_server.received[2:]] == [MOTION, "1010"]
    await traffic.show_motion(store_sense)
    assert len(callback_server.received) == 4, "nobody has subscribed to it, and it is bound to no shop"
