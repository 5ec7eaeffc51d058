"""Presence: where cameras were seen, and whether they are there now.

All of it is what frames and calls suggest, in memory, and none of it is proof: a sighting adds addresses and signs of
life. It changes neither trust nor management, nor at which address a managed camera is called first.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from gateway.cameras.record import MISSES_UNTIL_GONE, AddressSeen, CameraRecord, clean_text, is_serial_number
from gateway.cameras.table import CameraTable
from gateway.cameras.write_behind import WriteBehind
from gateway.discovery.device import DiscoveredDevice

Change = Literal["found", "moved", "online", "offline", "pinned", "untrusted", "activation"]

MAX_FOUND: Final = 1024
"""How many cameras that nobody manages are remembered; anybody on the network can invent some."""
MAX_UNIDENTIFIED: Final = 1024
INTERVALS_UNTIL_GONE: Final = 3
"""For how many discovery intervals a camera may stay unseen before it counts as gone."""

_INTERVAL_WITHOUT_TIMER_S: Final = 60.0

_log = logging.getLogger(__name__)


class PresenceTracker:
    """The part of the registry that discovery and calls feed; use `gateway.cameras.registry.Registry`.

    `interval_s` is the time between discovery rounds, in seconds; with 0 there are rounds only when asked for, and
    no camera counts as gone because it was not seen. Ages are taken from `monotonic`: the clock of a Pi jumps.
    """

    def __init__(
        self,
        table: CameraTable,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        interval_s: float = 60,
    ) -> None:
        self._table = table
        self._now = now
        self._monotonic = monotonic
        self._timed = interval_s > 0
        self._gone_after_s = INTERVALS_UNTIL_GONE * (interval_s or _INTERVAL_WITHOUT_TIMER_S)
        self._cameras: dict[str, CameraRecord] = {}
        self._subscribers: list[Callable[[Change, CameraRecord], None]] = []
        self._store = WriteBehind(table, self._cameras)
        self.unidentified: dict[str, DiscoveredDevice] = {}
        """What answers somewhere without saying who it is, by address."""

    def subscribe(self, callback: Callable[[Change, CameraRecord], None]) -> None:
        """Call back at every change, at once and in order; a callback that fails hinders nobody."""
        self._subscribers.append(callback)

    # What discovery saw

    def see(self, sighting: DiscoveredDevice) -> CameraRecord | None:
        """Take a sighting; return the camera that it is of, or None when nobody knows. Changes are stored soon."""
        if not is_serial_number(sighting.sn):
            return self._see_unidentified(sighting)
        self.unidentified.pop(sighting.address, None)
        camera = self._cameras.get(sighting.sn)
        changes: list[Change] = []
        if camera is None:
            self._make_room()
            camera = self._cameras[sighting.sn] = CameraRecord(sn=sighting.sn, first_seen=int(self._now()))
            self._store.later(camera.sn)
            changes.append("found")
        self._take_claims(camera, sighting)
        self._give(sighting.address, camera)
        old = camera.addresses.get(camera.address)
        entry = camera.note_address(sighting.address, sighting.interface, sighting.found_by)
        entry.interface, entry.found_by = sighting.interface, sighting.found_by
        if not camera.managed and camera.address != sighting.address and (old is None or self._is_gone(old)):
            if camera.address:
                changes.append("moved")
            camera.address, camera.verified_address = sighting.address, ""
            self._store.later(camera.sn)
        self._emit(camera, *changes)
        self._sign_of_life(camera, entry)
        return camera

    def _see_unidentified(self, sighting: DiscoveredDevice) -> CameraRecord | None:
        holders = self._holders(sighting.address)
        if holders:
            camera = max(holders, key=lambda holder: holder.addresses[sighting.address].seen_at or 0.0)
            self._sign_of_life(camera, camera.addresses[sighting.address])
            return camera
        self.unidentified.pop(sighting.address, None)
        if len(self.unidentified) >= MAX_UNIDENTIFIED:
            del self.unidentified[next(iter(self.unidentified))]
        self.unidentified[sighting.address] = replace(
            sighting,
            sn="",
            mac=clean_text(sighting.mac),
            model=clean_text(sighting.model),
            name=clean_text(sighting.name),
            software_version=clean_text(sighting.software_version),
        )
        return None

    def _take_claims(self, camera: CameraRecord, sighting: DiscoveredDevice) -> None:
        camera.hotspot = sighting.hotspot
        for what in ("mac", "model", "name", "software_version"):
            claim = clean_text(getattr(sighting, what))
            present = getattr(camera, what)
            # What a managed camera said over its own, pinned connection outranks what frames say.
            if claim and claim != present and not (camera.managed and present):
                setattr(camera, what, claim)
                self._store.later(camera.sn)

    def _make_room(self) -> None:
        found = [camera for camera in self._cameras.values() if not camera.managed]
        if len(found) >= MAX_FOUND:
            self._drop(min(found, key=lambda camera: (camera.seen_at or 0.0, camera.first_seen)))

    # Whose address it is, and who is alive

    def _give(self, address: str, camera: CameraRecord, *, proved: bool = False) -> None:
        """Let an address belong to the camera that was seen there last."""
        for other in self._holders(address):
            if other is camera:
                continue
            if other.verified_address == address:
                other.verified_address = ""
            # One that can prove its number keeps the address as a place to try: a forged frame must not cut it off.
            if other.proves_its_serial_number and not proved:
                continue
            del other.addresses[address]
            if other.address != address:
                continue
            others = other.candidates()[1:]
            other.address = ""
            if others and not other.managed:
                other.address = others[0]
                self._emit(other, "moved")
            self._store.later(other.sn)

    def _holders(self, address: str) -> list[CameraRecord]:
        return [camera for camera in self._cameras.values() if address in camera.addresses]

    def _is_gone(self, seen: AddressSeen) -> bool:
        unseen = seen.seen_at is None or self._monotonic() - seen.seen_at > self._gone_after_s
        return unseen or seen.misses >= MISSES_UNTIL_GONE

    def _sign_of_life(self, camera: CameraRecord, entry: AddressSeen) -> None:
        camera.last_seen = entry.last_seen = self._now()
        camera.seen_at = entry.seen_at = self._monotonic()
        entry.misses = 0
        if not camera.online:
            camera.online = True
            self._emit(camera, "online")

    def reached(self, sn: str, address: str) -> None:
        """Note that a camera answered a call at an address."""
        camera = self._cameras.get(sn)
        if camera is not None and address in camera.addresses:
            self._sign_of_life(camera, camera.addresses[address])

    def missed(self, sn: str, address: str) -> None:
        """Note that a camera did not answer at an address; it is offline after three times at every address it has."""
        camera = self._cameras.get(sn)
        if camera is None or address not in camera.addresses:
            return
        camera.addresses[address].misses += 1
        if all(seen.misses >= MISSES_UNTIL_GONE for seen in camera.addresses.values()):
            self._offline(camera)

    def expire(self) -> None:
        """Note which cameras were not seen for three discovery intervals; to be called after every round."""
        for camera in list(self._cameras.values()) if self._timed else ():
            if camera.seen_at is not None and self._monotonic() - camera.seen_at > self._gone_after_s:
                self._offline(camera)

    def _offline(self, camera: CameraRecord) -> None:
        if camera.online:
            camera.online = False
            self._emit(camera, "offline")

    def _drop(self, camera: CameraRecord) -> None:
        del self._cameras[camera.sn]
        self._store.later(camera.sn)

    def _emit(self, camera: CameraRecord, *changes: Change) -> None:
        for change in changes:
            for callback in self._subscribers:
                try:
                    callback(change, camera)
                except Exception:
                    _log.exception("A subscriber failed at the change %r of the camera %s", change, camera.sn)
