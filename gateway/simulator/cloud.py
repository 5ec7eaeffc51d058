"""The simulated cloud: the vendor's store open platform over HTTPS, with a memory."""

import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from gateway.errors import NotFound
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Catalogue, Endpoint
from gateway.protocol.return_codes import CLOUD_RANDOM_REFUSED, CLOUD_SIGN_REFUSED, CLOUD_TIME_REFUSED
from gateway.simulator.account import ACCOUNTS, SHOPS
from gateway.simulator.callbacks import post_event
from gateway.simulator.cloud_authority import CloudCertificateAuthority, Validity, validity_at
from gateway.simulator.cloud_handlers import HANDLERS
from gateway.simulator.cloud_state import CloudCall, CloudState, ResponseData, ShelfLabel
from gateway.simulator.fake_data import generate_fake_data
from gateway.simulator.faults import FaultInjection
from gateway.simulator.label_pictures import deliver_pictures
from gateway.simulator.server import HttpsServer, ReceivedRequest, ServedResponse
from gateway.simulator.signatures import PublicParameter, SignatureVerifier
from gateway.simulator.validation import CallRefused, find_invalid_parameters, without_item_checks
from gateway.simulator.video.flv import serve_flv

_MAX_REQUEST_BYTES: Final = 1024 * 1024
"""A larger request is refused (NOTES: Request size)."""
_MAX_OTHER_PARTS_BYTES: Final = 64 * 1024
"""Room for the other parts of a multipart request beside a picture of the full size."""
_SIGNATURE_ERRORS: Final[Mapping[PublicParameter, tuple[int, str]]] = {
    "sign": (CLOUD_SIGN_REFUSED, "invalid sign"),
    "timestamp": (CLOUD_TIME_REFUSED, "invalid timestamp"),
    "random": (CLOUD_RANDOM_REFUSED, "invalid random value"),
}
_MISSING: Final = (5023, 5022, 5020)
_MALFORMED: Final = (5022, 5020, 5023)
_TOO_LONG_PERIOD: Final = (5021, *_MALFORMED)
_MALFORMED_LABEL_CODE: Final = (*_MALFORMED, 5301)
_MALFORMED_FILE: Final = (5005, *_MALFORMED)


