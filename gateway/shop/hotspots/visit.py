"""A visit to a hotspot: join it, be there, and come back, whatever happens meanwhile.

NetworkManager itself remembers what the interface was connected to (a checkpoint) and goes back to that: at the end of
the visit, and by itself when the gateway does not extend the checkpoint any more, as after a crash. The profile of the
hotspot is volatile and bound to the gateway's connection to the bus: it ends with that, and is never on a disk.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from firmware_tools.language import describe_error, message
from gateway.errors import PeerTimeout
from gateway.runtime.supervisor import Service, Supervisor
from gateway.shop.hotspots.errors import HotspotJoinFailed, HotspotsUnavailable, NetworkManagerError, WifiNotRestored
from gateway.shop.hotspots.hotspot import Hotspot, JoinedHotspot
from gateway.shop.hotspots.objects import (
    NO_OBJECT,
    ROOT,
    STATE_ACTIVATED,
    STATE_DEACTIVATING,
    STATE_DISCONNECTED,
    STATE_FAILED,
    STATE_PREPARE,
    Settings,
    StateChange,
)
from gateway.shop.hotspots.wifi_device import WifiDevice, find_address, find_devices

if TYPE_CHECKING:  # imported only where NetworkManager may be
    from gateway.shop.hotspots.network_manager import NetworkManager

T = TypeVar("T")

_REASONS: Final = {
    5: message("it gives no address"),
    6: message("it gives no address any more"),
    7: message("it asks for a password, which no camera does"),
    8: message("the connection was lost"),
    9: message("it refused the connection"),
    10: message("it refused the connection"),
    11: message("it did not answer"),
    15: message("it gives no address"),
    16: message("it gives no address"),
    17: message("it gives no address"),
    36: message("the Wi-Fi interface was removed"),
    39: message("another program or person has disconnected the Wi-Fi interface"),
    53: message("it is not to be seen any more"),
}
"""What NetworkManager's `NMDeviceStateReason` means for a hotspot, as far as it occurs."""
_NO_ROUTE_METRIC: Final = 30_000
"""Any other interface in a network of the same addresses comes first."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HotspotTimeouts:
    """How long parts of the work take at most, in seconds."""

    scan_s: float = 20
    """To search for networks."""
    join_s: float = 45
    """To join a hotspot and get an address there."""
    return_s: float = 60
    """Until the interface is back in its own network."""
    checkpoint_s: int = 45
    """Until NetworkManager goes back by itself when the gateway has died; begun anew all the time while it lives."""
    poll_s: float = 0.5
    """Between two looks at what has no signal."""


class HotspotVisit:
    """One visit of a Wi-Fi device to a hotspot."""

    def __init__(
        self, network_manager: "NetworkManager", supervisor: Supervisor, device: WifiDevice, timeouts: HotspotTimeouts
    ) -> None:
        """Take the device as it is now: that is what it goes back to."""
        self._network_manager = network_manager
        self._supervisor = supervisor
        self._device = device
        self._timeouts = timeouts

    @asynccontextmanager
    async def join(self, hotspot: Hotspot, access_point: str, *, limit_s: float) -> AsyncIterator[JoinedHotspot]:
        """Be in the hotspot that an access point offers. Raises the same as `Hotspots.join`."""
        checkpoint = await self._create_checkpoint()
        keep_alive = self._supervisor.start_periodic(
            "checkpoint of the Wi-Fi",
            lambda: self._network_manager.extend_checkpoint(checkpoint, self._timeouts.checkpoint_s),
            interval_s=self._timeouts.checkpoint_s / 4,
        )
        try:
            joined = await self._activate(hotspot, access_point)
            try:
                async with asyncio.timeout(limit_s) as limit:
                    yield joined
            except TimeoutError as exc:
                if not limit.expired():
                    raise
                raise PeerTimeout(
                    message("{ssid} was left after {limit_s:.0f} s", ssid=hotspot.ssid, limit_s=limit_s)
                ) from exc
        except Exception:
            try:
                await self._go_back(checkpoint, keep_alive)
            except (WifiNotRestored, HotspotsUnavailable) as exc:
                _log.warning("%s", exc)
            raise
        except BaseException:  # the caller is cancelled: NetworkManager needs the order, and does it by itself
            await _complete(self._leave(checkpoint, keep_alive))
            raise
        else:
            await self._go_back(checkpoint, keep_alive)

    async def _create_checkpoint(self) -> str:
        """Have NetworkManager remember the present state; wait for the end of a checkpoint that a crash has left."""
        deadline = asyncio.get_running_loop().time() + self._timeouts.checkpoint_s + 5
        others: list[Any] = [NO_OBJECT]  # one that was in the way may have ended right after the refusal
        while True:
            try:
                checkpoint = await self._network_manager.create_checkpoint(
                    self._device.path, self._timeouts.checkpoint_s
                )
            except NetworkManagerError as exc:
                if not others or asyncio.get_running_loop().time() >= deadline:
                    raise HotspotsUnavailable(
                        message(
                            "NetworkManager cannot remember what {interface} is connected to ({reason}): another "
                            "program may be changing the network; try again later",
                            interface=self._device.interface,
                            reason=exc,
                        )
                    ) from exc
                objects = await self._network_manager.get_objects()
                others = objects.read(ROOT, "", "Checkpoints", [])
            else:
                await self._refresh_device()
                return checkpoint
            await asyncio.sleep(self._timeouts.poll_s)

    async def _refresh_device(self) -> None:
        """Look at the device again: a checkpoint that has just ended may have connected it."""
        found = find_devices(await self._network_manager.get_objects())
        self._device = next((one for one in found if one.path == self._device.path), self._device)

    async def _activate(self, hotspot: Hotspot, access_point: str) -> JoinedHotspot:
        try:
            async with (
                asyncio.timeout(self._timeouts.join_s),
                self._network_manager.watch_device(self._device.path) as changes,
            ):
                active = await self._network_manager.activate_volatile(
                    _build_profile(hotspot), self._device.path, access_point
                )
                await self._wait_until_active(hotspot, active, changes)
        except TimeoutError as exc:
            raise _make_failure(hotspot, message("it took too long")) from exc
        except NetworkManagerError as exc:
            raise _make_failure(hotspot, describe_error(exc) or exc.name) from exc
        address = find_address(await self._network_manager.get_objects(), self._device)
        if not address:
            raise _make_failure(hotspot, message("it gives addresses that no camera gives, so it is none"))
        return JoinedHotspot(hotspot, self._device.interface, address)

    async def _wait_until_active(self, hotspot: Hotspot, active: str, changes: "asyncio.Queue[StateChange]") -> None:
        """Wait until the device is connected by an active connection. Raises `HotspotJoinFailed` with the reason."""
        has_begun = False
        while True:
            change = await changes.get()
            if change.state == STATE_ACTIVATED:
                objects = await self._network_manager.get_objects()
                if objects.read(self._device.path, "Device", "ActiveConnection", NO_OBJECT) == active:
                    return
                raise _make_failure(hotspot, message("another program has connected the Wi-Fi interface elsewhere"))
            has_ended = change.state <= STATE_DISCONNECTED or change.state == STATE_DEACTIVATING
            if change.state == STATE_FAILED or (has_begun and has_ended):
                unknown = message("NetworkManager's reason {number}", number=change.reason)
                raise _make_failure(hotspot, _REASONS.get(change.reason, unknown))
            has_begun = has_begun or STATE_PREPARE <= change.state < STATE_ACTIVATED

    async def _go_back(self, checkpoint: str, keep_alive: Service) -> None:
        """Go back to what the device was connected to, and see that it is. Raises `WifiNotRestored`."""
        await _complete(self._leave(checkpoint, keep_alive))
        deadline = asyncio.get_running_loop().time() + self._timeouts.return_s
        while not await self._is_back():
            if asyncio.get_running_loop().time() >= deadline:
                raise WifiNotRestored(
                    message(
                        "{interface} is not back in {network}: connect it again with `nmcli device connect "
                        "{interface}`; NetworkManager goes on trying if that network is joined automatically",
                        interface=self._device.interface,
                        network=self._device.profile_id,
                    )
                )
            await asyncio.sleep(self._timeouts.poll_s)

    async def _leave(self, checkpoint: str, keep_alive: Service) -> None:
        """Tell NetworkManager to go back. Where it cannot be told, it goes back by itself after the timeout."""
        await self._supervisor.remove_service(keep_alive)
        try:
            if not await self._network_manager.roll_back(checkpoint):
                _log.warning("NetworkManager could not bring %s back to its own network", self._device.interface)
        except (NetworkManagerError, HotspotsUnavailable) as exc:
            _log.warning("%s goes back to its own network by itself: %s", self._device.interface, exc)

    async def _is_back(self) -> bool:
        found = find_devices(await self._network_manager.get_objects())
        device = next((one for one in found if one.path == self._device.path), None)
        if device is None or not self._device.profile_uuid:  # it is gone, or had no network to go back to
            return True
        return device.profile_uuid == self._device.profile_uuid and device.state == STATE_ACTIVATED


def _build_profile(hotspot: Hotspot) -> Settings:
    """Return the settings of a hotspot's network, from which nothing but addresses is taken: anybody can offer one."""
    return {
        "connection": {
            "id": ("s", hotspot.ssid),
            "type": ("s", "802-11-wireless"),
            "autoconnect": ("b", False),
        },
        "802-11-wireless": {
            "ssid": ("ay", hotspot.ssid.encode()),
            "bssid": ("ay", bytes.fromhex(hotspot.bssid.replace(":", ""))),
            "mode": ("s", "infrastructure"),
        },
        "ipv4": {
            "method": ("s", "auto"),
            "never-default": ("b", True),
            "ignore-auto-routes": ("b", True),
            "ignore-auto-dns": ("b", True),
            "dhcp-send-hostname": ("b", False),
            "may-fail": ("b", False),
            "route-metric": ("x", _NO_ROUTE_METRIC),
        },
        "ipv6": {"method": ("s", "disabled")},
    }


def _make_failure(hotspot: Hotspot, reason: str) -> HotspotJoinFailed:
    return HotspotJoinFailed(message("{ssid} cannot be joined: {reason}", ssid=hotspot.ssid, reason=reason))


async def _complete(work: Coroutine[Any, Any, T]) -> T:
    """Await work to its end, even if the caller is cancelled meanwhile. The cancellation goes on after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None:
        raise cancelled
    return task.result()
