"""The registry: what is known of every camera, found or managed.

Identity is the serial number, never an address. What a person decides and what a camera has proved is here; what is
merely seen is in `presence`. Liveness stays in memory; the database is written when who a camera is, or how it is
reached and trusted, has changed.
"""

import re
from typing import Final

from gateway.cameras.presence import Change, PresenceTracker
from gateway.cameras.record import AddressSeen, CameraRecord, clean_text, is_serial_number
from gateway.cameras.table import Activation
from gateway.errors import CameraUntrusted, Conflict, FieldError, InvalidRequest, NotFound

__all__ = ["Activation", "AddressSeen", "CameraRecord", "Change", "Registry"]

_HOST_PORT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,253}):([0-9]{1,5})")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Registry(PresenceTracker):
    """All cameras. Methods that wait do so for the database and raise `StateError` when it cannot be written.

    The change is in memory all the same then, and is stored with the next one that succeeds.
    """

    async def load(self) -> None:
        """Take over what is stored. To be called once, before anything else."""
        for stored in await self._table.load_all():
            self._cameras[stored.sn] = CameraRecord.from_stored(stored)

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

    def distrust(self, sn: str, sha256_shown: str) -> None:
        """Note that something at the camera's address shows another certificate than the pin."""
        camera = self._cameras.get(sn)
        if camera is not None and sha256_shown not in (camera.certificate_sha256, camera.shown_sha256):
            camera.shown_sha256 = sha256_shown
            self._emit(camera, "untrusted")

    async def _set_pin(self, camera: CameraRecord, sha256: str) -> None:
        if not _SHA256.fullmatch(sha256):
            raise ValueError("a pin is 64 lower-case hexadecimal digits")
        camera.certificate_sha256, camera.verified_address, camera.shown_sha256 = sha256, "", ""
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

    async def flush(self) -> None:
        """Store what has changed and is not stored yet."""
        await self._store.flush()

    async def close(self) -> None:
        """Store what is not stored yet, and stop."""
        await self._store.close()


def _check(sn: str, address: str) -> None:
    field_errors = []
    if not is_serial_number(sn):
        field_errors.append(FieldError("sn", "must be letters, digits and ._-, at most 128 characters"))
    match = _HOST_PORT.fullmatch(address)
    if match is None or not 0 < int(match[1]) < 65536:
        field_errors.append(FieldError("address", "must be host:port"))
    if field_errors:
        raise InvalidRequest(field_errors)
