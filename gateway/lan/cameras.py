"""Calling cameras: who may be called, where, with what proof of who answers, and what the answers tell about them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.clock import PeerClock
from gateway.errors import (
    CameraUnreachable,
    CameraUntrusted,
    Conflict,
    Fault,
    InvalidRequest,
    NotFound,
    NotManaged,
    PeerTimeout,
    Problem,
    VendorRefused,
)
from gateway.lan.certificates import camera_tls_context
from gateway.lan.connection import Dropped, Garbled, Late, OutcomeUnknown, shown_certificate
from gateway.lan.line import Account, CameraLine
from gateway.lan.record import CameraRecord
from gateway.lan.registry import Activation, Registry
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.codes import CAMERA_ALREADY_ACTIVATED, CAMERA_SIGNATURE_REFUSED, CAMERA_TIME_REFUSED
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.envelope import Answer
from gateway.protocol.models import camera_model, normal_mac
from gateway.settings import CameraSettings

CAMERA_NOT_OURS: Final = 7

_UNSIGNED_LIST = CATALOGUE.get("camera", "config/getApListWithoutAuth")
_SIGNED_LIST = CATALOGUE.get("camera", "config/getApList")
_UNSIGNED_WIFI = CATALOGUE.get("camera", "config/setWifiConfWithoutAuth")
_SIGNED_WIFI = CATALOGUE.get("camera", "config/setWifiConf")
_ACTIVATE = CATALOGUE.get("camera", "device/activate")
_GET_INFO = CATALOGUE.get("camera", "device/getInfo").encode({})


class AccessPoint(NamedTuple):
    """A Wi-Fi network as a camera sees it; `key_mgmt` is NONE, WPA-PSK or whatever else the camera says."""

    ssid: str
    key_mgmt: str


class NoAccessPointList(NotFound):
    """The camera's firmware is too old to list Wi-Fi networks before activation (notes, contradiction 19)."""


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
        self._account = Account(*credentials)
        self._cloud_clock = cloud_clock
        certificate = Path(settings.client_certificate) if settings.client_certificate else None
        self._context = camera_tls_context(certificate, settings.client_certificate_password)
        self._lines: dict[str, CameraLine] = {}

    async def call(self, sn: str, call: Call) -> Answer:
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
        account = self._credentials() if endpoint.auth == "signed" else None
        line = self._line(sn)
        async with line.turn():
            deadline = self._deadline(endpoint)
            await self._reach(camera, line, deadline)
            answer = await self._exchange(camera, line, call, account, deadline)
            if answer.code != 0:
                raise _refused(camera, endpoint, answer)
            await self._take_note(camera, call, answer)
        return answer

    async def refresh(self, sn: str) -> None:
        """Ask a managed camera who it is, and remember it. Raises as `call`."""
        await self.call(sn, _GET_INFO)

    # Wi-Fi

    async def access_points(self, sn: str) -> list[AccessPoint]:
        """Return the Wi-Fi networks that a camera sees: unsigned before its activation, signed after.

        A camera that nobody manages is asked without a signature only: there is no secret in that. Raises as `call`, and
        `NoAccessPointList` where the camera's firmware has no such list before activation: type the network's name then.
        """
        camera = self._registry.get(sn)
        line = self._line(sn)
        async with line.turn():
            return await self._access_points(camera, line)

    async def _access_points(self, camera: CameraRecord, line: CameraLine) -> list[AccessPoint]:
        if camera.activation != "activated":
            activation, points = await self._evidence(camera, line)
            if points is not None:
                return points
            if activation == "other_owner":
                raise _not_ours(camera)
            if activation != "activated":
                raise NoAccessPointList(
                    f"the firmware of the camera {camera.sn} does not list Wi-Fi networks before activation: "
                    "type the network's name"
                )
        self._managed(camera.sn)
        account = self._credentials()
        deadline = self._deadline(_SIGNED_LIST)
        await self._reach(camera, line, deadline)
        answer = await self._exchange(camera, line, _SIGNED_LIST.encode({}), account, deadline)
        if answer.code != 0:
            raise _refused(camera, _SIGNED_LIST, answer)
        return _listed(answer)

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
                points = await self._access_points(camera, line)
            except NoAccessPointList:
                points = []
            if any(point.ssid == ssid and "WEP" in point.key_mgmt.upper() for point in points):
                raise InvalidRequest(
                    [Fault("ssid", f"the network {ssid!r} uses WEP, which the camera does not support")]
                )
            ours = camera.activation == "activated"
            endpoint, account = (_SIGNED_WIFI, self._credentials()) if ours else (_UNSIGNED_WIFI, None)
            deadline = self._deadline(endpoint)
            await self._reach(camera, line, deadline)
            try:
                answer = await self._exchange(camera, line, endpoint.encode(arguments), account, deadline)
            except (Dropped, Late):
                return False
            finally:
                line.close()  # the camera leaves this address, or will close the connection itself
            if answer.code != 0:
                raise _refused(camera, endpoint, answer)
        return True

    # Activation

    async def activation_evidence(self, sn: str) -> Activation:
        """Ask a managed camera itself how it stands, and remember it.

        The unsigned list of networks answers 0 before activation and 12 after (notes, contradiction 7); then a signed
        `getInfo` tells ours from another account's. `unknown` is an answer that allows no conclusion. Raises as `call`.
        """
        camera = self._managed(sn)
        line = self._line(sn)
        async with line.turn():
            if camera.activation == "activated":
                # One that proves to be this camera outranks anything that merely shows the shared certificate.
                try:
                    await self._reach(camera, line, self._deadline(_GET_INFO.endpoint))
                    answer = await self._exchange(
                        camera, line, _GET_INFO, self._credentials(), self._deadline(_GET_INFO.endpoint)
                    )
                    if answer.code == 0:
                        await self._take_note(camera, _GET_INFO, answer)
                        return "activated"
                except (CameraUntrusted, CameraUnreachable, PeerTimeout):
                    pass
            return (await self._evidence(camera, line))[0]

    async def activate(self, sn: str, activation_number: str) -> None:
        """Activate a managed camera, which erases its face groups. The request is never sent twice for a lost answer.

        The caller records that it is about to be sent. Raises as `call`, `Conflict` for a camera that is activated
        already, and `ActivationUnknown` when the answer was lost.
        """
        camera = self._managed(sn)
        app_id, _ = self._credentials()
        call = _ACTIVATE.encode({"sn": sn})
        line = self._line(sn)
        async with line.turn():
            activation, _ = await self._evidence(camera, line)  # tells the camera's time too
            if activation == "activated":
                raise Conflict(f"the camera {sn} is activated by this account already")
            if activation == "other_owner":
                raise _not_ours(camera)
            try:
                answer = await self._exchange(
                    camera, line, call, Account(app_id, activation_number), self._deadline(_ACTIVATE)
                )
            except OutcomeUnknown as exc:
                raise ActivationUnknown(
                    f"the activation of the camera {sn} was sent, but its answer was lost ({exc}); "
                    "it is not sent again, look at the camera's activation state"
                ) from exc
            if answer.code != 0:
                raise _refused(camera, _ACTIVATE, answer)
            await self._registry.note(sn, activation="activated")

    async def _evidence(self, camera: CameraRecord, line: CameraLine) -> tuple[Activation, list[AccessPoint] | None]:
        """Find out the activation, and the networks on the way; needs no proof of who answers beyond the pin."""
        deadline = self._deadline(_UNSIGNED_LIST)
        await self._reach(camera, line, deadline, prove=False)
        try:
            answer = await self._exchange(camera, line, _UNSIGNED_LIST.encode({}), None, deadline)
        except Garbled as exc:
            if exc.http_status != 404:
                raise
            code = None
        else:
            code = answer.code
            if code == 0:
                await self._proved(camera, line, "not_activated")
                return "not_activated", _listed(answer)
        if code not in (None, CAMERA_ALREADY_ACTIVATED, CAMERA_TIME_REFUSED, CAMERA_SIGNATURE_REFUSED, CAMERA_NOT_OURS):
            raise _refused(camera, _UNSIGNED_LIST, answer)
        if not camera.managed:
            if code is None:
                return "unknown", None
            raise NotManaged(
                f"the camera {camera.sn} is activated: make it managed, only then is it called with signatures"
            )
        return await self._whose(camera, line, certain=code == CAMERA_ALREADY_ACTIVATED), None

    async def _whose(self, camera: CameraRecord, line: CameraLine, *, certain: bool) -> Activation:
        """Tell by a signed call whether the camera is ours; `certain` that it is activated by somebody."""
        deadline = self._deadline(_GET_INFO.endpoint)
        answer = await self._exchange(camera, line, _GET_INFO, self._credentials(), deadline)
        if answer.code == 0:
            self._compare_sn(camera, line, answer)
            await self._take_note(camera, _GET_INFO, answer)
            await self._proved(camera, line, "activated")
            return "activated"
        if answer.code not in (CAMERA_SIGNATURE_REFUSED, CAMERA_NOT_OURS):
            raise _refused(camera, _GET_INFO.endpoint, answer)
        if not certain:
            return "unknown"
        await self._registry.note(camera.sn, activation="other_owner")
        return "other_owner"

    # Trust

    async def shown(self, sn: str) -> str:
        """Return the SHA-256 of the certificate that a camera shows now, in a bare handshake. Raises as `call`."""
        camera = self._registry.get(sn)
        failure: Problem = _nowhere(camera)
        for address in self._registry.candidates(sn):
            try:
                return await self._handshake(address, self._timeout_s)
            except (CameraUnreachable, PeerTimeout) as exc:
                failure = exc
        raise failure

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

    async def _reach(self, camera: CameraRecord, line: CameraLine, deadline: float, *, prove: bool = True) -> None:
        """Be connected to the camera at one of its addresses; with `prove`, at one where it proved who it is."""
        connection = line.connection
        if (
            connection is not None
            and connection.connected
            and connection.address == camera.verified_address == camera.address
            and connection.pin == camera.certificate_sha256
        ):
            return
        failure: Problem = _nowhere(camera)
        addresses = self._registry.candidates(camera.sn)
        for index, address in enumerate(addresses):
            now = asyncio.get_running_loop().time()
            try:
                await self._try(camera, line, address, now + (deadline - now) / (len(addresses) - index), prove=prove)
            except CameraUntrusted as exc:
                failure = failure if isinstance(failure, CameraUntrusted) else exc
            except (CameraUnreachable, PeerTimeout) as exc:
                failure = failure if index else exc
            else:
                return
            line.close()
            self._registry.missed(camera.sn, address)
        raise failure

    async def _try(self, camera: CameraRecord, line: CameraLine, address: str, deadline: float, *, prove: bool) -> None:
        pin = camera.certificate_sha256
        if not pin:
            pin = await self._handshake(address, deadline - asyncio.get_running_loop().time())
            if camera.managed:
                await self._registry.pin(camera.sn, pin)
        await line.connect(address, pin, deadline=deadline)
        if not prove or not camera.managed or camera.verified_address == address:
            return
        if camera.activation == "activated":
            await self._prove(camera, line, deadline)
        await self._registry.prefer(camera.sn, address)

    async def _prove(self, camera: CameraRecord, line: CameraLine, deadline: float) -> None:
        try:
            answer = await line.exchange(_GET_INFO, self._credentials(), deadline=deadline)
        except OutcomeUnknown as exc:  # of this question, not of the call that is to follow
            raise CameraUnreachable(exc.detail) from exc
        if answer.code != 0:
            raise CameraUntrusted(
                f"what answers for the camera {camera.sn} does not prove to be it (getInfo: code {answer.code}, "
                f"{_GET_INFO.endpoint.meaning(answer.code)}); if the camera was reset, provision it again"
            )
        self._compare_sn(camera, line, answer)

    def _compare_sn(self, camera: CameraRecord, line: CameraLine, answer: Answer) -> None:
        told = _text(answer, "sn")
        if told != camera.sn:
            line.close()
            raise CameraUntrusted(f"what answers for the camera {camera.sn} is the camera {told!r}: run discovery")

    async def _proved(self, camera: CameraRecord, line: CameraLine, activation: Activation) -> None:
        await self._registry.note(camera.sn, activation=activation)
        if camera.managed and line.connection is not None and camera.verified_address != line.connection.address:
            await self._registry.prefer(camera.sn, line.connection.address)

    async def _handshake(self, address: str, timeout_s: float) -> str:
        host, _, port = address.rpartition(":")
        return await shown_certificate(host, int(port), self._context, max(0.0, timeout_s))

    # Small parts

    async def _exchange(
        self, camera: CameraRecord, line: CameraLine, call: Call, account: Account | None, deadline: float
    ) -> Answer:
        address = line.connection.address if line.connection is not None else ""
        try:
            answer = await line.exchange(call, account, deadline=deadline)
        except (CameraUnreachable, PeerTimeout):
            self._registry.missed(camera.sn, address)
            raise
        self._registry.reached(camera.sn, address)
        return answer

    async def _take_note(self, camera: CameraRecord, call: Call, answer: Answer) -> None:
        match call.endpoint.path:
            case "device/getInfo":
                await self._registry.note(
                    camera.sn,
                    name=_text(answer, "name"),
                    model=camera_model(_text(answer, "model_name")) or None,
                    mac=normal_mac(_text(answer, "mac")) or None,
                    software_version=_text(answer, "software_version") or None,
                )
            case "config/getName":
                await self._registry.note(camera.sn, name=_text(answer, "name"))
            case "config/updateName":
                await self._registry.note(camera.sn, name=call.fields["name"])
            case "device/reset":
                await self._registry.note(camera.sn, activation="not_activated")

    def _managed(self, sn: str) -> CameraRecord:
        camera = self._registry.get(sn)
        if not camera.managed:
            raise NotManaged(f"the camera {sn} is only found: make it managed first, then it is called with secrets")
        return camera

    def _credentials(self) -> Account:
        if not all(self._account):
            raise Conflict(
                "cameras need the account's credentials: fill in cloud.app_id and cloud.secret_key, "
                "or cameras.app_id and cameras.secret_key"
            )
        return self._account

    def _line(self, sn: str) -> CameraLine:
        line = self._lines.get(sn)
        if line is None:
            self._registry.get(sn)
            line = self._lines[sn] = CameraLine(sn, self._context, self._cloud_clock)
        return line

    def _deadline(self, endpoint: Endpoint) -> float:
        return asyncio.get_running_loop().time() + max(endpoint.timeout_s or 0, self._timeout_s)


