"""Cameras that print malformed names, lists and clocks: none of it keeps them from being put to work."""

from typing import Any

import pytest

from gateway.cameras.cameras import AccessPoint
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.malformed_json import FLAWED_NAMES, FLAWS
from tests.cameras.conftest import NUMBER, Bench

WIFI = ("SunmiStore", "plenty-of-coffee")
NEIGHBOURS = {
    "gbk": "老王家",
    "gbk_backslash": "誠品",
    "cut": "咖啡\ufffd",
    "tab": "Corner\tShop",
    "nul": "",
    "quote": 'Joe"s "Bar", 2nd floor',
    "backslash": "Shop\\",
    "half_pair": "Shop ?",
    "x_escape": "老王",
}
LEFT_OUT = {"null_entry", "truncated"}


def call(path: str, **arguments: object) -> Any:
    return CATALOGUE.get("camera", path).encode(arguments)


@pytest.mark.parametrize("flaw", FLAWS)
async def test_one_neighbours_name_stops_nothing(bench: Bench, flaw: str) -> None:
    camera = await bench.manage(await bench.simulate())
    camera.faults.add("malformed_json", flaw=flaw, times=None)
    assert await bench.cameras.probe_activation(camera.sn) == "not_activated"
    seen = await bench.cameras.list_access_points(camera.sn)
    assert AccessPoint("SunmiStore", "WPA-PSK") in seen
    assert AccessPoint("OldRouter", "WEP") in seen
    assert seen.left_out == (flaw in LEFT_OUT)
    if flaw not in LEFT_OUT:
        assert AccessPoint(NEIGHBOURS.get(flaw, "Neighbour"), "WPA-PSK") in seen
    await bench.cameras.activate(camera.sn, NUMBER)
    named = await bench.cameras.call(camera.sn, call("config/getName"))
    assert named.data["name"] == NEIGHBOURS.get(flaw, "My FS")
    assert await bench.cameras.probe_activation(camera.sn) == "activated"
    signed = await bench.cameras.list_access_points(camera.sn)
    assert signed == seen
    assert await bench.cameras.set_wifi(camera.sn, *WIFI)
    await camera.wait_until_back()
    assert camera.state.config.ssid == WIFI[0]


def test_each_flawed_name_has_its_meaning() -> None:
    assert set(NEIGHBOURS) == set(FLAWED_NAMES)


async def test_what_is_left_out_is_logged_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    camera = await bench.manage(await bench.simulate())
    camera.faults.add("malformed_json", flaw="null_entry", times=2)
    for _ in range(3):
        await bench.cameras.list_access_points(camera.sn)
    logged = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(logged) == 1
    assert camera.sn in logged[0]
