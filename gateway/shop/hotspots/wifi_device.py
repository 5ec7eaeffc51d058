"""The Wi-Fi device with which hotspots are joined: which one, and what it is connected to."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from firmware_tools.language import join, message
from gateway.cameras.record import HOTSPOT_NETWORK, clean_text
from gateway.discovery.interfaces import Interface
from gateway.protocol.mac_address import normalise_mac
from gateway.shop.hotspots.errors import HotspotsUnavailable
from gateway.shop.hotspots.hotspot import Hotspot, HotspotSupport, parse_hotspot_name
from gateway.shop.hotspots.objects import (
    NO_OBJECT,
    ROOT,
    STATE_DISCONNECTED,
    STATE_UNMANAGED,
    WIFI,
    Objects,
)

PERMISSIONS: Final = ("network-control", "settings.modify.system", "checkpoint-rollback", "wifi.scan")
"""What joining takes of NetworkManager; the Debian package has a rule for polkit that allows it."""
MAX_HOTSPOTS: Final = 200
"""How many hotspots are listed at most: anybody can invent as many as they like."""

_ACCESS_POINT_MODE: Final = 3
_INFRASTRUCTURE_MODE: Final = 2
_PRIVACY: Final = 1


@dataclass(frozen=True, slots=True)
class WifiDevice:
    """A Wi-Fi device as NetworkManager sees it."""

    path: str
    """Its object."""
    interface: str
    """The name of its interface."""
    state: int
    """Its state, a number of NetworkManager's `NMDeviceState`."""
    is_access_point: bool
    """Whether it is an access point to which others are connected."""
    is_primary: bool
    """Whether the default route leads through it."""
    profile_id: str
    """What the profile is called by which it is connected; empty if it is not."""
    profile_uuid: str
    """The UUID of that profile."""

    @property
    def is_usable(self) -> bool:
        """Whether it can be connected."""
        return self.state >= STATE_DISCONNECTED


def require_permissions(permissions: dict[str, str]) -> None:
    """Raise `HotspotsUnavailable` if this process may not do what joining takes."""
    missing = [name for name in PERMISSIONS if permissions.get(name, "yes") != "yes"]
    if missing:
        raise HotspotsUnavailable(
            message(
                "NetworkManager does not allow this user to change networks ({missing}): the service of the Debian "
                "package may, by a rule for polkitd; else run the command as root",
                missing=", ".join(missing),
            )
        )


def choose_device(objects: Objects, confined_to: Sequence[str]) -> WifiDevice:
    """Return the Wi-Fi device to use: rather one that nobody needs. Raises `HotspotsUnavailable` with the reason.

    `confined_to` names the interfaces that discovery uses; empty for all of them.
    """
    if not objects.read(ROOT, "", "NetworkingEnabled", True):
        raise HotspotsUnavailable(
            message("NetworkManager's networking is off: switch it on with `nmcli networking on`")
        )
    devices = find_devices(objects)
    if not devices:
        raise HotspotsUnavailable(
            message("this machine has no Wi-Fi interface: plug one in, or join the camera's hotspot by hand"),
            is_absent=True,
        )
    if not objects.read(ROOT, "", "WirelessHardwareEnabled", True):
        raise HotspotsUnavailable(
            message("Wi-Fi is off by a switch of this machine (rfkill): switch it on; `rfkill list` shows which it is"),
            is_absent=True,
        )
    if not objects.read(ROOT, "", "WirelessEnabled", True):
        raise HotspotsUnavailable(
            message(
                "Wi-Fi is switched off: switch it on with `nmcli radio wifi on`; on a Raspberry Pi choose the country "
                "first, in `raspi-config`"
            ),
            is_absent=True,
        )
    searched = [device for device in devices if not confined_to or device.interface in confined_to]
    if not searched:
        raise HotspotsUnavailable(
            message(
                "discovery.interfaces leaves out {interface}, so no camera would be found in its hotspot: add it there",
                interface=devices[0].interface,
            ),
            is_absent=True,
        )
    usable = [device for device in searched if device.is_usable]
    if not usable:
        is_absent = all(device.state <= STATE_UNMANAGED for device in searched)
        raise HotspotsUnavailable(join("; ", map(_describe_problem, searched)), is_absent=is_absent)
    return min(usable, key=lambda one: (bool(one.profile_id), one.is_access_point, one.is_primary, one.interface))


def find_devices(objects: Objects) -> list[WifiDevice]:
    """Return the Wi-Fi devices of this machine."""
    primary = objects.read(ROOT, "", "PrimaryConnection", NO_OBJECT)
    found = []
    for path in objects.list_paths("Device.Wireless"):
        if objects.read(path, "Device", "DeviceType", 0) != WIFI:
            continue
        active = objects.read(path, "Device", "ActiveConnection", NO_OBJECT)
        found.append(
            WifiDevice(
                path=path,
                interface=objects.read(path, "Device", "Interface", ""),
                state=objects.read(path, "Device", "State", 0),
                is_access_point=objects.read(path, "Device.Wireless", "Mode", 0) == _ACCESS_POINT_MODE,
                is_primary=active not in (NO_OBJECT, "") and active == primary,
                profile_id=clean_text(objects.read(active, "Connection.Active", "Id", "")),
                profile_uuid=objects.read(active, "Connection.Active", "Uuid", ""),
            )
        )
    return found


