"""Calling simulated cameras: signatures, clocks, faults, trust."""

import asyncio
import time
from typing import Any

import pytest

from gateway.cameras.record import MAX_FAILURES
from gateway.cameras.session import MAX_WAITING_CALLS
from gateway.errors import (
    CameraResponseMalformed,
    CameraUnreachable,
    CameraUntrusted,
    Conflict,
    NotFound,
    NotManaged,
    PeerTimeout,
    RateLimited,
    SettingsError,
    VendorRefused,
)
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import CameraSettings
from gateway.simulator.certificates import CLIENT_CERTIFICATE, CLIENT_CERTIFICATE_PASSWORD
from tests.cameras.conftest import NUMBER, Bench
from tests.waiting import until

WIFI = ("SunmiStore", "plenty-of-coffee")


def call(path: str, **arguments: object) -> Any:
    return CATALOGUE.get("camera", path).encode(arguments)


# The plain way


async def test_a_managed_camera_is_called_signed_and_only_once_contacted_bare(bench: Bench) -> None:
    camera = await bench.simulate(activated=True)
    bench.record_device(camera)
    await bench.registry.manage(camera.sn)
    await bench.cameras.confirm_certificate(camera.sn)
    await bench.cameras.call(camera.sn, call("config/setZoom", zoom=123))
    answer = await bench.cameras.call(camera.sn, call("config/getZoomFocusConf"))
    assert (answer.code, answer.data["zoom"]) == (0, 123)
    assert camera.handshakes == 2  # one bare, one that stays
    assert camera.request_paths[0] == "device/getInfo"  # the proof comes before anything else
    for request in camera.requests:
        assert 6 <= len(request.fields["random"]) <= 10
        assert len(request.fields["timestamp"]) == 10
    assert len({request.fields["random"] for request in camera.requests}) == len(camera.requests)
    record = bench.registry.get(camera.sn)
    assert record.online
    assert record.activation == "activated"
    assert record.certificate_sha256


async def test_blanks_and_unicode_arrive_as_they_are(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    name = "Kasse 1 & Tür = 100 % + ☕"
    await bench.cameras.call(camera.sn, call("config/updateName", name=name))
    assert camera.state.name == name
    assert bench.registry.get(camera.sn).name == name


async def test_what_a_camera_tells_of_itself_is_remembered(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True, name="Door"))
    await bench.cameras.refresh(camera.sn)
    record = bench.registry.get(camera.sn)
    assert (record.name, record.model, record.mac, record.software_version) == (
        "Door", "FM020", "04:12:24:E3:45:12", "1.2.6",
    )  # fmt: skip
    camera.state.config.name = "Window"
    await bench.cameras.call(camera.sn, call("config/getName"))
    assert bench.registry.get(camera.sn).name == "Window"


