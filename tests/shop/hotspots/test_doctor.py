"""The doctor's check of hotspots."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dbus_fast import Variant

from gateway.app import Gateway
from gateway.doctor.check import CheckContext, Finding, run_checks
from gateway.doctor.checks import CHECKS
from gateway.runtime.supervisor import Supervisor
from gateway.settings import load_settings
from tests.shop.hotspots.conftest import WIFI, make_hotspots
from tests.shop.hotspots.network_manager import SimulatedNetworkManager


@pytest.fixture
async def gateway(tmp_path: Path, bus_address: str, supervisor: Supervisor) -> AsyncIterator[Gateway]:
    file = tmp_path / "gateway.toml"
    file.write_text(f'[storage]\ndirectory = "{tmp_path}/state"\n', encoding="utf-8")
    opened = await Gateway.open(load_settings(file))
    opened.shop_parts.hotspots = make_hotspots(bus_address, supervisor)
    yield opened
    await opened.close()


async def run_check(gateway: Gateway) -> Finding:
    [check] = [check for check in CHECKS if check.name == "hotspots"]
    [finding] = await run_checks(CheckContext(gateway.settings, gateway), [check])
    return finding


async def test_hotspots_can_be_joined(
    gateway: Gateway, network_manager: SimulatedNetworkManager, bus_address: str, supervisor: Supervisor
) -> None:
    finding = await run_check(gateway)
    assert (finding.status, finding.what_to_do) == ("ok", "")
    assert finding.what == "hotspots of new cameras can be searched for, joined and left again through wlan0"
    assert "eth0 keeps this machine in the shop's network" in finding.evidence
    gateway.shop_parts.hotspots = make_hotspots(bus_address, supervisor, interfaces=(WIFI,))
    finding = await run_check(gateway)
    assert (finding.status, finding.what_to_do) == ("ok", "connect a network cable first: then the shop stays served")
    assert not {"RequestScan", "CheckpointCreate", "AddAndActivateConnection2"} & set(network_manager.calls)


async def test_it_is_quiet_where_there_is_no_network_manager(gateway: Gateway) -> None:
    finding = await run_check(gateway)
    assert finding.status == "skipped"
    assert finding.what.endswith("not available here")
    assert "NetworkManager does not run on this machine" in finding.evidence


async def test_what_is_off_is_no_fault_and_what_is_forbidden_is_one(
    gateway: Gateway, network_manager: SimulatedNetworkManager
) -> None:
    network_manager.properties["WirelessEnabled"] = Variant("b", False)
    assert (await run_check(gateway)).status == "skipped"
    network_manager.permissions["checkpoint-rollback"] = "no"
    finding = await run_check(gateway)
    assert finding.status == "warning"
    assert "(checkpoint-rollback)" in finding.evidence


def test_a_gateway_needs_no_library_for_d_bus() -> None:
    code = "import sys; sys.modules['dbus_fast'] = None; import gateway.app, gateway.doctor.checks"
    subprocess.run([sys.executable, "-c", code], check=True)
