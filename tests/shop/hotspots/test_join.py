"""Joining a hotspot, being there, and coming back, whatever happens."""

import asyncio
import json
import logging
import signal
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace

import pytest

from gateway.errors import PeerTimeout
from gateway.runtime.supervisor import Supervisor
from gateway.shop.hotspots import Hotspot, HotspotJoinFailed, Hotspots, HotspotsUnavailable, WifiNotRestored
from tests.shop.hotspots.conftest import BSSID, TIMEOUTS, make_hotspots
from tests.shop.hotspots.network_manager import SHOP, SimulatedNetworkManager
from tests.waiting import until

HOTSPOT = Hotspot("SUNMI_4512", "4512", BSSID, 60, "wlan0")


def assert_restored(network_manager: SimulatedNetworkManager) -> None:
    assert (network_manager.connected_to, network_manager.state) == (SHOP, 100)
    assert network_manager.checkpoints == {}
    assert network_manager.profile_names == [SHOP]


async def test_join_and_come_back(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager, supervisor: Supervisor
) -> None:
    async with hotspots.join(HOTSPOT) as joined:
        assert (joined.interface, joined.address, joined.host) == ("wlan0", "192.168.200.23", "192.168.200.1")
        assert network_manager.connected_to == "SUNMI_4512"
        assert len(network_manager.checkpoints) == 1
    assert_restored(network_manager)
    settings, options = network_manager.profiles[0]
    assert options == {"persist": "volatile", "bind-activation": "dbus-client"}
    assert settings["802-11-wireless"]["bssid"] == bytes.fromhex(BSSID.replace(":", ""))
    assert settings["connection"]["autoconnect"] is False
    assert (settings["ipv4"]["never-default"], settings["ipv4"]["ignore-auto-dns"]) == (True, True)
    assert settings["ipv4"]["dhcp-send-hostname"] is False
    assert "802-11-wireless-security" not in settings
    assert supervisor.reports() == []


async def test_a_device_without_a_network_has_none_afterwards(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager
) -> None:
    network_manager.connected_to, network_manager.state = "", 30
    async with hotspots.join(HOTSPOT):
        pass
    assert (network_manager.connected_to, network_manager.state) == ("", 30)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (53, "SUNMI_4512 cannot be joined: it is not to be seen any more"),
        (17, "SUNMI_4512 cannot be joined: it gives no address"),
        (7, "SUNMI_4512 cannot be joined: it asks for a password, which no camera does"),
        (99, "SUNMI_4512 cannot be joined: NetworkManager's reason 99"),
    ],
)
async def test_a_hotspot_that_cannot_be_joined(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager, reason: int, text: str
) -> None:
    network_manager.outcome = reason
    with pytest.raises(HotspotJoinFailed) as failed:
        async with hotspots.join(HOTSPOT):
            pytest.fail("it is in no hotspot")
    assert failed.value.detail == text
    assert_restored(network_manager)


async def test_joining_takes_too_long(
    bus_address: str, network_manager: SimulatedNetworkManager, supervisor: Supervisor
) -> None:
    network_manager.joins_slowly = True
    with pytest.raises(HotspotJoinFailed, match="it took too long"):
        async with make_hotspots(bus_address, supervisor, timeouts=replace(TIMEOUTS, join_s=0.1)).join(HOTSPOT):
            pytest.fail("it is in no hotspot")
    assert_restored(network_manager)


@pytest.mark.parametrize(("address", "prefix"), [("10.9.0.17", 24), ("192.168.200.5", 16), ("not an address", 24)])
async def test_what_gives_addresses_of_another_network_is_no_camera(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager, address: str, prefix: int
) -> None:
    network_manager.address, network_manager.prefix = address, prefix
    with pytest.raises(HotspotJoinFailed, match="addresses that no camera gives"):
        async with hotspots.join(HOTSPOT):
            pytest.fail("it is in no hotspot")
    assert_restored(network_manager)


async def test_a_hotspot_that_is_gone_is_searched_once_more(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager
) -> None:
    network_manager.access_points.clear()
    with pytest.raises(HotspotJoinFailed, match="wlan0 does not see the hotspot SUNMI_4512"):
        async with hotspots.join(HOTSPOT):
            pytest.fail("it is in no hotspot")
    assert network_manager.scans == 1
    assert (network_manager.connected_to, network_manager.profiles) == (SHOP, [])


async def test_the_body_fails(hotspots: Hotspots, network_manager: SimulatedNetworkManager) -> None:
    with pytest.raises(LookupError):
        async with hotspots.join(HOTSPOT):
            raise LookupError
    assert_restored(network_manager)


async def test_the_body_takes_too_long(hotspots: Hotspots, network_manager: SimulatedNetworkManager) -> None:
    with pytest.raises(PeerTimeout, match="SUNMI_4512 was left after 0 s"):
        async with hotspots.join(HOTSPOT, limit_s=0.05):
            await asyncio.Event().wait()
    assert_restored(network_manager)
    with pytest.raises(TimeoutError):  # its own
        async with hotspots.join(HOTSPOT):
            raise TimeoutError
    assert_restored(network_manager)


@pytest.mark.parametrize("moment", ["while it joins", "in the hotspot"])
async def test_cancelled(hotspots: Hotspots, network_manager: SimulatedNetworkManager, moment: str) -> None:
    reached = asyncio.Event()
    network_manager.joins_slowly = moment == "while it joins"
    network_manager.on_join = reached.set

    async def visit() -> None:
        async with hotspots.join(HOTSPOT):
            await asyncio.Event().wait()

    task = asyncio.create_task(visit())
    await reached.wait()
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_restored(network_manager)


