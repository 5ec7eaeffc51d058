"""A simulated camera: the vendor's HTTPS service with a memory, which leaves and returns as a real one does."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway.errors import NotFound
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.discovery_frames import Announcement, encode_announcement
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.models import CameraModel
from gateway.protocol.return_codes import CAMERA_ALREADY_ACTIVATED, CAMERA_SIGNATURE_REFUSED, CAMERA_TIME_REFUSED
from gateway.simulator.callbacks import report
from gateway.simulator.camera_handlers import HANDLERS, MISSING_PARAMETER, Data, check_parameters
from gateway.simulator.camera_state import CameraState, RestartReason, SimulatedAccessPoint
from gateway.simulator.certificates import camera_context
from gateway.simulator.fake_data import plausible_data
from gateway.simulator.faults import FaultInjection
from gateway.simulator.server import HttpsServer, ReceivedRequest, ServedResponse
from gateway.simulator.signatures import SignatureVerifier
from gateway.simulator.validation import CallRefused

NETWORKS: Final = (
    SimulatedAccessPoint("SunmiStore", "WPA-PSK"),
    SimulatedAccessPoint("Cafe Guests", "NONE"),
    SimulatedAccessPoint("OldRouter", "WEP"),
)
_ACTIVATED: Final = 4
_NOT_ACTIVATED: Final = 7
_WRONG_SN: Final = 8
_WRONG_NUMBER: Final = 9
_UNKNOWN_ACCOUNT: Final = 10
_NO_INTERNET: Final = 11


class SimulatedCamera:
    """One camera. Behaves as the vendor documents; codes follow inferred meanings (NOTES: Camera return codes).

    `app_id` and `secret_key` are the account that owns it, or may activate it; `other_accounts` (app_id to secret key)
    may activate it too. `hotspot` tells a factory-new camera without a cable from one on Ethernet. `wifi_networks` are
    those in reach and `wifi_passwords` the right password of each; an open one has none, and WEP is never joined.
    After a Wi-Fi change the camera is away for `rejoin_s`, after a reboot or reset for `reboot_s`. `on_wifi` is asked
    for the address at which it returns when it has joined a network. With `https` false only discovery knows it.
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
        wifi_networks: Sequence[SimulatedAccessPoint] = NETWORKS,
        wifi_passwords: Mapping[str, str] | None = None,
        hotspot: bool = False,
        internet: bool = True,
        software_version: str = "1.2.6",
        other_accounts: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        faults: FaultInjection | None = None,
        rejoin_s: float = 0.3,
        reboot_s: float = 0.3,
        on_wifi: "Callable[[SimulatedCamera, str], str] | None" = None,
        https: bool = True,
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
        """Called whenever the camera appears at an address."""
        self.rejoin_s = rejoin_s
        self.reboot_s = reboot_s
        self.on_wifi = on_wifi
        self._wifi_passwords = dict(wifi_passwords or {})
        self._accounts = {**(other_accounts or {}), app_id: secret_key}
        self._activation_number = activation_number
        self._check = SignatureVerifier()
        self._https = https
        self._present = False
        self._away: asyncio.Task[None] | None = None
        self._server = HttpsServer(
            host=host,
            port=port,
            context=self._context,
            service=self.respond,
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
        """Whether the camera is on the network just now."""
        return self._present

    @property
    def request_paths(self) -> Sequence[str]:
        """The path of every call whose head arrived, also of those that a fault swallowed."""
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
        """Return the frames that answer a request: one, the same for a `broadcast` and for the camera alone."""
        return [encode_announcement(self.announcement())]

    def set_address(self, host: str, port: int) -> None:
        """Say where the camera is when it starts next."""
        self._server.host, self._server.port = host, port

    async def start(self) -> None:
        """Switch on. Raises OSError when the address cannot be had."""
        if self._https:
            await self._server.start()
        self._present = True
        self.state.ip = self.host
        for tell in self.on_start:
            tell()

    async def stop(self) -> None:
        """Switch off; what it remembers stays."""
        away, self._away = self._away, None
        if away is not None:
            away.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):  # `settled` tells that it could not return
                await away
        await self._leave()

    async def _leave(self) -> None:
        self._present = False
        await self._server.stop()

    async def wait_until_back(self) -> None:
        """Wait until a camera that left is back."""
        if self._away is not None:
            await asyncio.shield(self._away)

    async def report(self, event: str, payload: Mapping[str, Any]) -> int | None:
        """Report an event to the subscribed address, signed for the owner at the camera's own time.

        Returns the HTTP status of the answer (0: nobody answered), or None when nothing was sent: nobody has subscribed
        to the event, or the camera is not on the network.
        """
        callback = self.state.hooks.get(event)
        if callback is None or not self._present:
            return None
        account = self.state.owner, self._accounts[self.state.owner]
        return await report(callback, event, payload, {}, account=account, now=self._server.now(), host=self.host)

    def _context(self) -> ssl.SSLContext:
        return camera_context(
            changed=self.faults.changed_certificate, client_certificate=self.faults.client_certificate
        )

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        """Handle a call and return the response."""
        self.requests.append(request)
        try:
            endpoint = CATALOGUE.get("camera", request.path)
        except NotFound:
            return ServedResponse(None, 404)
        try:
            data = self._data(endpoint, request.fields)
        except CallRefused as exc:
            return ServedResponse({"code": exc.codes[0]})
        why, self.state.pending_restart = self.state.pending_restart, None
        if why is not None:
            self._away = asyncio.get_running_loop().create_task(self._depart(why))
        return ServedResponse({"code": 0} if data is None else {"code": 0, "data": data})

    def _data(self, endpoint: Endpoint, fields: Mapping[str, str]) -> Data:
        match endpoint.auth:
            case "activation":
                self._activate(endpoint, fields)
                return None
            case "none":
                if self.state.activated:
                    raise CallRefused(CAMERA_ALREADY_ACTIVATED)
            case "signed":
                self._check_signature(fields)
        check_parameters(endpoint, fields)
        behaviour = HANDLERS.get(endpoint.path)
        if behaviour is not None:
            return behaviour(self.state, fields)
        return plausible_data(endpoint, fields) or None

    def _check_signature(self, fields: Mapping[str, str]) -> None:
        if not self.state.activated or fields.get("app_id", self.state.owner) != self.state.owner:
            raise CallRefused(_NOT_ACTIVATED)
        flaw = self._check.flaw(fields, key=self._accounts[self.state.owner], now=self._server.now())
        if flaw is not None:
            raise CallRefused(CAMERA_SIGNATURE_REFUSED if flaw == "sign" else CAMERA_TIME_REFUSED)

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
        flaw = self._check.flaw(fields, key=self._activation_number, now=self._server.now())
        if flaw is not None:
            raise CallRefused(_WRONG_NUMBER if flaw == "sign" else CAMERA_TIME_REFUSED)
        if not self.state.online:
            raise CallRefused(_NO_INTERNET)
        self.state.activate(fields["app_id"])

    async def _depart(self, why: RestartReason) -> None:
        await self._leave()
        if why == "reset":
            self.state.factory_reset()
        await asyncio.sleep(self.rejoin_s if why == "wifi" else self.reboot_s)
        if why == "wifi":
            self._join()
        await self.start()

    def _join(self) -> None:
        settings = self.state.settings
        kind = next((point.key_mgmt for point in self.state.access_points if point.ssid == settings.ssid), None)
        right = kind == "NONE" or (
            kind == "WPA-PSK" and self._wifi_passwords.get(settings.ssid) == settings.password != ""
        )
        if not right:
            settings.ssid = settings.password = ""
            self.state.hotspot = not self.state.cable
            return
        self.state.hotspot = False
        if self.on_wifi is not None:
            self.set_address(self.on_wifi(self, settings.ssid), self._server.port)
