"""Hooks from end to end: the gateway subscribes, simulated cameras and cloud report, tills hear of it."""

import asyncio
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.ports import find_free_port
from gateway.simulator.store import SimulatedStore

EVENTS = "/api/v1/events"
HOOKS = "/api/v1/hooks"
FACE = {"gender": 1, "age_range": 4, "group_name": "stranger", "group_type": 1}


@pytest.fixture
def no_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNMI_GATEWAY__SERVER__ALLOW_PLAIN_HTTP", "false")


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the gateway serve on a port that its cloud knows from the beginning."""
    free = find_free_port(["127.0.0.1"])
    monkeypatch.setenv("SUNMI_GATEWAY__SERVER__PORT", str(free))
    monkeypatch.setenv("SUNMI_GATEWAY__HOOKS__PUBLIC_URL", f"http://127.0.0.1:{free}")
    return free


def subscribe(gateway: Gateway, port: int) -> None:
    gateway.callback_urls.port = port
    gateway.subscriptions.start()


async def subscribed(rest: Any, *targets: str) -> dict[str, Any]:
    """Wait until all of these are subscribed; return what the gateway says of each."""
    while True:
        shown = {one["target"]: one for one in (await rest("GET", HOOKS)).body["hooks"]}
        if all(shown.get(target, {}).get("state") == "subscribed" for target in targets):
            return shown
        await asyncio.sleep(0.02)


async def test_a_face_arrives_with_no_cloud(
    gateway: Gateway, store: SimulatedStore, ours: SimulatedCamera, installer: Any, pos: Any, port: int
) -> None:
    await store.cloud.stop()
    subscribe(gateway, port)
    await subscribed(installer, ours.sn)
    assert await ours.report("face_recog_event", {**FACE, "face_id": 7, "sn": ours.sn, "rect": {"x": 1}}) == 200
    [event] = (await pos("GET", f"{EVENTS}?types=face.seen")).body["events"]
    assert (event["source"], event["camera"]) == ("camera", ours.sn)
    assert (event["data"]["face_id"], event["data"]["age_range"]) == ("7", "19-28")
    assert event["data"]["payload"]["rect"] == {"x": 1}, "what no document names is kept"
    assert await ours.report("dynamic_detect_event", {"motion_type": 2}) == 200
    [motion] = (await pos("GET", f"{EVENTS}?types=motion.*")).body["events"]
    assert motion["data"]["motion_type"] == "sound"


async def test_the_same_face_from_both_is_related(
    gateway: Gateway, store: SimulatedStore, ours: SimulatedCamera, installer: Any, pos: Any, port: int
) -> None:
    subscribe(gateway, port)
    await subscribed(installer, ours.sn, "cloud")
    [ipc] = store.cloud.state.shops[store.shop_id].cameras.values()
    while "device/ipc/getList" not in store.cloud.request_paths[store.cloud.request_paths.index("hook/add") :]:
        await asyncio.sleep(0.02)
    assert await ours.report("face_recog_event", {**FACE, "face_id": "7"}) == 200
    payload = {**FACE, "face_id": "29195", "ipc_id": ipc.ipc_id, "group_id": "8927"}
    assert await store.cloud.report(2001, payload, store.shop_id) == [200]
    assert await store.cloud.report(2001, payload | {"gender": 2}, store.shop_id) == [200]
    here, there, other = (await pos("GET", f"{EVENTS}?types=face.seen")).body["events"]
    assert [one["camera"] for one in (here, there, other)] == [ours.sn] * 3, "the cloud names it by its number alone"
    assert there["data"]["related_to"] == here["id"]
    assert "related_to" not in here["data"]
    assert "related_to" not in other["data"]


async def test_how_subscriptions_stand_and_what_a_person_may_do(
    gateway: Gateway, store: SimulatedStore, ours: SimulatedCamera, admin: Any, installer: Any, pos: Any, port: int
) -> None:
    subscribe(gateway, port)
    shown = await subscribed(installer, ours.sn, "cloud")
    assert list(shown) == ["cloud", ours.sn]
    assert shown["cloud"]["callback"] == f"http://127.0.0.1:{port}/hooks/cloud"
    assert shown[ours.sn]["callback"] == f"http://127.0.0.1:{port}/hooks/cameras/{ours.sn}"
    assert set(shown["cloud"]) == {
        "target", "state", "callback", "events", "refused", "since", "last_error", "next_try_in_s",
    }  # fmt: skip
    assert (await pos("GET", HOOKS)).status == 403
    for path in (f"{HOOKS}/cloud", f"{HOOKS}/cameras/{ours.sn}"):
        for method in ("PUT", "DELETE"):
            assert (await installer(method, path)).status == 403
        ended = await admin("DELETE", path)
        assert (ended.status, ended.body["state"], ended.body["next_try_in_s"]) == (200, "ended", None)
    assert not ours.state.hooks
    assert not store.cloud.state.hooks
    assert await ours.report("face_recog_event", FACE) is None
    for path in (f"{HOOKS}/cloud", f"{HOOKS}/cameras/{ours.sn}"):
        again = await admin("PUT", path)
        assert (again.status, again.body["state"]) == (200, "subscribed")
    assert ours.state.hooks
    assert store.cloud.state.hooks


async def test_what_cannot_be_subscribed_at_says_why(
    gateway: Gateway, store: SimulatedStore, ours: SimulatedCamera, admin: Any, port: int
) -> None:
    found = next(camera.sn for camera in gateway.registry.all() if not camera.managed)
    assert (await admin("PUT", f"{HOOKS}/cameras/nobody")).status == 404
    assert (await admin("DELETE", f"{HOOKS}/cameras/{found}")).body["code"] == "conflict"
    early = await admin("PUT", f"{HOOKS}/cameras/{ours.sn}")
    assert (early.status, early.body["code"]) == (409, "conflict"), "no port is known before it runs"
    gateway.callback_urls.port = port
    ours.faults.add("refuse", path="hook/add", code=311)
    refused = await admin("PUT", f"{HOOKS}/cameras/{ours.sn}")
    assert (refused.status, refused.body["vendor_code"]) == (422, 311)
    assert "callback address" in refused.body["detail"]
    await store.cloud.stop()
    assert (await admin("PUT", f"{HOOKS}/cloud")).body["code"] == "cloud_unreachable"
    shown = {one["target"]: one["state"] for one in (await admin("GET", HOOKS)).body["hooks"]}
    assert shown == {"cloud": "failing", ours.sn: "failing"}


@pytest.mark.usefixtures("no_plain_http")
async def test_cameras_may_call_where_plain_http_is_off(session: aiohttp.ClientSession) -> None:
    statuses = {}
    for path in ("/hooks/cameras/nobody", "/hooks/cloud", EVENTS):
        async with session.post(path, data={"event": "x"}) as response:
            statuses[path] = response.status
    assert statuses == {"/hooks/cameras/nobody": 401, "/hooks/cloud": 403, EVENTS: 403}
