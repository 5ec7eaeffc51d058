"""Provisioning with a laptop that goes from the store's network into each camera's hotspot and back."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.netns.lab import Host, Lab, Process

pytestmark = pytest.mark.netns

SSID, PASSWORD = "SunmiStore", "plenty-of-coffee"
TIMEOUTS = {"reach_s": 1.0, "leave_s": 20, "probe_s": 0.2}


class Laptop:
    """A host with one network at a time: the store's, or one of the hotspots."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.networks: list[str] = []

    def know(self, interface: str, bridge: str, address: str) -> None:
        self.host.connect(bridge, address, interface=interface)
        self.networks.append(interface)

    def be_in(self, interface: str) -> None:
        for other in self.networks:
            self.host.ip("link", "set", other, "up" if other == interface else "down")

    def provision(self, sn: str, **request: Any) -> Process:
        asked = {
            "folder": str(self.folder), "sn": sn, "camera_port": 443, "broadcast_port": 10001, "interfaces": [],
            "app_id": "EF3OG8R5B32X0", "secret_key": "kdsofkdsnflke9382938k", "timeouts": TIMEOUTS, "request": request,
        }  # fmt: skip
        return self.host.start(sys.executable, "-m", "tests.cameras.provisioning.process", json.dumps(asked))


@pytest.fixture
def laptop(lab: Lab, tmp_path: Path) -> Laptop:
    laptop = Laptop(lab.host("laptop"), tmp_path)
    laptop.know("home", lab.bridge("store"), "10.77.0.1/24")
    return laptop


def sealed_camera(lab: Lab, laptop: Laptop, number: int) -> str:
    """Unpack a camera: its hotspot is a network of its own, with the address that every camera has there."""
    sn = f"FS101D8BS{number:05}"
    hotspot, host = lab.bridge(f"hotspot{number}"), lab.host(f"camera{number}")
    host.connect(hotspot, "192.168.200.1/24", interface="ap0")
    host.connect("store", f"10.77.0.{10 + number}/24", interface="wlan0")
    host.ip("link", "set", "wlan0", "down")
    laptop.know(f"radio{number}", hotspot, f"192.168.200.{100 + number}/24")
    host.start(sys.executable, "-m", "tests.netns.hotspot_camera", sn, f"10.77.0.{10 + number}").wait_for("ready")
    return sn


def test_three_cameras_in_turn_on_one_hotspot_address(lab: Lab, laptop: Laptop) -> None:
    cameras = {number: sealed_camera(lab, laptop, number) for number in (1, 2, 3)}
    for number, sn in cameras.items():
        laptop.be_in("home")
        job = laptop.provision(
            sn,
            ssid=SSID,
            password=PASSWORD,
            activation_number=f"number of {sn}",
            confirm_erase=True,
            name=f"Door {number}",
        )
        job.wait_for('"reason": "join_hotspot"')
        laptop.be_in(f"radio{number}")
        job.wait_for('"reason": "return_to_lan"')
        laptop.be_in("home")
        ended = json.loads(job.finish().splitlines()[-1])
        assert ended["state"] == "done", ended
        details = {step["name"]: step["detail"] for step in ended["steps"]}
        assert details["reach"] == "answers in hotspot mode at 192.168.200.1:443"
        assert details["verify"] == f"is 'Door {number}', at 10.77.0.{10 + number}:443"


def test_the_wrong_camera_in_the_hotspot_is_told_nothing(lab: Lab, laptop: Laptop) -> None:
    wanted, other = (sealed_camera(lab, laptop, number) for number in (1, 2))
    laptop.be_in("radio2")
    job = laptop.provision(wanted, ssid=SSID, password=PASSWORD)
    job.wait_for('"reason": "join_hotspot"')
    laptop.be_in("radio1")
    job.wait_for('"reason": "return_to_lan"')
    laptop.be_in("home")
    assert json.loads(job.finish().splitlines()[-1])["state"] == "done"
    laptop.be_in("radio2")
    again = laptop.provision(other, ssid=SSID, password=PASSWORD)
    reached = json.loads(again.wait_for('"step": "networks"'))
    assert reached["steps"][0]["detail"] == "answers in hotspot mode at 192.168.200.1:443"


def test_a_wrong_password_is_known_when_the_hotspot_comes_back(lab: Lab, laptop: Laptop) -> None:
    sn = sealed_camera(lab, laptop, 1)
    laptop.be_in("radio1")
    job = laptop.provision(sn, ssid=SSID, password="not-this-one")
    ended = json.loads(job.finish().splitlines()[-1])
    assert (ended["state"], ended["step"], ended["reason"]) == ("failed", "rejoin", "wrong_wifi_password")
