"""Which interfaces discovery uses; those of a real network are tried in namespaces."""

from pathlib import Path

import pytest

from gateway.discovery.interface_kinds import describe_virtual_interface
from gateway.discovery.interfaces import Interface, find_interface, find_lan_interfaces
from gateway.discovery.scope import ScanScope
from gateway.errors import SettingsError


def test_loopback_is_used_only_when_named() -> None:
    assert find_lan_interfaces(["lo"]) == [Interface("lo", "127.0.0.1", "255.0.0.0", "127.255.255.255")]
    assert find_lan_interfaces(["lo"])[0].is_loopback
    assert not any(interface.is_loopback or not interface.is_private for interface in find_lan_interfaces())


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(
        SettingsError, match=r"^discovery.interfaces: there is no interface 'eth77'; there are: .*\blo\b"
    ):
        find_lan_interfaces(["lo", "eth77"])


def test_the_interface_with_the_smallest_network_leads_to_a_host() -> None:
    wide = Interface("eth0", "10.0.0.1", "255.0.0.0", "10.255.255.255")
    narrow = Interface("wlan0", "10.1.0.1", "255.255.255.0", "10.1.0.255")
    assert find_interface([wide, narrow], "10.1.0.9") is narrow
    assert find_interface([wide, narrow], "10.2.0.9") is wide
    assert find_interface([wide, narrow], "192.168.1.1") is None


def scope(*interfaces: Interface, named: bool = False) -> ScanScope:
    return ScanScope(interfaces, (), loopback_only=False, named=named)


def test_a_network_is_swept_without_its_own_addresses_and_through_each_interface() -> None:
    cable = Interface("eth0", "192.168.1.7", "255.255.255.0", "192.168.1.255")
    radio = Interface("wlan0", "192.168.1.8", "255.255.255.0", "192.168.1.255")
    targets, problems = scope(cable, radio).list_network_targets(443)
    assert len(targets) == len(set(targets)) == 2 * 252
    assert len({target.host for target in targets}) == 252
    assert problems == []
    assert {"192.168.1.0", "192.168.1.7", "192.168.1.8", "192.168.1.255"}.isdisjoint(t.host for t in targets)


@pytest.mark.parametrize(
    ("netmask", "named", "count"),
    [
        ("255.255.252.0", False, 1021),
        ("255.255.248.0", False, 0),
        ("255.255.248.0", True, 2045),
        ("255.0.0.0", True, 0),
    ],
)
def test_a_network_of_more_than_1024_addresses_is_swept_only_if_named(netmask: str, named: bool, count: int) -> None:
    interface = Interface("eth0", "10.0.0.1", netmask, "10.255.255.255")
    targets, problems = scope(interface, named=named).list_network_targets(443)
    assert len(targets) == count
    assert bool(problems) == (count == 0)


def make_interface(root: Path, name: str, *, kind: str = "1", devtype: str = "", hardware: bool = False) -> Path:
    """Describe an interface as Linux does, in a folder of its own."""
    folder = root / name
    folder.mkdir()
    (folder / "type").write_text(f"{kind}\n")
    (folder / "uevent").write_text(f"DEVTYPE={devtype}\nINTERFACE={name}\n" if devtype else f"INTERFACE={name}\n")
    if hardware:
        (folder / "device").mkdir()
    return folder


def make_bridge(root: Path, name: str, *ports: Path) -> Path:
    folder = make_interface(root, name, devtype="bridge")
    (folder / "bridge").mkdir()
    (folder / "brif").mkdir()
    for port in ports:
        (folder / "brif" / port.name).symlink_to(port)
    return folder


def test_an_interface_is_judged_by_what_it_is(tmp_path: Path) -> None:
    cable = make_interface(tmp_path, "lan1", hardware=True)
    vlan = make_interface(tmp_path, "lan1.7", devtype="vlan")
    (vlan / "lower_lan1").symlink_to(cable)
    pair = make_interface(tmp_path, "veth12ab")
    make_interface(tmp_path, "eth0")  # a container's own end of a pair
    make_interface(tmp_path, "ztore0", hardware=True)
    make_interface(tmp_path, "br-uplink", hardware=True)
    make_bridge(tmp_path, "br-lan", pair, cable)
    make_bridge(tmp_path, "br-vlan", vlan)
    make_bridge(tmp_path, "store0", pair)
    (make_interface(tmp_path, "ztuze7bhqr") / "tun_flags").write_text("0x1002\n")
    make_interface(tmp_path, "office", kind="65534", devtype="wireguard")
    used = {path.name for path in tmp_path.iterdir() if not describe_virtual_interface(path.name, tmp_path)}
    assert used == {"lan1", "lan1.7", "eth0", "ztore0", "br-uplink", "br-lan", "br-vlan"}
    assert describe_virtual_interface("store0", tmp_path) == "containers or virtual machines"
    assert describe_virtual_interface("office", tmp_path) == "a VPN or a mobile network"


@pytest.mark.parametrize(
    ("name", "used"),
    [("en0", True), ("br-lan", True), ("ztore0", True), ("wgast", True), ("utun3", False), ("br-0a1b2c3d4e5f", False)],
)
def test_where_the_system_does_not_tell_a_name_must_be_just_like_theirs(tmp_path: Path, name: str, used: bool) -> None:
    assert (not describe_virtual_interface(name, tmp_path)) is used
