"""The activation probe: by a camera's own responses, is it activated, by whom, and which Wi-Fi networks does it see."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from firmware_tools.language import message
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
    """A Wi-Fi network as a camera sees it."""

    ssid: str
    """The network's name."""
    key_mgmt: str
    """NONE, WPA-PSK or whatever else the camera says."""


class AccessPointList(list[AccessPoint]):
    """The Wi-Fi networks that a camera sees, each once."""

    def __init__(self, access_points: Iterable[AccessPoint], left_out: int) -> None:
        super().__init__(access_points)
        self.left_out = left_out
        """How many entries could not be read."""


class AccessPointListUnsupported(NotFound):
    """The camera's firmware is too old to list Wi-Fi networks before activation (NOTES: Older firmware)."""


class ActivatedByOtherAccount(Conflict):
    """The camera is activated by another account, or this account's secret key is wrong."""


class ActivationProbe:
    """Asks cameras for their activation state. The caller has reserved the session."""

    def __init__(self, registry: Registry, connector: Connector, deadline: Callable[[Endpoint], float]) -> None:
        """Take a function that returns the time of the event loop by which a call has to end."""
        self._registry = registry
        self._connector = connector
        self._deadline = deadline

    async def probe(self, camera: CameraRecord, session: CameraSession) -> Activation:
        """Find out the activation state of a managed camera, and store it. Raises the same as `Cameras.call`."""
        if camera.activation == "activated":
            # A camera that proves its identity outranks anything that merely shows the shared certificate.
            try:
                await self._connector.connect(camera, session, self._deadline(GET_INFO.endpoint))
                credentials, deadline = self._connector.require_credentials(), self._deadline(GET_INFO.endpoint)
                response = await self._connector.exchange(camera, session, GET_INFO, credentials, deadline)
                if response.code == 0:
                    await self._connector.confirm_identity(camera, session, response)
                    return "activated"
            except CameraUntrusted:
                pass  # it may have been reset
        return (await self.probe_unsigned(camera, session))[0]

    async def list_access_points(self, camera: CameraRecord, session: CameraSession) -> AccessPointList:
        """Return the networks that the camera sees. Raises the same as `Cameras.list_access_points`."""
        if camera.activation != "activated":
            activation, access_points = await self.probe_unsigned(camera, session)
            if access_points is not None:
                return access_points
            if activation == "other_owner":
                raise other_owner_error(camera)
            if activation != "activated":
                raise AccessPointListUnsupported(
                    message(
                        "the firmware of the camera {sn} does not list Wi-Fi networks before activation: type "
                        "the network's name",
                        sn=camera.sn,
                    )
                )
        require_managed(camera)
        credentials = self._connector.require_credentials()
        deadline = self._deadline(_SIGNED_LIST)
        await self._connector.connect(camera, session, deadline)
        response = await self._connector.exchange(camera, session, _SIGNED_LIST.encode({}), credentials, deadline)
        if response.code != 0:
            raise refusal_error(camera, _SIGNED_LIST, response)
        return _parse_access_points(response)

    async def probe_unsigned(
        self, camera: CameraRecord, session: CameraSession
    ) -> tuple[Activation, AccessPointList | None]:
        """Find out the activation state, and the networks if the camera lists them. The pin is enough proof for that.

        Raises the same as `Cameras.call`.
        """
        deadline = self._deadline(_UNSIGNED_LIST)
        await self._connector.connect(camera, session, deadline, verify=False)
        call = _UNSIGNED_LIST.encode({})
        try:
            response = await self._connector.exchange(camera, session, call, None, deadline, verify=False)
        except MalformedCameraResponse as exc:
            if exc.http_status != 404:
                raise
            code = None
        else:
            code = response.code
            if code == 0:
                await self._connector.store_activation(camera, session, "not_activated")
                return "not_activated", _parse_access_points(response)
        if code not in (None, CAMERA_ALREADY_ACTIVATED, CAMERA_TIME_REFUSED, CAMERA_SIGNATURE_REFUSED, CAMERA_NOT_OURS):
            raise refusal_error(camera, _UNSIGNED_LIST, response)
        if not camera.managed and code is None:
            return "unknown", None
        require_managed(camera)
        return await self._probe_owner(camera, session, is_activated=code == CAMERA_ALREADY_ACTIVATED), None

    async def _probe_owner(self, camera: CameraRecord, session: CameraSession, *, is_activated: bool) -> Activation:
        """Find out by a signed call whether the camera belongs to this account."""
        deadline = self._deadline(GET_INFO.endpoint)
        credentials = self._connector.require_credentials()
        response = await self._connector.exchange(camera, session, GET_INFO, credentials, deadline, verify=False)
        if response.code == 0:
            await self._connector.confirm_identity(camera, session, response)
            return "activated"
        if response.code not in (CAMERA_SIGNATURE_REFUSED, CAMERA_NOT_OURS):
            raise refusal_error(camera, GET_INFO.endpoint, response)
        if not is_activated:
            return "unknown"
        await self._registry.update(camera.sn, activation="other_owner")
        return "other_owner"


def require_managed(camera: CameraRecord) -> None:
    """Raise `NotManaged` unless the camera is managed."""
    if not camera.managed:
        raise NotManaged(
            message(
                "the camera {sn} is only found: manage it first, with `sunmi-gateway cameras add {sn}`", sn=camera.sn
            )
        )


def refusal_error(camera: CameraRecord, endpoint: Endpoint, response: VendorResponse) -> VendorRefused:
    """Return the error for a response whose code is not 0."""
    meaning = endpoint.describe_code(response.code)
    return VendorRefused(
        message(
            "the camera {sn} refused {endpoint_path}: code {code}, {meaning}",
            sn=camera.sn,
            endpoint_path=endpoint.path,
            code=response.code,
            meaning=meaning,
        ),
        vendor_code=response.code,
        vendor_meaning=meaning,
        vendor_answer=endpoint.redact(response.document),
    )


def other_owner_error(camera: CameraRecord) -> ActivatedByOtherAccount:
    """Return the error for a camera that is activated by another account."""
    return ActivatedByOtherAccount(
        message(
            "the camera {sn} is activated by another account, or the secret key in the settings is "
            "wrong; its owner has to reset it before this account can activate it",
            sn=camera.sn,
        )
    )


def _parse_access_points(response: VendorResponse) -> AccessPointList:
    """Return the networks of a response. A name of NULs alone is that of a hidden network: blank."""
    listed = response.data.get("ap_list") if isinstance(response.data, Mapping) else None
    entries = listed if isinstance(listed, list) else []
    access_points = [
        AccessPoint(entry["ssid"].strip("\0"), str(entry.get("key_mgmt", "")))
        for entry in entries
        if isinstance(entry, Mapping) and isinstance(entry.get("ssid"), str)
    ]
    return AccessPointList(dict.fromkeys(access_points), response.left_out + len(entries) - len(access_points))
