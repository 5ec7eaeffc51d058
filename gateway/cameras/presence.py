"""The presence tracker: where cameras were seen, and whether they are there now.

All of it is what frames and calls suggest, in memory, and none of it is proof. A discovered device adds addresses and
makes a camera online. It changes neither trust nor management, nor at which address a managed camera is called first.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from gateway.cameras.record import MAX_FAILURES, CameraAddress, CameraRecord, clean_text, is_serial_number
from gateway.cameras.table import CameraTable
from gateway.cameras.write_behind import WriteBehind
from gateway.discovery.device import DiscoveredDevice
from gateway.runtime.supervisor import Supervisor

CameraChange = Literal["found", "moved", "online", "offline", "pinned", "untrusted", "activation", "duplicated"]

MAX_UNMANAGED: Final = 1024
"""How many cameras that nobody manages are kept. Anybody on the network can invent some."""
MAX_UNIDENTIFIED: Final = 1024
"""How many devices without a serial number are kept."""
MAX_MISSED_INTERVALS: Final = 3
"""After how many discovery intervals without being seen a camera counts as gone."""

SAME_TIME_S: Final = 10.0
"""Within how many seconds two announcements count as simultaneous."""

_DEFAULT_INTERVAL_S: Final = 60.0
"""The interval by which addresses become stale if discovery runs only when asked."""

_log = logging.getLogger(__name__)


class PresenceTracker:
    """The part of the registry that discovery and calls feed. Use `gateway.cameras.registry.Registry`.

    Ages are measured by `monotonic`, since the clock of a Raspberry Pi jumps.
    """

    def __init__(
        self,
        table: CameraTable,
        supervisor: Supervisor,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        interval_s: float = 60,
    ) -> None:
        """Take the time between discovery scans, in seconds.

        With 0, scans are made only when asked for, and no camera goes offline because it was not seen.
        """
        self._table = table
        self._now = now
        self._monotonic = monotonic
        self._is_periodic = interval_s > 0
        self._max_age_s = MAX_MISSED_INTERVALS * (interval_s or _DEFAULT_INTERVAL_S)
        self._cameras: dict[str, CameraRecord] = {}
        self._subscribers: list[Callable[[CameraChange, CameraRecord], None]] = []
        self._store = WriteBehind(table, self._cameras, supervisor)
        self.unidentified: dict[str, DiscoveredDevice] = {}
        """Devices that answer somewhere without saying who they are, by address."""

    def subscribe(self, callback: Callable[[CameraChange, CameraRecord], None]) -> None:
        """Call back at each change, at once and in order. A callback that fails is logged."""
        self._subscribers.append(callback)

    # Discovery

    def record_device(self, device: DiscoveredDevice) -> CameraRecord | None:
        """Take a discovered device. Return its camera, or None if nobody knows which it is."""
        if not is_serial_number(device.sn):
            return self._record_unidentified(device)
        self.unidentified.pop(device.address, None)
        camera = self._cameras.get(device.sn)
        changes: list[CameraChange] = []
        if camera is None:
            self._make_room()
            camera = self._cameras[device.sn] = CameraRecord(sn=device.sn, first_seen=int(self._now()))
            self._store.mark_changed(camera.sn)
            changes.append("found")
        self._apply_claims(camera, device)
        self._assign_address(device.address, camera, answered=bool(device.certificate_sha256))
        old = camera.addresses.get(camera.address)
        entry = camera.ensure_address(device.address, device.interface, device.found_by)
        entry.interface, entry.found_by = device.interface, device.found_by
        entry.answered = entry.answered or bool(device.certificate_sha256)
        if not camera.managed and camera.address != device.address and (old is None or self._is_stale(old)):
            if camera.address:
                changes.append("moved")
            camera.address, camera.verified_address = device.address, ""
            self._store.mark_changed(camera.sn)
        entry.mac = clean_text(device.mac) or entry.mac
        self._notify(camera, *changes)
        self._mark_online(camera, entry)
        self._find_duplicate(camera, entry)
        return camera

    def _find_duplicate(self, camera: CameraRecord, entry: CameraAddress) -> None:
        """Notice another device that announces the same serial number at another address."""
        others = [
            other.address
            for other in camera.addresses.values()
            if self._is_other_device(other, entry) and (entry.seen_at or 0.0) - (other.seen_at or 0.0) <= SAME_TIME_S
        ]
        if others and camera.duplicates is None:
            camera.duplicates = (others[0], entry.address)
            self._notify(camera, "duplicated")

    @staticmethod
    def _is_other_device(one: CameraAddress, other: CameraAddress) -> bool:
        """Tell whether two MAC addresses belong to two devices: those of one device differ in the last byte only."""
        return bool(one.mac and other.mac and one.seen_at is not None and one.mac[:-2] != other.mac[:-2])

    def _record_unidentified(self, device: DiscoveredDevice) -> CameraRecord | None:
        holders = self._cameras_at(device.address)
        if holders:
            camera = max(holders, key=lambda holder: holder.addresses[device.address].seen_at or 0.0)
            self._mark_online(camera, camera.addresses[device.address])
            return camera
        self.unidentified.pop(device.address, None)
        if len(self.unidentified) >= MAX_UNIDENTIFIED:
            del self.unidentified[next(iter(self.unidentified))]
        self.unidentified[device.address] = replace(
            device,
            sn="",
            mac=clean_text(device.mac),
            model=clean_text(device.model),
            name=clean_text(device.name),
            software_version=clean_text(device.software_version),
        )
        return None

    def _apply_claims(self, camera: CameraRecord, device: DiscoveredDevice) -> None:
        camera.hotspot = device.hotspot
        for name in ("mac", "model", "name", "software_version"):
            claim = clean_text(getattr(device, name))
            present = getattr(camera, name)
            # What a managed camera said over its own, pinned connection outranks what frames say.
            if claim and claim != present and not (camera.managed and present):
                setattr(camera, name, claim)
                self._store.mark_changed(camera.sn)

    def _make_room(self) -> None:
        unmanaged = [camera for camera in self._cameras.values() if not camera.managed]
        if len(unmanaged) >= MAX_UNMANAGED:
            self._remove(
                min(unmanaged, key=lambda camera: (camera.has_answered, camera.seen_at or 0.0, camera.first_seen))
            )

    # Addresses

    def _assign_address(
        self, address: str, camera: CameraRecord, *, verified: bool = False, answered: bool = False
    ) -> None:
        """Let an address belong to the camera that was seen there last, and take it from the others.

        A forged frame must not cut a camera off. So one that can prove its serial number keeps the address as one to
        try, unless the other is `verified`; and one that answered there does, unless the other has `answered`, too.
        """
        for other in self._cameras_at(address):
            if other is camera:
                continue
            if other.verified_address == address:
                other.verified_address = ""
            holds = other.can_prove_serial_number or (other.addresses[address].answered and not answered)
            if verified or not holds:
                self._take_address(address, other)

    def _take_address(self, address: str, camera: CameraRecord) -> None:
        del camera.addresses[address]
        if camera.address != address:
            return
        camera.address = ""
        others = camera.candidate_addresses()
        if others and not camera.managed:
            camera.address = others[0]
            self._notify(camera, "moved")
        self._store.mark_changed(camera.sn)

    def _cameras_at(self, address: str) -> list[CameraRecord]:
        return [camera for camera in self._cameras.values() if address in camera.addresses]

    # Presence

    def _is_stale(self, seen: CameraAddress) -> bool:
        unseen = seen.seen_at is None or self._monotonic() - seen.seen_at > self._max_age_s
        return unseen or seen.failures >= MAX_FAILURES

    def _mark_online(self, camera: CameraRecord, entry: CameraAddress) -> None:
        camera.was_scanned = True
        camera.last_seen = entry.last_seen = self._now()
        camera.seen_at = entry.seen_at = self._monotonic()
        entry.failures = 0
        if not camera.online:
            camera.online = True
            self._notify(camera, "online")

    def record_success(self, sn: str, address: str) -> None:
        """Record that a camera answered a call at an address."""
        camera = self._cameras.get(sn)
        if camera is not None and address in camera.addresses:
            camera.addresses[address].answered = True
            self._mark_online(camera, camera.addresses[address])

    def record_failure(self, sn: str, address: str) -> None:
        """Record that a camera did not answer at an address. After some failures at all addresses it is offline."""
        camera = self._cameras.get(sn)
        if camera is None or address not in camera.addresses:
            return
        camera.was_scanned = True
        camera.addresses[address].failures += 1
        if all(seen.failures >= MAX_FAILURES for seen in camera.addresses.values()):
            self._mark_offline(camera)

    def expire_unseen(self) -> None:
        """Mark cameras offline that were not seen for some discovery intervals. To be called after each scan."""
        for camera in list(self._cameras.values()):
            camera.was_scanned = True
            if camera.duplicates is not None and any(
                address not in camera.addresses or self._is_stale(camera.addresses[address])
                for address in camera.duplicates
            ):
                camera.duplicates = None
            if (
                self._is_periodic
                and camera.seen_at is not None
                and self._monotonic() - camera.seen_at > self._max_age_s
            ):
                self._mark_offline(camera)

    def _mark_offline(self, camera: CameraRecord) -> None:
        if camera.online:
            camera.online = False
            self._notify(camera, "offline")

    def _remove(self, camera: CameraRecord) -> None:
        del self._cameras[camera.sn]
        self._store.mark_changed(camera.sn)

    def _notify(self, camera: CameraRecord, *changes: CameraChange) -> None:
        for change in changes:
            for callback in self._subscribers:
                try:
                    callback(change, camera)
                except Exception:
                    _log.exception("A subscriber failed at the change %r of the camera %s", change, camera.sn)
