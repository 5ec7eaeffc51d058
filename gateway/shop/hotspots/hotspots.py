"""Searches for hotspots of cameras, joins one, and comes back, by means of NetworkManager."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from firmware_tools.language import describe_error, message
from gateway.discovery.interfaces import Interface, find_lan_interfaces
from gateway.runtime.supervisor import Supervisor
from gateway.shop.hotspots.errors import HotspotJoinFailed, HotspotsUnavailable, NetworkManagerError
from gateway.shop.hotspots.hotspot import Hotspot, HotspotSupport, JoinedHotspot
from gateway.shop.hotspots.visit import HotspotTimeouts, HotspotVisit
from gateway.shop.hotspots.wifi_device import (
    WifiDevice,
    choose_device,
    describe_support,
    find_hotspots,
    require_permissions,
)

if TYPE_CHECKING:  # imported only where NetworkManager may be
    from gateway.shop.hotspots.network_manager import NetworkManager

DEFAULT_LIMIT_S: Final = 300.0
"""How long the interface stays in one hotspot at most."""
_FRESH_S: Final = 15
"""How old a look at a network may be: NetworkManager refuses to search again within some seconds."""


class Hotspots:
    """The hotspots that this machine can join. Safe to be used by several tasks: one is in a hotspot at a time."""

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        confined_to: Sequence[str] = (),
        bus_address: str | None = None,
        timeouts: HotspotTimeouts | None = None,
        find_interfaces: Callable[[], Sequence[Interface]] = find_lan_interfaces,
    ) -> None:
        """Take what a test replaces, and the interfaces to which discovery is confined; none if it uses all.

        `bus_address` is of another bus than the system's. `find_interfaces` finds what leads to the shop's network.
        """
        self._supervisor = supervisor
        self._confined_to = tuple(confined_to)
        self._bus_address = bus_address
        self._timeouts = timeouts or HotspotTimeouts()
        self._find_interfaces = find_interfaces
        self._lock = asyncio.Lock()

    async def describe(self) -> HotspotSupport:
        """Look whether hotspots can be joined here, and what will happen to whom. Changes nothing, raises nothing."""
        try:
            async with self._connect() as network_manager:
                device = choose_device(await network_manager.get_objects(), self._confined_to)
        except HotspotsUnavailable as exc:
            return HotspotSupport(reason=exc.detail, is_absent=exc.is_absent)
        return describe_support(device, self._find_interfaces())

    async def scan(self) -> tuple[Hotspot, ...]:
        """Search for hotspots, the strongest first. It takes some seconds. Raises `HotspotsUnavailable`."""
        async with self._lock, self._connect() as network_manager:
            device = choose_device(await network_manager.get_objects(), self._confined_to)
            return tuple((await self._search(network_manager, device)).values())

    @asynccontextmanager
    async def join(self, hotspot: Hotspot, *, limit_s: float = DEFAULT_LIMIT_S) -> AsyncIterator[JoinedHotspot]:
        """Be in a hotspot for a while; then the interface is back in its own network, whatever happens meanwhile.

        After `limit_s` seconds the body is cancelled, and `PeerTimeout` is raised. Raises `HotspotsUnavailable`,
        `HotspotJoinFailed`, and at the end `WifiNotRestored`, unless the body itself has failed.
        """
        async with self._lock, self._connect() as network_manager:
            objects = await network_manager.get_objects()
            device = choose_device(objects, self._confined_to)
            access_point = _find_access_point(find_hotspots(objects, device), hotspot)
            if access_point is None:
                access_point = _find_access_point(await self._search(network_manager, device), hotspot)
            if access_point is None:
                raise HotspotJoinFailed(
                    message(
                        "{interface} does not see the hotspot {ssid}: is its camera on, and near enough?",
                        interface=device.interface,
                        ssid=hotspot.ssid,
                    )
                )
            visit = HotspotVisit(network_manager, self._supervisor, device, self._timeouts)
            async with visit.join(hotspot, access_point, limit_s=limit_s) as joined:
                yield joined

    @asynccontextmanager
    async def _connect(self) -> "AsyncIterator[NetworkManager]":
        """Connect to NetworkManager, which allows this process what joining takes. Raises `HotspotsUnavailable`."""
        if sys.platform != "linux":
            raise HotspotsUnavailable(
                message("the gateway joins hotspots on Linux with NetworkManager only: join the camera's by hand"),
                is_absent=True,
            )
        try:
            from gateway.shop.hotspots.network_manager import NetworkManager
        except ImportError as exc:
            raise HotspotsUnavailable(
                message("the library dbus-fast is not installed: install it, or join the camera's hotspot by hand"),
                is_absent=True,
            ) from exc
        async with NetworkManager.connect(self._bus_address) as network_manager:
            if not await network_manager.is_running():
                raise HotspotsUnavailable(
                    message(
                        "NetworkManager does not run on this machine: install and start network-manager, or join the "
                        "camera's hotspot by hand"
                    ),
                    is_absent=True,
                )
            try:
                require_permissions(await network_manager.get_permissions())
                yield network_manager
            except NetworkManagerError as exc:
                raise HotspotsUnavailable(
                    message("NetworkManager refuses: {reason}", reason=describe_error(exc) or exc.name)
                ) from exc

    async def _search(self, network_manager: "NetworkManager", device: WifiDevice) -> dict[str, Hotspot]:
        """Search for networks, and return the hotspots among them by the path of the access point."""
        seen_since = int(time.clock_gettime(time.CLOCK_BOOTTIME)) - _FRESH_S
        objects = await network_manager.get_objects()
        before = objects.read(device.path, "Device.Wireless", "LastScan", -1)
        await network_manager.request_scan(device.path)
        deadline = asyncio.get_running_loop().time() + self._timeouts.scan_s
        while asyncio.get_running_loop().time() < deadline:
            objects = await network_manager.get_objects()
            if objects.read(device.path, "Device.Wireless", "LastScan", -1) != before:
                break
            await asyncio.sleep(self._timeouts.poll_s)
        return find_hotspots(objects, device, seen_since=seen_since)


def _find_access_point(found: Mapping[str, Hotspot], hotspot: Hotspot) -> str | None:
    """Return the path of the access point of a hotspot."""
    return next((path for path, one in found.items() if (one.ssid, one.bssid) == (hotspot.ssid, hotspot.bssid)), None)
