"""Calling cameras: who may be called, where, with what proof of identity, and what the responses say about them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from firmware_tools.language import message
from gateway.cameras.activation_probe import (
    AccessPoint,
    AccessPointList,
    AccessPointListUnsupported,
    ActivatedByOtherAccount,
    ActivationProbe,
    other_owner_error,
    refusal_error,
    require_managed,
)
from gateway.cameras.camera_clock import CameraClock
from gateway.cameras.connection import (
    CallOutcomeUnknown,
    CameraConnectionLost,
    CameraResponseTimeout,
    HttpResponse,
    MalformedCameraResponse,
)
from gateway.cameras.connector import GET_INFO, Connector, Identify, unconfirmed_error
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Activation, Registry
from gateway.cameras.session import CameraSession, Credentials
from gateway.cameras.wifi_networks import find_networks, uses_wep
from gateway.discovery.camera_tls import CameraTlsContext, camera_tls_context
from gateway.errors import CameraUnreachable, Conflict, FieldError, InvalidRequest
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.envelope import VendorResponse
from gateway.runtime.clock import PeerClock
from gateway.runtime.metrics import OnCall, measure_call
from gateway.settings import CameraSettings

__all__ = [
    "AccessPoint",
    "AccessPointList",
    "AccessPointListUnsupported",
    "ActivatedByOtherAccount",
    "ActivationOutcomeUnknown",
    "Cameras",
]

_UNSIGNED_WIFI = CATALOGUE.get("camera", "config/setWifiConfWithoutAuth")
_SIGNED_WIFI = CATALOGUE.get("camera", "config/setWifiConf")
_ACTIVATE = CATALOGUE.get("camera", "device/activate")


async def _do_nothing() -> None:
    pass


class ActivationOutcomeUnknown(CameraUnreachable):
    """The activation request went out and no usable response came: only the camera knows whether it is activated.

    It must not be sent again. `Cameras.probe_activation` may find out.
    """


class Cameras:
    """Every call to every camera, one at a time per camera."""

    def __init__(
        self,
        registry: Registry,
        *,
        settings: CameraSettings,
        credentials: tuple[str, str],
        cloud_clock: PeerClock,
        identify: Identify,
    ) -> None:
        """Take app_id and secret key, and the clock that is used until a camera has sent its time.

        `identify` asks what is at an address who it is, before it gets anything secret or irreversible.

        Raises `SettingsError` if the client certificate cannot be used.
        """
        self._registry = registry
        self._timeout_s = settings.timeout_s
        self._cloud_clock = cloud_clock
        certificate = Path(settings.client_certificate) if settings.client_certificate else None
        self._context = camera_tls_context(certificate, settings.client_certificate_password)
        self._connector = Connector(registry, self._context, Credentials(*credentials), identify)
        self._probe = ActivationProbe(registry, self._connector, self._deadline)
        self._sessions: dict[str, CameraSession] = {}
        self.on_call: OnCall = lambda endpoint, result, seconds: None
        """Called after each call with its endpoint, how it ended and how long it took."""

    @property
    def tls_context(self) -> CameraTlsContext:
        """The context of connections to cameras."""
        return self._context

    async def call(self, sn: str, call: Call) -> VendorResponse:
        """Call an endpoint of a managed camera and return its response, whose code is 0.

        Raises `NotFound`, `NotManaged`, `Conflict` (an activation; no credentials), `RateLimited`, `VendorRefused` for
        any other code, `CameraUnreachable`, `CameraUntrusted` or `PeerTimeout`.
        """
        endpoint = call.endpoint
        if endpoint.auth == "activation":
            raise Conflict(
                message("device/activate erases the camera's face groups: use /activation, which asks to confirm that")
            )
        camera = self._get_managed(sn)
        credentials = self._credentials_for(endpoint)
        session = self._get_session(sn)
        with measure_call(endpoint.path, self.on_call):
            return await self._call(camera, session, call, credentials)

    async def _call(
        self, camera: CameraRecord, session: CameraSession, call: Call, credentials: Credentials | None
    ) -> VendorResponse:
        endpoint = call.endpoint
        async with session.reserve():
            deadline = self._deadline(endpoint)
            await self._connector.connect(camera, session, deadline, identify=not endpoint.repeatable)
            response = await self._connector.exchange(camera, session, call, credentials, deadline)
            if response.code != 0:
                raise refusal_error(camera, endpoint, response)
            await self._connector.store_details(camera, call, response)
        return response

    async def call_raw(self, sn: str, call: Call) -> HttpResponse:
        """Make a call that only reads, to a managed camera, and return the HTTP response as it came, also a refusal.

        Raises the same as `call` if nothing came that is HTTP.
        """
        camera = self._get_managed(sn)
        credentials = self._credentials_for(call.endpoint)
        session = self._get_session(sn)
        async with session.reserve():
            deadline = self._deadline(call.endpoint)
            await self._connector.connect(camera, session, deadline)
            try:
                response = await self._connector.exchange(camera, session, call, credentials, deadline)
            except MalformedCameraResponse:
                if session.last_response is None:
                    raise
            else:
                if response.code == 0:
                    await self._connector.store_details(camera, call, response)
            assert session.last_response is not None  # noqa: S101 - an exchange leaves it
            return session.last_response

    def require_credentials(self) -> None:
        """Raise `Conflict` naming the settings if there is nothing to sign calls with."""
        self._connector.require_credentials()

    async def refresh(self, sn: str) -> None:
        """Ask a managed camera who it is, and store that. Raises the same as `call`."""
        await self.call(sn, GET_INFO)

    async def verify_address(self, sn: str, address: str) -> None:
        """Let a managed camera prove itself at an address where it was seen; then it is called there first.

        Raises the same as `call`.
        """
        camera = self._get_managed(sn)
        session = self._get_session(sn)
        async with session.reserve():
            await self._connector.verify_address(camera, session, address, self._deadline(GET_INFO.endpoint))

    def clock_offset_s(self, sn: str) -> float | None:
        """Return by how many seconds a camera's `Date` is ahead of this machine's clock; None if it has sent none."""
        session = self._sessions.get(sn)
        return None if session is None else session.clock.offset_s

    # Wi-Fi

    async def list_access_points(self, sn: str) -> AccessPointList:
        """Return the Wi-Fi networks that a camera sees: unsigned before its activation, signed after.

        A camera that nobody manages is asked without a signature only: there is no secret in that. Raises the same as
        `call`, and `AccessPointListUnsupported` if its firmware has no such list before activation. Then the network's
        name has to be typed.
        """
        camera = self._registry.get(sn)
        session = self._get_session(sn)
        async with session.reserve():
            return await self._probe.list_access_points(camera, session)

    async def set_wifi(
        self, sn: str, ssid: str, password: str, *, before_sending: Callable[[], Awaitable[None]] = _do_nothing
    ) -> bool:
        """Tell a managed camera to join a Wi-Fi network. A blank password is for an open one.

        `before_sending` is awaited right before the request goes out. Returns True if the camera answered that it will,
        False if the connection ended before, as it may. Raises the same as `call`, and `InvalidRequest` also if the
        camera says that the network uses WEP.
        """
        arguments = {"ssid": ssid, "password": password}
        _SIGNED_WIFI.encode(arguments)
        camera = self._get_managed(sn)
        session = self._get_session(sn)
        async with session.reserve():
            arguments["ssid"] = await self._find_network_name(camera, session, ssid)
            endpoint = _SIGNED_WIFI if camera.activation == "activated" else _UNSIGNED_WIFI
            credentials = self._credentials_for(endpoint)
            deadline = self._deadline(endpoint)
            await self._connector.connect(camera, session, deadline, identify=True)
            await before_sending()
            try:
                response = await self._connector.exchange(
                    camera, session, endpoint.encode(arguments), credentials, deadline
                )
            except (CameraConnectionLost, CameraResponseTimeout):
                return False
            finally:
                session.close()  # the camera leaves this address, or will close the connection itself
            if response.code != 0:
                raise refusal_error(camera, endpoint, response)
        return True

    async def _find_network_name(self, camera: CameraRecord, session: CameraSession, ssid: str) -> str:
        """Return a network's name in the spelling of its access points, if the camera sees any.

        Raises `InvalidRequest` if all of them use WEP.
        """
        try:
            access_points = await self._probe.list_access_points(camera, session)
        except AccessPointListUnsupported:
            return ssid
        networks = find_networks(access_points, ssid)
        if not networks:
            return ssid
        if uses_wep(networks[0]):
            raise InvalidRequest(
                [
                    FieldError(
                        "ssid", message("the network {ssid!r} uses WEP, which the camera does not support", ssid=ssid)
                    )
                ]
            )
        return networks[0].ssid

    # Activation

    async def probe_activation(self, sn: str) -> Activation:
        """Ask a managed camera itself for its activation state, and store it.

        The unsigned list of networks answers 0 before activation and 12 after. Then a signed `getInfo` tells this
        account's camera from another account's (NOTES: Calls before activation). `unknown` is a response that allows
        no conclusion. Raises the same as `call`.
        """
        camera = self._get_managed(sn)
        session = self._get_session(sn)
        async with session.reserve():
            return await self._probe.probe(camera, session)

    async def activate(
        self, sn: str, activation_number: str, *, before_sending: Callable[[], Awaitable[None]] = _do_nothing
    ) -> None:
        """Activate a managed camera, which erases its face groups. The request is never sent twice.

        `before_sending` is awaited right before the request goes out, to record that. Raises the same as `call`,
        `Conflict` for a camera that is activated already, and `ActivationOutcomeUnknown` if the response was lost.
        """
        camera = self._get_managed(sn)
        app_id = self._connector.require_credentials().app_id
        call = _ACTIVATE.encode({"sn": sn})
        session = self._get_session(sn)
        async with session.reserve():
            activation, _ = await self._probe.probe_unsigned(camera, session)  # learns the camera's time, too
            if activation == "activated":
                raise Conflict(message("the camera {sn} is activated by this account already", sn=sn))
            if activation == "other_owner":
                raise other_owner_error(camera)
            credentials = Credentials(app_id, activation_number)
            deadline = self._deadline(_ACTIVATE)
            await self._connector.connect(camera, session, deadline, verify=False, identify=True)
            await before_sending()
            try:
                response = await self._connector.exchange(camera, session, call, credentials, deadline)
            except CallOutcomeUnknown as exc:
                raise ActivationOutcomeUnknown(
                    message(
                        "the activation of the camera {sn} was sent, but its answer was lost ({reason}); it is "
                        "not sent again, look at the camera's activation state",
                        sn=sn,
                        reason=exc,
                    )
                ) from exc
            if response.code != 0:
                raise refusal_error(camera, _ACTIVATE, response)
            await self._registry.update(sn, activation="activated")

    # Trust

    async def fetch_certificate_sha256(self, sn: str) -> str:
        """Return the SHA-256 of the certificate that a camera shows now, in a bare handshake.

        Raises the same as `call`.
        """
        return await self._connector.fetch_certificate_sha256(self._registry.get(sn), self._timeout_s)

    async def confirm_certificate(self, sn: str, certificate_sha256: str = "") -> None:
        """Pin the certificate that a person confirmed, or the one that the camera shows to a person who adds it.

        The one that it shows has to be that of the cameras that have proved themselves, if there are any. Raises
        `CameraUntrusted` with the one that it shows, and the same as `fetch_certificate_sha256`.
        """
        session = self._get_session(sn)
        async with session.reserve():
            camera = self._get_managed(sn)
            if certificate_sha256:
                await self._registry.pin(sn, certificate_sha256)
            elif not camera.certificate_sha256:
                shown = await self.fetch_certificate_sha256(sn)
                if self._registry.is_unusual_certificate(shown):
                    raise unconfirmed_error(camera, shown)
                await self._registry.pin(sn, shown)

    async def trust(self, sn: str, certificate_sha256: str) -> None:
        """Take the certificate that a camera shows now as its pin, if it is the one that the person saw.

        Raises `Conflict` if it is another one, and the same as `fetch_certificate_sha256`.
        """
        session = self._get_session(sn)
        async with session.reserve():
            await self._registry.trust(sn, certificate_sha256, await self.fetch_certificate_sha256(sn))
            session.close()

    async def close(self) -> None:
        """Drop all connections."""
        for session in self._sessions.values():
            session.close()
        await asyncio.sleep(0)

    def _get_managed(self, sn: str) -> CameraRecord:
        camera = self._registry.get(sn)
        require_managed(camera)
        return camera

    def _credentials_for(self, endpoint: Endpoint) -> Credentials | None:
        return self._connector.require_credentials() if endpoint.auth == "signed" else None

    def _get_session(self, sn: str) -> CameraSession:
        session = self._sessions.get(sn)
        if session is None:
            clock = CameraClock(self._cloud_clock, self._registry.get(sn).clock)
            session = self._sessions[sn] = CameraSession(sn, self._context, clock)
        return session

    def _deadline(self, endpoint: Endpoint) -> float:
        return asyncio.get_running_loop().time() + max(endpoint.timeout_s or 0, self._timeout_s)
