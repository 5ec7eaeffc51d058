"""The client of the SUNMI store cloud: signs calls, sends them, and reports failures as the gateway's exceptions."""

import contextlib
import io
import logging
import math
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from firmware_tools.language import message
from gateway import RELEASED_AT
from gateway.cloud.tls import CertificateDateError, check_ca_file, make_tls_context
from gateway.errors import (
    CloudRefusedAccount,
    CloudRejectedCredentials,
    CloudResponseMalformed,
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
from gateway.protocol.return_codes import (
    CLOUD_ACCOUNT_ERROR_CODES,
    CLOUD_RANDOM_REFUSED,
    CLOUD_SIGN_REFUSED,
    CLOUD_TIME_REFUSED,
)
from gateway.protocol.signing import add_signature
from gateway.runtime.clock import PeerClock
from gateway.runtime.logs.calls import call_logger
from gateway.runtime.metrics import OnCall, measure_call
from gateway.settings import CloudSettings

_MAX_RESPONSE_BYTES: Final = 16 * 1024 * 1024
_STREAM_CHUNK_BYTES: Final = 64 * 1024
_CONNECT_TIMEOUT_S: Final = 5.0
_UPLOAD_TIMEOUT_S: Final = 60.0
_MIN_UPLOAD_BYTES: Final = 65536
"""A body of more bytes gets the timeout of an upload."""
_MAX_RETRY_AFTER_S: Final = 3600
_DEFAULT_RETRY_AFTER_S: Final = 30
_CREDENTIAL_CODES: Final = frozenset({CLOUD_SIGN_REFUSED, CLOUD_TIME_REFUSED, CLOUD_RANDOM_REFUSED})
_MIN_CLOCK_CHANGE_S: Final = 2
"""A rejected call is sent again if the clock was corrected by more since it was signed."""
_MIN_LOGGED_CLOCK_CHANGE_S: Final = 60

_log = logging.getLogger(__name__)
_LOG_CALL: Final = call_logger("cloud")


class _HttpResponse(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class CloudClient:
    """Calls the cloud in the name of one account."""

    def __init__(self, settings: CloudSettings, clock: PeerClock, *, timeout_s: float = 15) -> None:
        """Take the account. A call takes at most `timeout_s` seconds, one with a file or much content at most a minute.

        Raises `SettingsError` if `cloud.ca_file` cannot be used.
        """
        self.clock = clock
        """The time by the cloud's clock, as it was learned from its responses."""
        self.reachable: bool | None = None
        """Whether the last call got a response; None before the first."""
        self.on_response: Callable[[Call, VendorResponse], None] = lambda call, response: None
        """Called with each call and its response, unless that refuses the account or the shop."""
        self.on_call: OnCall = lambda endpoint, result, seconds: None
        """Called after each call."""
        self._settings = settings
        self._url = settings.url
        self._timeout_s = timeout_s
        check_ca_file(settings.ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections to the cloud."""
        if self._session is not None:
            await self._session.close()

    def check_credentials(self) -> None:
        """Raise `Conflict` if app_id or secret key are not set."""
        if not self._settings.app_id or not self._settings.secret_key:
            raise Conflict(
                message("the cloud needs credentials: set cloud.app_id and cloud.secret_key in the settings")
            )

    async def call(self, call: Call) -> VendorResponse:
        """Sign and send a call, and return the response if its code is 0.

        Raises `VendorRefused` for any other code, its kind `CloudRefusedAccount` for one about account or shop,
        `CloudRejectedCredentials`, `CloudUnreachable`, its kind `CloudResponseMalformed`, `PeerTimeout`, `TooLarge`,
        `RateLimited`, and `Conflict` if app_id or secret key are not set.
        """
        self.check_credentials()
        with measure_call(call.endpoint.path, self.on_call, _LOG_CALL):
            return await self._call(call)

    async def _call(self, call: Call) -> VendorResponse:
        try:
            response = await self._exchange(call)
        except (CloudUnreachable, PeerTimeout) as exc:
            self.reachable = isinstance(exc, CloudResponseMalformed)
            raise
        self.reachable = True
        refuses_account = response.code in CLOUD_ACCOUNT_ERROR_CODES
        if not refuses_account:
            self.on_response(call, response)
        if response.code != 0:
            meaning = call.endpoint.describe_code(response.code)
            refusal = CloudRefusedAccount if refuses_account else VendorRefused
            raise refusal(
                message(
                    "the cloud refused {path} with code {code}: {meaning}",
                    path=call.endpoint.path,
                    code=response.code,
                    meaning=meaning,
                ),
                vendor_code=response.code,
                vendor_meaning=meaning,
                vendor_answer=call.endpoint.redact(response.document),
            )
        return response

    async def _exchange(self, call: Call) -> VendorResponse:
        """Send a call; again if its time or random was refused, or if the connection broke and it is repeatable."""
        offset_s = self.clock.now() - time.monotonic()
        try:
            response = await self._send(call)
        except CloudConnectionLost as exc:
            if not call.endpoint.repeatable:
                raise CloudConnectionLost(
                    message("{detail}; whether it received the call is not known", detail=exc.detail)
                ) from exc
            response = await self._send(call)
        self._learn_time_of(response)
        # By this response, or since the call was signed by that to another one.
        clock_change_s = self.clock.now() - time.monotonic() - offset_s
        if (code := _credential_code(response)) is not None:
            if code == CLOUD_RANDOM_REFUSED or abs(clock_change_s) > _MIN_CLOCK_CHANGE_S:
                response = await self._send(call)
                code = _credential_code(response)
            if code is not None:
                raise CloudRejectedCredentials(_describe_rejection(code, call.endpoint.describe_code(code)))
        return _parse(call.endpoint.path, response)

    async def _send(self, call: Call) -> _HttpResponse:
        """Sign and post a call. If the certificate is not valid at the present time, learn the time and try again."""
        try:
            return await self._post(call)
        except CertificateDateError:
            await self.learn_time()
            _log.warning("this machine's clock is wrong; the cloud's time is used instead")
        try:
            return await self._post(call)
        except CertificateDateError as exc:
            raise CloudUnreachable(message("the cloud's certificate is not valid by the cloud's own clock")) from exc

    async def _post(self, call: Call) -> _HttpResponse:
        fields = add_signature(
            call.fields,
            app_id=self._settings.app_id,
            key=self._settings.secret_key,
            timestamp=int(self.clock.now()),
            random=str(random.randrange(10**9, 10**10)),
        )
        body = _encode_body(fields, call.files)
        is_upload = not isinstance(body, bytes) or len(body) > _MIN_UPLOAD_BYTES
        timeout_s = max(_UPLOAD_TIMEOUT_S, self._timeout_s) if is_upload else self._timeout_s
        return await _request(self._get_session(), "POST", f"{self._url}/{call.endpoint.path}", body, timeout_s)

    @contextlib.asynccontextmanager
    async def open_stream(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Get what has no end, as a live picture, and yield its bytes for the time of the block.

        No redirect is followed. Raises `CloudUnreachable` or `PeerTimeout`, also from the iterator.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT_S, sock_read=self._timeout_s)
        try:
            with _translate_failures(self._timeout_s):
                response = await self._get_session().get(url, timeout=timeout, allow_redirects=False)
        except CertificateDateError as exc:
            raise CloudUnreachable(message("the certificate of the cloud's stream is not valid now")) from exc
        try:
            if response.status != 200:
                raise CloudUnreachable(
                    message("the cloud responded to its own address of a stream with {status}", status=response.status)
                )
            yield _read_chunks(response, self._timeout_s)
        finally:
            response.close()

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # At the first call: to read the system's roots takes a fifth of the time of a start.
            context = make_tls_context(self._settings.ca_file, self.clock.now)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
        return self._session

    def _learn_time_of(self, response: _HttpResponse) -> None:
        change_s = self.clock.learn(response.headers.get("Date", ""))
        if abs(change_s) > _MIN_LOGGED_CLOCK_CHANGE_S:
            _log.warning("the cloud's clock differs from this machine's by %.0f s; signing with the cloud's", change_s)

    async def learn_time(self) -> None:
        """Ask the cloud for the time, whatever this machine's is.

        The request holds no secret, and the connection checks everything but the dates. The time is accepted if it is
        not before the release of this program, and inside the validity of the certificate chain.
        """
        context = make_tls_context(self._settings.ca_file, None)
        parts = urlsplit(self._url)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            response = await _request(session, "HEAD", f"{parts.scheme}://{parts.netloc}/", None, _CONNECT_TIMEOUT_S)
        clock = PeerClock()
        clock.learn(response.headers.get("Date", ""))
        validity = context.validity
        if not clock.known or validity is None or clock.now() < RELEASED_AT:
            raise CloudUnreachable(message("this machine's clock is wrong, and the cloud sends no plausible time"))
        if not validity.begin <= clock.now() <= validity.end:
            raise CloudUnreachable(message("the cloud's certificate is not valid by the cloud's own clock"))
        self.clock.set(clock.now())


class CloudNotConnected(CloudUnreachable):
    """There was no connection to the cloud, so nothing was sent."""


class CloudConnectionLost(CloudUnreachable):
    """The connection broke after it was made: the cloud may have received the request."""


async def _request(
    session: aiohttp.ClientSession, method: str, url: str, body: "bytes | aiohttp.FormData | None", timeout_s: float
) -> _HttpResponse:
    """Send a request and read the whole response. Raises the gateway's exceptions for those of aiohttp."""
    timeout = aiohttp.ClientTimeout(total=timeout_s, connect=_CONNECT_TIMEOUT_S)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if isinstance(body, bytes) else {}
    with _translate_failures(timeout_s):
        async with session.request(
            method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            content = await response.content.read(_MAX_RESPONSE_BYTES + 1) if method != "HEAD" else b""
            while content and len(content) <= _MAX_RESPONSE_BYTES and not response.content.at_eof():
                content += await response.content.read(_MAX_RESPONSE_BYTES + 1 - len(content))
            if len(content) > _MAX_RESPONSE_BYTES:
                raise CloudResponseMalformed(
                    message(
                        "the cloud's response has more than {max_response_bytes} bytes",
                        max_response_bytes=_MAX_RESPONSE_BYTES,
                    )
                )
            return _HttpResponse(response.status, response.headers, content)


async def _read_chunks(response: aiohttp.ClientResponse, timeout_s: float) -> AsyncIterator[bytes]:
    with _translate_failures(timeout_s):
        async for chunk in response.content.iter_chunked(_STREAM_CHUNK_BYTES):
            yield chunk


@contextlib.contextmanager
def _translate_failures(timeout_s: float) -> Iterator[None]:
    """Raise the gateway's exceptions for those of aiohttp, and `CertificateDateError` as it is."""
    try:
        yield
    except (TimeoutError, aiohttp.ServerTimeoutError) as exc:
        raise PeerTimeout(message("the cloud did not respond within {timeout_s:.0f} s", timeout_s=timeout_s)) from exc
    except aiohttp.ClientConnectorCertificateError as exc:
        if isinstance(exc.certificate_error, CertificateDateError):
            raise exc.certificate_error from exc
        raise CloudNotConnected(
            message("the cloud's certificate is not trusted: {reason}", reason=exc.certificate_error)
        ) from exc
    except aiohttp.ClientConnectorError as exc:
        raise CloudNotConnected(message("no connection to the cloud: {reason}", reason=exc)) from exc
    except (aiohttp.ClientError, OSError, ssl.SSLError) as exc:
        raise CloudConnectionLost(message("the cloud closed the connection: {kind}", kind=type(exc).__name__)) from exc


def _encode_body(fields: Mapping[str, str], files: Mapping[str, FilePart]) -> bytes | aiohttp.FormData:
    if not files:
        return form.encode(fields)
    parts = aiohttp.FormData()
    for name, value in fields.items():
        parts.add_field(name, value)
    for name, part in files.items():
        parts.add_field(name, io.BytesIO(part.data), filename=part.filename, content_type=part.content_type)
    return parts


def _credential_code(response: _HttpResponse) -> int | None:
    """Return the code of a rejected signature, or None. The cloud sends HTTP 401, a code in the body, or both."""
    try:
        code = _parse_body(response.body).code
    except MalformedResponse:
        code = 0
    if code in _CREDENTIAL_CODES:
        return code
    return CLOUD_SIGN_REFUSED if response.status == 401 else None


def _describe_rejection(code: int, meaning: str) -> str:
    advice = {
        CLOUD_SIGN_REFUSED: message("check cloud.app_id, cloud.secret_key and cloud.environment in the settings"),
        CLOUD_TIME_REFUSED: message("the cloud refuses the time that it sent itself; try again, then ask the vendor"),
        CLOUD_RANDOM_REFUSED: message("try again"),
    }[code]
    return message(
        "the cloud rejected the request with code {code} ({meaning}): {advice}",
        code=code,
        meaning=meaning,
        advice=advice,
    )


def _parse(path: str, response: _HttpResponse) -> VendorResponse:
    if response.status == 413:
        raise TooLarge(message("{path}: the cloud says that the request is too large", path=path))
    if response.status == 429:
        wait_s = _parse_retry_after(response)
        raise RateLimited(
            message("the cloud asks for fewer requests"),
            retry_after_s=_DEFAULT_RETRY_AFTER_S if wait_s is None else wait_s,
        )
    if not 200 <= response.status < 300:
        reason = message("the cloud responded to {path} with HTTP status {status}", path=path, status=response.status)
        raise CloudUnreachable(reason, retry_after_s=_parse_retry_after(response))
    try:
        return _parse_body(response.body)
    except MalformedResponse as exc:
        raise CloudResponseMalformed(
            message("the cloud {reason} to {path}; whether it took the call is not known", reason=exc, path=path)
        ) from exc


def _parse_body(body: bytes) -> VendorResponse:
    """Parse a response, also one with bytes that are not UTF-8. Raises `MalformedResponse`."""
    try:
        return parse_response(body)
    except MalformedResponse:
        return parse_response(body.decode("utf-8", "replace").encode())


def _parse_retry_after(response: _HttpResponse) -> int | None:
    """Return in how many seconds to try again, at most an hour; None if the cloud does not say.

    The header holds seconds or a date.
    """
    text = response.headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), _MAX_RETRY_AFTER_S)
    date, now = PeerClock(), PeerClock()
    date.learn(text)
    now.learn(response.headers.get("Date", ""))
    if not date.known:
        return None
    return min(max(0, math.ceil(date.now() - now.now())), _MAX_RETRY_AFTER_S)
