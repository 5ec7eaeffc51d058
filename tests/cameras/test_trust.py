"""To which certificates signed calls and secrets are sent: nothing of them to one that nobody has confirmed."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.errors import CameraUntrusted, Problem
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.server import ReceivedRequest, ServedResponse
from tests.cameras.conftest import CAMERA_SHA256, NUMBER, Bench

SN, ROGUE = "FS101D8BS00106", "FS101D8BS00666"
WIFI = ("SunmiStore", "plenty-of-coffee")
CALLS: dict[str, Callable[[Bench], Awaitable[object]]] = {
    "probe": lambda bench: bench.cameras.probe_activation(ROGUE),
    "read": lambda bench: bench.cameras.refresh(ROGUE),
    "reset": lambda bench: bench.cameras.call(ROGUE, CATALOGUE.get("camera", "device/reset").encode({})),
    "Wi-Fi": lambda bench: bench.cameras.set_wifi(ROGUE, *WIFI),
    "activation": lambda bench: bench.cameras.activate(ROGUE, NUMBER),
    "networks": lambda bench: bench.cameras.list_access_points(ROGUE),
}


async def simulate_rogue(bench: Bench, *, activated: bool = True, certificate: bool = True) -> SimulatedCamera:
    """Let a person have made something managed that behaves like a camera and has a certificate of its own."""
    rogue = await bench.simulate(ROGUE, activated=activated)
    rogue.faults.changed_certificate = certificate
    bench.record_device(rogue)
    await bench.registry.manage(ROGUE)
    return rogue


def secrets_of(rogue: SimulatedCamera) -> list[ReceivedRequest]:
    return [request for request in rogue.requests if {"sign", "password"} & set(request.fields)]


async def certificate_of(bench: Bench) -> str:
    return await bench.cameras.fetch_certificate_sha256(ROGUE)


@pytest.mark.parametrize("activated", [True, False])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_certificate_that_nobody_confirmed_gets_no_signature_and_no_secret(
    bench: Bench, activated: bool, call: Callable[[Bench], Awaitable[object]]
) -> None:
    rogue = await simulate_rogue(bench, activated=activated)
    with contextlib.suppress(CameraUntrusted):  # where it would take one
        await call(bench)
    assert secrets_of(rogue) == []
    assert bench.registry.get(ROGUE).certificate_sha256 == ""


async def test_an_unconfirmed_camera_may_say_what_needs_no_signature(bench: Bench) -> None:
    rogue = await simulate_rogue(bench, activated=False)
    assert await bench.cameras.probe_activation(ROGUE) == "not_activated"
    assert set(rogue.request_paths) == {"config/getApListWithoutAuth"}


async def test_the_certificate_of_proved_cameras_needs_no_person(bench: Bench) -> None:
    proved = await bench.manage(await bench.simulate(SN, activated=True))
    await bench.cameras.probe_activation(proved.sn)
    camera = await simulate_rogue(bench, certificate=False)
    assert await bench.cameras.probe_activation(ROGUE) == "activated"
    assert bench.registry.get(camera.sn).certificate_sha256 == CAMERA_SHA256


async def test_the_certificate_of_cameras_that_have_proved_nothing_counts_for_nothing(bench: Bench) -> None:
    await bench.manage(await bench.simulate(SN))
    rogue = await simulate_rogue(bench, certificate=False)
    with pytest.raises(CameraUntrusted):
        await bench.cameras.refresh(ROGUE)
    assert secrets_of(rogue) == []


async def test_a_person_who_adds_the_first_camera_confirms_what_it_shows(bench: Bench) -> None:
    await simulate_rogue(bench)
    await bench.cameras.confirm_certificate(ROGUE)
    assert bench.registry.get(ROGUE).certificate_sha256 == await certificate_of(bench)
    await bench.cameras.refresh(ROGUE)


async def test_an_unusual_certificate_is_only_confirmed_by_name(bench: Bench) -> None:
    proved = await bench.manage(await bench.simulate(SN, activated=True))
    await bench.cameras.probe_activation(proved.sn)
    await simulate_rogue(bench)
    with pytest.raises(CameraUntrusted, match="nobody has confirmed") as caught:
        await bench.cameras.confirm_certificate(ROGUE)
    assert bench.registry.get(ROGUE).certificate_sha256 == ""
    await bench.cameras.confirm_certificate(ROGUE, str(caught.value.certificate_sha256))
    await bench.cameras.refresh(ROGUE)


async def test_the_wrong_certificate_confirmed_by_name_trusts_nothing(bench: Bench) -> None:
    rogue = await simulate_rogue(bench)
    await bench.cameras.confirm_certificate(ROGUE, CAMERA_SHA256)
    with pytest.raises(CameraUntrusted):
        await bench.cameras.refresh(ROGUE)
    assert secrets_of(rogue) == []


async def test_trusting_it_later_confirms_it(bench: Bench) -> None:
    await simulate_rogue(bench)
    with pytest.raises(CameraUntrusted) as caught:
        await bench.cameras.refresh(ROGUE)
    await bench.cameras.trust(ROGUE, str(caught.value.certificate_sha256))
    await bench.cameras.refresh(ROGUE)


# What counts as a proof


class TextCodeCamera(SimulatedCamera):
    """An impostor that responds to every call with a code that is a text."""

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        document = super().respond(request).document or {}
        return ServedResponse({**document, "code": str(document["code"])})


async def test_a_code_that_is_a_text_proves_nothing(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(SN, activated=True))
    await bench.cameras.probe_activation(SN)
    host, _, port = camera.address.rpartition(":")
    await camera.stop()
    options: dict[str, Any] = {"sn": SN, "model": "FM020", "mac": "04:12:24:E3:45:12", "activated": True}
    impostor = TextCodeCamera(
        **options,
        host=host,
        port=int(port),
        app_id="EF3OG8R5B32X0",
        secret_key="kdsofkdsnflke9382938k",
        activation_number=NUMBER,
    )
    await impostor.start()
    try:
        with pytest.raises(Problem, match="code as text"):
            await bench.cameras.set_wifi(SN, *WIFI)
        assert "config/setWifiConf" not in impostor.request_paths
    finally:
        await impostor.stop()