async def test_one_visit_at_a_time(hotspots: Hotspots, network_manager: SimulatedNetworkManager) -> None:
    inside: list[str] = []

    async def visit() -> None:
        async with hotspots.join(HOTSPOT) as joined:
            assert inside == []
            inside.append(joined.interface)
            await asyncio.sleep(0)
            inside.clear()

    await asyncio.gather(visit(), visit(), hotspots.scan())
    assert len(network_manager.profiles) == 2


async def test_the_checkpoint_lasts_as_long_as_the_visit(
    bus_address: str, network_manager: SimulatedNetworkManager, supervisor: Supervisor
) -> None:
    hotspots = make_hotspots(bus_address, supervisor, timeouts=replace(TIMEOUTS, checkpoint_s=1))
    async with hotspots.join(HOTSPOT):
        await until(lambda: network_manager.calls.count("CheckpointAdjustRollbackTimeout") > 6)
        assert network_manager.connected_to == "SUNMI_4512"
    assert_restored(network_manager)


async def test_the_way_back_is_not_found(
    bus_address: str,
    network_manager: SimulatedNetworkManager,
    supervisor: Supervisor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    network_manager.forgets_shop = True
    hotspots = make_hotspots(bus_address, supervisor, timeouts=replace(TIMEOUTS, return_s=0.1))
    with pytest.raises(WifiNotRestored, match="wlan0 is not back in WeWork: connect it again with `nmcli"):
        async with hotspots.join(HOTSPOT):
            pass
    await until(lambda: network_manager.connected_to == "")  # the hotspot has ended with the connection to the bus
    network_manager.connected_to, network_manager.state = SHOP, 100
    caplog.set_level(logging.WARNING)
    with pytest.raises(LookupError):  # what went wrong first is what the caller gets
        async with hotspots.join(HOTSPOT):
            raise LookupError
    assert "wlan0 is not back in WeWork" in caplog.text


async def test_another_program_changes_the_network(
    bus_address: str, network_manager: SimulatedNetworkManager, supervisor: Supervisor
) -> None:
    network_manager.refusals["CheckpointCreate"] = ("org.freedesktop.NetworkManager.Failed", "out of luck")
    with pytest.raises(HotspotsUnavailable, match=r"cannot remember what wlan0 is connected to \(out of luck\)"):
        async with make_hotspots(bus_address, supervisor).join(HOTSPOT):
            pytest.fail("it is in no hotspot")
    assert (network_manager.connected_to, network_manager.profiles) == (SHOP, [])


async def test_joining_is_refused(hotspots: Hotspots, network_manager: SimulatedNetworkManager) -> None:
    denied = ("org.freedesktop.NetworkManager.PermissionDenied", "Not authorized to control networking.")
    network_manager.refusals["AddAndActivateConnection2"] = denied
    with pytest.raises(HotspotJoinFailed, match="SUNMI_4512 cannot be joined: Not authorized to control networking"):
        async with hotspots.join(HOTSPOT):
            pytest.fail("it is in no hotspot")
    assert_restored(network_manager)


_VISITOR = """
import asyncio, json, sys
from gateway.runtime.supervisor import Supervisor
from gateway.shop.hotspots import Hotspot, Hotspots
from gateway.shop.hotspots.visit import HotspotTimeouts

async def visit():
    address, checkpoint_s, hotspot = json.loads(sys.argv[1])
    timeouts = HotspotTimeouts(checkpoint_s=checkpoint_s)
    hotspots = Hotspots(Supervisor(), bus_address=address, timeouts=timeouts, find_interfaces=list)
    async with hotspots.join(Hotspot(*hotspot)):
        print("joined", flush=True)
        await asyncio.Event().wait()

asyncio.run(visit())
"""


async def test_killed_in_a_hotspot(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager, bus_address: str
) -> None:
    hotspot = [HOTSPOT.ssid, HOTSPOT.mac_digits, HOTSPOT.bssid, HOTSPOT.signal, HOTSPOT.interface]
    argument = json.dumps([bus_address, 2, hotspot])
    visitor = await asyncio.create_subprocess_exec(sys.executable, "-c", _VISITOR, argument, stdout=PIPE)
    assert visitor.stdout is not None
    assert await visitor.stdout.readline() == b"joined\n"
    visitor.send_signal(signal.SIGKILL)
    await visitor.wait()
    await until(lambda: network_manager.connected_to == "")  # the hotspot was bound to the process
    assert network_manager.profile_names == [SHOP]
    # The next visit waits for the checkpoint's timeout, after which the user's own connection is back.
    async with hotspots.join(HOTSPOT):
        assert network_manager.connected_to == "SUNMI_4512"
    assert_restored(network_manager)
    assert network_manager.calls.count("CheckpointRollback") == 1


async def test_a_checkpoint_that_ends_right_after_it_was_in_the_way(
    hotspots: Hotspots, network_manager: SimulatedNetworkManager
) -> None:
    refusal = ("org.freedesktop.NetworkManager.InvalidArguments", "device is already included in a checkpoint")
    network_manager.refusals["CheckpointCreate"] = refusal

    async def visit() -> None:
        async with hotspots.join(HOTSPOT):
            pass

    task = asyncio.create_task(visit())
    await until(lambda: "CheckpointCreate" in network_manager.calls)
    network_manager.refusals.clear()
    await task
    assert_restored(network_manager)
