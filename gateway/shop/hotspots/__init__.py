"""Hotspots of new cameras: found and joined by the gateway itself, where NetworkManager is. No phone is needed."""

from gateway.shop.hotspots.errors import HotspotJoinFailed, HotspotsUnavailable, WifiNotRestored
from gateway.shop.hotspots.hotspot import Hotspot, HotspotSupport, JoinedHotspot
from gateway.shop.hotspots.hotspots import Hotspots

__all__ = [
    "Hotspot",
    "HotspotJoinFailed",
    "HotspotSupport",
    "Hotspots",
    "HotspotsUnavailable",
    "JoinedHotspot",
    "WifiNotRestored",
]
