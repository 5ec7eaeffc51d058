"""The simulated cloud: the vendor's store open platform over HTTPS, with a memory."""

import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.errors import NotFound
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.codes import CLOUD_RANDOM_REFUSED, CLOUD_SIGN_REFUSED, CLOUD_TIME_REFUSED
from gateway.protocol.endpoint import Endpoint
from gateway.simulator.certificates import CloudAuthority, Validity, validity_at
from gateway.simulator.cloud_behaviour import BEHAVIOURS
from gateway.simulator.cloud_state import CloudCall, CloudState, Data
from gateway.simulator.faults import Faults
from gateway.simulator.plausible import plausible_data
from gateway.simulator.refusal import Refused, without_items, wrong_parameters
from gateway.simulator.reporting import report
from gateway.simulator.server import Received, Reply, Server
from gateway.simulator.verification import Flaw, SignatureCheck

ACCOUNTS: Final[Mapping[str, str]] = {"EF3OG8R5B32X0": "kdsofkdsnflke9382938k"}
SHOPS: Final[Mapping[str, str]] = {"10096": "100000010096"}

_MOST_BYTES: Final = 1024 * 1024
"""A larger request is refused (NOTES: Request size)."""
_ENVELOPE_BYTES: Final = 64 * 1024
"""What the other parts of a multipart request may take beside a picture of the full size."""
_FLAWS: Final[Mapping[Flaw, tuple[int, str]]] = {
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
        faults: Faults | None = None,
        certificate_validity: Validity | None = None,
    ) -> None:
        self.faults = faults if faults is not None else Faults()
        self.accounts = dict(accounts)
        self.state = CloudState(shops)
        self.received: list[Received] = []
        """The calls that were accepted: answered with code 0."""
        self._validity = certificate_validity or validity_at(clock())
        self._authority = CloudAuthority(host, self._validity)
        self._stranger: CloudAuthority | None = None
        self._check = SignatureCheck()
        self._lenient = {endpoint.path: without_items(endpoint) for endpoint in CATALOGUE.side("cloud")}
        self._server = Server(
            host=host, port=port, context=self._context, service=self._answer, faults=self.faults, clock=clock
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
    def arrived(self) -> list[str]:
        """The path of every call whose head arrived, also of those that were refused or that a fault swallowed."""
        return self._server.arrived

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
            self._stranger = CloudAuthority(self._server.host, self._validity)
        return self._stranger.context

    def _answer(self, received: Received) -> Reply:
        try:
            endpoint = CATALOGUE.get("cloud", received.path)
        except NotFound:
            return Reply(None, 404)
        if received.size > _MOST_BYTES + (_ENVELOPE_BYTES if endpoint.takes_file else 0):
            return Reply(None, 413)
        app_id = received.fields.get("app_id", "")
        now = self._server.now()
        flaw = self._check.flaw(received.fields, key=self.accounts.get(app_id), now=now)
        if flaw is not None:
            code, message = _FLAWS[flaw]
            return Reply({"code": code, "msg": message, "data": {}}, 401)
        try:
            data = self._data(endpoint, received, CloudCall(
                self.state, endpoint, app_id, received.fields, received.files, int(now)
            ))  # fmt: skip
        except Refused as exc:
            code = exc.code(endpoint)
            return Reply({"code": code, "msg": endpoint.meaning(code), "data": {}})
        self.received.append(received)
        return Reply({"code": 0, "msg": "succeed", "data": data})

    def _data(self, endpoint: Endpoint, received: Received, call: CloudCall) -> Data:
        if any(parameter.name == "shop_id" for parameter in endpoint.parameters):
            self.state.shop(received.fields)
        self._check_parameters(endpoint, received)
        behaviour = BEHAVIOURS.get(endpoint.path)
        return behaviour(call) if behaviour is not None else plausible_data(endpoint, received.fields)

    def _check_parameters(self, endpoint: Endpoint, received: Received) -> None:
        if received.multipart and not endpoint.takes_file:
            raise Refused(*_MALFORMED)
        lenient = self._lenient[endpoint.path]
        wrong = wrong_parameters(lenient, received.fields, received.files)
        for parameter in endpoint.parameters:
            if parameter.name not in wrong:
                continue
            if parameter.name not in received.fields and parameter.name not in received.files:
                raise Refused(*_MISSING)
            if parameter.type == "file":
                raise Refused(*_BAD_FILE)
            if parameter.name == "esl_code":
                raise Refused(*_BAD_LABEL)
            too_long = any(limit.end == parameter.name for limit in endpoint.limits)
            raise Refused(*(_TOO_LONG if too_long else _MALFORMED))
