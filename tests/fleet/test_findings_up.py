"""What the doctor does not find good goes up when it has changed; and how doctor, status and metrics see the link."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.doctor.check import CheckContext, Finding, run_checks
from gateway.doctor.checks import CHECKS
from gateway.events.event import NewEvent
from gateway.events.log import EventLog
from gateway.events.retention_table import RetentionLimits
from gateway.fleet import findings
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.store import SimulatedStore
from gateway.storage.database import Database
from gateway.storage.state_directory import CHANGED_SETTINGS_FILE
from gateway.storage.uptime_table import Uptime
from tests.fleet.cluster import HeadOffice, issue, make_chain
from tests.fleet.conftest import Open
from tests.fleet.linked import linked_gateway
from tests.waiting import until


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


async def read_findings(office: HeadOffice, shop: str, *checks: str) -> list[dict[str, Any]]:
    """Wait until the findings of a shop are on these checks."""
    while True:
        report = await office.read_state(f"{shop}.findings")
        if report and sorted({one["check"] for one in report["findings"]}) == sorted(checks):
            return list(report["findings"])


async def test_findings_go_up_when_they_change(
    office: HeadOffice, store: SimulatedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "FIRST_AFTER_S", 0.0)
    monkeypatch.setattr(findings, "INTERVAL_S", 0.0)
    chosen = tuple(check for check in CHECKS if check.name in ("changed_settings", "dns"))
    monkeypatch.setattr("gateway.doctor.checks.CHECKS", chosen)
    async with linked_gateway(tmp_path, store, office.settings("shop-1")) as gateway:
        assert gateway.fleet_link is not None
        await read_findings(office, "shop-1")
        file = gateway.directory.path / CHANGED_SETTINGS_FILE
        file.write_text("no settings")
        gateway.fleet_link.wake()
        [found] = await read_findings(office, "shop-1", "changed_settings")
        assert (found["status"], found["advice"][:19]) == ("warning", "change the settings")
        file.unlink()
        gateway.fleet_link.wake()
        await read_findings(office, "shop-1")


def test_the_cheap_checks_call_nobody() -> None:
    assert [check.name for check in CHECKS if check.is_cheap] == [
        "interfaces", "pictures", "labels", "changed_settings", "disk", "card", "outbox", "subscriptions", "webhooks",
        "services",
    ]  # fmt: skip


async def test_the_link_is_in_status_and_metrics(office: HeadOffice, store: SimulatedStore, tmp_path: Path) -> None:
    async with (
        linked_gateway(tmp_path, store, office.settings("shop-2", people=True)) as gateway,
        serve(gateway) as urls,
        aiohttp.ClientSession(urls[0]) as session,
    ):
        event = await gateway.event_log.append(NewEvent("camera.motion", "camera"))
        assert event is not None
        assert gateway.fleet_link is not None
        link = gateway.fleet_link
        await until(lambda: link.status().last_event == event.id and not link.status().events_waiting)
        headers = {"Authorization": f"Bearer {await gateway.tokens.create('till 1', 'pos')}"}
        async with session.get("/api/v1/status", headers=headers) as response:
            fleet = (await response.json())["fleet"]
        assert fleet.pop("server") in office.servers
        assert fleet.pop("connected_since")
        assert fleet == {
            "last_event": event.id,
            "events_waiting": 0,
            "cloned": None,
            "people": True,
            "commands": {"done": 0, "refused": 0, "failed": 0},
        }
        async with session.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        assert {
            "sunmi_gateway_fleet_connected 1.0",
            "sunmi_gateway_fleet_cloned 0.0",
            "sunmi_gateway_fleet_events_waiting 0.0",
            'sunmi_gateway_fleet_commands_total{outcome="done"} 0.0',
        } <= set(lines)


async def check_link(gateway: Gateway) -> Finding:
    [check] = [check for check in CHECKS if check.name == "head_office"]
    [finding] = await run_checks(CheckContext(gateway.settings, gateway), [check])
    return finding


@pytest.mark.parametrize(
    ("cause", "advice"),
    [
        ("away", "look at the servers' names in fleet.servers"),
        ("no file", "correct that setting, or let the shop join again"),
        ("other authority", "if the shop is to stay, let the head office enrol it anew"),
        ("other servers", "the servers are not those of this chain"),
        ("other shop", "the shop's name does not fit its certificate"),
    ],
)
async def test_the_doctor_says_what_to_do_about_the_link(
    office: HeadOffice,
    open_gateway: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cause: str,
    advice: str,
) -> None:
    monkeypatch.setattr("gateway.fleet.connection.ACKNOWLEDGEMENT_TIMEOUT_S", 0.3)
    other = make_chain(tmp_path / "other")
    foreign = issue(other, "shop-3", tmp_path)._asdict() | {"ca_file": office.settings("shop-3").ca_file}
    changes: dict[str, dict[str, object]] = {
        "away": {"servers": ["127.0.0.1:1"]},
        "no file": {"certificate": "/nowhere/shop.pem"},
        "other authority": foreign,
        "other servers": {"ca_file": other.office_files.ca_file},
        "other shop": {},
    }
    fleet = office.settings("shop-3", **changes[cause])
    if cause == "other shop":
        fleet = fleet.model_copy(update={"shop": "shop-4"})
    gateway = await open_gateway(fleet)
    await until(lambda: [one for one in gateway.supervisor.reports() if one.state == "failing"])
    found = await check_link(gateway)
    assert found.status == "failed"
    assert found.what_to_do.startswith(advice), found


async def test_events_that_were_removed_before_they_were_sent_are_said(
    office: HeadOffice, open_gateway: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await open_gateway(office.settings("shop-5"))
    for number in range(5):
        await gateway.event_log.append(NewEvent("camera.motion", "camera", {"number": number}))
    link = gateway.fleet_link
    assert link is not None
    await until(lambda: not link.status().events_waiting)
    await gateway.close()
    # Weeks without the head office: what waited became too old.
    database = await Database.open(tmp_path / "state" / "gateway.db")
    supervisor = Supervisor()
    log = await EventLog.open(
        database, await Uptime.open(database, supervisor), supervisor, limits=RetentionLimits(max_events=2)
    )
    for number in range(5, 10):
        await log.append(NewEvent("camera.motion", "camera", {"number": number}))
    await log.close()
    await supervisor.close()
    await database.close()
    gateway = await open_gateway(office.settings("shop-5"))
    while not [event for _, event in await office.read_events("shop-5") if event["type"] == "fleet.events_removed"]:
        pass
    assert "3 events were removed as too old before the head office could get them" in caplog.text
    events = [event for _, event in await office.read_events("shop-5")]
    assert [event["data"] for event in events] == [
        *({"number": number} for number in (0, 1, 2, 3, 4, 8, 9)),
        {"events": 3},
    ]
