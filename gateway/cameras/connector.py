"""The way to a camera: which of its addresses answers, and what proves that it is this camera that answers there."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

from gateway.cameras.connection import CallOutcomeUnknown, CameraConnectionLost, fetch_certificate_sha256
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Activation, Registry
from gateway.cameras.session import Account, CameraSession
from gateway.errors import CameraUnreachable, CameraUntrusted, Conflict, PeerTimeout, Problem
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.protocol.envelope import VendorResponse
from gateway.protocol.mac_address import normalise_mac
from gateway.protocol.models import parse_model

GET_INFO: Final = CATALOGUE.get("camera", "device/getInfo").encode({})


class Connector:
    """Connects lines to cameras. The caller holds the line's turn; deadlines are times of the event loop.

    The pin is compared at every connection. It is the same for all cameras of the vendor, so one that is activated has
    to answer a signed `getInfo` with its serial number too, once at every new address, before it gets anything else.
    """

    def __init__(self, registry: Registry, context: ssl.SSLContext, account: Account) -> None:
        self._registry = registry
        self._context = context
        self._account = account

    def credentials(self) -> Account:
        """Return what calls are signed with. Raises `Conflict` telling which setting to fill in."""
        if not all(self._account):
            raise Conflict(
                "cameras need the account's credentials: fill in cloud.app_id and cloud.secret_key, "
                "or cameras.app_id and cameras.secret_key"
            )
        return self._account

    async def connect(
        self, camera: CameraRecord, line: CameraSession, deadline: float, *, prove: bool = True, fresh: bool = False
    ) -> None:
        """Be connected to the camera, at its preferred address or else at another one where it was seen.

        Without `prove` the pin is enough, and the address does not become the preferred one. `fresh` uses no connection
        kept from before. Raises `CameraUntrusted`, `CameraUnreachable`, `PeerTimeout` or, when there is nothing to sign
        with, `Conflict`.
        """
        if fresh:
            line.close()
        connection = line.connection
        if (
            connection is not None
            and connection.is_open
            and connection.address == camera.verified_address == camera.address
            and connection.pin == camera.certificate_sha256
        ):
            return
        failure = _nowhere(camera)
        addresses = camera.candidates()
        for index, address in enumerate(addresses):
            now = asyncio.get_running_loop().time()
            try:
                await self._try(camera, line, address, now + (deadline - now) / (len(addresses) - index), prove=prove)
            except CameraUntrusted as exc:
                if exc.certificate_sha256 is not None:
                    self._registry.distrust(camera.sn, exc.certificate_sha256)
                failure = failure if isinstance(failure, CameraUntrusted) else exc
            except (CameraUnreachable, PeerTimeout) as exc:
                failure = failure if index else exc
            else:
                return
            line.close()
            self._registry.missed(camera.sn, address)
        raise failure

    async def _try(
        self, camera: CameraRecord, line: CameraSession, address: str, deadline: float, *, prove: bool
    ) -> None:
        pin = camera.certificate_sha256
        if not pin:
            pin = await self._handshake(address, deadline - asyncio.get_running_loop().time())
            if camera.managed:
                await self._registry.pin(camera.sn, pin)
        await line.connect(address, pin, deadline=deadline)
        if not prove or not camera.managed or camera.verified_address == address:
            return
        if camera.activation == "activated" or (camera.activation == "unknown" and all(self._account)):
            await self._prove(camera, line, deadline)
        await self._registry.prefer(camera.sn, address)

    async def _prove(self, camera: CameraRecord, line: CameraSession, deadline: float) -> None:
        try:
            answer = await line.exchange(GET_INFO, self.credentials(), deadline=deadline)
        except CallOutcomeUnknown as exc:  # of this question, not of the call that is to follow
            raise CameraUnreachable(exc.detail) from exc
        if answer.code == 0:
            await self.identified(camera, line, answer)
        elif camera.activation == "activated":
            raise CameraUntrusted(
                f"what answers for the camera {camera.sn} does not prove to be it (getInfo: code {answer.code}, "
                f"{GET_INFO.endpoint.describe_code(answer.code)}); if the camera was reset, provision it again"
            )

    async def identified(self, camera: CameraRecord, line: CameraSession, info: VendorResponse) -> None:
        """Take the answer of a signed `getInfo` for proof of who it is. Raises `CameraUntrusted` for another camera."""
        sn = told(info, "sn")
        if sn != camera.sn:
            line.close()
            raise CameraUntrusted(f"what answers for the camera {camera.sn} is the camera {sn!r}: run discovery")
        await self.noted(camera, GET_INFO, info)
        await self.settled(camera, line, "activated")

    async def settled(self, camera: CameraRecord, line: CameraSession, activation: Activation) -> None:
        """Remember the activation, and the address at which the camera showed all that it can show."""
        await self._registry.note(camera.sn, activation=activation)
        if camera.managed and line.connection is not None and camera.verified_address != line.connection.address:
            await self._registry.prefer(camera.sn, line.connection.address)

    async def exchange(
        self,
        camera: CameraRecord,
        line: CameraSession,
        call: Call,
        account: Account | None,
        deadline: float,
        *,
        prove: bool = True,
    ) -> VendorResponse:
        """Send a call over the connected line; note whether the camera lives. Raises as `CameraSession.exchange`.

        A call that may be repeated is sent once more, signed anew, when the connection dropped: one that was kept open
        may have died long ago, and the camera may be elsewhere by now. `prove` is as in `connect`.
        """
        try:
            answer = await self._watched(camera, line, call, account, deadline)
        except CameraConnectionLost:
            if not call.endpoint.repeatable:
                raise
            await self.connect(camera, line, deadline, prove=prove)
            answer = await self._watched(camera, line, call, account, deadline)
        return answer

    async def _watched(
        self, camera: CameraRecord, line: CameraSession, call: Call, account: Account | None, deadline: float
    ) -> VendorResponse:
        address = line.connection.address if line.connection is not None else ""
        try:
            answer = await line.exchange(call, account, deadline=deadline)
        except (CameraUnreachable, PeerTimeout):
            self._registry.missed(camera.sn, address)
            raise
        self._registry.reached(camera.sn, address)
        return answer

    async def noted(self, camera: CameraRecord, call: Call, answer: VendorResponse) -> None:
        """Remember what a successful answer tells about the camera."""
        match call.endpoint.path:
            case "device/getInfo":
                await self._registry.note(
                    camera.sn,
                    name=told(answer, "name") or None,
                    model=parse_model(told(answer, "model_name")),
                    mac=normalise_mac(told(answer, "mac")) or None,
                    software_version=told(answer, "software_version") or None,
                )
            case "config/getName":
                await self._registry.note(camera.sn, name=told(answer, "name"))
            case "config/updateName":
                await self._registry.note(camera.sn, name=call.fields["name"])
            case "device/reset":
                await self._registry.note(camera.sn, activation="not_activated")

    async def shown(self, camera: CameraRecord, timeout_s: float) -> str:
        """Return the SHA-256 of the certificate that the camera shows now, in a bare handshake."""
        failure = _nowhere(camera)
        for address in camera.candidates():
            try:
                return await self._handshake(address, timeout_s)
            except (CameraUnreachable, PeerTimeout) as exc:
                failure = exc
        raise failure

    async def _handshake(self, address: str, timeout_s: float) -> str:
        host, _, port = address.rpartition(":")
        return await fetch_certificate_sha256(host, int(port), self._context, max(0.0, timeout_s))


def told(answer: VendorResponse, name: str) -> str:
    """Return a text of an answer's data, trimmed, or nothing."""
    value: Any = answer.data.get(name) if isinstance(answer.data, Mapping) else None
    return value.strip() if isinstance(value, str) else ""


def _nowhere(camera: CameraRecord) -> Problem:
    return CameraUnreachable(f"no address of the camera {camera.sn} is known: run discovery")
