"""Subscriptions: who is asked to report events, when again, and what a person may do."""

import asyncio
import json
import logging
from typing import Any

import pytest

from gateway.errors import CameraUnreachable, Conflict, NotFound, VendorRefused
from gateway.events import subscription, subscriptions
from gateway.protocol.vendor_events import CLOUD_EVENTS
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore

Bench = Any  # the fixture of conftest.py, which cannot be imported
FACE, MOTION = "face_recog_event", "dynamic_detect_event"
PUBLIC = "http://shop.invalid/sunmi"


def calls(camera: SimulatedCamera) -> int:
    return camera.request_paths.count("hook/add")


async def activated(bench: Bench, number: int) -> SimulatedCamera:
    """Return a camera of the store that is ours: the second is factory-new, and FM010."""
    camera: SimulatedCamera = bench.store.cameras[number]
    camera.state.activate(bench.store.app_id)
    await bench.manage(number)
    return camera


# The plain way


async def test_every_camera_of_ours_is_subscribed_for_what_its_model_reports(bench: Bench, until: Any) -> None:
    face_sense, store_sense = await activated(bench, 0), await activated(bench, 1)
    bench.start()
    await until(lambda: face_sense.state.hooks and store_sense.state.hooks)
    callback = f"http://127.0.0.1:8080/hooks/cameras/{face_sense.sn}"
    assert face_sense.state.hooks == {FACE: callback, MOTION: callback}
    assert store_sense.state.hooks == {MOTION: f"http://127.0.0.1:8080/hooks/cameras/{store_sense.sn}"}
    await until(lambda: bench.state(store_sense.sn)["state"] == "subscribed")
    state = bench.state(face_sense.sn)
    assert (state["state"], state["callback"], state["last_error"]) == ("subscribed", callback, None)
    assert set(state["events"]) == {FACE, MOTION}
    assert 0.89 * 86400 < state["next_try_in_s"] <= 86400
    assert state["since"]
    assert calls(face_sense) == calls(store_sense) == 1, "its own call wakes nothing"


async def test_cameras_that_are_not_ours_are_left_alone(bench: Bench, until: Any) -> None:
    found, managed = bench.store.cameras
    bench.record_device(found)
    await bench.manage(1)
    assert not managed.state.activated
    bench.start()
    await until(lambda: bench.state()["state"] == "off")
    assert [one["target"] for one in bench.subscriptions.describe()] == ["cloud"]
    assert calls(found) == calls(managed) == 0
    for camera, why in ((found, "only found"), (managed, "not activated")):
        with pytest.raises(Conflict, match=why):
            await bench.subscriptions.add(camera.sn)
    with pytest.raises(NotFound):
        await bench.subscriptions.end("nobody")


async def test_the_cloud_is_subscribed_where_it_can_reach_the_gateway(make: Any, until: Any) -> None:
    bench = await make(public_url=f"{PUBLIC}/")
    bench.start()
    await until(lambda: bench.state()["state"] == "subscribed")
    app_id = bench.store.app_id
    assert bench.store.cloud.state.hooks == {(app_id, event): f"{PUBLIC}/hooks/cloud" for event in CLOUD_EVENTS}
    assert bench.state()["events"] == list(CLOUD_EVENTS)


async def test_without_a_public_address_the_cloud_is_not_called(bench: Bench, until: Any) -> None:
    bench.start()
    await until(lambda: bench.state()["state"] == "off")
    assert "hooks.public_url" in bench.state()["last_error"]
    assert bench.state()["next_try_in_s"] is None
    with pytest.raises(Conflict, match=r"hooks\.public_url"):
        await bench.subscriptions.add("cloud")
    assert bench.store.cloud.request_paths == []


async def test_a_camera_url_of_the_settings_is_the_base(make: Any, until: Any) -> None:
    bench = await make(camera_url="http://gateway.storage:81")
    camera = await bench.manage()
    bench.start()
    await until(lambda: camera.state.hooks)
    assert camera.state.hooks[FACE] == f"http://gateway.storage:81/hooks/cameras/{camera.sn}"


# When again


async def test_a_change_of_the_gateways_address_renews(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "CHECK_INTERVAL_S", 0.02)
    camera = await bench.manage()
    bench.start()
    await until(lambda: camera.state.hooks)
    bench.own[0] = "127.9.9.9"
    await until(lambda: camera.state.hooks[FACE] == f"http://127.9.9.9:8080/hooks/cameras/{camera.sn}")
    await until(lambda: bench.state(camera.sn)["callback"] == camera.state.hooks[FACE])
    await asyncio.sleep(0.1)
    assert calls(camera) == 2, "once for each address"


async def test_it_is_renewed_daily(make: Any, until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "RENEWAL_INTERVAL_S", 0.05)
    bench = await make(public_url=PUBLIC)
    camera = await bench.manage()
    bench.start()
    await until(lambda: calls(camera) >= 4 and bench.store.cloud.request_paths.count("hook/add") >= 4)
    assert bench.state(camera.sn)["state"] == "subscribed"