def _describe_problem(device: WifiDevice) -> str:
    if device.state <= STATE_UNMANAGED:
        return message(
            "NetworkManager does not manage {interface}, another program does: leave it to NetworkManager "
            "(`nmcli device set {interface} managed yes`), or join the camera's hotspot by hand",
            interface=device.interface,
        )
    return message(
        "{interface} is not ready: see that wpasupplicant and the firmware of the Wi-Fi chip are installed; "
        "`nmcli device` says more",
        interface=device.interface,
    )


def describe_support(device: WifiDevice, interfaces: Sequence[Interface]) -> HotspotSupport:
    """Say what will happen to whom when a device joins hotspots."""
    others = tuple(
        dict.fromkeys(
            one.name
            for one in interfaces
            if one.name != device.interface
            and not one.is_loopback
            and not one.network.is_link_local
            and not one.network.overlaps(HOTSPOT_NETWORK)
        )
    )
    names = ", ".join(others)
    if not device.profile_id and others:
        effect = message(
            "{interface} is in no network now and joins the hotspots; {others} keeps this machine in the shop's "
            "network",
            interface=device.interface,
            others=names,
        )
    elif not device.profile_id:
        effect = message("{interface} is in no network now and joins the hotspots", interface=device.interface)
    elif device.is_access_point:
        effect = message(
            "{interface} is an access point itself ({network}): whoever is connected to it loses that for about a "
            "minute for each camera",
            interface=device.interface,
            network=device.profile_id,
        )
    elif others:
        effect = message(
            "{interface} leaves {network} for about a minute for each camera, and comes back; {others} keeps this "
            "machine in the shop's network",
            interface=device.interface,
            network=device.profile_id,
            others=names,
        )
    else:
        effect = message(
            "{interface} leaves {network} for about a minute for each camera, and comes back. Nothing else leads to "
            "the shop's network: meanwhile tills, managed cameras and browsers do not reach the gateway, and the "
            "gateway does not reach the cloud",
            interface=device.interface,
            network=device.profile_id,
        )
    return HotspotSupport(interface=device.interface, network=device.profile_id, other_interfaces=others, effect=effect)


def find_hotspots(objects: Objects, device: WifiDevice, *, seen_since: int = 0) -> dict[str, Hotspot]:
    """Return the hotspots of cameras that a device sees, the strongest first, by the path of the access point.

    `seen_since` is a time in seconds since the machine was started. Networks are listed for minutes after their end.
    """
    found: dict[str, Hotspot] = {}
    for path in objects.read(device.path, "Device.Wireless", "AccessPoints", [NO_OBJECT]):
        if not isinstance(path, str) or 0 <= objects.read(path, "AccessPoint", "LastSeen", -1) < seen_since:
            continue
        hotspot = _read_hotspot(objects, path, device.interface)
        if hotspot is not None:
            found[path] = hotspot
    strongest = sorted(found.items(), key=lambda item: (-item[1].signal, item[1].ssid, item[1].bssid))
    return dict(strongest[:MAX_HOTSPOTS])


def _read_hotspot(objects: Objects, path: str, interface: str) -> Hotspot | None:
    ssid = objects.read(path, "AccessPoint", "Ssid", b"")
    digits = parse_hotspot_name(ssid)
    bssid = normalise_mac(objects.read(path, "AccessPoint", "HwAddress", ""))
    is_protected = (
        objects.read(path, "AccessPoint", "Flags", 0) & _PRIVACY
        or objects.read(path, "AccessPoint", "WpaFlags", 0)
        or objects.read(path, "AccessPoint", "RsnFlags", 0)
    )
    mode = objects.read(path, "AccessPoint", "Mode", _INFRASTRUCTURE_MODE)
    if not digits or not bssid or is_protected or mode != _INFRASTRUCTURE_MODE:
        return None
    signal = min(100, max(0, objects.read(path, "AccessPoint", "Strength", 0)))
    return Hotspot(ssid.decode("ascii"), digits, bssid, signal, interface)


def find_address(objects: Objects, device: WifiDevice) -> str:
    """Return the IPv4 address that a device has in a hotspot's network; an empty text if it has another, or none."""
    config = objects.read(device.path, "Device", "Ip4Config", NO_OBJECT)
    entries: list[Any] = objects.read(config, "IP4Config", "AddressData", [])
    for entry in entries:
        try:
            found = ipaddress.IPv4Interface(f"{entry['address']}/{entry['prefix']}")
        except (ValueError, KeyError, TypeError):
            continue
        if found.ip in HOTSPOT_NETWORK and found.network.prefixlen >= HOTSPOT_NETWORK.prefixlen:
            return str(found.ip)
    return ""
