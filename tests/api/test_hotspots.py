"""Provisioning a camera through its hotspot, which the gateway itself joins."""

from typing import Any

import pytest

from gateway.app import Gateway
from gateway.runtime.supervisor import Supervisor
from gateway.shop.hotspots.set_up import HotspotSetUp
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from tests.shop.hotspots.conftest import ETHERNET, bus_address, make_hotspots, network_manager  # noqa: F401  fixtures
from tests.shop.hotspots.network_manager import SHOP, SimulatedNetworkManager
from tests.waiting import until


@pytest.fixture
def use_hotspots(
    gateway: Gateway,
    network_manager: SimulatedNetworkManager,  # noqa: F811
    bus_address: str,  # noqa: F811
    supervisor: Supervisor,
) -> Any:
    """Let the gateway use a NetworkManager of the test, whose Wi-Fi interface is loopback."""
    network_manager.interface = "lo"

    def use(*, cable: bool) -> None:
        hotspots = make_hotspots(bus_address, supervisor, interfaces=(ETHERNET,) if cable else ())
        gateway.shop_parts.hotspots = hotspots
        gateway.shop_parts.hotspot_set_up = HotspotSetUp(
            hotspots, gateway.provisioning, supervisor, scan=gateway.discovery.scan
        )

    return use


async def test_a_camera_is_provisioned_through_its_hotspot(
    store: SimulatedStore,
    use_hotspots: Any,
    installer: Any,
    network_manager: SimulatedNetworkManager,  # noqa: F811
) -> None:
    use_hotspots(cable=True)
    support = await installer("GET", "/api/v1/hotspots")
    assert (support.body["available"], support.body["interface"]) == (True, "lo")
    assert (support.body["other_interfaces"], support.body["interrupts_shop"]) == (["eth0"], False)
    first, sn = store.activation_numbers
    await store.camera(first).stop()
    path = f"/api/v1/cameras/{sn}/provisioning"
    values = {
        "ssid": WIFI_SSID, "password": WIFI_PASSWORD, "activation_number": store.activation_numbers[sn],
        "confirm_erase": True, "hotspot": "4512",
    }  # fmt: skip
    started = await installer("POST", path, values)
    assert (started.status, started.body["sn"]) == (202, sn)
    await until(lambda: store.camera(sn).state.activated)
    await until(lambda: not network_manager.checkpoints)
    assert network_manager.connected_to == SHOP


async def test_who_would_be_cut_off_is_said_first(
    store: SimulatedStore,
    use_hotspots: Any,
    installer: Any,
    network_manager: SimulatedNetworkManager,  # noqa: F811
) -> None:
    use_hotspots(cable=False)
    assert (await installer("GET", "/api/v1/hotspots")).body["interrupts_shop"] is True
    sn = next(iter(store.activation_numbers))
    wifi = {"ssid": WIFI_SSID, "password": WIFI_PASSWORD}
    refused = await installer("POST", f"/api/v1/cameras/{sn}/provisioning", {**wifi, "hotspot": "4512"})
    assert refused.status == 400
    [error] = refused.body["errors"]
    assert error["parameter"] == "confirm_offline"
    assert "tills, managed cameras and browsers do not reach the gateway" in error["reason"]
    agreed = {**wifi, "hotspot": "FFFF", "confirm_offline": True}
    missing = await installer("POST", f"/api/v1/cameras/{sn}/provisioning", agreed)
    assert (missing.status, missing.body["code"]) == (502, "camera_unreachable")
    assert "there is no hotspot SUNMI_FFFF near" in missing.body["detail"]
    assert network_manager.profiles == []


async def test_where_hotspots_cannot_be_joined(
    store: SimulatedStore,
    use_hotspots: Any,
    installer: Any,
    network_manager: SimulatedNetworkManager,  # noqa: F811
) -> None:
    use_hotspots(cable=True)
    network_manager.has_wifi = False
    support = await installer("GET", "/api/v1/hotspots")
    assert (support.body["available"], support.body["effect"]) == (False, "")
    assert "this machine has no Wi-Fi interface" in support.body["reason"]
    sn = next(iter(store.activation_numbers))
    values = {"ssid": WIFI_SSID, "password": WIFI_PASSWORD, "hotspot": "4512"}
    refused = await installer("POST", f"/api/v1/cameras/{sn}/provisioning", values)
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert "this machine has no Wi-Fi interface" in refused.body["detail"]