async def test_an_activation_subscribes(bench: Bench, until: Any) -> None:
    bench.start()
    camera = bench.store.cameras[1]
    camera.state.cable, camera.state.hotspot = True, False
    await bench.manage(1)
    await bench.cameras.activate(camera.sn, bench.store.activation_numbers[camera.sn])
    await until(lambda: camera.state.hooks)


async def test_a_camera_that_was_away_is_subscribed_again(bench: Bench, until: Any) -> None:
    camera = await bench.manage()
    bench.start()
    await until(lambda: bench.state(camera.sn)["state"] == "subscribed")
    await camera.stop()
    record = bench.registry.get(camera.sn)
    while record.online:
        bench.registry.record_failure(camera.sn, record.address)
    camera.state.hooks.clear()  # what a real one remembers across a restart is not known
    await camera.start()
    bench.record_device(camera)
    await until(lambda: camera.state.hooks)


async def test_a_camera_that_moved_is_subscribed_again(bench: Bench, until: Any) -> None:
    camera = await bench.manage()
    bench.start()
    await until(lambda: bench.state(camera.sn)["state"] == "subscribed")
    await camera.stop()
    camera.state.hooks.clear()
    camera.set_address("127.20.7.7", bench.store.camera_port)
    await camera.start()
    bench.record_device(camera)
    await bench.cameras.refresh(camera.sn)
    await until(lambda: camera.state.hooks)


async def test_a_camera_that_was_forgotten_is_let_go_of(bench: Bench, until: Any) -> None:
    camera = await bench.manage()
    bench.start()
    await until(lambda: bench.state(camera.sn)["state"] == "subscribed")
    await bench.registry.forget(camera.sn)
    assert [one["target"] for one in bench.subscriptions.describe()] == ["cloud"]
    await bench.manage()
    await until(lambda: calls(camera) == 2)


# Failures


