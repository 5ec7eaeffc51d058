"""The client of the SUNMI store open platform: signs a call, sends it, and words what can go wrong.

This is the one place where aiohttp's exceptions become the gateway's.
"""

import io
import logging
import math
import random
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from gateway import RELEASED_AT
from gateway.cloud.tls import CertificateDateError, make_tls_context
from gateway.errors import (
    CloudRejectedCredentials,
    CloudUnreachable,
    Conflict,
    PeerTimeout,
    RateLimited,
    TooLarge,
    VendorRefused,
)
from gateway.protocol import form
from gateway.protocol.endpoint import Call
from gateway.protocol.envelope import MalformedResponse, VendorResponse, parse_response
from gateway.protocol.parameters import FilePart
from gateway.protocol.return_codes import CLOUD_RANDOM_REFUSED, CLOUD_SIGN_REFUSED, CLOUD_TIME_REFUSED
from gateway.protocol.signing import add_signature
from gateway.runtime.clock import PeerClock
from gateway.runtime.logs.calls import call_logger
from gateway.runtime.metrics import OnCall, measure_call
from gateway.settings import CloudSettings

_MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
_CONNECT_TIMEOUT_S: Final = 5.0
_UPLOAD_TIMEOUT_S: Final = 60.0
_LARGE_BYTES: Final = 65536
_LONGEST_RETRY_AFTER_S: Final = 3600
_RETRY_AFTER_S: Final = 30
_CREDENTIAL_CODES: Final = frozenset({CLOUD_SIGN_REFUSED, CLOUD_TIME_REFUSED, CLOUD_RANDOM_REFUSED})

_log = logging.getLogger(__name__)
_LOG_CALL: Final = call_logger("cloud")


class _Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class CloudClient:
    """The cloud of one account. `clock` holds the time that the cloud tells, `reachable` the outcome of the last call.

    A call takes at most `timeout_s` seconds, one that carries a file or much else at most a minute.

    Raises `SettingsError` if the trust root of the settings cannot be used.
    """

    def __init__(self, settings: CloudSettings, clock: PeerClock, *, timeout_s: float = 15) -> None:
        self.clock = clock
        self.reachable: bool | None = None
        self.on_response: Callable[[], None] = lambda: None
        """Called when the cloud has answered, whatever it said: it is there."""
        self.on_call: OnCall = lambda endpoint, result, seconds: None
        """Told of every call, how it ended and how long it took."""
        self._settings = settings
        self._url = settings.url
        self._timeout_s = timeout_s
        self._context = make_tls_context(settings.ca_file, clock.now)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections to the cloud."""
        if self._session is not None:
            await self._session.close()

    def check_credentials(self) -> None:
        """Raise `Conflict` when app_id or secret key are not set."""
        if not self._settings.app_id or not self._settings.secret_key:
            raise Conflict("the cloud needs credentials: set cloud.app_id and cloud.secret_key in the settings")

    async def call(self, call: Call) -> VendorResponse:
        """Sign and send a call; return the answer if its code is 0.

        Raises `VendorRefused` for any other code, `CloudRejectedCredentials`, `CloudUnreachable`, `PeerTimeout`,
        `TooLarge`, `RateLimited`, and `Conflict` when app_id or secret key are not set.
        """
        self.check_credentials()
        with measure_call(call.endpoint.path, self.on_call), measure_call(call.endpoint.path, _LOG_CALL):
            return await self._call(call)

    async def _call(self, call: Call) -> VendorResponse:
        try:
            answer = await self._exchange(call)
        except (CloudUnreachable, PeerTimeout):
            self.reachable = False
            raise
        self.reachable = True
        self.on_response()
        if answer.code != 0:
            meaning = call.endpoint.describe_code(answer.code)
            raise VendorRefused(
                f"the cloud refused {call.endpoint.path} with code {answer.code}: {meaning}",
                vendor_code=answer.code,
                vendor_meaning=meaning,
                vendor_answer=call.endpoint.redact(answer.document),
            )
        return answer

    async def _exchange(self, call: Call) -> VendorResponse:
        """Send a call, once more if only its time or random was refused, or if it is safe to repeat."""
        behind_s = time.monotonic() - self.clock.now()
        try:
            reply = await self._send(call)
        except _Dropped as exc:
            if not call.endpoint.repeatable:
                raise CloudUnreachable(f"{exc.detail}; whether it took the call is not known") from exc
            reply = await self._send(call)
        self._learn(reply)
        # Since it was signed, also by the answer to another call.
        moved_s = behind_s - (time.monotonic() - self.clock.now())
        if (code := _credential_code(reply)) is not None:
            if code == CLOUD_RANDOM_REFUSED or abs(moved_s) > 2:
                reply = await self._send(call)
                code = _credential_code(reply)
            if code is not None:
                raise CloudRejectedCredentials(_rejection(code, call.endpoint.describe_code(code)))
        return _parsed(call.endpoint.path, reply)

    async def _send(self, call: Call) -> _Reply:
        """Sign at the present time and post; learn the time first where the certificate's dates seem wrong."""
        try:
            return await self._post(call)
        except CertificateDateError:
            await self._learn_time()
        try:
            return await self._post(call)
        except CertificateDateError as exc:
            raise CloudUnreachable("the cloud's certificate is not valid at the time that the cloud tells") from exc

    async def _post(self, call: Call) -> _Reply:
        fields = add_signature(
            call.fields,
            app_id=self._settings.app_id,
            key=self._settings.secret_key,
            timestamp=int(self.clock.now()),
            random=str(random.randrange(10**9, 10**10)),
        )
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._context))
        body = _body(fields, call.files)
        large = not isinstance(body, bytes) or len(body) > _LARGE_BYTES
        timeout_s = max(_UPLOAD_TIMEOUT_S, self._timeout_s) if large else self._timeout_s
        return await _request(self._session, "POST", f"{self._url}/{call.endpoint.path}", body, timeout_s)

    def _learn(self, reply: _Reply) -> None:
        moved_s = self.clock.learn(reply.headers.get("Date", ""))
        if abs(moved_s) > 60:
            _log.warning("the cloud's clock differs from this machine's by %.0f s; signing with the cloud's", moved_s)

    async def _learn_time(self) -> None:
        """Ask the cloud for its time where the present one makes its certificate look expired or not yet valid.

        The connection sends no secret and checks all but the dates. The time is taken only if it is no earlier than
        this program's release and lies within the validity of the chain that was shown.
        """
        context = make_tls_context(self._settings.ca_file, None)
        parts = urlsplit(self._url)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            reply = await _request(session, "HEAD", f"{parts.scheme}://{parts.netloc}/", None, _CONNECT_TIMEOUT_S)
        told = PeerClock()
        told.learn(reply.headers.get("Date", ""))
        validity = context.validity
        if not told.known or validity is None or told.now() < RELEASED_AT:
            raise CloudUnreachable("the clock is wrong, and the cloud does not tell a time that can be believed")
        if not validity.begin <= told.now() <= validity.end:
            raise CloudUnreachable("the cloud's certificate is not valid at the time that the cloud tells")
        _log.warning("this machine's clock is wrong; the cloud's time is taken instead")
        self.clock.set(told.now())


