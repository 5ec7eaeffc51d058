"""Metrics: what promtool says of them, what they count, and that alerts and dashboard use metrics that exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.metrics import is_local
from gateway.app import Gateway
from gateway.events.event import NewEvent
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore

PACKAGING = Path(__file__).parents[2] / "packaging"
ALERTS = PACKAGING / "prometheus" / "alerts.yml"
_OURS = re.compile(r"\b(?:sunmi_gateway|process)_[a-z_]+\b")


async def scraped(session: aiohttp.ClientSession) -> str:
    async with session.get("/metrics") as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        return await response.text()


needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian: prometheus)")


def promtool(*arguments: str, text: str = "") -> str:
    """Run Prometheus' own checker, which has to be content; return what it remarks all the same."""
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def value(text: str, sample: str) -> float:
    [line] = [line for line in text.splitlines() if line.startswith(f"{sample} ")]
    return float(line.rpartition(" ")[2])


@pytest.fixture
async def busy(gateway: Gateway, store: SimulatedStore, pos: Any, ours: SimulatedCamera) -> None:
    """Let a bit of everything happen."""
    assert (await pos("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getName", {})).status == 200
    order = {"order_list": [{"order_no": "1"}]}
    assert (await pos("POST", "/api/v1/cloud/order/update", order, headers={"Prefer": "wait=5"})).status == 200
    store.cloud.faults.add("status", status=500, times=None)
    assert (await pos("POST", "/api/v1/cloud/device/ipc/getList", {})).status == 502
    await gateway.event_log.append(NewEvent("vendor.9999", "cloud", {}))


async def test_they_count_what_happened_and_hold_no_secret(busy: None, session: Any, gateway: Gateway) -> None:
    text = await scraped(session)
    assert value(text, 'sunmi_gateway_calls_total{endpoint="config/getName",result="ok",side="camera"}') == 1
    assert value(text, 'sunmi_gateway_calls_total{endpoint="order/update",result="ok",side="cloud"}') == 1
    refused = 'sunmi_gateway_calls_total{endpoint="device/ipc/getList",result="cloud_unreachable",side="cloud"}'
    assert value(text, refused) == 1
    assert value(text, "sunmi_gateway_cloud_reachable") == 0
    assert value(text, 'sunmi_gateway_service_up{service="outbox worker"}') == 1
    assert value(text, 'sunmi_gateway_task_failures_total{kind="service",name="outbox worker"}') == 0
    assert value(text, 'sunmi_gateway_cameras{managed="true",online="true"}') == 1
    assert value(text, 'sunmi_gateway_events_total{source="cloud",type="other"}') == 1
    assert value(text, "sunmi_gateway_commits_total") > 3
    assert value(text, "sunmi_gateway_outbox_items") == 0
    assert value(text, 'sunmi_gateway_labels{state="shown"}') == 0
    assert value(text, 'sunmi_gateway_label_problems{problem="expired"}') == 0
    assert value(text, "sunmi_gateway_label_confirmation_seconds_count") == 0
    assert gateway.settings.cloud.secret_key not in text


@needs_promtool
async def test_promtool_finds_nothing_to_complain_of(busy: None, session: Any) -> None:
    text = await scraped(session)
    assert promtool("check", "metrics", text=text) == ""


@needs_promtool
def test_the_alerts_fire_when_they_should() -> None:
    promtool("check", "rules", str(ALERTS))
    promtool("test", "rules", str(ALERTS.with_name("alerts_test.yml")))


@needs_promtool
async def test_alerts_and_dashboard_ask_for_metrics_that_exist(busy: None, session: Any, tmp_path: Path) -> None:
    dashboard = json.loads((PACKAGING / "grafana" / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [{"record": "dashboard:panel", "expr": one.replace("$instance", ".*")} for one in asked]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", str(file))
    there = await scraped(session)
    names = set(_OURS.findall(" ".join([*asked, ALERTS.read_text()])))
    assert len(names) > 10
    for name in names:
        assert re.search(rf"^{name}[{{ ]", there, re.MULTILINE), name


@pytest.mark.parametrize(
    ("remote", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("", True), ("192.168.1.7", False), ("fe80::1", False)],
)
def test_only_this_machine_needs_no_token(remote: str, here: bool) -> None:
    assert is_local(remote) is here
