"""Hotspots among the networks that are seen: names are bytes that anybody near can choose."""

import time

from dbus_fast import Variant

from gateway.shop.hotspots import Hotspot, Hotspots
from gateway.shop.hotspots.wifi_device import MAX_HOTSPOTS
from tests.shop.hotspots.conftest import BSSID
from tests.shop.hotspots.network_manager import SimulatedNetworkManager


async def test_hotspots_are_found_the_strongest_first(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager
) -> None:
    network_manager.offer(b"SUNMI_9ABC", "04:12:24:E3:9A:BC", strength=90)
    network_manager.offer(b"SUNMI 00ff", "04:12:24:e3:00:ff", strength=5)
    network_manager.offer(b"WeWork", "00:11:22:33:44:55", strength=99)
    assert await hotspots.scan() == (
        Hotspot("SUNMI_9ABC", "9ABC", "04:12:24:E3:9A:BC", 90, "wlan0"),
        Hotspot("SUNMI_4512", "4512", BSSID, 60, "wlan0"),
        Hotspot("SUNMI 00ff", "00FF", "04:12:24:E3:00:FF", 5, "wlan0"),
    )
    assert network_manager.scans == 1
    found = (await hotspots.scan())[0]
    assert found.may_belong_to("04:12:24:e3:9a:bc")
    assert not found.may_belong_to("04:12:24:e3:9a:bd")


async def test_hostile_networks_are_left_out(hotspots: Hotspots, network_manager: SimulatedNetworkManager) -> None:
    names = [
        b"SUNMI_4512\n", b"SUNMI_45", b"SUNMI_45123", b"SUNMI_\xd6\xd0\xb9\xfa", b"\xff\xfe\x00", b"", b"SUNMI_4G12",
        "SUNMI_\uff14\uff15\uff11\uff12".encode(), b"SUNMI_4512\x00", b"xSUNMI_4512", b"SUNMI_<b>",
        b"SUNMI_4512\x1b[2J",
    ]  # fmt: skip
    for name in names:
        network_manager.offer(name, "02:00:00:00:00:01")
    network_manager.offer(b"SUNMI_0001", "no MAC address")
    network_manager.offer(b"SUNMI_0002", "02:00:00:00:00:02", Flags=Variant("u", 1))
    network_manager.offer(b"SUNMI_0003", "02:00:00:00:00:03", RsnFlags=Variant("u", 0x108))
    network_manager.offer(b"SUNMI_0004", "02:00:00:00:00:04", Mode=Variant("u", 1))
    network_manager.offer(b"SUNMI_0005", "02:00:00:00:00:05", Ssid=Variant("s", "SUNMI_0005"))
    assert [one.ssid for one in await hotspots.scan()] == ["SUNMI_4512"]


async def test_what_was_last_seen_before_the_search_is_gone(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager
) -> None:
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    network_manager.offer(b"SUNMI_0001", "02:00:00:00:00:01", LastSeen=Variant("i", now - 60))
    network_manager.offer(b"SUNMI_0002", "02:00:00:00:00:02", LastSeen=Variant("i", now))
    network_manager.offer(b"SUNMI_0003", "02:00:00:00:00:03", LastSeen=Variant("i", -1))
    assert sorted(one.ssid for one in await hotspots.scan()) == ["SUNMI_0002", "SUNMI_0003", "SUNMI_4512"]


async def test_the_list_is_bounded(hotspots: Hotspots, network_manager: SimulatedNetworkManager) -> None:
    for number in range(1000):
        bssid = f"02:00:00:00:{number // 256:02X}:{number % 256:02X}"
        network_manager.offer(f"SUNMI_{number:04X}".encode(), bssid, strength=number % 256)
    found = await hotspots.scan()
    assert len(found) == MAX_HOTSPOTS
    assert {one.signal for one in found} == {100}


async def test_a_scan_that_is_refused_gives_what_is_known(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager
) -> None:
    network_manager.refusals["RequestScan"] = ("org.freedesktop.NetworkManager.Device.NotAllowed", "just scanned")
    network_manager.scans_on_its_own = True
    assert [one.ssid for one in await hotspots.scan()] == ["SUNMI_4512"]
