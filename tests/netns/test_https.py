"""HTTPS on an address that the gateway got while it ran, as a till on the store's network sees it."""

import json
import sys
from pathlib import Path

import pytest

from tests.netns.lab import Lab

pytestmark = pytest.mark.netns


def test_a_new_address_is_certified_without_a_restart(lab: Lab, tmp_path: Path) -> None:
    store = lab.bridge("store")
    gateway, till = lab.host("gateway"), lab.host("till")
    gateway.connect(store, "10.77.0.1/24", mac="02:00:00:00:3a:4f")
    till.connect(store, "10.77.0.2/24", "192.168.77.2/24")
    settings = tmp_path / "gateway.toml"
    settings.write_text(
        "[server]\nport = 80\nhttps_port = 443\nallow_plain_http = false\n"
        f'[storage]\ndirectory = "{tmp_path}/state"\n[discovery]\ninterval_s = 0\n'
    )
    running = gateway.start(sys.executable, "-m", "gateway", "--config", str(settings), "run")
    running.wait_for("serves on")
    told = json.loads(gateway.run(sys.executable, "-m", "gateway", "--config", str(settings), "authority", "--json"))
    assert told["page"] == "http://10.77.0.1/authority"
    assert told["urls"][0] == "https://sunmi-gateway-3a4f.local/"
    root = tmp_path / "root.pem"
    till.run("curl", "-sS", "--fail", "-o", str(root), "http://10.77.0.1/authority.pem")
    call = ("curl", "-sS", "--fail", "--max-time", "60", "--cacert", str(root))
    assert "ok" in till.run(*call, "https://10.77.0.1/healthz")
    assert "ok" in till.run(
        *call, "--resolve", "sunmi-gateway.local:443:10.77.0.1", "https://sunmi-gateway.local/healthz"
    )
    gateway.ip("address", "add", "192.168.77.1/24", "brd", "+", "dev", "eth0")
    running.wait_for("192.168.77.1")
    assert "ok" in till.run(*call, "https://192.168.77.1/healthz")
    gateway.ip("address", "del", "10.77.0.1/24", "dev", "eth0")
    while "10.77.0.1" in running.wait_for("HTTPS is certified for"):
        pass
    assert "ok" in till.run(*call, "https://192.168.77.1/healthz")
