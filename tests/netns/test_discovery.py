"""Discovery across real networks of namespaces: nothing here passes through loopback."""

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.discovery.discovery import DEFAULT_SCAN_S
from tests.netns.lab import Host, Lab, Process, SlowLink

pytestmark = pytest.mark.netns

_BUSY_SHARE: Final = 0.1
"""On a machine where some task waits for a processor in a larger share of the time, a scan may come too late."""
_ATTEMPTS: Final = 10


def cameras(host: Host, *arguments: str) -> Process:
    playing = host.start(sys.executable, "-m", "tests.discovery.device", *arguments)
    playing.wait_for("ready")
    return playing


def search(host: Host, timeout_s: float = DEFAULT_SCAN_S, **settings: Any) -> dict[str, Any]:
    output = host.run(sys.executable, "-m", "tests.netns.search", json.dumps(settings), str(timeout_s))
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def search_and_check(
    host: Host, check: Callable[[dict[str, Any]], None], timeout_s: float = DEFAULT_SCAN_S, **settings: Any
) -> None:
    """Scan, and check what was found. What a busy machine has left too little time for is done again.

    A scan of the default length stays as long; another becomes longer.
    """
    for attempt in itertools.count(1):
        longer = 1 if timeout_s == DEFAULT_SCAN_S else 2 ** (attempt - 1)
        begin, waited = time.monotonic(), read_cpu_wait_s()
        result = search(host, min(timeout_s * longer, 30), **settings)
        is_busy = read_cpu_wait_s() - waited > _BUSY_SHARE * (time.monotonic() - begin)
        try:
            check(result)
        except AssertionError:
            if not is_busy or attempt == _ATTEMPTS:
                raise
        else:
            return


def read_cpu_wait_s() -> float:
    """Return for how long some task of this machine has waited for a processor; 0 where the kernel does not say it."""
    try:
        some = Path("/proc/pressure/cpu").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return 0.0
    return int(some.partition("total=")[2]) / 1e6


def found_by(result: dict[str, Any], method: str) -> set[tuple[str, str, str]]:
    """Return the serial numbers, addresses and interfaces that a method found."""
    return {(s["sn"], s["address"], s["interface"]) for s in result["devices"] if s["found_by"] == method}


def test_every_method_crosses_a_network_without_a_router(lab: Lab) -> None:
    store = lab.bridge("store")
    gateway, first, second = lab.host("gateway"), lab.host("first"), lab.host("second")
    gateway.connect(store, "10.77.0.1/24")
    first.connect(store, "10.77.0.2/24")
    second.connect(store, "10.77.0.3/24")
    cameras(first, "C201D0000002=10.77.0.2", "--mdns")
    cameras(second, "C101D0000003=10.77.0.3", "--mdns")
    both = {("C201D0000002", "10.77.0.2:443", "eth0"), ("C101D0000003", "10.77.0.3:443", "eth0")}

    def check(result: dict[str, Any]) -> None:
        assert result["methods"] == {name: {"found": 2, "error": None} for name in ("broadcast", "mdns", "sweep")}
        for method in ("broadcast", "mdns", "sweep"):
            assert found_by(result, method) == both

    search_and_check(gateway, check)


def test_two_interfaces_in_two_networks_are_both_searched(lab: Lab) -> None:
    store, office = lab.bridge("store"), lab.bridge("office")
    gateway, first, second = lab.host("gateway"), lab.host("first"), lab.host("second")
    gateway.connect(store, "10.77.0.1/24")
    gateway.connect(office, "192.168.7.1/24", interface="wlan0")
    first.connect(store, "10.77.0.2/24")
    second.connect(office, "192.168.7.2/24")
    cameras(first, "C201D0000002=10.77.0.2", "--mdns")
    cameras(second, "C101D0000003=192.168.7.2", "--mdns")

    def check(result: dict[str, Any]) -> None:
        for method in ("broadcast", "mdns", "sweep"):
            assert found_by(result, method) == {
                ("C201D0000002", "10.77.0.2:443", "eth0"),
                ("C101D0000003", "192.168.7.2:443", "wlan0"),
            }, method

    def check_one(result: dict[str, Any]) -> None:
        assert {s["sn"] for s in result["devices"]} == {"C101D0000003"}

    search_and_check(gateway, check)
    search_and_check(gateway, check_one, 1.0, interfaces=["wlan0"])


