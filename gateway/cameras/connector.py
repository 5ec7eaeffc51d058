"""The connector: at which of its addresses a camera answers, and what proves that it is this camera."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from firmware_tools.language import message
from gateway.cameras.connection import (
    CallOutcomeUnknown,
    CameraConnectionLost,
    MalformedCameraResponse,
    fetch_certificate_sha256,
)
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Activation, Registry
from gateway.cameras.session import CameraSession, Credentials
from gateway.discovery.camera_tls import CameraTlsContext
from gateway.discovery.device import DiscoveredDevice
from gateway.errors import CameraResponseMalformed, CameraUnreachable, CameraUntrusted, Conflict, PeerTimeout, Problem
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.protocol.envelope import VendorResponse
from gateway.protocol.mac_address import normalise_mac
from gateway.protocol.models import parse_model

GET_INFO: Final = CATALOGUE.get("camera", "device/getInfo").encode({})

Identify = Callable[[str], Awaitable[DiscoveredDevice | None]]
"""Asks what is at an address (`host:port`) who it is, with a discovery frame. None if nothing answers."""


class Connector:
    """Connects sessions to cameras. The caller has reserved the session; deadlines are times of the event loop.

    The pin is compared at each connection. It is the same for all cameras of the vendor. So an activated camera also
    has to answer a signed `getInfo` with its serial number: at each new address before it gets anything else, and
    each time before a secret and before what cannot be undone. Any camera may be at the address of a hotspot, so there
    each connection begins with the question who answers.

    Nothing signed and nothing secret goes to a certificate that is not pinned. A signature holds for every camera of
    the account and for every path, so whoever gets one can use it. A certificate is pinned when a person confirms it,
    or when a camera of the account has proved itself with it.
    """

    def __init__(
        self, registry: Registry, context: CameraTlsContext, credentials: Credentials, identify: Identify
    ) -> None:
        self._registry = registry
        self._context = context
        self._credentials = credentials
        self._identify = identify

    def require_credentials(self) -> Credentials:
        """Return what calls are signed with. Raises `Conflict` naming the settings to fill in."""
        if not all(self._credentials):
            raise Conflict(
                message(
                    "cameras need the account's credentials: fill in cloud.app_id and cloud.secret_key, or "
                    "cameras.app_id and cameras.secret_key"
                )
            )
        return self._credentials

    async def connect(
        self,
        camera: CameraRecord,
        session: CameraSession,
        deadline: float,
        *,
        verify: bool = True,
        identify: bool = False,
    ) -> None:
        """Connect to the camera, at its preferred address or else at another one where it was seen.

        Without `verify` the pin is enough, and the address does not become the preferred one. `identify` is for a call
        that carries a secret or cannot be undone: the camera proves itself once more, and the call gets a connection
        that serves nothing else, at whose other end is asked who is there. Raises `CameraUntrusted`,
        `CameraUnreachable`, `PeerTimeout`, or `Conflict` if there are no credentials.
        """
        if identify:
            session.close()
        connection = session.connection
        if (
            connection is not None
            and connection.is_open
            and connection.address == camera.verified_address == camera.address
            and connection.pin == camera.certificate_sha256
        ):
            return
        failure = _no_address(camera)
        addresses = camera.candidate_addresses()
        for index, address in enumerate(addresses):
            now = asyncio.get_running_loop().time()
            share = now + (deadline - now) / (len(addresses) - index)
            try:
                await self._connect_to(camera, session, address, share, verify=verify, identify=identify)
            except CameraUntrusted as exc:
                if exc.certificate_sha256 is not None:
                    self._registry.record_untrusted_certificate(camera.sn, exc.certificate_sha256)
                failure = failure if isinstance(failure, CameraUntrusted) else exc
                self._registry.record_failure(camera.sn, address)
            except (CameraUnreachable, PeerTimeout) as exc:
                failure = failure if index else exc
                self._record_failure(camera.sn, address, exc)
            else:
                return
            session.close()
        raise failure

    async def verify_address(self, camera: CameraRecord, session: CameraSession, address: str, deadline: float) -> None:
        """Let a camera prove itself at an address where it was seen, which becomes the preferred one then.

        Raises the same as `connect`.
        """
        session.close()
        try:
            identify = not camera.can_prove_serial_number
            await self._connect_to(camera, session, address, deadline, verify=True, identify=identify)
        except Problem as exc:
            session.close()
            if isinstance(exc, CameraUntrusted) and exc.certificate_sha256 is not None:
                self._registry.record_untrusted_certificate(camera.sn, exc.certificate_sha256)
            raise

    async def _connect_to(
        self,
        camera: CameraRecord,
        session: CameraSession,
        address: str,
        deadline: float,
        *,
        verify: bool,
        identify: bool,
    ) -> None:
        pin = camera.certificate_sha256 or await self._handshake(camera, address, _remaining_s(deadline))
        interface = camera.find_interface(address)
        if camera.managed and not camera.certificate_sha256 and self._registry.is_proved_certificate(pin):
            await self._registry.pin(camera.sn, pin)
        is_pinned = camera.certificate_sha256 == pin
        if identify and not is_pinned:
            raise unconfirmed_error(camera, pin)
        must_verify = verify and camera.managed and is_pinned and (identify or camera.verified_address != address)
        must_prove = must_verify and (
            camera.activation == "activated" or (camera.activation == "unknown" and all(self._credentials))
        )
        await session.connect(address, pin, deadline=deadline, interface=interface)
        if camera.shares_address(address) or (identify and not must_prove):
            await self._identify_peer(camera, session, address, deadline)
        if must_prove:
            await self._verify_identity(camera, session, deadline)
            if identify:
                session.close()  # it has served a call
                await session.connect(address, pin, deadline=deadline, interface=interface)
                await self._identify_peer(camera, session, address, deadline)
        if must_verify and camera.verified_address != address:
            await self._registry.prefer(camera.sn, address)

    async def _identify_peer(self, camera: CameraRecord, session: CameraSession, address: str, deadline: float) -> None:
        """Ask what is at the other end of the connection who it is. Raises `CameraUntrusted` if it is another camera.

        The connection is open already: whatever takes the address after the question is not at its other end. What
        does not say who it is gets the call at an address of its own, and `CameraUnreachable` is raised elsewhere.
        """
        device = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_remaining_s(deadline) / 2):
                device = await self._identify(address)
        if device is not None and device.sn != camera.sn:
            raise CameraUntrusted(
                message(
                    "at {address} is the camera {other}, not {sn}: nothing was sent to it; run discovery",
                    address=address,
                    other=device.sn,
                    sn=camera.sn,
                )
            )
        if device is None and camera.shares_address(address):
            raise CameraUnreachable(
                message(
                    "any camera may be at {address}, and what is there does not say which one it is: nothing was sent",
                    address=address,
                )
            )

    async def _verify_identity(self, camera: CameraRecord, session: CameraSession, deadline: float) -> None:
        try:
            response = await session.exchange(GET_INFO, self.require_credentials(), deadline=deadline)
        except MalformedCameraResponse as exc:
            raise CameraResponseMalformed(exc.detail) from exc
        except CallOutcomeUnknown as exc:  # of this call, not of the one that follows
            raise CameraUnreachable(exc.detail) from exc
        finally:
            self._registry.record_clock(camera.sn, session.clock.accepted)
        if response.code == 0:
            await self.confirm_identity(camera, session, response)
        elif camera.activation == "activated":
            raise CameraUntrusted(
                message(
                    "what answers for the camera {sn} does not prove to be it (getInfo: code {code}, "
                    "{meaning}); if the camera was reset, provision it again",
                    sn=camera.sn,
                    code=response.code,
                    meaning=GET_INFO.endpoint.describe_code(response.code),
                ),
                vendor_code=response.code,
            )

    async def confirm_identity(self, camera: CameraRecord, session: CameraSession, info: VendorResponse) -> None:
        """Take a signed `getInfo` as the proof of identity. Raises `CameraUntrusted` for another camera."""
        if not info.has_numeric_code:
            session.close()
            raise CameraUntrusted(
                message("what answers for the camera {sn} sends its code as text: no camera does that", sn=camera.sn)
            )
        sn = read_text(info, "sn")
        if sn != camera.sn:
            session.close()
            raise CameraUntrusted(
                message(
                    "what answers for the camera {sn} is the camera {other!r}: run discovery", sn=camera.sn, other=sn
                )
            )
        await self.store_details(camera, GET_INFO, info)
        await self.store_activation(camera, session, "activated")

    async def store_activation(self, camera: CameraRecord, session: CameraSession, activation: Activation) -> None:
        """Store the activation state, and the address at which the camera gave all the proof that it can give."""
        await self._registry.update(camera.sn, activation=activation)
        if camera.managed and session.connection is not None:
            address = session.connection.address
            if camera.verified_address != address:
                await self._registry.prefer(camera.sn, address)

    async def exchange(
        self,
        camera: CameraRecord,
        session: CameraSession,
        call: Call,
        credentials: Credentials | None,
        deadline: float,
        *,
        verify: bool = True,
    ) -> VendorResponse:
        """Send a call over the connected session, and record whether the camera answered.

        If the connection is lost, a repeatable call is signed and sent once more: a kept connection may have ended
        long ago, and the camera may have another address by now. `verify` is as in `connect`. Raises the same as
        `CameraSession.exchange`.
        """
        try:
            return await self._exchange_once(camera, session, call, credentials, deadline)
        except CameraConnectionLost:
            if not call.endpoint.repeatable:
                raise
        await self.connect(camera, session, deadline, verify=verify)
        return await self._exchange_once(camera, session, call, credentials, deadline)

    async def _exchange_once(
        self, camera: CameraRecord, session: CameraSession, call: Call, credentials: Credentials | None, deadline: float
    ) -> VendorResponse:
        address = session.connection.address if session.connection is not None else ""
        reconnect = None
        if not call.endpoint.repeatable:
            reconnect = partial(self.connect, camera, session, deadline, identify=True)
        if not call.endpoint.repeatable and (session.connection is None or not session.connection.is_open):
            # Another connection might lead to another camera.
            raise CameraUnreachable(
                message("the camera {sn} closed the connection before the call was sent: try again", sn=camera.sn)
            )
        shown = session.connection.pin if session.connection is not None else ""
        if credentials is not None and shown != camera.certificate_sha256:
            raise unconfirmed_error(camera, shown)
        try:
            response = await session.exchange(call, credentials, deadline=deadline, reconnect=reconnect)
        except (CameraUnreachable, PeerTimeout) as exc:
            self._record_failure(camera.sn, address, exc)
            raise
        finally:
            self._registry.record_clock(camera.sn, session.clock.accepted)
        self._registry.record_success(camera.sn, address)
        return response

    def _record_failure(self, sn: str, address: str, failure: Problem) -> None:
        """Record that a call failed. An answer, however bad, is a sign of life all the same."""
        causes = (failure, failure.__cause__)
        if any(isinstance(cause, CallOutcomeUnknown) and cause.received for cause in causes):
            self._registry.record_success(sn, address)
        else:
            self._registry.record_failure(sn, address)

    async def store_details(self, camera: CameraRecord, call: Call, response: VendorResponse) -> None:
        """Store what a successful response says about the camera."""
        match call.endpoint.path:
            case "device/getInfo":
                await self._registry.update(
                    camera.sn,
                    name=read_text(response, "name") or None,
                    model=parse_model(read_text(response, "model_name")),
                    mac=normalise_mac(read_text(response, "mac")) or None,
                    software_version=read_text(response, "software_version") or None,
                )
            case "config/getName":
                await self._registry.update(camera.sn, name=read_text(response, "name"))
            case "config/updateName":
                await self._registry.update(camera.sn, name=call.fields["name"])
            case "device/reset":
                await self._registry.update(camera.sn, activation="not_activated")

    async def fetch_certificate_sha256(self, camera: CameraRecord, timeout_s: float) -> str:
        """Return the SHA-256 of the certificate that the camera shows now, in a bare handshake."""
        failure = _no_address(camera)
        for address in camera.candidate_addresses():
            try:
                return await self._handshake(camera, address, timeout_s)
            except (CameraUnreachable, PeerTimeout) as exc:
                failure = exc
        raise failure

    async def _handshake(self, camera: CameraRecord, address: str, timeout_s: float) -> str:
        host, _, port = address.rpartition(":")
        interface = camera.find_interface(address)
        return await fetch_certificate_sha256(host, int(port), self._context, timeout_s, interface=interface)


def read_text(response: VendorResponse, name: str) -> str:
    """Return a text of the response's data without blanks around it, or an empty text."""
    value: Any = response.data.get(name) if isinstance(response.data, Mapping) else None
    return value.strip() if isinstance(value, str) else ""


def unconfirmed_error(camera: CameraRecord, shown: str) -> CameraUntrusted:
    """Return the error for a certificate that nobody has confirmed and no camera has proved itself with."""
    return CameraUntrusted(
        message(
            "the camera {sn} shows a certificate that nobody has confirmed and none of your cameras "
            "has, so nothing secret was sent; compare it and trust it if it is right",
            sn=camera.sn,
        ),
        certificate_sha256=shown,
    )


def _no_address(camera: CameraRecord) -> Problem:
    return CameraUnreachable(message("no address of the camera {sn} is known: run discovery", sn=camera.sn))


def _remaining_s(deadline: float) -> float:
    return max(0.0, deadline - asyncio.get_running_loop().time())
