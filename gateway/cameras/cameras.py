"""Calling cameras: who may be called, where, with what proof of who answers, and what the answers tell about them."""

import asyncio
import ssl
from pathlib import Path

from gateway.cameras.activation_probe import (
    AccessPoint,
    Evidence,
    NoAccessPointList,
    OtherOwner,
    not_ours,
    refused,
    require_managed,
)
from gateway.cameras.connection import (
    CallOutcomeUnknown,
    CameraConnectionLost,
    CameraResponseTimeout,
    HttpResponse,
    MalformedCameraResponse,
)
from gateway.cameras.connector import GET_INFO, Connector
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Activation, Registry
from gateway.cameras.session import Account, CameraSession
from gateway.discovery.camera_tls import camera_tls_context
from gateway.errors import (
    CameraUnreachable,
    Conflict,
    FieldError,
    InvalidRequest,
)
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.envelope import VendorResponse
from gateway.runtime.clock import PeerClock
from gateway.runtime.metrics import OnCall, measure_call
from gateway.settings import CameraSettings

__all__ = ["AccessPoint", "ActivationUnknown", "Cameras", "NoAccessPointList", "OtherOwner"]

_UNSIGNED_WIFI = CATALOGUE.get("camera", "config/setWifiConfWithoutAuth")
_SIGNED_WIFI = CATALOGUE.get("camera", "config/setWifiConf")
_ACTIVATE = CATALOGUE.get("camera", "device/activate")


class ActivationUnknown(CameraUnreachable):
    """The activation request went out and no usable answer came: only the camera knows whether it is activated.

    It must not be sent again; `Cameras.activation_evidence` may settle it.
    """