def test_a_camera_on_cable_and_radio_at_once_is_one_camera_with_two_addresses(lab: Lab) -> None:
    store = lab.bridge("store")
    gateway, camera = lab.host("gateway"), lab.host("camera")
    gateway.connect(store, "10.77.0.1/24")
    camera.connect(store, "10.77.0.2/24")
    camera.connect(store, "10.77.0.3/24", interface="wlan0")
    cameras(camera, "C201D0000002=10.77.0.2", "C201D0000002=10.77.0.3")

    def check(result: dict[str, Any]) -> None:
        for method in ("broadcast", "sweep"):
            assert {(sn, address) for sn, address, _ in found_by(result, method)} == {
                ("C201D0000002", "10.77.0.2:443"),
                ("C201D0000002", "10.77.0.3:443"),
            }
            assert result["methods"][method]["found"] == 1

    search_and_check(gateway, check, methods=["broadcast", "sweep"])


def test_interfaces_and_addresses_that_change_are_seen_by_the_next_round(lab: Lab) -> None:
    store = lab.bridge("store")
    gateway, camera = lab.host("gateway"), lab.host("camera")
    gateway.connect(store, "10.77.0.1/24")
    camera.connect(store, "10.77.0.2/24")
    cameras(camera, "C201D0000002=10.77.0.2", "--no-https")

    def check(result: dict[str, Any]) -> None:
        assert result["methods"]["broadcast"] == {"found": 1, "error": None}

    search_and_check(gateway, check, 0.5, methods=["broadcast"])
    gateway.ip("link", "set", "eth0", "down")
    nothing = search(gateway, 0.5)
    assert nothing["devices"] == []
    for method in ("broadcast", "mdns", "sweep"):
        assert "no interface is up" in nothing["methods"][method]["error"]
    for outcome in search(gateway, 0.5, interfaces=["eth0"])["methods"].values():
        assert "eth0 is down now" in outcome["error"]
    gateway.ip("link", "set", "eth0", "up")
    gateway.ip("address", "delete", "10.77.0.1/24", "dev", "eth0")
    gateway.ip("address", "add", "10.77.0.99/24", "brd", "+", "dev", "eth0")
    search_and_check(gateway, check, 0.5, methods=["broadcast"])


def test_a_camera_behind_a_router_is_found_by_its_address(lab: Lab) -> None:
    store, cellar = lab.bridge("store"), lab.bridge("cellar")
    gateway, router, camera = lab.host("gateway"), lab.host("router"), lab.host("camera")
    gateway.connect(store, "10.77.0.1/24")
    router.connect(store, "10.77.0.254/24")
    router.connect(cellar, "10.88.0.254/24", interface="eth1")
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    camera.connect(cellar, "10.88.0.2/24")
    gateway.ip("route", "add", "10.88.0.0/24", "via", "10.77.0.254")
    camera.ip("route", "add", "default", "via", "10.88.0.254")
    cameras(camera, "C201D0000002=10.88.0.2")

    def check(result: dict[str, Any]) -> None:
        assert [(s["sn"], s["address"], s["found_by"]) for s in result["devices"]] == [
            ("C201D0000002", "10.88.0.2:443", "address")
        ]

    search_and_check(gateway, check, 1.0, addresses=["10.88.0.2", "10.88.0.3"])


def test_large_and_public_networks_are_not_swept_unless_named(lab: Lab) -> None:
    store = lab.bridge("store")
    gateway = lab.host("gateway")
    gateway.connect(store, "10.77.0.1/21", "192.168.7.1/22")
    error = search(gateway, 0.3, methods=["sweep"])["methods"]["sweep"]["error"]
    assert error == (
        "eth0: 10.77.0.0/21 has 2048 addresses, too many to try; "
        "name its cameras in discovery.addresses or the interface in discovery.interfaces"
    )
    assert search(gateway, 0.3, methods=["sweep"], interfaces=["eth0"])["methods"]["sweep"]["error"] is None
    gateway.ip("address", "add", "8.8.8.1/24", "dev", "eth0")
    error = search(gateway, 0.3, methods=["sweep"], interfaces=["eth0"])["methods"]["sweep"]["error"]
    assert error == "eth0: 8.8.8.0/24 is no private network; name its cameras in discovery.addresses"


