"""The registry: what is known of every camera, found or managed.

Identity is the serial number, never an address. What a person decides and what a camera has proved is here; what is
merely seen is in `presence`. Liveness stays in memory. The database is written when a camera's identity, address, trust
or activation has changed.
"""

import re
from typing import Final

from firmware_tools.language import message
from gateway.cameras.presence import CameraChange, PresenceTracker
from gateway.cameras.record import (
    Activation,
    CameraAddress,
    CameraRecord,
    ClockSource,
    clean_text,
    is_serial_number,
)
from gateway.errors import CameraUntrusted, Conflict, FieldError, InvalidRequest, NotFound
from gateway.protocol.camera_address import find_address_problem

__all__ = ["Activation", "CameraAddress", "CameraChange", "CameraRecord", "Registry"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Registry(PresenceTracker):
    """All cameras. Asynchronous methods write to the database, and raise `StateError` if that fails.

    The change is in memory all the same then, and is stored later.
    """

    async def load(self) -> None:
        """Load what is stored, and store changes from now on. To be called once, before anything else."""
        for camera in await self._table.load_all():
            self._cameras[camera.sn] = camera
        self._store.start()

    def all(self) -> list[CameraRecord]:
        """Return every camera: managed ones first, then by serial number."""
        return sorted(self._cameras.values(), key=lambda camera: (not camera.managed, camera.sn))

    def get(self, sn: str) -> CameraRecord:
        """Return one camera. Raises `NotFound`."""
        if sn not in self._cameras:
            raise NotFound(
                message("No camera {sn!r} is known: run discovery, or add it by its address and serial number", sn=sn)
            )
        return self._cameras[sn]

    def find_spelling(self, sn: str) -> str:
        """Return a serial number in the spelling of the camera that has it, if a person wrote small letters."""
        if sn in self._cameras:
            return sn
        same = [known for known in self._cameras if known.casefold() == sn.casefold()]
        return same[0] if len(same) == 1 else sn

    def find(self, sn: str) -> CameraRecord | None:
        """Return one camera, or None if it is not known."""
        return self._cameras.get(sn)

    async def manage(self, sn: str, address: str | None = None) -> CameraRecord:
        """Make a camera managed: one that was found, or one that a person names with its address (`host:port`).

        Raises `InvalidRequest` and, for an unknown serial number without an address, `NotFound`.
        """
        if address is not None:
            _validate(sn, address)
        camera = self.get(sn) if address is None or sn in self._cameras else None
        if camera is None:
            camera = self._cameras[sn] = CameraRecord(sn=sn, first_seen=int(self._now()))
        camera.managed = True
        if address is not None:
            self._assign_address(address, camera, answered=True)  # a person says so
            camera.ensure_address(address, "", "address")
            if camera.address != address:
                camera.address, camera.verified_address = address, ""
            self.unidentified.pop(address, None)
        await self._store_now(camera)
        return camera

    async def unmanage(self, sn: str) -> None:
        """Let a camera be only found again, without a pin, as before it was made managed. Raises `NotFound`."""
        camera = self.get(sn)
        camera.managed, camera.certificate_sha256, camera.verified_address = False, "", ""
        await self._store_now(camera)

    async def forget(self, sn: str) -> None:
        """Forget a camera and its pin. It may be found again. Raises `NotFound`."""
        self._remove(self.get(sn))
        await self._store.flush()

    async def pin(self, sn: str, sha256: str) -> None:
        """Remember the first certificate of a camera: one that was confirmed, or that of other cameras.

        Raises `NotFound`, and `CameraUntrusted` if another one is remembered: only `trust` replaces it.
        """
        camera = self.get(sn)
        if camera.certificate_sha256 not in ("", sha256):
            raise CameraUntrusted(
                message(
                    "The camera {sn} shows another certificate than the remembered one; compare it, and "
                    "trust it if right",
                    sn=sn,
                ),
                certificate_sha256=sha256,
            )
        if camera.certificate_sha256 == "":
            await self._set_pin(camera, sha256)

    def is_proved_certificate(self, sha256: str) -> bool:
        """Tell whether a managed camera has proved itself with this certificate."""
        return sha256 in self._proved_certificates()

    def is_unusual_certificate(self, sha256: str) -> bool:
        """Tell whether managed cameras have proved themselves, and all of them with other certificates."""
        proved = self._proved_certificates()
        return bool(proved) and sha256 not in proved

    def _proved_certificates(self) -> set[str]:
        cameras = self._cameras.values()
        return {one.certificate_sha256 for one in cameras if one.can_prove_serial_number and one.certificate_sha256}

    async def trust(self, sn: str, sha256_expected: str, sha256_shown: str) -> None:
        """Replace the pin by the certificate that the camera shows now, if it is the one that the person saw.

        Raises `NotFound`, and `Conflict` if it is another one.
        """
        camera = self.get(sn)
        if sha256_expected.replace(":", "").lower() != sha256_shown:
            raise Conflict(
                message(
                    "The camera {sn} shows the certificate {sha256_shown} now, not the given one; compare again",
                    sn=sn,
                    sha256_shown=sha256_shown,
                )
            )
        if camera.certificate_sha256 != sha256_shown:
            await self._set_pin(camera, sha256_shown)

    def record_untrusted_certificate(self, sn: str, sha256_shown: str) -> None:
        """Record that something at the camera's address shows another certificate than the pin."""
        camera = self._cameras.get(sn)
        if camera is not None and sha256_shown not in (camera.certificate_sha256, camera.untrusted_sha256):
            camera.untrusted_sha256 = sha256_shown
            self._notify(camera, "untrusted")

    def record_clock(self, sn: str, clock: ClockSource) -> None:
        """Record the clock by which a camera accepted a signed call. It is stored later."""
        camera = self._cameras.get(sn)
        if camera is not None and clock != camera.clock:
            camera.clock = clock
            self._store.mark_changed(sn)

    async def _set_pin(self, camera: CameraRecord, sha256: str) -> None:
        if not _SHA256.fullmatch(sha256):
            raise ValueError("a pin is 64 lower-case hexadecimal digits")
        camera.certificate_sha256, camera.verified_address, camera.untrusted_sha256 = sha256, "", ""
        self._notify(camera, "pinned")
        await self._store_now(camera)

    async def prefer(self, sn: str, address: str) -> None:
        """Call a camera first at this address from now on: it has proved itself there. Raises `NotFound`."""
        camera = self.get(sn)
        self._assign_address(address, camera, verified=True)
        self.unidentified.pop(address, None)
        old, camera.address, camera.verified_address = camera.address, address, address
        entry = camera.ensure_address(address, "", "address")
        if old != address:
            if old:
                self._notify(camera, "moved")
            self._store.mark_changed(camera.sn)
        self._mark_online(camera, entry)
        await self._store.flush()

    async def update(
        self,
        sn: str,
        *,
        name: str | None = None,
        model: str | None = None,
        mac: str | None = None,
        software_version: str | None = None,
        activation: Activation | None = None,
    ) -> None:
        """Take what the camera said over its pinned connection. None leaves a value alone. Raises `NotFound`.

        A camera that has become activated has to prove its serial number again: until then it could not.
        """
        camera = self.get(sn)
        details = {"name": name, "model": model, "mac": mac, "software_version": software_version}
        for field, text in details.items():
            if text is not None and clean_text(text) != getattr(camera, field):
                setattr(camera, field, clean_text(text))
                self._store.mark_changed(camera.sn)
        if activation is not None and activation != camera.activation:
            camera.activation = activation
            if activation == "activated":
                camera.verified_address = ""
            self._notify(camera, "activation")
            self._store.mark_changed(camera.sn)
        await self._store.flush()

    async def flush(self) -> None:
        """Store what has changed and is not stored yet."""
        await self._store.flush()

    async def close(self) -> None:
        """Store what is not stored yet, and stop."""
        await self._store.close()

    async def _store_now(self, camera: CameraRecord) -> None:
        self._store.mark_changed(camera.sn)
        await self._store.flush()


def _validate(sn: str, address: str) -> None:
    errors = []
    if not is_serial_number(sn):
        errors.append(FieldError("sn", message("must be letters, digits and ._-, at most 128 characters")))
    if problem := find_address_problem(address) or ("" if ":" in address else message("must be host:port")):
        errors.append(FieldError("address", problem))
    if errors:
        raise InvalidRequest(errors)
