"""How a camera stands, by its own word: activated or not, by whom, and which Wi-Fi networks it sees."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from gateway.cameras.connection import MalformedCameraResponse
from gateway.cameras.connector import GET_INFO, Connector
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Activation, Registry
from gateway.cameras.session import CameraSession
from gateway.errors import CameraUntrusted, Conflict, NotFound, NotManaged, VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.envelope import VendorResponse
from gateway.protocol.return_codes import CAMERA_ALREADY_ACTIVATED, CAMERA_SIGNATURE_REFUSED, CAMERA_TIME_REFUSED

CAMERA_NOT_OURS: Final = 7
"""Not activated, or activated by another app_id (NOTES: Camera return codes)."""

_UNSIGNED_LIST = CATALOGUE.get("camera", "config/getApListWithoutAuth")
_SIGNED_LIST = CATALOGUE.get("camera", "config/getApList")


class AccessPoint(NamedTuple):
    """A Wi-Fi network as a camera sees it; `key_mgmt` is NONE, WPA-PSK or whatever else the camera says."""

    ssid: str
    key_mgmt: str


class NoAccessPointList(NotFound):
    """The camera's firmware is too old to list Wi-Fi networks before activation (NOTES: Older firmware)."""


class OtherOwner(Conflict):
    """The camera is activated by another account, or this account's secret key is wrong."""


class Evidence:
    """Asks cameras about themselves. The caller holds the line's turn; `deadline` tells when a call has to end."""

    def __init__(self, registry: Registry, way: Connector, deadline: Callable[[Endpoint], float]) -> None:
        self._registry = registry
        self._way = way
        self._deadline = deadline

    async def activation(self, camera: CameraRecord, line: CameraSession) -> Activation:
        """Find out and remember how a managed camera stands. Raises as `Cameras.call`."""
        if camera.activation == "activated":
            # One that proves to be this camera outranks anything that merely shows the shared certificate.
            try:
                await self._way.connect(camera, line, self._deadline(GET_INFO.endpoint))
                answer = await self._way.exchange(
                    camera, line, GET_INFO, self._way.credentials(), self._deadline(GET_INFO.endpoint)
                )
                if answer.code == 0:
                    await self._way.identified(camera, line, answer)
                    return "activated"
            except CameraUntrusted:
                pass  # it may have been reset
        return (await self.unsigned(camera, line))[0]

    async def access_points(self, camera: CameraRecord, line: CameraSession) -> list[AccessPoint]:
        """Return the networks that the camera sees. Raises as `Cameras.access_points`."""
        if camera.activation != "activated":
            activation, points = await self.unsigned(camera, line)
            if points is not None:
                return points
            if activation == "other_owner":
                raise not_ours(camera)
            if activation != "activated":
                raise NoAccessPointList(
                    f"the firmware of the camera {camera.sn} does not list Wi-Fi networks before activation: "
                    "type the network's name"
                )
        require_managed(camera)
        account = self._way.credentials()
        deadline = self._deadline(_SIGNED_LIST)
        await self._way.connect(camera, line, deadline)
        answer = await self._way.exchange(camera, line, _SIGNED_LIST.encode({}), account, deadline)
        if answer.code != 0:
            raise refused(camera, _SIGNED_LIST, answer)
        return _listed(answer)

    async def unsigned(self, camera: CameraRecord, line: CameraSession) -> tuple[Activation, list[AccessPoint] | None]:
        """Find out the activation, and the networks on the way; needs no proof of who answers beyond the pin."""
        deadline = self._deadline(_UNSIGNED_LIST)
        await self._way.connect(camera, line, deadline, prove=False)
        try:
            answer = await self._way.exchange(camera, line, _UNSIGNED_LIST.encode({}), None, deadline, prove=False)
        except MalformedCameraResponse as exc:
            if exc.http_status != 404:
                raise
            code = None
        else:
            code = answer.code
            if code == 0:
                await self._way.settled(camera, line, "not_activated")
                return "not_activated", _listed(answer)
        if code not in (None, CAMERA_ALREADY_ACTIVATED, CAMERA_TIME_REFUSED, CAMERA_SIGNATURE_REFUSED, CAMERA_NOT_OURS):
            raise refused(camera, _UNSIGNED_LIST, answer)
        if not camera.managed:
            if code is None:
                return "unknown", None
            raise NotManaged(
                f"the camera {camera.sn} is activated: make it managed, only then is it called with signatures"
            )
        return await self._whose(camera, line, certain=code == CAMERA_ALREADY_ACTIVATED), None

    async def _whose(self, camera: CameraRecord, line: CameraSession, *, certain: bool) -> Activation:
        """Tell by a signed call whether the camera is ours; `certain` that it is activated by somebody."""
        deadline = self._deadline(GET_INFO.endpoint)
        answer = await self._way.exchange(camera, line, GET_INFO, self._way.credentials(), deadline, prove=False)
        if answer.code == 0:
            await self._way.identified(camera, line, answer)
            return "activated"
        if answer.code not in (CAMERA_SIGNATURE_REFUSED, CAMERA_NOT_OURS):
            raise refused(camera, GET_INFO.endpoint, answer)
        if not certain:
            return "unknown"
        await self._registry.note(camera.sn, activation="other_owner")
        return "other_owner"


def require_managed(camera: CameraRecord) -> None:
    """Raise `NotManaged` unless a person said that the camera is ours."""
    if not camera.managed:
        raise NotManaged(f"the camera {camera.sn} is only found: make it managed first, then it is called with secrets")


def refused(camera: CameraRecord, endpoint: Endpoint, answer: VendorResponse) -> VendorRefused:
    """Return the error for an answer whose code is not 0."""
    meaning = endpoint.describe_code(answer.code)
    return VendorRefused(
        f"the camera {camera.sn} refused {endpoint.path}: code {answer.code}, {meaning}",
        vendor_code=answer.code,
        vendor_meaning=meaning,
        vendor_answer=endpoint.redact(answer.document),
    )


def not_ours(camera: CameraRecord) -> OtherOwner:
    """Return the error for a camera that is activated by another account."""
    return OtherOwner(
        f"the camera {camera.sn} is activated by another account, or the secret key in the settings is wrong; "
        "its owner has to reset it before this account can activate it"
    )


def _listed(answer: VendorResponse) -> list[AccessPoint]:
    listed = answer.data.get("ap_list") if isinstance(answer.data, Mapping) else None
    points = [
        AccessPoint(point["ssid"], str(point.get("key_mgmt", "")))
        for point in (listed if isinstance(listed, list) else [])
        if isinstance(point, Mapping) and isinstance(point.get("ssid"), str)
    ]
    return list(dict.fromkeys(points))