@pytest.mark.parametrize("both_ways", [False, True])
def test_on_a_bad_radio_link_the_defaults_find_20_of_20(lab: Lab, both_ways: bool) -> None:
    store = lab.bridge("store")
    gateway, camera = lab.host("gateway"), lab.host("cameras")
    addresses = [f"10.77.0.{number}" for number in range(20, 220, 10)]
    gateway.connect(store, "10.77.0.1/24")
    camera.connect(store, *(f"{address}/24" for address in addresses), slow=SlowLink(both_ways=both_ways))
    cameras(camera, *(f"C201D{address[8:]:0>7}={address}" for address in addresses))

    def check_sweep(result: dict[str, Any]) -> None:
        assert {address for _, address, _ in found_by(result, "sweep")} == {f"{address}:443" for address in addresses}

    def check(result: dict[str, Any]) -> None:
        assert {s["sn"] for s in result["devices"]} == {f"C201D{address[8:]:0>7}" for address in addresses}

    if not both_ways:  # then the sweep manages alone
        search_and_check(gateway, check_sweep, methods=["sweep"])
    search_and_check(gateway, check)


def test_confined_to_loopback_nothing_leaves(lab: Lab) -> None:
    store = lab.bridge("store")
    gateway, watcher = lab.host("gateway"), lab.host("watcher")
    gateway.connect(store, "10.77.0.1/24")
    watcher.connect(store, "10.77.0.2/24")
    capture = watcher.start("tcpdump", "--immediate-mode", "-l", "-n", "-i", "eth0", "ip or arp")
    capture.wait_for("listening on")
    announcer = gateway.start(sys.executable, "-m", "tests.netns.announcer", '{"interfaces": ["lo"]}')
    announcer.wait_for("host ")
    search(gateway, 2.0, interfaces=["lo"], addresses=["10.77.0.2", "camera.local", "127.0.0.1"])
    search(gateway, 0.5, interfaces=["lo", "gone0"], addresses=["10.77.0.2"])
    search(gateway, 0.5, interfaces=["gone0"], addresses=["10.77.0.2"])
    announcer.kill()
    the_end = "import socket; s = socket.socket(2, 2); s.setsockopt(1, 6, 1); s.sendto(b'end', ('10.77.0.255', 9))"
    gateway.run(sys.executable, "-c", the_end)
    capture.wait_for("10.77.0.255.9: UDP")  # so the capture does see what leaves
    packets = [line for line in capture.output if " IP " in line or " ARP" in line]
    assert len(packets) == 1, packets


def test_cameras_in_one_network_on_two_wires_are_found_and_called_where_they_are(lab: Lab) -> None:
    store, office = lab.bridge("store"), lab.bridge("office")
    gateway, first, second = lab.host("gateway"), lab.host("first"), lab.host("second")
    gateway.connect(store, "10.77.0.1/24")
    gateway.connect(office, "10.77.0.2/24", interface="wlan0")
    first.connect(store, "10.77.0.11/24")
    second.connect(office, "10.77.0.12/24")
    cameras(first, "C201D0000002=10.77.0.11")
    cameras(second, "C101D0000003=10.77.0.12")
    both = {("C201D0000002", "10.77.0.11:443", "eth0"), ("C101D0000003", "10.77.0.12:443", "wlan0")}

    def check(result: dict[str, Any]) -> None:
        assert found_by(result, "sweep") == found_by(result, "broadcast") == both

    search_and_check(gateway, check)
    for _, address, interface in both:
        host = address.removesuffix(":443")
        assert len(gateway.run(sys.executable, "-m", "tests.netns.handshake", host, interface).strip()) == 64


def test_what_is_left_out_is_named_with_the_reason(lab: Lab) -> None:
    gateway = lab.host("gateway")
    gateway.ip("link", "add", "br-lan", "type", "bridge")
    gateway.ip("address", "add", "172.18.0.1/16", "brd", "+", "dev", "br-lan")
    gateway.ip("link", "set", "br-lan", "up")
    gateway.connect(lab.bridge("provider"), "100.64.7.1/24", interface="wan0")
    gateway.connect(lab.bridge("store"), interface="eth0")
    error = ""
    while "wan0 (" not in error:  # the kernel may say a second late that a link is up
        error = search(gateway, 0.3, methods=["broadcast"])["methods"]["broadcast"]["error"]
    assert error.startswith("no interface is up that leads to a store's network: ")
    assert "br-lan (172.18.0.1) belongs to containers or virtual machines" in error
    assert "wan0 (100.64.7.1) is in 100.64.7.0/24, which is no private network" in error
    assert "eth0 has no IPv4 address, or is down" in error