async def test_a_reset_camera_is_not_activated(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.call(camera.sn, call("device/reset"))
    assert bench.registry.get(camera.sn).activation == "not_activated"


async def test_unknown_and_merely_found_cameras_are_not_called(bench: Bench) -> None:
    camera = await bench.simulate(activated=True)
    with pytest.raises(NotFound, match="discovery"):
        await bench.cameras.call(camera.sn, call("config/getName"))
    bench.record_device(camera)
    for refused in (
        bench.cameras.call(camera.sn, call("config/getName")),
        bench.cameras.set_wifi(camera.sn, *WIFI),
        bench.cameras.activate(camera.sn, NUMBER),
        bench.cameras.probe_activation(camera.sn),
        bench.cameras.refresh(camera.sn),
    ):
        with pytest.raises(NotManaged):
            await refused
    assert camera.handshakes == 0


async def test_activation_through_the_proxy_names_the_right_call(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate())
    with pytest.raises(Conflict, match="/activation"):
        await bench.cameras.call(camera.sn, call("device/activate", sn=camera.sn))
    assert camera.handshakes == 0


async def test_missing_credentials_name_the_setting(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    cameras = bench.calls(credentials=("", ""))
    with pytest.raises(Conflict, match=r"cloud\.app_id"):
        await cameras.call(camera.sn, call("config/getName"))
    await cameras.close()


async def test_a_refusal_names_code_and_meaning(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate())
    with pytest.raises(VendorRefused, match="config/getName: code 7, not activated") as caught:
        await bench.cameras.call(camera.sn, call("config/getName"))
    assert (caught.value.vendor_code, caught.value.vendor_answer) == (7, {"code": 7})
    assert ", most likely" in caught.value.vendor_meaning


async def test_unsigned_calls_die_after_activation(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    with pytest.raises(VendorRefused, match="code 12"):
        await bench.cameras.call(camera.sn, call("config/getApListWithoutAuth"))
    assert "sign" not in camera.requests[-1].fields


# Clocks


@pytest.mark.parametrize("offset_s", [-600_000_000, 25 * 3600, 400])
async def test_a_camera_with_a_wrong_clock_gets_the_call_signed_anew(bench: Bench, offset_s: float) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.clock_offset_s = offset_s
    await bench.cameras.call(camera.sn, call("config/setZoom", zoom=7))
    await bench.cameras.call(camera.sn, call("device/reboot"))
    assert camera.state.zoom == 7
    assert [request.path for request in camera.requests] == [
        "device/getInfo", "device/getInfo", "config/setZoom", "device/getInfo", "device/reboot",
    ]  # fmt: skip


async def test_a_camera_without_date_is_given_the_clouds_time(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.clock_offset_s = 5000
    camera.faults.send_date = False
    with pytest.raises(VendorRefused, match="code 3"):
        await bench.cameras.call(camera.sn, call("config/getName"))
    bench.clock.set(time.time() + 5000)
    await bench.cameras.call(camera.sn, call("config/getName"))


async def test_a_time_refusal_without_a_new_time_is_final(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    camera.faults.add("refuse", code=3, times=None)
    before = len(camera.request_paths)
    with pytest.raises(VendorRefused, match="code 3"):
        await bench.cameras.call(camera.sn, call("config/getName"))
    assert len(camera.request_paths) == before + 1


# Faults

NONSENSE = {
    "garbage": ("garbage", {}),
    "html": ("html", {}),
    "nothing in it": ("empty", {}),
    "endless": ("endless", {}),
    "401": ("status", {"status": 401}),
    "500": ("status", {"status": 500}),
    "503 with a code": ("status", {"status": 503, "code": 1}),
}


@pytest.mark.parametrize(("kind", "options"), NONSENSE.values(), ids=NONSENSE)
async def test_a_camera_that_answers_nonsense(bench: Bench, kind: Any, options: dict[str, Any]) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    camera.faults.add(kind, **options)
    with pytest.raises(CameraResponseMalformed, match=camera.sn if kind != "endless" else camera.address):
        await bench.cameras.call(camera.sn, call("config/getName"))
    await bench.cameras.call(camera.sn, call("config/getName"))


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize(("kind", "options"), NONSENSE.values(), ids=NONSENSE)
async def test_an_answer_however_bad_is_a_sign_of_life(
    bench: Bench, kind: Any, options: dict[str, Any], verified: bool
) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    if verified:
        await bench.cameras.refresh(camera.sn)
    changes: list[str] = []
    bench.registry.subscribe(lambda change, _: changes.append(change))
    camera.faults.add(kind, times=None, **options)
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises(CameraResponseMalformed):
            await bench.cameras.call(camera.sn, call("config/getName"))
    assert bench.registry.get(camera.sn).online
    assert not {"online", "offline"} & set(changes)


async def test_a_camera_that_never_answers_is_given_up_in_time(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    cameras = bench.calls(CameraSettings(timeout_s=0.5))
    await cameras.refresh(camera.sn)
    camera.faults.add("silent")
    with pytest.raises(PeerTimeout):
        await cameras.call(camera.sn, call("config/getName"))
    await cameras.close()


async def test_an_endpoint_that_needs_longer_has_longer(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    cameras = bench.calls(CameraSettings(timeout_s=0.3))
    await cameras.refresh(camera.sn)
    camera.faults.add("slow", path="config/setZoom", seconds=0.6)
    await cameras.call(camera.sn, call("config/setZoom", zoom=9))
    await cameras.close()


@pytest.mark.parametrize("kind", ["drop", "reset_before", "reset_after"])
async def test_a_dropped_call_is_repeated_only_where_that_is_safe(bench: Bench, kind: Any) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    camera.faults.add(kind, path="config/setZoom")
    await bench.cameras.call(camera.sn, call("config/setZoom", zoom=9))  # signed anew: a replay is refused
    assert camera.request_paths.count("config/setZoom") == 2
    camera.faults.add(kind, path="device/reboot")
    with pytest.raises(CameraUnreachable, match="dropped the connection"):
        await bench.cameras.call(camera.sn, call("device/reboot"))
    assert camera.request_paths.count("device/reboot") == 1


async def test_a_call_is_repeated_once_and_no_more(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    camera.faults.add("drop", path="config/getName", times=None)
    with pytest.raises(CameraUnreachable):
        await bench.cameras.call(camera.sn, call("config/getName"))
    assert camera.request_paths.count("config/getName") == 2


async def test_a_camera_that_closes_after_every_answer(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.close_after_answer = True
    for zoom in range(3):
        await bench.cameras.call(camera.sn, call("config/setZoom", zoom=zoom))
    await bench.cameras.call(camera.sn, call("device/reboot"))


async def test_one_call_at_a_time_and_not_too_many_waiting(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    busy = asyncio.create_task(bench.cameras.call(camera.sn, call("config/getName")))
    camera.faults.add("slow", seconds=0.3)
    waiting = [
        asyncio.create_task(bench.cameras.call(camera.sn, call("config/setZoom", zoom=zoom)))
        for zoom in range(MAX_WAITING_CALLS)
    ]
    await until(lambda: len(camera.request_paths) == 3)  # the proof, the refresh, and the one under way
    with pytest.raises(RateLimited, match="try again") as caught:
        await bench.cameras.call(camera.sn, call("config/getName"))
    assert caught.value.retry_after_s > 0
    assert len(camera.request_paths) == 3
    await asyncio.gather(busy, *waiting)
    assert camera.state.zoom == MAX_WAITING_CALLS - 1  # in the order of the calls
    assert camera.handshakes == 1


async def test_an_old_client_certificate(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.client_certificate = True
    with pytest.raises(CameraUnreachable, match=r"cameras\.client_certificate"):
        await bench.cameras.call(camera.sn, call("config/getName"))
    settings = CameraSettings(
        client_certificate=str(CLIENT_CERTIFICATE), client_certificate_password=CLIENT_CERTIFICATE_PASSWORD
    )
    cameras = bench.calls(settings)
    await cameras.call(camera.sn, call("config/getName"))
    await cameras.close()
    with pytest.raises(SettingsError):
        bench.calls(settings.model_copy(update={"client_certificate_password": "wrong"}))


# Trust


async def test_a_changed_certificate_stops_all_calls_until_trusted(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    arrived = len(camera.request_paths)
    camera.faults.changed_certificate = True
    shown = await bench.cameras.fetch_certificate_sha256(camera.sn)
    for path in ("config/getName", "device/reboot"):
        with pytest.raises(CameraUntrusted) as caught:
            await bench.cameras.call(camera.sn, call(path))
        assert caught.value.certificate_sha256 == shown
    assert len(camera.requests) == arrived
    with pytest.raises(Conflict, match=shown):
        await bench.cameras.trust(camera.sn, "00" * 32)
    with pytest.raises(CameraUntrusted):
        await bench.cameras.call(camera.sn, call("config/getName"))
    await bench.cameras.trust(camera.sn, shown.upper())
    await bench.cameras.call(camera.sn, call("config/getName"))
    assert bench.registry.get(camera.sn).certificate_sha256 == shown


async def test_a_camera_that_moved_is_called_there_once_it_has_proved_itself(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    await camera.stop()
    camera.set_address("127.21.0.9", 0)
    await camera.start()
    bench.record_device(camera)
    arrived = len(camera.request_paths)
    await bench.cameras.call(camera.sn, call("config/setZoom", zoom=5))
    assert list(camera.request_paths)[arrived:] == ["device/getInfo", "config/setZoom"]
    assert bench.registry.get(camera.sn).address == camera.address


async def test_a_liar_at_a_new_address_hears_no_secret(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    liar = await bench.simulate("FS101D8BS00666", activated=True, host="127.21.0.6")
    await camera.stop()
    bench.record_device(camera, liar.address)
    bench.responder.faults.silent = True  # it does not say who it is, but cannot prove to be another either
    with pytest.raises(CameraUntrusted, match="is the camera 'FS101D8BS00666'"):
        await bench.cameras.call(camera.sn, call("config/setWifiConf", ssid=WIFI[0], password=WIFI[1]))
    assert list(liar.request_paths) == ["device/getInfo"]
    assert bench.registry.get(camera.sn).address == camera.address


async def test_a_liar_beside_the_camera_changes_nothing(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    liar = await bench.simulate("FS101D8BS00666", host="127.21.0.6")
    bench.record_device(camera, liar.address)
    await bench.cameras.refresh(camera.sn)
    assert liar.handshakes == 0


async def test_an_unreachable_camera_says_where_it_was_tried(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await camera.stop()
    for _ in range(3):
        with pytest.raises(CameraUnreachable, match=rf"nothing listens at {camera.address}"):
            await bench.cameras.call(camera.sn, call("config/getName"))
    assert not bench.registry.get(camera.sn).online
