"""Searches for hotspots of cameras, joins one, and comes back, by means of NetworkManager."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from firmware_tools.language import message
from gateway.runtime.supervisor import Supervisor
from gateway.shop.hotspots.errors import HotspotsUnavailable
from gateway.shop.hotspots.hotspot import Hotspot, HotspotSupport, JoinedHotspot

DEFAULT_LIMIT_S: Final = 300.0
"""How long the interface stays in one hotspot at most."""


class Hotspots:
    """The hotspots that this machine can join. Safe to be used by several tasks: one is in a hotspot at a time."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def describe(self) -> HotspotSupport:
        """Look whether hotspots can be joined here, and what will happen to whom. Changes nothing, raises nothing."""
        return HotspotSupport(reason=message("hotspots cannot be joined by this version: join them by hand"))

    async def scan(self) -> tuple[Hotspot, ...]:
        """Search for hotspots, the strongest first. It takes some seconds. Raises `HotspotsUnavailable`."""
        raise HotspotsUnavailable((await self.describe()).reason)

    @asynccontextmanager
    async def join(self, hotspot: Hotspot, *, limit_s: float = DEFAULT_LIMIT_S) -> AsyncIterator[JoinedHotspot]:
        """Be in a hotspot for a while; then the interface is back in its own network, whatever happens meanwhile.

        After `limit_s` seconds the body is cancelled, and `PeerTimeout` is raised. Raises `HotspotsUnavailable`,
        `HotspotJoinFailed`, and at the end `WifiNotRestored`.
        """
        raise HotspotsUnavailable((await self.describe()).reason)
        yield  # type: ignore[unreachable]  # makes it a generator