class Cameras:
    """Every call to every camera, one at a time per camera.

    `credentials` are the app_id and secret key. Until a camera has told its time, `cloud_clock` is gone by. Raises
    `SettingsError` when the client certificate cannot be used.
    """

    def __init__(
        self, registry: Registry, *, settings: CameraSettings, credentials: tuple[str, str], cloud_clock: PeerClock
    ) -> None:
        self._registry = registry
        self._timeout_s = settings.timeout_s
        self._cloud_clock = cloud_clock
        certificate = Path(settings.client_certificate) if settings.client_certificate else None
        self._context = camera_tls_context(certificate, settings.client_certificate_password)
        self._way = Connector(registry, self._context, Account(*credentials))
        self._evidence = Evidence(registry, self._way, self._deadline)
        self._lines: dict[str, CameraSession] = {}
        self.on_call: OnCall = lambda endpoint, result, seconds: None
        """Told of every call, how it ended and how long it took."""

    @property
    def tls(self) -> ssl.SSLContext:
        """The context of connections to cameras."""
        return self._context

    async def call(self, sn: str, call: Call) -> VendorResponse:
        """Call an endpoint of a managed camera and return its answer, whose code is 0.

        Raises `NotFound`, `NotManaged`, `Conflict` (an activation; no credentials), `RateLimited`, `VendorRefused` for
        any other code, `CameraUnreachable`, `CameraUntrusted` or `PeerTimeout`.
        """
        endpoint = call.endpoint
        if endpoint.auth == "activation":
            raise Conflict(
                "device/activate erases the camera's face groups: use /activation, which asks to confirm that"
            )
        camera = self._managed(sn)
        account = self._way.credentials() if endpoint.auth == "signed" else None
        line = self._line(sn)
        with measure_call(endpoint.path, self.on_call):
            return await self._call(camera, line, call, account)

    async def _call(
        self, camera: CameraRecord, line: CameraSession, call: Call, account: Account | None
    ) -> VendorResponse:
        endpoint = call.endpoint
        async with line.turn():
            deadline = self._deadline(endpoint)
            await self._way.connect(camera, line, deadline, fresh=not endpoint.repeatable)
            answer = await self._way.exchange(camera, line, call, account, deadline)
            if answer.code != 0:
                raise refused(camera, endpoint, answer)
            await self._way.noted(camera, call, answer)
        return answer

    async def call_raw(self, sn: str, call: Call) -> HttpResponse:
        """Make a call that only reads, to a managed camera, and return the HTTP response as it came, also a refusal.

        Raises as `call` where nothing came that is HTTP.
        """
        camera = self._managed(sn)
        account = self._way.credentials() if call.endpoint.auth == "signed" else None
        line = self._line(sn)
        async with line.turn():
            deadline = self._deadline(call.endpoint)
            await self._way.connect(camera, line, deadline)
            try:
                answer = await self._way.exchange(camera, line, call, account, deadline)
            except MalformedCameraResponse:
                if line.latest is None:
                    raise
            else:
                if answer.code == 0:
                    await self._way.noted(camera, call, answer)
            assert line.latest is not None  # noqa: S101 - an exchange leaves it
            return line.latest

    def require_credentials(self) -> None:
        """Raise `Conflict` naming the settings when there is nothing to sign calls with."""
        self._way.credentials()

    async def refresh(self, sn: str) -> None:
        """Ask a managed camera who it is, and remember it. Raises as `call`."""
        await self.call(sn, GET_INFO)

    def clock_offset_s(self, sn: str) -> float | None:
        """Return how many seconds a camera's clock is ahead of this machine's; None where it has not told its time."""
        line = self._lines.get(sn)
        return None if line is None else line.clock.offset_s

    # Wi-Fi

    async def access_points(self, sn: str) -> list[AccessPoint]:
        """Return the Wi-Fi networks that a camera sees: unsigned before its activation, signed after.

        A camera that nobody manages is asked without a signature only: there is no secret in that. Raises as `call`,
        and `NoAccessPointList` where its firmware has no such list before activation: the name has to be typed then.
        """
        camera = self._registry.get(sn)
        line = self._line(sn)
        async with line.turn():
            return await self._evidence.access_points(camera, line)

    async def set_wifi(self, sn: str, ssid: str, password: str) -> bool:
        """Tell a managed camera to join a Wi-Fi network; a blank password is for an open one.

        Returns True when it answered that it will, False when it was gone before it answered, as it may. Raises as
        `call`, and `InvalidRequest` also where the camera says that the network uses WEP.
        """
        arguments = {"ssid": ssid, "password": password}
        _SIGNED_WIFI.encode(arguments)
        camera = self._managed(sn)
        line = self._line(sn)
        async with line.turn():
            try:
                points = await self._evidence.access_points(camera, line)
            except NoAccessPointList:
                points = []
            if any(point.ssid == ssid and "WEP" in point.key_mgmt.upper() for point in points):
                raise InvalidRequest(
                    [FieldError("ssid", f"the network {ssid!r} uses WEP, which the camera does not support")]
                )
            ours = camera.activation == "activated"
            endpoint, account = (_SIGNED_WIFI, self._way.credentials()) if ours else (_UNSIGNED_WIFI, None)
            deadline = self._deadline(endpoint)
            await self._way.connect(camera, line, deadline)
            try:
                answer = await self._way.exchange(camera, line, endpoint.encode(arguments), account, deadline)
            except (CameraConnectionLost, CameraResponseTimeout):
                return False
            finally:
                line.close()  # the camera leaves this address, or will close the connection itself
            if answer.code != 0:
                raise refused(camera, endpoint, answer)
        return True

    # Activation

    async def activation_evidence(self, sn: str) -> Activation:
        """Ask a managed camera itself how it stands, and remember it.

        The unsigned list of networks answers 0 before activation and 12 after; then a signed `getInfo` tells ours from
        another account's (NOTES: Calls before activation). `unknown` is an answer that allows no conclusion. Raises as
        `call`.
        """
        camera = self._managed(sn)
        line = self._line(sn)
        async with line.turn():
            return await self._evidence.activation(camera, line)

    async def activate(self, sn: str, activation_number: str) -> None:
        """Activate a managed camera, which erases its face groups. The request is never sent twice for a lost answer.

        The caller records that it is about to be sent. Raises as `call`, `Conflict` for a camera that is activated
        already, and `ActivationUnknown` when the answer was lost.
        """
        camera = self._managed(sn)
        app_id, _ = self._way.credentials()
        call = _ACTIVATE.encode({"sn": sn})
        line = self._line(sn)
        async with line.turn():
            activation, _ = await self._evidence.unsigned(camera, line)  # tells the camera's time too
            if activation == "activated":
                raise Conflict(f"the camera {sn} is activated by this account already")
            if activation == "other_owner":
                raise not_ours(camera)
            try:
                answer = await self._way.exchange(
                    camera, line, call, Account(app_id, activation_number), self._deadline(_ACTIVATE)
                )
            except CallOutcomeUnknown as exc:
                raise ActivationUnknown(
                    f"the activation of the camera {sn} was sent, but its answer was lost ({exc}); "
                    "it is not sent again, look at the camera's activation state"
                ) from exc
            if answer.code != 0:
                raise refused(camera, _ACTIVATE, answer)
            await self._registry.note(sn, activation="activated")

    # Trust

    async def shown(self, sn: str) -> str:
        """Return the SHA-256 of the certificate that a camera shows now, in a bare handshake. Raises as `call`."""
        return await self._way.shown(self._registry.get(sn), self._timeout_s)

    async def trust(self, sn: str, certificate_sha256: str) -> None:
        """Take the certificate that a camera shows now for its pin, if it is the one that the person saw.

        Raises `Conflict` when it is another one, else as `shown`.
        """
        line = self._line(sn)
        async with line.turn():
            await self._registry.trust(sn, certificate_sha256, await self.shown(sn))
            line.close()

    async def close(self) -> None:
        """Drop all connections."""
        for line in self._lines.values():
            line.close()
        await asyncio.sleep(0)

    def _managed(self, sn: str) -> CameraRecord:
        camera = self._registry.get(sn)
        require_managed(camera)
        return camera

    def _line(self, sn: str) -> CameraSession:
        line = self._lines.get(sn)
        if line is None:
            self._registry.get(sn)
            line = self._lines[sn] = CameraSession(sn, self._context, self._cloud_clock)
        return line

    def _deadline(self, endpoint: Endpoint) -> float:
        return asyncio.get_running_loop().time() + max(endpoint.timeout_s or 0, self._timeout_s)
