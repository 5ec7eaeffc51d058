"""Activating simulated cameras, and probing their activation state."""

from typing import Any

import pytest

from firmware_tools.language import Language, describe_error, translate
from gateway.cameras.cameras import ActivationOutcomeUnknown
from gateway.errors import (
    CameraUntrusted,
    Conflict,
    GatewayError,
    VendorRefused,
)
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import CameraSettings
from tests.cameras.conftest import NUMBER, Bench

WIFI = ("SunmiStore", "plenty-of-coffee")


def call(path: str, **arguments: object) -> Any:
    return CATALOGUE.get("camera", path).encode(arguments)


async def test_activation(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate())
    assert await bench.cameras.probe_activation(camera.sn) == "not_activated"
    await bench.cameras.activate(camera.sn, NUMBER)
    assert camera.state.activated
    assert await bench.cameras.probe_activation(camera.sn) == "activated"
    assert bench.registry.get(camera.sn).activation == "activated"
    with pytest.raises(Conflict, match="already"):
        await bench.cameras.activate(camera.sn, NUMBER)
    assert camera.request_paths.count("device/activate") == 1


async def test_activation_of_a_camera_with_a_wrong_clock(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate())
    camera.faults.clock_offset_s = -600_000_000
    await bench.cameras.activate(camera.sn, NUMBER)
    assert camera.request_paths.count("device/activate") == 1  # the unsigned list told its time


async def test_another_accounts_camera(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(app_id="SOMEBODY", secret_key="else", activated=True))
    assert await bench.cameras.probe_activation(camera.sn) == "other_owner"
    for refused in (bench.cameras.activate(camera.sn, NUMBER), bench.cameras.list_access_points(camera.sn)):
        with pytest.raises(Conflict, match="another account"):
            await refused
    assert "device/activate" not in camera.request_paths


async def test_a_wrong_number_is_a_refusal(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate())
    with pytest.raises(VendorRefused, match="code 9") as caught:
        await bench.cameras.activate(camera.sn, "12345678")
    assert "12345678" not in str(caught.value.members)
    shown = translate(describe_error(caught.value), Language.CHINESE)
    assert shown == f"摄像机 {camera.sn} 拒绝 device/activate：代码 9，很可能是激活被拒绝：激活码错误"


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "silent", "garbage", "empty", "drop"])
async def test_a_lost_answer_is_never_followed_by_another_request(bench: Bench, kind: Any) -> None:
    camera = await bench.manage(await bench.simulate())
    cameras = bench.calls(CameraSettings(timeout_s=0.5))
    camera.faults.add(kind, path="device/activate")
    with pytest.raises(ActivationOutcomeUnknown) as caught:
        await cameras.activate(camera.sn, NUMBER)
    assert NUMBER not in str(caught.value)
    assert camera.request_paths.count("device/activate") == 1
    took_effect = kind == "reset_after"
    assert await cameras.probe_activation(camera.sn) == ("activated" if took_effect else "not_activated")
    await cameras.close()


async def test_a_reset_camera_shows_that_it_is_not_activated_any_more(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    await bench.cameras.refresh(camera.sn)
    camera.state.factory_reset()
    await camera.stop()
    camera.set_address("127.21.0.9", 0)
    await camera.start()
    bench.record_device(camera)
    with pytest.raises(CameraUntrusted, match="provision it again"):
        await bench.cameras.call(camera.sn, call("config/getName"))
    assert await bench.cameras.probe_activation(camera.sn) == "not_activated"
    assert bench.registry.get(camera.sn).address == camera.address


async def test_no_error_tells_a_secret(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate())
    camera.faults.add("refuse", path="config/setWifiConfWithoutAuth", code=101)
    for failing in (bench.cameras.set_wifi(camera.sn, *WIFI), bench.cameras.activate(camera.sn, "4711471147114711")):
        with pytest.raises(GatewayError) as caught:
            await failing
        told = f"{caught.value!r} {caught.value.members}"  # type: ignore[attr-defined]
        assert WIFI[1] not in told
        assert "4711471147114711" not in told
    assert "kdsofkdsnflke9382938k" not in repr(vars(bench.cameras))