async def test_a_failure_is_tried_again_and_logged_once(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.events.subscription")
    monkeypatch.setattr(subscription, "INITIAL_DELAY_S", 0.02)
    camera = await bench.manage()
    camera.faults.add("refuse", path="hook/add", code=1, times=8)
    bench.start()
    await until(lambda: bench.state(camera.sn)["state"] == "subscribed")
    logged = [(one.levelname, one.getMessage()) for one in caplog.records if camera.sn in one.getMessage()]
    assert [level for level, _ in logged] == ["WARNING", "INFO"]
    assert "code 1" in logged[0][1]


@pytest.mark.parametrize("end", ["forgotten", "ended"])
async def test_a_failure_of_a_target_that_goes_ends_in_the_log(
    bench: Bench, until: Any, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    caplog.set_level(logging.INFO, "gateway.events.subscription")
    camera = await bench.manage()
    camera.faults.add("refuse", path="hook/add", code=1, times=None)
    bench.start()
    await until(lambda: bench.state(camera.sn)["state"] == "failing")
    if end == "forgotten":
        await bench.registry.forget(camera.sn)
        bench.subscriptions.describe()
    else:
        await bench.subscriptions.end(camera.sn)
    assert [one.levelname for one in caplog.records if camera.sn in one.getMessage()] == ["WARNING", "INFO"]


async def test_the_pauses_grow_and_end(bench: Bench) -> None:
    camera = await bench.manage()
    await camera.stop()
    bench.callback_urls.port = 8080
    pauses = []
    for _ in range(9):
        with pytest.raises(CameraUnreachable):
            await bench.subscriptions.add(camera.sn)
        state = bench.state(camera.sn)
        pauses.append(state["next_try_in_s"])
    assert state["state"] == "failing"
    assert state["last_error"]
    assert 7 <= pauses[0] <= 15
    assert 450 <= pauses[-1] <= 900


async def test_old_firmware_is_left_in_peace(bench: Bench, until: Any, caplog: pytest.LogCaptureFixture) -> None:
    camera = await bench.manage()
    camera.faults.add("status", path="hook/add", status=404, times=None)
    bench.start()
    await until(lambda: bench.state(camera.sn)["state"] == "unsupported")
    assert 5 * 86400 < bench.state(camera.sn)["next_try_in_s"] < 9 * 86400
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert calls(camera) == 1


async def test_what_the_vendor_refuses_is_named_and_the_rest_is_subscribed(make: Any, until: Any) -> None:
    bench = await make(public_url=PUBLIC)
    bench.store.cloud.state.unavailable_events = {4100}
    bench.start()
    await until(lambda: bench.state()["state"] == "subscribed")
    assert 4100 not in bench.state()["events"]
    assert list(bench.state()["refused"]) == ["4100"]
    assert "5022" in bench.state()["refused"]["4100"]
    assert len(bench.store.cloud.state.hooks) == len(CLOUD_EVENTS) - 1


async def test_a_camera_of_an_unknown_model_is_asked_for_each(bench: Bench, until: Any) -> None:
    camera = await activated(bench, 1)
    bench.registry.get(camera.sn).model = ""
    bench.start()
    await until(lambda: bench.state(camera.sn)["state"] == "subscribed")
    assert (bench.state(camera.sn)["events"], list(bench.state(camera.sn)["refused"])) == ([MOTION], [FACE])


async def test_a_refusal_of_the_shop_is_no_matter_of_events(make: Any, until: Any) -> None:
    bench = await make(public_url=PUBLIC)
    bench.store.cloud.faults.add("refuse", path="hook/add", code=5041, times=None)
    bench.start()
    await until(lambda: bench.state()["state"] == "failing")
    assert "5041" in bench.state()["last_error"]
    assert bench.store.cloud.request_paths.count("hook/add") == 1
    with pytest.raises(VendorRefused):
        await bench.subscriptions.add("cloud")


async def test_one_target_that_is_slow_delays_no_other(make: Any, until: Any) -> None:
    bench = await make(public_url=PUBLIC, camera_timeout_s=300)
    slow, other = await activated(bench, 0), await activated(bench, 1)
    slow.faults.add("silent", path="hook/add", times=None)
    bench.start()
    await until(lambda: other.state.hooks and bench.store.cloud.state.hooks)
    assert not slow.state.hooks


# A person


async def test_what_a_person_ended_stays_ended_until_a_person_begins_it(
    make: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "CHECK_INTERVAL_S", 0.02)
    bench = await make(public_url=PUBLIC)
    camera = await bench.manage()
    bench.start()
    names = ("cloud", camera.sn)
    await until(lambda: all(bench.state(name)["state"] == "subscribed" for name in names))
    for name in names:
        ended = await bench.subscriptions.end(name)
        assert (ended["state"], ended["events"], ended["next_try_in_s"]) == ("ended", [], None)
    assert camera.state.hooks == bench.store.cloud.state.hooks == {}
    sent = camera.requests[-1].fields
    assert set(json.loads(sent["event_list"])) == {FACE, MOTION}
    assert sent["http_callback"].endswith(camera.sn)
    record = bench.registry.get(camera.sn)
    while record.online:
        bench.registry.record_failure(camera.sn, record.address)
    bench.record_device(camera)
    bench.own[0] = "127.9.9.9"
    await asyncio.sleep(0.2)  # ten looks
    assert camera.state.hooks == bench.store.cloud.state.hooks == {}
    for name in names:
        assert (await bench.subscriptions.add(name))["state"] == "subscribed"
    assert len(camera.state.hooks) == 2
    assert len(bench.store.cloud.state.hooks) == len(CLOUD_EVENTS)


async def test_an_end_that_failed_changes_nothing(bench: Bench, until: Any) -> None:
    camera = await bench.manage()
    bench.start()
    await until(lambda: bench.state(camera.sn)["state"] == "subscribed")
    before = bench.state(camera.sn)
    camera.faults.add("refuse", path="hook/delete", code=1)
    with pytest.raises(VendorRefused):
        await bench.subscriptions.end(camera.sn)
    after = bench.state(camera.sn)
    assert {**after, "next_try_in_s": 0} == {**before, "next_try_in_s": 0}


async def test_before_the_gateway_serves_a_camera_is_not_subscribed(bench: Bench) -> None:
    camera = await bench.manage()
    with pytest.raises(Conflict, match="sunmi-gateway run"):
        await bench.subscriptions.add(camera.sn)
    assert calls(camera) == 0
    await bench.subscriptions.end(camera.sn)
    assert camera.requests[-1].path == "hook/delete"
    assert "http_callback" not in camera.requests[-1].fields


# The cloud's numbers of cameras


async def test_the_clouds_numbers_are_learned_and_asked_for_once(make: Any, until: Any, store: SimulatedStore) -> None:
    bench = await make(public_url=PUBLIC)
    [known] = store.cloud.state.shops[store.shop_id].cameras.values()
    bench.start()
    await until(lambda: bench.state()["state"] == "subscribed" and "device/ipc/getList" in store.cloud.request_paths)
    await until(lambda: bench.camera_ids.serial_number(known.ipc_id))
    assert bench.camera_ids.serial_number(known.ipc_id) == known.sn
    asked = store.cloud.request_paths.count("device/ipc/getList")
    late = store.cloud.state.bind_camera(store.shop_id, sn="FS101D8BS00099", name="New", model="FM020")
    assert bench.camera_ids.serial_number(late.ipc_id) is None
    await asyncio.sleep(0.2)
    assert store.cloud.request_paths.count("device/ipc/getList") == asked, "it was asked a moment ago"


async def test_an_unknown_number_asks_the_cloud(bench: Bench, until: Any, store: SimulatedStore) -> None:
    [known] = store.cloud.state.shops[store.shop_id].cameras.values()
    assert bench.camera_ids.serial_number("") is None
    assert bench.camera_ids.serial_number(known.ipc_id) is None
    await until(lambda: bench.camera_ids.serial_number(known.ipc_id) == known.sn)
    for _ in range(20):
        assert bench.camera_ids.serial_number("4711") is None
        await asyncio.sleep(0)
    assert store.cloud.request_paths == ["device/ipc/getList"]