class SimulatedCloud:
    """The cloud of some accounts and shops.

    - `accounts`: the secret key of each app_id.
    - `shops`: the newer key, sunmi_shop_no, of each shop_id.
    - `clock`: the true time in Unix seconds.
    - `authority`: issues the cloud's certificate; a new one unless given.
    - `certificate_validity`: when the certificate is valid; unless given, it has just been issued.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        accounts: Mapping[str, str] = ACCOUNTS,
        shops: Mapping[str, str] = SHOPS,
        clock: Callable[[], float] = time.time,
        faults: FaultInjection | None = None,
        authority: CloudCertificateAuthority | None = None,
        certificate_validity: Validity | None = None,
        catalogue: Catalogue = CATALOGUE,
    ) -> None:
        self.faults = faults if faults is not None else FaultInjection()
        self.accounts = dict(accounts)
        self.state = CloudState(shops)
        self.accepted: list[ReceivedRequest] = []
        """The calls that were accepted: their response has code 0."""
        self._validity = certificate_validity or validity_at(clock())
        self._authority = authority or CloudCertificateAuthority.create(self._validity)
        self._usual_context = self._authority.issue(host, self._validity)
        self._changed_context: ssl.SSLContext | None = None
        self._signatures = SignatureVerifier()
        self._catalogue = catalogue
        self._lenient_endpoints: dict[str, Endpoint] = {}
        """The endpoints that were called, by path, without checks of items."""
        self._server = HttpsServer(
            host=host,
            port=port,
            select_context=self._select_context,
            handler=self.respond,
            faults=self.faults,
            clock=clock,
            serve_get=self._serve_stream,
        )

    @property
    def base_url(self) -> str:
        """The URL below which the endpoints are."""
        host = f"[{self._server.host}]" if ":" in self._server.host else self._server.host
        return f"https://{host}:{self._server.port}/openapi"

    @property
    def port(self) -> int:
        """The TCP port; 0 before the first start if none was given."""
        return self._server.port

    @property
    def ca_pem(self) -> str:
        """The certificate of the authority that issued the cloud's."""
        return self._authority.ca_pem

    @property
    def request_paths(self) -> list[str]:
        """The path of every request, also of those that were refused or that a fault swallowed."""
        return self._server.request_paths

    @property
    def handshakes(self) -> int:
        """How many TLS connections were begun so far."""
        return self._server.handshakes

    async def start(self) -> None:
        """Begin to serve. Raises OSError if the address cannot be had."""
        await self._server.start()
        self.state.media_url = self.base_url.removesuffix("/openapi")

    async def stop(self) -> None:
        """Stop serving. The memory stays."""
        await self._server.stop()

    async def report(self, event: int, payload: Mapping[str, Any], shop_id: str) -> list[int]:
        """Report an event of a shop to every account that has subscribed to it.

        Return the HTTP status of each response (0: there was none); empty if nobody has subscribed.
        """
        shop = {"shop_id": shop_id, "sunmi_shop_no": self.state.sunmi_shop_nos[shop_id]}
        subscribed = [(app_id, url) for (app_id, known), url in self.state.hooks.items() if known == event]
        return [
            await post_event(url, event, payload, shop, account=(app_id, self.accounts[app_id]), now=self._server.now())
            for app_id, url in subscribed
        ]

    async def _serve_stream(self, request: web.Request) -> web.StreamResponse:
        streams, path = self.state.streams, request.path
        if path not in streams or request.query.get("auth_key") != "simulated":
            return web.Response(status=404)
        return await serve_flv(request, duration_s=streams[path], is_open=lambda: path in streams)

    def _select_context(self) -> ssl.SSLContext:
        if not self.faults.changed_certificate:
            return self._usual_context
        if self._changed_context is None:
            stranger = CloudCertificateAuthority.create(self._validity)
            self._changed_context = stranger.issue(self._server.host, self._validity)
        return self._changed_context

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        """Handle a call and return the response."""
        try:
            endpoint = self._catalogue.get("cloud", request.path)
        except NotFound:
            return ServedResponse(None, 404)
        if request.size > _MAX_REQUEST_BYTES + (_MAX_OTHER_PARTS_BYTES if endpoint.takes_file else 0):
            return ServedResponse(None, 413)
        app_id = request.fields.get("app_id", "")
        now = self._server.now()
        invalid = self._signatures.find_invalid(request.fields, key=self.accounts.get(app_id), now=now)
        if invalid is not None:
            code, message = _SIGNATURE_ERRORS[invalid]
            return ServedResponse({"code": code, "msg": message, "data": {}}, 401)
        try:
            if any(parameter.name == "shop_id" for parameter in endpoint.parameters):
                self.state.find_shop(request.fields)
            self._check_parameters(endpoint, request)
            self._deliver_pictures(now)
            call = CloudCall(self.state, endpoint, app_id, request.fields, request.files, int(now), self.faults)
            data = self._handle(call)
            self._deliver_pictures(now)
        except CallRefused as exc:
            code = exc.choose_code(endpoint)
            return ServedResponse({"code": code, "msg": endpoint.describe_code(code), "data": {}})
        self.accepted.append(request)
        return ServedResponse({"code": 0, "msg": "succeed", "data": data})

    def read_labels(self, shop_id: str) -> Mapping[str, ShelfLabel]:
        """Return the shelf labels of a shop by id, as they are now."""
        self._deliver_pictures(self._server.now())
        return self.state.shops[shop_id].labels

    def _deliver_pictures(self, now: float) -> None:
        for shop in self.state.shops.values():
            deliver_pictures(shop, self.faults, now)

    def _handle(self, call: CloudCall) -> ResponseData:
        handler = HANDLERS.get(call.endpoint.path)
        return handler(call) if handler is not None else generate_fake_data(call.endpoint, call.fields)

    def _check_parameters(self, endpoint: Endpoint, request: ReceivedRequest) -> None:
        """Raise `CallRefused` for the first parameter that is missing or malformed."""
        if request.multipart and not endpoint.takes_file:
            raise CallRefused(*_MALFORMED)
        if endpoint.path not in self._lenient_endpoints:
            self._lenient_endpoints[endpoint.path] = without_item_checks(endpoint)
        invalid = find_invalid_parameters(self._lenient_endpoints[endpoint.path], request.fields, request.files)
        for parameter in endpoint.parameters:
            if parameter.name not in invalid:
                continue
            if parameter.name not in request.fields and parameter.name not in request.files:
                raise CallRefused(*_MISSING)
            if parameter.type == "file":
                raise CallRefused(*_MALFORMED_FILE)
            if parameter.name == "esl_code":
                raise CallRefused(*_MALFORMED_LABEL_CODE)
            too_long = any(limit.end == parameter.name for limit in endpoint.limits)
            raise CallRefused(*(_TOO_LONG_PERIOD if too_long else _MALFORMED))
