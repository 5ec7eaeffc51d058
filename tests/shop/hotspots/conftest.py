"""A bus of the test's own, with a NetworkManager on it."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest
from dbus_fast.aio import MessageBus

from gateway.discovery.interfaces import Interface
from gateway.runtime.supervisor import Supervisor
from gateway.shop.hotspots import Hotspots
from gateway.shop.hotspots.visit import HotspotTimeouts
from tests.shop.hotspots.network_manager import SimulatedNetworkManager

# Without a kernel there is no virtual machine; packaging/proofs.sh brings one.
collect_ignore = [] if os.environ.get("SUNMI_PROOF_KERNEL") else ["test_virtual_machine.py"]

ETHERNET = Interface("eth0", "10.9.0.2", "255.255.255.0", "10.9.0.255")
WIFI = Interface("wlan0", "10.8.0.2", "255.255.255.0", "10.8.0.255")
BSSID = "04:12:24:E3:45:12"
TIMEOUTS = HotspotTimeouts(scan_s=20, join_s=60, return_s=60, checkpoint_s=40, poll_s=0.02)
_CONFIGURATION = """<busconfig><listen>unix:path={socket}</listen>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"""


@pytest.fixture(scope="module")
def bus_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("bus")
    configuration = folder / "bus.conf"
    configuration.write_text(_CONFIGURATION.format(socket=folder / "socket"))
    command = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        yield daemon.stdout.readline().strip().partition(",")[0]
        daemon.terminate()


@pytest.fixture
async def network_manager(bus_address: str) -> AsyncIterator[SimulatedNetworkManager]:
    bus = MessageBus(bus_address)
    await bus.connect()
    simulated = SimulatedNetworkManager(bus)
    await simulated.start()
    simulated.offer(b"SUNMI_4512", BSSID)
    yield simulated
    for _, clock in simulated.checkpoints.values():
        clock.cancel()
    bus.disconnect()
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


@pytest.fixture
def hotspots(bus_address: str, supervisor: Supervisor) -> Hotspots:
    return make_hotspots(bus_address, supervisor)


def make_hotspots(
    bus_address: str,
    supervisor: Supervisor,
    *,
    interfaces: tuple[Interface, ...] = (ETHERNET, WIFI),
    timeouts: HotspotTimeouts = TIMEOUTS,
    confined_to: tuple[str, ...] = (),
) -> Hotspots:
    return Hotspots(
        supervisor,
        bus_address=bus_address,
        confined_to=confined_to,
        find_interfaces=lambda: interfaces,
        timeouts=timeouts,
    )
