"""Which interfaces discovery uses; those of a real network are tried in namespaces."""

import pytest

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
    return ScanScope(interfaces, (), confined=False, named=named)


def test_a_network_is_swept_without_its_own_addresses_and_once() -> None:
    cable = Interface("eth0", "192.168.1.7", "255.255.255.0", "192.168.1.255")
    radio = Interface("wlan0", "192.168.1.8", "255.255.255.0", "192.168.1.255")
    targets, problems = scope(cable, radio).list_network_targets(443)
    assert len(targets) == len({target.host for target in targets}) == 252
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