class _Dropped(CloudUnreachable):
    """The connection broke after it was made: the cloud may have taken the request."""


async def _request(
    session: aiohttp.ClientSession, method: str, url: str, body: "bytes | aiohttp.FormData | None", timeout_s: float
) -> _Reply:
    """Send one request and read the whole answer, translating every failure."""
    timeout = aiohttp.ClientTimeout(total=timeout_s, connect=_CONNECT_TIMEOUT_S)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if isinstance(body, bytes) else {}
    try:
        async with session.request(
            method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            content = await response.content.read(_MAX_ANSWER_BYTES + 1) if method != "HEAD" else b""
            while content and len(content) <= _MAX_ANSWER_BYTES and not response.content.at_eof():
                content += await response.content.read(_MAX_ANSWER_BYTES + 1 - len(content))
            if len(content) > _MAX_ANSWER_BYTES:
                raise CloudUnreachable(f"the cloud's answer has more than {_MAX_ANSWER_BYTES} bytes")
            return _Reply(response.status, response.headers, content)
    except (TimeoutError, aiohttp.ServerTimeoutError) as exc:
        raise PeerTimeout(f"the cloud did not answer within {timeout_s:.0f} s") from exc
    except aiohttp.ClientConnectorCertificateError as exc:
        if isinstance(exc.certificate_error, CertificateDateError):
            raise exc.certificate_error from exc
        raise CloudUnreachable(f"the cloud's certificate is not trusted: {exc.certificate_error}") from exc
    except aiohttp.ClientConnectorError as exc:
        raise CloudUnreachable(f"no connection to the cloud: {exc.strerror or exc.os_error}") from exc
    except (aiohttp.ClientError, OSError, ssl.SSLError) as exc:
        raise _Dropped(f"the cloud closed the connection: {type(exc).__name__}") from exc


def _body(fields: Mapping[str, str], files: Mapping[str, FilePart]) -> bytes | aiohttp.FormData:
    if not files:
        return form.encode(fields)
    parts = aiohttp.FormData()
    for name, value in fields.items():
        parts.add_field(name, value)
    for name, part in files.items():
        parts.add_field(name, io.BytesIO(part.data), filename=part.filename, content_type=part.content_type)
    return parts


def _credential_code(reply: _Reply) -> int | None:
    """Return the code with which the cloud refused the signature, or None: HTTP 401, a code in the body, or both."""
    try:
        code = parse_response(reply.body).code
    except MalformedResponse:
        code = 0
    if code in _CREDENTIAL_CODES:
        return code
    return CLOUD_SIGN_REFUSED if reply.status == 401 else None


def _rejection(code: int, meaning: str) -> str:
    advice = {
        CLOUD_SIGN_REFUSED: "check cloud.app_id, cloud.secret_key and cloud.environment in the settings",
        CLOUD_TIME_REFUSED: "the cloud refuses the time that it told itself; try again, then ask the vendor",
        CLOUD_RANDOM_REFUSED: "try again",
    }[code]
    return f"the cloud rejected the request with code {code} ({meaning}): {advice}"


def _parsed(path: str, reply: _Reply) -> VendorResponse:
    if reply.status == 413:
        raise TooLarge(f"{path}: the cloud says that the request is too large")
    if reply.status == 429:
        wait_s = _retry_after(reply)
        raise RateLimited(
            "the cloud asks for fewer requests", retry_after_s=_RETRY_AFTER_S if wait_s is None else wait_s
        )
    if reply.status != 200:
        raise CloudUnreachable(
            f"the cloud answered {path} with HTTP status {reply.status}", retry_after_s=_retry_after(reply)
        )
    try:
        return parse_response(reply.body)
    except MalformedResponse as exc:
        raise CloudUnreachable(f"the cloud {exc} to {path}") from exc


def _retry_after(reply: _Reply) -> int | None:
    """Return what the cloud says of when to try again, in seconds from now, an hour at most: seconds or a date."""
    text = reply.headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), _LONGEST_RETRY_AFTER_S)
    told, now = PeerClock(), PeerClock()
    told.learn(text)
    now.learn(reply.headers.get("Date", ""))
    if not told.known:
        return None
    return min(max(0, math.ceil(told.now() - now.now())), _LONGEST_RETRY_AFTER_S)
