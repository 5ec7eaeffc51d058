"""The doctor on real networks: what passes and what does not, a second gateway, and hosts kept apart."""

import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.netns.lab import Host, Lab

pytestmark = pytest.mark.netns

SWEEP = '{"methods": ["sweep"]}'


def findings(host: Host, *checks: str, discovery: str = "{}", known: str = "-") -> list[dict[str, Any]]:
    words: Sequence[str] = (sys.executable, "-m", "tests.netns.run_checks", discovery, known, *checks)
    output = host.run(*words)
    found: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
    return found


def two_hosts(lab: Lab) -> tuple[Host, Host]:
    store = lab.bridge("store")
    gateway, other = lab.host("gateway"), lab.host("other")
    gateway.connect(store, "10.77.0.1/24", mac="02:00:00:00:00:01")
    other.connect(store, "10.77.0.2/24", mac="02:00:00:00:00:02")
    return gateway, other


def test_a_second_gateway_answers_multicast_and_is_noticed(lab: Lab) -> None:
    gateway, other = two_hosts(lab)
    [alone] = findings(gateway, "second_gateway")
    assert alone["status"] == "ok"
    other.start(sys.executable, "-m", "tests.netns.announcer").wait_for("host ")
    [second] = findings(gateway, "second_gateway")
    assert second["status"] == "warning"
    assert "sunmi-gateway-0002 at 10.77.0.2:8080" in second["evidence"]
    for _ in range(5):  # on a busy machine the other host may answer too late to be counted
        broadcast, multicast = findings(gateway, "broadcast", "multicast")
        assert (broadcast["status"], multicast["status"]) == ("ok", "ok")
        if multicast["evidence"] != "no host answered":
            break
    assert "1 host answered: 10.77.0.2" in multicast["evidence"]


def test_a_running_gateway_is_no_second_one_to_itself(lab: Lab, tmp_path: Path) -> None:
    gateway, _ = two_hosts(lab)
    file = tmp_path / "gateway.toml"
    file.write_text(f'[storage]\ndirectory = "{tmp_path}/state"\n')
    command = (sys.executable, "-m", "gateway", "--config", str(file))
    gateway.start(*command, "run").wait_for("serves on")
    document = json.loads(gateway.run("sh", "-c", f"{shlex.join(command)} doctor --json || [ $? = 1 ]"))
    found = {one["check"]: one for one in document["findings"]}
    assert found["gateway"]["what"] == "a gateway runs"
    assert found["second_gateway"]["status"] == "ok"


def test_two_gateways_of_one_account_are_a_failure(lab: Lab, tmp_path: Path) -> None:
    gateway, other = two_hosts(lab)
    account = hashlib.sha256(b"EF3OG8R5B32X0").hexdigest()[:12]
    other.start(sys.executable, "-m", "tests.netns.announcer", "{}", "5", account).wait_for("host ")
    file = tmp_path / "gateway.toml"
    file.write_text(f'[storage]\ndirectory = "{tmp_path}/state"\n[cloud]\napp_id = "EF3OG8R5B32X0"\n')
    command = (sys.executable, "-m", "gateway", "--config", str(file))
    gateway.start(*command, "run").wait_for("serves on")
    document = json.loads(gateway.run("sh", "-c", f"{shlex.join(command)} doctor --json || [ $? = 1 ]"))
    [found] = [one for one in document["findings"] if one["check"] == "second_gateway"]
    assert (found["status"], found["what"]) == ("failed", "other gateways of this account on this network: 1")
    assert "sunmi-gateway-0002 at 10.77.0.2:8080" in found["evidence"]


def test_only_the_interfaces_of_the_settings_are_used(lab: Lab) -> None:
    gateway, other = two_hosts(lab)
    watch = other.start("tcpdump", "-lni", "eth0", "not", "ip6")
    watch.wait_for("listening")
    checks = ("interfaces", "broadcast", "multicast", "discovery", "second_gateway", "client_isolation")
    found = findings(gateway, *checks, discovery='{"interfaces": ["lo"]}')
    assert {one["status"] for one in found} == {"ok", "skipped"}
    watch.terminate()
    watch.wait_for("packets captured")
    assert not [line for line in watch.output if "10.77" in line or "0.0.0.0" in line]


def test_a_firewall_that_lets_nothing_in_is_noticed(lab: Lab) -> None:
    gateway, _ = two_hosts(lab)
    table = "add table inet wall; add chain inet wall inward { type filter hook input priority 0; }; "
    gateway.run("nft", table + "add rule inet wall inward iifname eth0 udp dport { 5353, 10001 } drop")
    found = findings(gateway, "broadcast", "multicast")
    assert [one["status"] for one in found] == ["failed", "failed"]
    assert all("was sent on eth0, but it is not received" in one["what"] for one in found)


def test_client_isolation_is_told_from_a_camera_that_is_switched_off(lab: Lab) -> None:
    store = lab.bridge("store")
    gateway, router, camera = lab.host("gateway"), lab.host("router"), lab.host("camera")
    gateway.connect(store, "10.77.0.2/24")
    router.connect(store, "10.77.0.1/24")
    camera.connect(store, "10.77.0.3/24")
    gateway.ip("route", "add", "default", "via", "10.77.0.1")
    [free] = findings(gateway, "client_isolation", discovery=SWEEP, known="10.77.0.3")
    assert free["status"] == "ok"
    for port in ("port1", "port3"):
        lab.run("ip", "link", "set", port, "type", "bridge_slave", "isolated", "on")
    [isolated] = findings(gateway, "client_isolation", discovery=SWEEP, known="10.77.0.3")
    assert isolated["status"] == "warning"
    assert "looks like client isolation" in isolated["what"]
    assert "10.77.0.1 (router) answers" in isolated["evidence"]
    router.ip("link", "set", "eth0", "down")
    [dark] = findings(gateway, "client_isolation", discovery=SWEEP, known="10.77.0.3")
    assert "nobody answers" in dark["what"]


def test_a_network_without_a_name_server(lab: Lab) -> None:
    gateway, _ = two_hosts(lab)
    dns, tls = findings(gateway, "dns", "cloud_tls")
    assert (dns["status"], tls["status"]) == ("failed", "failed")
    assert "store.sunmi.com" in dns["what"]
