"""A simulated camera: the vendor's HTTPS service with a memory. It leaves the network and comes back as a real one."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway.errors import NotFound
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.discovery_frames import Announcement, encode_announcement
from gateway.protocol.endpoint import Catalogue, Endpoint
from gateway.protocol.models import CameraModel
from gateway.protocol.return_codes import CAMERA_ALREADY_ACTIVATED, CAMERA_SIGNATURE_REFUSED, CAMERA_TIME_REFUSED
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.callbacks import post_event
from gateway.simulator.camera_handlers import (
    FACE_CAMERA_ONLY,
    HANDLERS,
    MISSING_PARAMETER,
    ResponseData,
    check_parameters,
)
from gateway.simulator.camera_state import CameraState, RestartReason, SimulatedAccessPoint
from gateway.simulator.certificates import camera_context
from gateway.simulator.fake_data import generate_fake_data
from gateway.simulator.faults import FaultInjection
from gateway.simulator.server import HttpsServer, ReceivedRequest, ServedResponse
from gateway.simulator.signatures import SignatureVerifier
from gateway.simulator.validation import CallRefused
from gateway.simulator.video.rtsp import RtspServer, RtspStream

DEFAULT_ACCESS_POINTS: Final = (
    SimulatedAccessPoint("SunmiStore", "WPA-PSK"),
    SimulatedAccessPoint("Cafe Guests", "NONE"),
    SimulatedAccessPoint("OldRouter", "WEP"),
)
DEFAULT_RESTART_S: Final = 0.3
_ACTIVATED: Final = 4
_NOT_ACTIVATED: Final = 7
_WRONG_SN: Final = 8
_WRONG_ACTIVATION_NUMBER: Final = 9
_UNKNOWN_ACCOUNT: Final = 10
_NO_INTERNET: Final = 11


class SimulatedCamera:
    """One camera. It behaves as the vendor documents; its return codes follow inferred meanings.

    (NOTES: Camera return codes). Arguments that the state does not describe:

    - `app_id`, `secret_key`: the account that owns the camera, or may activate it.
    - `other_accounts`: the secret keys of other accounts that may activate it, by app_id.
    - `activated`: whether the account owns it from the start.
    - `hotspot`: whether it is a factory-new camera without a cable, not one on Ethernet.
    - `wifi_passwords`: the right password of each network, by SSID. An open one has none; WEP is never joined.
    - `rejoin_s`, `reboot_s`: how long it is away after a change of Wi-Fi, and after a reboot or reset.
    - `on_wifi`: returns the address at which it comes back when it has joined a network.
    - `https`: false for a camera that responds to discovery only.
    - `rtsp_port`: the port of its streams; 0 is a free one.
    """

    def __init__(
        self,
        *,
        sn: str,
        model: CameraModel,
        mac: str,
        host: str = "127.0.0.1",
        port: int = 0,
        app_id: str,
        secret_key: str,
        activation_number: str,
        name: str = "",
        activated: bool = False,
        wifi_networks: Sequence[SimulatedAccessPoint] = DEFAULT_ACCESS_POINTS,
        wifi_passwords: Mapping[str, str] | None = None,
        hotspot: bool = False,
        internet: bool = True,
        software_version: str = "1.2.6",
        other_accounts: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        faults: FaultInjection | None = None,
        rejoin_s: float = DEFAULT_RESTART_S,
        reboot_s: float = DEFAULT_RESTART_S,
        on_wifi: "Callable[[SimulatedCamera, str], str] | None" = None,
        https: bool = True,
        rtsp_port: int = 0,
        catalogue: Catalogue = CATALOGUE,
    ) -> None:
        self.faults = faults if faults is not None else FaultInjection()
        self.state = CameraState(
            sn=sn, model=model, mac=mac, software_version=software_version,
            default_name=name or f"My {'SS' if model == 'FM010' else 'FS'}", access_points=tuple(wifi_networks),
            hotspot=hotspot, cable=not hotspot, internet=internet, ip=host,
        )  # fmt: skip
        if activated:
            self.state.activate(app_id)
        self.requests: list[ReceivedRequest] = []
        """Every call that was read, accepted or not."""
        self.on_start: list[Callable[[], None]] = []
        """Called when the camera has come to the network, perhaps at another address."""
        self.rejoin_s = rejoin_s
        self.reboot_s = reboot_s
        self.on_wifi = on_wifi
        self._wifi_passwords = dict(wifi_passwords or {})
        self._accounts = {**(other_accounts or {}), app_id: secret_key}
        self._activation_number = activation_number
        self._signatures = SignatureVerifier()
        self._catalogue = catalogue
        self._https = https
        self._on_network = False
        self.is_plugged_in = False
        """Whether it has power: also while it restarts."""
        self._supervisor = Supervisor()
        self._restart_job: asyncio.Task[None] | None = None
        self.rtsp = RtspServer(host, rtsp_port, self._find_stream)
        """Serves its picture."""
        self._server = HttpsServer(
            host=host,
            port=port,
            select_context=self._select_context,
            handler=self.respond,
            faults=self.faults,
            clock=clock,
        )

    @property
    def sn(self) -> str:
        """The serial number."""
        return self.state.sn

    @property
    def host(self) -> str:
        """The IP address at which the camera is, or was before it left."""
        return self._server.host

    @property
    def address(self) -> str:
        """`host:port` of the HTTPS service."""
        return f"{self._server.host}:{self._server.port}"

    @property
    def on_network(self) -> bool:
        """Whether the camera is on the network now."""
        return self._on_network

    @property
    def request_paths(self) -> Sequence[str]:
        """The path of every request, also of those that a fault swallowed."""
        return self._server.request_paths

    @property
    def handshakes(self) -> int:
        """How many TLS connections were begun so far."""
        return self._server.handshakes

    def announcement(self) -> Announcement:
        """Return what the camera says of itself in discovery (NOTES: Discovery frames)."""
        state = self.state
        return Announcement(
            sn=state.sn,
            ip=self.host,
            mac=state.mac.replace(":", ""),
            model=state.model,
            type="IPC",
            name=state.name,
            factory="SUNMI",
            firmware=state.software_version,
            network="AP" if state.hotspot else "STA" if state.wifi else "ETH",
        )

    def response_frames(self, *, broadcast: bool) -> Sequence[bytes]:
        """Return the frames that respond to a request: one, the same for a `broadcast` and for the camera alone."""
        return [encode_announcement(self.announcement())]

    def set_address(self, host: str, port: int) -> None:
        """Set where the camera is when it starts next."""
        self._server.host, self._server.port = host, port
        self.rtsp.host = host

    async def start(self) -> None:
        """Switch on. Raises OSError if the address cannot be had."""
        if self._https:
            await self._server.start()
            await self.rtsp.start()
            self.state.rtsp_port = self.rtsp.port
        self._on_network = self.is_plugged_in = True
        self.state.ip = self.host
        for callback in self.on_start:
            callback()

    async def stop(self) -> None:
        """Switch off. The memory stays."""
        await self._supervisor.close()
        self._restart_job = None
        self.is_plugged_in = False
        await self._leave_network()

    async def _leave_network(self) -> None:
        self._on_network = False
        await self.rtsp.stop()
        await self._server.stop()

    async def wait_until_back(self) -> None:
        """Wait until a camera that left the network is back. Raises OSError if it could not return."""
        if self._restart_job is not None:
            await asyncio.shield(self._restart_job)

    async def report(self, event: str, payload: Mapping[str, Any]) -> int | None:
        """Report an event to the subscribed address, signed for the owner at the camera's own time.

        Return the HTTP status of the response (0: there was none), or None if nothing was sent: nobody has subscribed
        to the event, or the camera is not on the network.
        """
        callback_url = self.state.hooks.get(event)
        if callback_url is None or not self._on_network:
            return None
        account = self.state.owner, self._accounts[self.state.owner]
        return await post_event(
            callback_url, event, payload, {}, account=account, now=self._server.now(), host=self.host
        )

    def _select_context(self) -> ssl.SSLContext:
        return camera_context(
            changed=self.faults.changed_certificate, client_certificate=self.faults.client_certificate
        )

    def _find_stream(self, path: str) -> RtspStream | None:
        duration_s = self.state.streams.get(path)
        return None if duration_s is None else RtspStream(duration_s)

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        """Handle a call and return the response."""
        self.requests.append(request)
        try:
            endpoint = self._catalogue.get("camera", request.path)
        except NotFound:
            return ServedResponse(None, 404)
        if self.state.model != "FM020" and endpoint.path.startswith(FACE_CAMERA_ONLY):
            return ServedResponse(None, 404)
        try:
            data = self._handle(endpoint, request.fields)
        except CallRefused as exc:
            return ServedResponse({"code": exc.codes[0]})
        reason, self.state.pending_restart = self.state.pending_restart, None
        if reason is not None:
            self._restart_job = self._supervisor.start_job(f"restart of camera {self.sn}", self._restart(reason))
        return ServedResponse({"code": 0} if data is None else {"code": 0, "data": data})

    def _handle(self, endpoint: Endpoint, fields: Mapping[str, str]) -> ResponseData:
        match endpoint.auth:
            case "activation":
                self._activate(endpoint, fields)
                return None
            case "none":
                if self.state.activated:
                    raise CallRefused(CAMERA_ALREADY_ACTIVATED)
            case "signed":
                self._verify_signature(fields)
        check_parameters(endpoint, fields)
        handler = HANDLERS.get(endpoint.path)
        if handler is not None:
            return handler(self.state, fields)
        return generate_fake_data(endpoint, fields) or None

    def _verify_signature(self, fields: Mapping[str, str]) -> None:
        if not self.state.activated or fields.get("app_id", self.state.owner) != self.state.owner:
            raise CallRefused(_NOT_ACTIVATED)
        key = self._accounts[self.state.owner]
        invalid = self._signatures.find_invalid(fields, key=key, now=self._server.now())
        if invalid is not None:
            raise CallRefused(CAMERA_SIGNATURE_REFUSED if invalid == "sign" else CAMERA_TIME_REFUSED)

    def _activate(self, endpoint: Endpoint, fields: Mapping[str, str]) -> None:
        if self.state.activated:
            raise CallRefused(_ACTIVATED)
        check_parameters(endpoint, fields)
        if not fields.get("app_id"):
            raise CallRefused(MISSING_PARAMETER)
        if fields["app_id"] not in self._accounts:
            raise CallRefused(_UNKNOWN_ACCOUNT)
        if fields.get("sn") != self.state.sn:
            raise CallRefused(_WRONG_SN)
        invalid = self._signatures.find_invalid(fields, key=self._activation_number, now=self._server.now())
        if invalid is not None:
            raise CallRefused(_WRONG_ACTIVATION_NUMBER if invalid == "sign" else CAMERA_TIME_REFUSED)
        if not self.state.reaches_cloud:
            raise CallRefused(_NO_INTERNET)
        self.state.activate(fields["app_id"])

    async def _restart(self, reason: RestartReason) -> None:
        await self._leave_network()
        if reason == "reset":
            self.state.factory_reset()
        await asyncio.sleep(self.rejoin_s if reason == "wifi" else self.reboot_s)
        if reason == "wifi":
            self._join_wifi()
        await self.start()

    def _join_wifi(self) -> None:
        config = self.state.config
        key_mgmt = next((point.key_mgmt for point in self.state.access_points if point.ssid == config.ssid), None)
        right = key_mgmt == "NONE" or (
            key_mgmt == "WPA-PSK" and self._wifi_passwords.get(config.ssid) == config.password != ""
        )
        if not right:
            config.ssid = config.password = ""
            self.state.hotspot = not self.state.cable
            return
        self.state.hotspot = False
        if self.on_wifi is not None:
            self.set_address(self.on_wifi(self, config.ssid), self._server.port)
