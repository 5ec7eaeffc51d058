"""The registry: what is known of every camera, found or managed.

Identity is the serial number, never an address. A sighting proves nothing: it adds addresses and signs of life, but
changes neither trust nor management, nor where a managed camera is called first. Liveness stays in memory; the database
is written when who a camera is, or how it is reached and trusted, has changed.
"""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from gateway.errors import CameraUntrusted, Conflict, Fault, InvalidRequest, NotFound
from gateway.lan.record import MISSES_UNTIL_GONE, AddressSeen, CameraRecord, clean_text, is_serial_number
from gateway.lan.sighting import Sighting
from gateway.lan.write_behind import WriteBehind
from gateway.store.cameras import Activation, CameraTable

__all__ = ["Activation", "AddressSeen", "CameraRecord", "Change", "Registry"]

Change = Literal["found", "moved", "online", "offline", "pinned", "activation"]

MAX_FOUND: Final = 1024
"""How many cameras that nobody manages are remembered; anybody on the network can invent some."""
MAX_UNIDENTIFIED: Final = 1024
INTERVALS_UNTIL_GONE: Final = 3
"""For how many discovery intervals a camera may stay unseen before it counts as gone."""

_INTERVAL_WITHOUT_TIMER_S: Final = 60.0
_HOST_PORT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,253}):([0-9]{1,5})")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


