"""The gateway's announcement as others see it: Debian's Avahi, and a second gateway."""

import sys
from pathlib import Path

import pytest

from tests.netns.lab import Host, Lab, Process

pytestmark = pytest.mark.netns

_BUS = """<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/>
</policy>
</busconfig>"""

_AVAHI = """
set -eu
mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon
export DBUS_SYSTEM_BUS_ADDRESS=unix:path={folder}/bus
dbus-daemon --config-file={folder}/bus.conf --nofork --nopidfile &
for _ in $(seq 100); do [ -S {folder}/bus ] && break; sleep 0.05; done
avahi-daemon --no-drop-root --no-chroot --no-rlimits --file={folder}/avahi.conf &
for _ in $(seq 100); do avahi-browse -at >/dev/null 2>&1 && break; sleep 0.05; done
echo avahi is up
{then}
"""


def announcer(host: Host) -> tuple[str, Process]:
    program = host.start(sys.executable, "-m", "tests.netns.announcer", "{}", "0.2")
    return program.wait_for("host ").split()[-1], program


def avahi(host: Host, folder: Path, then: str) -> Process:
    (folder / "bus.conf").write_text(_BUS.format(folder=folder))
    (folder / "avahi.conf").write_text("[server]\nallow-interfaces=eth0\nuse-ipv6=no\n")
    return host.start("bash", "-c", _AVAHI.format(folder=folder, then=then))


def test_avahi_sees_the_gateway_and_both_of_its_names(lab: Lab, tmp_path: Path) -> None:
    store = lab.bridge("store")
    gateway, laptop = lab.host("gateway"), lab.host("laptop")
    gateway.connect(store, "10.77.0.1/24", mac="02:00:00:00:3a:4f")
    laptop.connect(store, "10.77.0.2/24")
    assert announcer(gateway)[0] == "sunmi-gateway-3a4f.local"
    look = """
    for _ in $(seq 100); do avahi-resolve -4 -n sunmi-gateway.local 2>/dev/null | grep 10.77 && break; sleep 0.1; done
    avahi-browse --resolve --parsable --terminate _sunmi-gateway._tcp
    echo over
    """
    told = avahi(laptop, tmp_path, look)
    told.wait_for("over")
    assert "sunmi-gateway.local\t10.77.0.1" in told.output
    resolved = [line for line in told.output if line.startswith("=")]
    assert len(resolved) == 1
    _, interface, _, name, kind, _, host, address, port, text = resolved[0].split(";")
    assert (interface, name, kind) == ("eth0", "sunmi-gateway-3a4f", "_sunmi-gateway._tcp")
    assert (host, address, port) == ("sunmi-gateway-3a4f.local", "10.77.0.1", "8080")
    assert set(text.split()) == {'"version=1.2.3"', '"path=/api/v1"'}


def test_it_shares_port_5353_with_avahi_on_the_same_host_and_follows_its_address_and_says_goodbye(
    lab: Lab, tmp_path: Path
) -> None:
    store = lab.bridge("store")
    gateway = lab.host("gateway")
    gateway.connect(store, "10.77.0.1/24", mac="02:00:00:00:3a:4f")
    look = "avahi-browse --resolve --parsable _sunmi-gateway._tcp"
    told = avahi(gateway, tmp_path, look)
    told.wait_for("avahi is up")
    _, program = announcer(gateway)
    told.wait_for(";sunmi-gateway-3a4f.local;10.77.0.1;8080;")
    gateway.ip("address", "delete", "10.77.0.1/24", "dev", "eth0")
    gateway.ip("address", "add", "10.77.0.9/24", "brd", "+", "dev", "eth0")
    told.wait_for(";sunmi-gateway-3a4f.local;10.77.0.9;8080;")
    program.terminate()
    told.wait_for("-;eth0;IPv4;sunmi-gateway-3a4f;")  # it said goodbye


def test_a_second_gateway_leaves_the_short_name_alone(lab: Lab, tmp_path: Path) -> None:
    store = lab.bridge("store")
    first, second, laptop = lab.host("first"), lab.host("second"), lab.host("laptop")
    for number, host in enumerate((first, second, laptop), 1):
        host.connect(store, f"10.77.0.{number}/24", mac=f"02:00:00:00:00:0{number}")
    told = avahi(laptop, tmp_path, "avahi-browse --resolve --parsable --all")
    told.wait_for("avahi is up")
    announcer(first)
    told.wait_for(";sunmi-gateway.local;10.77.0.1;8080;")
    announcer(second)
    told.wait_for(";sunmi-gateway-0002.local;10.77.0.2;8080;")
    first.ip("link", "set", "eth0", "down")  # after which the name is free, so the second takes it in its next try
    told.wait_for(";sunmi-gateway.local;10.77.0.2;8080;")
    assert not [line for line in told.output if ";sunmi-gateway.local;10.77.0.1;" in line][1:]


def test_of_two_gateways_that_took_the_short_name_apart_the_lower_address_keeps_it(lab: Lab, tmp_path: Path) -> None:
    store, island = lab.bridge("store"), lab.bridge("island")
    first, second, laptop = lab.host("first"), lab.host("second"), lab.host("laptop")
    first.connect(store, "10.77.0.1/24", mac="02:00:00:00:00:01")
    second.connect(island, "10.77.0.2/24", mac="02:00:00:00:00:02")
    laptop.connect(island, "10.77.0.3/24")
    told = avahi(laptop, tmp_path, "avahi-browse --resolve --parsable _http._tcp")
    told.wait_for("avahi is up")
    announcer(first)
    announcer(second)
    told.wait_for("=;eth0;IPv4;SUNMI\\032gateway\\0320002;")
    lab.run("ip", "link", "set", "port2", "master", store)
    lab.run("ip", "link", "set", "port3", "master", store)
    told.wait_for("-;eth0;IPv4;SUNMI\\032gateway\\0320002;")
