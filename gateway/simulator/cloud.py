"""The simulated cloud: the vendor's store open platform over HTTPS, with a memory."""

import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.errors import NotFound
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.return_codes import CLOUD_RANDOM_REFUSED, CLOUD_SIGN_REFUSED, CLOUD_TIME_REFUSED
from gateway.simulator.callbacks import report
from gateway.simulator.certificates import CloudCertificateAuthority, Validity, validity_at
from gateway.simulator.cloud_handlers import HANDLERS
from gateway.simulator.cloud_state import CloudCall, CloudState, Data
from gateway.simulator.fake_data import plausible_data
from gateway.simulator.faults import FaultInjection
from gateway.simulator.server import HttpsServer, ReceivedRequest, ServedResponse
from gateway.simulator.signatures import PublicParameter, SignatureVerifier
from gateway.simulator.validation import CallRefused, without_items, wrong_parameters

ACCOUNTS: Final[Mapping[str, str]] = {"EF3OG8R5B32X0": "kdsofkdsnflke9382938k"}
SHOPS: Final[Mapping[str, str]] = {"10096": "100000010096"}

_MOST_BYTES: Final = 1024 * 1024
"""A larger request is refused (NOTES: Request size)."""
_ENVELOPE_BYTES: Final = 64 * 1024
"""What the other parts of a multipart request may take beside a picture of the full size."""
_FLAWS: Final[Mapping[PublicParameter, tuple[int, str]]] = {
    "sign": (CLOUD_SIGN_REFUSED, "invalid sign"),
    "timestamp": (CLOUD_TIME_REFUSED, "invalid timestamp"),
    "random": (CLOUD_RANDOM_REFUSED, "invalid random value"),
}
_MISSING: Final = (5023, 5022, 5020)
_MALFORMED: Final = (5022, 5020, 5023)
_TOO_LONG: Final = (5021, *_MALFORMED)
_BAD_LABEL: Final = (*_MALFORMED, 5301)
_BAD_FILE: Final = (5005, *_MALFORMED)


class SimulatedCloud:
    """The cloud for `accounts` (app_id to secret key) and `shops` (shop_id to the newer key, sunmi_shop_no).

    `certificate_validity` are the first and the last moment at which its certificate is valid; by default it has just
    been issued by `clock`.
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
        certificate_validity: Validity | None = None,
    ) -> None:
        self.faults = faults if faults is not None else FaultInjection()
        self.accounts = dict(accounts)
        self.state = CloudState(shops)
        self.accepted: list[ReceivedRequest] = []
        """The calls that were accepted: answered with code 0."""
        self._validity = certificate_validity or validity_at(clock())
        self._authority = CloudCertificateAuthority(host, self._validity)
        self._stranger: CloudCertificateAuthority | None = None
        self._check = SignatureVerifier()
        self._lenient = {endpoint.path: without_items(endpoint) for endpoint in CATALOGUE.list_endpoints("cloud")}
        self._server = HttpsServer(
            host=host, port=port, context=self._context, service=self.respond, faults=self.faults, clock=clock
        )

    @property
    def base_url(self) -> str:
        """The address below which the endpoints are."""
        host = f"[{self._server.host}]" if ":" in self._server.host else self._server.host
        return f"https://{host}:{self._server.port}/openapi"

    @property
    def ca_pem(self) -> str:
        """The certificate of the authority that issued the cloud's."""
        return self._authority.ca_pem

    @property
    def request_paths(self) -> list[str]:
        """The path of every call whose head arrived, also of those that were refused or that a fault swallowed."""
        return self._server.request_paths

    @property
    def handshakes(self) -> int:
        """How many TLS connections were begun so far."""
        return self._server.handshakes

    async def start(self) -> None:
        """Begin to serve. Raises OSError when the address cannot be had."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop serving; what it remembers stays."""
        await self._server.stop()

    async def report(self, event: int, payload: Mapping[str, Any], shop_id: str) -> list[int]:
        """Report an event of a shop to every account that has subscribed to it.

        Returns the HTTP status of each answer (0: nobody answered); empty where nobody has subscribed.
        """
        shop = {"shop_id": shop_id, "sunmi_shop_no": self.state.numbers[shop_id]}
        subscribed = [(app_id, url) for (app_id, known), url in self.state.hooks.items() if known == event]
        return [
            await report(url, event, payload, shop, account=(app_id, self.accounts[app_id]), now=self._server.now())
            for app_id, url in subscribed
        ]

    def _context(self) -> ssl.SSLContext:
        if not self.faults.changed_certificate:
            return self._authority.context
        if self._stranger is None:
            self._stranger = CloudCertificateAuthority(self._server.host, self._validity)
        return self._stranger.context

    def respond(self, request: ReceivedRequest) -> ServedResponse:
        """Handle a call and return the response."""
        try:
            endpoint = CATALOGUE.get("cloud", request.path)
        except NotFound:
            return ServedResponse(None, 404)
        if request.size > _MOST_BYTES + (_ENVELOPE_BYTES if endpoint.takes_file else 0):
            return ServedResponse(None, 413)
        app_id = request.fields.get("app_id", "")
        now = self._server.now()
        flaw = self._check.flaw(request.fields, key=self.accounts.get(app_id), now=now)
        if flaw is not None:
            code, message = _FLAWS[flaw]
            return ServedResponse({"code": code, "msg": message, "data": {}}, 401)
        try:
            data = self._data(endpoint, request, CloudCall(
                self.state, endpoint, app_id, request.fields, request.files, int(now)
            ))  # fmt: skip
        except CallRefused as exc:
            code = exc.code(endpoint)
            return ServedResponse({"code": code, "msg": endpoint.describe_code(code), "data": {}})
        self.accepted.append(request)
        return ServedResponse({"code": 0, "msg": "succeed", "data": data})

    def _data(self, endpoint: Endpoint, request: ReceivedRequest, call: CloudCall) -> Data:
        if any(parameter.name == "shop_id" for parameter in endpoint.parameters):
            self.state.shop(request.fields)
        self._check_parameters(endpoint, request)
        behaviour = HANDLERS.get(endpoint.path)
        return behaviour(call) if behaviour is not None else plausible_data(endpoint, request.fields)

    def _check_parameters(self, endpoint: Endpoint, request: ReceivedRequest) -> None:
        if request.multipart and not endpoint.takes_file:
            raise CallRefused(*_MALFORMED)
        lenient = self._lenient[endpoint.path]
        wrong = wrong_parameters(lenient, request.fields, request.files)
        for parameter in endpoint.parameters:
            if parameter.name not in wrong:
                continue
            if parameter.name not in request.fields and parameter.name not in request.files:
                raise CallRefused(*_MISSING)
            if parameter.type == "file":
                raise CallRefused(*_BAD_FILE)
            if parameter.name == "esl_code":
                raise CallRefused(*_BAD_LABEL)
            too_long = any(limit.end == parameter.name for limit in endpoint.limits)
            raise CallRefused(*(_TOO_LONG if too_long else _MALFORMED))