class Registry:
    """All cameras. Methods that wait do so for the database and raise `StateError` when it cannot be written.

    The change is in memory all the same then, and is stored with the next one that succeeds.
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
        self.unidentified: dict[str, Sighting] = {}
        """What answers somewhere without saying who it is, by address."""

    async def load(self) -> None:
        """Take over what is stored. To be called once, before anything else."""
        for stored in await self._table.load_all():
            self._cameras[stored.sn] = CameraRecord.from_stored(stored)

    def subscribe(self, callback: Callable[[Change, CameraRecord], None]) -> None:
        """Call back at every change, at once and in order; a callback that fails hinders nobody."""
        self._subscribers.append(callback)

    def all(self) -> list[CameraRecord]:
        """Return every camera: managed ones first, then by serial number."""
        return sorted(self._cameras.values(), key=lambda camera: (not camera.managed, camera.sn))

    def get(self, sn: str) -> CameraRecord:
        """Return one camera. Raises `NotFound`."""
        if sn not in self._cameras:
            raise NotFound(f"No camera {sn!r} is known: run discovery, or add it by its address and serial number")
        return self._cameras[sn]

    def candidates(self, sn: str) -> list[str]:
        """Return the addresses at which to try a camera, the best first. Raises `NotFound`."""
        return self.get(sn).candidates()

    # What discovery saw

    def see(self, sighting: Sighting) -> CameraRecord | None:
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
            camera.address = sighting.address
            self._store.later(camera.sn)
        self._emit(camera, *changes)
        self._sign_of_life(camera, entry)
        return camera

    def _see_unidentified(self, sighting: Sighting) -> CameraRecord | None:
        holders = self._holders(sighting.address)
        if holders:
            camera = max(holders, key=lambda holder: holder.addresses[sighting.address].seen_at or 0.0)
            self._sign_of_life(camera, camera.addresses[sighting.address])
            return camera
        self.unidentified.pop(sighting.address, None)
        if len(self.unidentified) >= MAX_UNIDENTIFIED:
            del self.unidentified[next(iter(self.unidentified))]
        self.unidentified[sighting.address] = replace(sighting, sn="", name=clean_text(sighting.name))
        return None

    def _take_claims(self, camera: CameraRecord, sighting: Sighting) -> None:
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
            current = [seen for seen in map(other.addresses.get, other.candidates()[1:]) if seen]
            other.address = ""
            if not other.managed and current and not self._is_gone(current[0]):
                other.address = current[0].address
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
        for camera in self._cameras.values() if self._timed else ():
            if camera.seen_at is not None and self._monotonic() - camera.seen_at > self._gone_after_s:
                self._offline(camera)

    def _offline(self, camera: CameraRecord) -> None:
        if camera.online:
            camera.online = False
            self._emit(camera, "offline")

    # What a person or the camera itself decides

    async def manage(self, sn: str, address: str | None = None) -> CameraRecord:
        """Make a camera ours: one that was found, or one that a person names with its address (`host:port`).

        Raises `InvalidRequest` and, for an unknown serial number without an address, `NotFound`.
        """
        if address is not None:
            _check(sn, address)
        camera = self.get(sn) if address is None or sn in self._cameras else None
        if camera is None:
            camera = self._cameras[sn] = CameraRecord(sn=sn, first_seen=int(self._now()))
        camera.managed = True
        if address is not None:
            self._give(address, camera)
            camera.note_address(address, "", "address")
            if camera.address != address:
                camera.address, camera.verified_address = address, ""
            self.unidentified.pop(address, None)
        self._store.later(camera.sn)
        await self._store.flush()
        return camera

    async def forget(self, sn: str) -> None:
        """Forget a camera, its pin included; it may be found again. Raises `NotFound`."""
        self._drop(self.get(sn))
        await self._store.flush()

    async def pin(self, sn: str, sha256: str) -> None:
        """Remember the certificate that a camera showed first.

        Raises `NotFound`, and `CameraUntrusted` when another one is remembered: only `trust` replaces it.
        """
        camera = self.get(sn)
        if camera.certificate_sha256 not in ("", sha256):
            raise CameraUntrusted(
                f"The camera {sn} shows another certificate than the remembered one; compare it, and trust it if right",
                certificate_sha256=sha256,
            )
        if camera.certificate_sha256 == "":
            await self._set_pin(camera, sha256)

    async def trust(self, sn: str, sha256_expected: str, sha256_shown: str) -> None:
        """Replace the pin by the certificate that the camera shows now, if it is the one that the person saw.

        Raises `NotFound`, and `Conflict` when it is another one.
        """
        camera = self.get(sn)
        if sha256_expected.replace(":", "").lower() != sha256_shown:
            raise Conflict(
                f"The camera {sn} shows the certificate {sha256_shown} now, not the given one; compare again"
            )
        if camera.certificate_sha256 != sha256_shown:
            await self._set_pin(camera, sha256_shown)

    async def _set_pin(self, camera: CameraRecord, sha256: str) -> None:
        if not _SHA256.fullmatch(sha256):
            raise ValueError("a pin is 64 lower-case hexadecimal digits")
        camera.certificate_sha256, camera.verified_address = sha256, ""
        self._emit(camera, "pinned")
        self._store.later(camera.sn)
        await self._store.flush()

    async def prefer(self, sn: str, address: str) -> None:
        """Take an address at which the camera has proved itself as the one to call from now on. Raises `NotFound`."""
        camera = self.get(sn)
        self._give(address, camera, proved=True)
        self.unidentified.pop(address, None)
        old, camera.address, camera.verified_address = camera.address, address, address
        entry = camera.note_address(address, "", "address")
        if old != address:
            if old:
                self._emit(camera, "moved")
            self._store.later(camera.sn)
        self._sign_of_life(camera, entry)
        await self._store.flush()

    async def note(
        self,
        sn: str,
        *,
        name: str | None = None,
        model: str | None = None,
        mac: str | None = None,
        software_version: str | None = None,
        activation: Activation | None = None,
    ) -> None:
        """Take what the camera itself said over its pinned connection; None leaves a value alone. Raises `NotFound`.

        A camera that has become activated has to prove its serial number anew: until then it had no means to.
        """
        camera = self.get(sn)
        told = {"name": name, "model": model, "mac": mac, "software_version": software_version}
        for what, text in told.items():
            if text is not None and clean_text(text) != getattr(camera, what):
                setattr(camera, what, clean_text(text))
                self._store.later(camera.sn)
        if activation is not None and activation != camera.activation:
            camera.activation = activation
            if activation == "activated":
                camera.verified_address = ""
            self._emit(camera, "activation")
            self._store.later(camera.sn)
        await self._store.flush()

    # The end

    async def flush(self) -> None:
        """Store what has changed and is not stored yet."""
        await self._store.flush()

    async def close(self) -> None:
        """Store what is not stored yet, and stop."""
        await self._store.close()

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


def _check(sn: str, address: str) -> None:
    faults = []
    if not is_serial_number(sn):
        faults.append(Fault("sn", "must be letters, digits and ._-, at most 128 characters"))
    match = _HOST_PORT.fullmatch(address)
    if match is None or not 0 < int(match[1]) < 65536:
        faults.append(Fault("address", "must be host:port"))
    if faults:
        raise InvalidRequest(faults)
