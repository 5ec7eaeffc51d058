"""Whether hotspots can be joined here, and what that means for whom: plain sentences."""

import sys
from collections.abc import Callable

import pytest
from dbus_fast import Variant

from gateway.runtime.supervisor import Supervisor
from gateway.shop.hotspots import Hotspots, HotspotsUnavailable
from tests.shop.hotspots.conftest import ETHERNET, WIFI, make_hotspots
from tests.shop.hotspots.network_manager import SimulatedNetworkManager

Change = Callable[[SimulatedNetworkManager], None]


def switch(name: str) -> Change:
    def change(simulated: SimulatedNetworkManager) -> None:
        simulated.properties[name] = Variant("b", False)

    return change


def set_member(name: str, value: object) -> Change:
    return lambda simulated: setattr(simulated, name, value)


def forbid(simulated: SimulatedNetworkManager) -> None:
    simulated.permissions |= {"network-control": "auth", "checkpoint-rollback": "no"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (forbid, "does not allow this user to change networks (network-control, checkpoint-rollback)"),
        (switch("NetworkingEnabled"), "nmcli networking on"),
        (switch("WirelessEnabled"), "Wi-Fi is switched off: switch it on with `nmcli radio wifi on`"),
        (switch("WirelessHardwareEnabled"), "by a switch of this machine (rfkill)"),
        (set_member("has_wifi", False), "this machine has no Wi-Fi interface: plug one in"),
        (set_member("state", 10), "NetworkManager does not manage wlan0"),
        (set_member("state", 20), "wlan0 is not ready"),
        (
            set_member("refusals", {"GetManagedObjects": ("org.example.Broken", "broken \x1b[31m")}),
            "refuses: broken [31m",
        ),
    ],
)
async def test_what_keeps_hotspots_from_being_joined(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager, change: Change, reason: str
) -> None:
    change(network_manager)
    support = await hotspots.describe()
    assert not support.available
    assert reason in support.reason
    assert not support.interrupts_shop
    with pytest.raises(HotspotsUnavailable) as refused:
        await hotspots.scan()
    assert reason in refused.value.detail


async def test_no_network_manager(bus_address: str, supervisor: Supervisor) -> None:
    reason = (await make_hotspots(bus_address, supervisor).describe()).reason
    assert "NetworkManager does not run on this machine" in reason


async def test_no_bus(supervisor: Supervisor) -> None:
    support = await make_hotspots("unix:path=/nonexistent/bus", supervisor).describe()
    assert "the system bus (D-Bus), on which NetworkManager is, cannot be reached" in support.reason


async def test_no_library(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "gateway.shop.hotspots.network_manager", raising=False)
    monkeypatch.setitem(sys.modules, "dbus_fast", None)
    assert "dbus-fast is not installed" in (await hotspots.describe()).reason


async def test_another_system(hotspots: Hotspots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert "on Linux with NetworkManager only" in (await hotspots.describe()).reason


async def test_discovery_is_confined_to_other_interfaces(
    bus_address: str, network_manager: SimulatedNetworkManager, supervisor: Supervisor
) -> None:
    assert "add it there" in (await make_hotspots(bus_address, supervisor, confined_to=("eth0",)).describe()).reason
    support = await make_hotspots(bus_address, supervisor, confined_to=("eth0", "wlan0")).describe()
    assert (support.available, support.interface) == (True, "wlan0")


async def test_what_happens_to_whom(
    bus_address: str, network_manager: SimulatedNetworkManager, supervisor: Supervisor
) -> None:
    both = make_hotspots(bus_address, supervisor)
    alone = make_hotspots(bus_address, supervisor, interfaces=(WIFI,))
    support = await both.describe()
    assert support.effect == (
        "wlan0 leaves WeWork for about a minute for each camera, and comes back; eth0 keeps this machine in the shop's "
        "network"
    )
    assert (support.network, support.other_interfaces, support.interrupts_shop) == ("WeWork", ("eth0",), False)
    support = await alone.describe()
    assert "tills, managed cameras and browsers do not reach the gateway" in support.effect
    assert (support.other_interfaces, support.interrupts_shop) == ((), True)
    network_manager.mode = 3
    assert "is an access point itself (WeWork)" in (await both.describe()).effect
    network_manager.connected_to, network_manager.state = "", 30
    support = await both.describe()
    assert "in no network now" in support.effect
    assert "eth0 keeps this machine" in support.effect
    assert not (await alone.describe()).interrupts_shop
    assert network_manager.calls.count("AddAndActivateConnection2") == 0


async def test_what_leads_nowhere_keeps_nobody_in_the_shop(
    bus_address: str, network_manager: SimulatedNetworkManager, supervisor: Supervisor
) -> None:
    from gateway.discovery.interfaces import Interface

    without_router = Interface("eth0", "169.254.3.4", "255.255.0.0", "169.254.255.255")
    another_hotspot = Interface("wlan1", "192.168.200.77", "255.255.255.0", "192.168.200.255")
    interfaces = (WIFI, without_router, another_hotspot, ETHERNET)
    support = await make_hotspots(bus_address, supervisor, interfaces=interfaces).describe()
    assert support.other_interfaces == ("eth0",)
    assert (await make_hotspots(bus_address, supervisor, interfaces=interfaces[:3]).describe()).interrupts_shop
