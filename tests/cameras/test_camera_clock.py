"""By which clock a camera's calls are signed."""

import time
from email.utils import formatdate
from typing import Any

import pytest

from gateway.cameras.camera_clock import CameraClock
from gateway.cameras.table import CameraTable
from gateway.errors import VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.runtime.clock import PeerClock
from tests.cameras.conftest import NUMBER, Bench

CHINA_S = 8 * 3600


def call(path: str, **arguments: object) -> Any:
    return CATALOGUE.get("camera", path).encode(arguments)


# Simulated cameras


async def test_local_time_labelled_as_gmt_costs_one_refusal_for_good(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.date_offset_s = CHINA_S
    bench.registry.get(camera.sn).clock = "camera"
    await bench.cameras.probe_activation(camera.sn)  # unsigned: it tells the date, which is believed
    await bench.cameras.call(camera.sn, call("config/setZoom", zoom=7))
    for _ in range(3):
        await bench.cameras.call(camera.sn, call("config/getName"))
    assert camera.state.zoom == 7
    refused = [request for request in camera.requests if int(request.fields.get("timestamp", 0)) > time.time() + 3600]
    assert len(refused) == 1


@pytest.mark.parametrize("cloud_known", [False, True])
async def test_a_wrong_date_never_breaks_a_clock_that_works(bench: Bench, cloud_known: bool) -> None:
    if cloud_known:
        bench.clock.set(time.time())
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.send_date = False
    await bench.cameras.call(camera.sn, call("config/getName"))
    camera.faults.send_date, camera.faults.date_offset_s = True, CHINA_S
    before = len(camera.requests)
    for _ in range(3):
        await bench.cameras.call(camera.sn, call("config/getName"))
    assert len(camera.requests) == before + 3
    assert bench.registry.get(camera.sn).clock == ("cloud" if cloud_known else "own")


async def test_each_other_clock_is_tried_once(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    bench.clock.set(time.time() - 50_000)  # the cloud's, which is wrong
    camera.faults.date_offset_s = CHINA_S
    await bench.cameras.refresh(camera.sn)  # only the machine's own clock is right
    assert bench.registry.get(camera.sn).clock == "own"
    camera.faults.add("refuse", code=3, times=None)
    before = len(camera.request_paths)
    with pytest.raises(VendorRefused, match="code 3"):
        await bench.cameras.call(camera.sn, call("config/getName"))
    assert len(camera.request_paths) == before + 3
    camera.faults.clear()
    await bench.cameras.call(camera.sn, call("config/getName"))


async def test_the_clock_is_stored_and_used_first_after_a_restart(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.clock_offset_s = -CHINA_S
    await bench.cameras.refresh(camera.sn)
    await bench.registry.flush()
    stored = {one.sn: one.clock for one in await CameraTable(bench.database).load_all()}
    assert stored == {camera.sn: "camera"}


async def test_a_refused_signature_is_told_and_not_the_refused_times_of_other_clocks(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.date_offset_s = CHINA_S
    cameras = bench.calls(credentials=("EF3OG8R5B32X0", "a-wrong-secret-key"))
    with pytest.raises(VendorRefused, match="code 5"):
        await cameras.call(camera.sn, call("config/getName"))
    await cameras.close()


@pytest.mark.parametrize("cloud_known", [False, True])
async def test_a_camera_cannot_choose_a_far_day_for_which_it_is_signed(bench: Bench, cloud_known: bool) -> None:
    if cloud_known:
        bench.clock.set(time.time())
    camera = await bench.manage(await bench.simulate(activated=True))
    camera.faults.clock_offset_s = 5 * 365 * 86400
    with pytest.raises(VendorRefused, match="code 3"):
        await bench.cameras.probe_activation(camera.sn)
    signed = [int(request.fields["timestamp"]) for request in camera.requests if "timestamp" in request.fields]
    assert signed
    assert max(signed) < time.time() + 26 * 3600


async def test_an_activation_is_signed_by_the_clock_that_the_camera_takes(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate())
    camera.faults.date_offset_s = CHINA_S
    await bench.cameras.activate(camera.sn, NUMBER)
    assert camera.state.activated
    assert bench.registry.get(camera.sn).clock == "own"


# The choice


def make_clock(accepted: Any = "", *, cloud_s: float | None = None) -> CameraClock:
    cloud = PeerClock()
    if cloud_s is not None:
        cloud.set(cloud_s)
    return CameraClock(cloud, accepted)


def choose_all(clock: CameraClock) -> list[str]:
    tried: list[Any] = []
    while (reading := clock.choose(tried)) is not None:
        assert len(str(reading.timestamp)) == 10
        tried.append(reading)
    return [reading.source for reading in tried]


@pytest.mark.parametrize(
    ("accepted", "order"),
    [
        ("", ["camera", "cloud", "own"]),
        ("camera", ["camera", "cloud", "own"]),
        ("cloud", ["cloud", "own", "camera"]),
        ("own", ["own", "cloud", "camera"]),
    ],
)
def test_the_clock_that_was_accepted_comes_first(accepted: str, order: list[str]) -> None:
    clock = make_clock(accepted, cloud_s=time.time() - 3600)
    clock.learn("Wed, 24 Jun 2020 20:08:03 GMT")
    assert choose_all(clock) == order


def test_clocks_that_agree_are_tried_once() -> None:
    assert choose_all(make_clock(cloud_s=time.time())) == ["cloud"]


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:05:00 GMT", "Thu, 01 Jan 2500 00:00:00 GMT"])
def test_a_time_of_other_than_ten_digits_is_never_used(date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = make_clock("camera")
    clock.learn(date)
    assert choose_all(clock) == ["own"]
    monkeypatch.setattr(time, "time", lambda: 300.0)
    assert choose_all(clock) == ["own"]


def http_date(unix_s: float) -> str:
    return formatdate(unix_s, usegmt=True)


@pytest.mark.parametrize("accepted", ["", "camera"])
def test_no_date_has_calls_signed_for_a_far_day_to_come(accepted: str) -> None:
    clock = make_clock(accepted)
    clock.learn(http_date(time.time() + 27 * 3600))
    assert choose_all(clock) == ["own"]
    clock.learn(http_date(time.time() + 25 * 3600))
    assert choose_all(clock) == ["camera", "own"]


def test_the_clouds_time_says_more_than_the_machines_about_what_is_far() -> None:
    clock = make_clock(cloud_s=time.time() - 30 * 86400)
    clock.learn(http_date(time.time()))
    assert choose_all(clock) == ["cloud"]


def test_a_machine_without_a_clock_goes_by_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = make_clock()
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: 300.0)
    clock.learn(http_date(real))
    assert choose_all(clock) == ["camera"]


def test_a_date_that_comes_again_says_nothing() -> None:
    clock = make_clock()
    clock.learn("Wed, 24 Jun 2020 20:08:03 GMT")
    first = clock.choose()
    clock.learn("Wed, 24 Jun 2020 20:08:03 GMT")
    second = clock.choose()
    assert first is not None
    assert second is not None
    assert abs(first.ahead_of_monotonic_s - second.ahead_of_monotonic_s) < 0.001