def _refused(camera: CameraRecord, endpoint: Endpoint, answer: Answer) -> VendorRefused:
    meaning = endpoint.meaning(answer.code)
    return VendorRefused(
        f"the camera {camera.sn} refused {endpoint.path}: code {answer.code}, {meaning}",
        vendor_code=answer.code,
        vendor_meaning=meaning,
        vendor_answer=endpoint.masked(answer.document),
    )


def _not_ours(camera: CameraRecord) -> Conflict:
    return Conflict(
        f"the camera {camera.sn} is activated by another account, or the secret key in the settings is wrong; "
        "its owner has to reset it before this account can activate it"
    )


def _nowhere(camera: CameraRecord) -> CameraUnreachable:
    return CameraUnreachable(f"no address of the camera {camera.sn} is known: run discovery")


def _listed(answer: Answer) -> list[AccessPoint]:
    listed = answer.data.get("ap_list") if isinstance(answer.data, Mapping) else None
    points = [
        AccessPoint(point["ssid"], str(point.get("key_mgmt", "")))
        for point in (listed if isinstance(listed, list) else [])
        if isinstance(point, Mapping) and isinstance(point.get("ssid"), str)
    ]
    return list(dict.fromkeys(points))


def _text(answer: Answer, name: str) -> str:
    value: Any = answer.data.get(name) if isinstance(answer.data, Mapping) else None
    return value.strip() if isinstance(value, str) else ""
