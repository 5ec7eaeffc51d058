"""The service with which shops join: two calls over HTTPS with a certificate of the chain's authority.

===================================  ===========================================================================
``GET  /join/v1/authority``          the authority's certificate, in PEM: the shop compares it with its code
``POST /join/v1``                    `{shop, secret, request}` → `{shop, servers, ca, certificate, user_jwt}`
===================================  ===========================================================================

`secret` is that of the code in hexadecimal digits; `request` is a certificate request (PKCS#10, PEM), which proves that
the shop has the key. A refusal is `{error, detail}`: 400 `invalid`, 403 `refused`, 408 `too_slow`, 413 `too_large`,
429 `too_many`, 503 `unavailable`.
"""

import asyncio
import logging
import re
import ssl
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware_tools.language import describe_error, message
from gateway.errors import Forbidden, GatewayError, StateError
from gateway.fleet.join_code import SECRET_BYTES
from gateway.fleet_settings import SHOP_NAME
from gateway.office.authority import ChainAuthority
from gateway.office.enrolment import Enrolment
from gateway.office.office import Actor, Office
from gateway.protocol import json_text
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.token_bucket import TokenBucket

PREFIX: Final = "/join/v1"
"""Where the service is mounted."""
MAX_REQUEST_BYTES: Final = 16 * 1024
MAX_DURATION_S: Final = 15.0
"""How long the body of a request may take: it fits into a few packets."""
TRIES_PER_MINUTE: Final = 10
"""How many wrong codes an address may send."""
MAX_ADDRESSES: Final = 1024
"""How many addresses' tries are remembered."""
MAX_JOINING: Final = 20
"""How many shops join at the same time; others wait."""
_KEYS: Final = {"shop": re.compile(SHOP_NAME), "secret": re.compile(rf"[0-9a-f]{{{2 * SECRET_BYTES}}}")}

_log: Final = logging.getLogger(__name__)


class JoinService:
    """Lets shops join. `make_app` returns what a server mounts at `PREFIX`."""

    def __init__(self, office: Office) -> None:
        """Take the connection."""
        self._office = office
        self._joining = asyncio.Semaphore(MAX_JOINING)
        self._tries: dict[str, TokenBucket] = {}
        """By address, the one that was wrong longest ago first."""
        self._failures = FailureLog(_log, "no shop can join")

    def make_app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get("/authority", self._show_authority)
        app.router.add_post("", self._join)
        return app

    async def _show_authority(self, _: web.Request) -> web.Response:
        return web.Response(body=self._office.folder.authority.pem, content_type="application/x-pem-file")

    async def _join(self, request: web.Request) -> web.Response:
        address = request.remote or ""
        tries = self._tries.get(address)
        if tries is not None and (delay_s := tries.delay_s()) > 0:
            return _refuse(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many",
                message("there were too many wrong codes from {address}: try again later", address=address),
                {"Retry-After": str(int(delay_s) + 1)},
            )
        try:
            async with asyncio.timeout(MAX_DURATION_S):
                content = await _read_body(request)
        except TimeoutError:
            return _refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                "too_slow",
                message("the request did not arrive in time: send it again"),
                {"Connection": "close"},
            )
        if len(content) > MAX_REQUEST_BYTES:
            return _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message("the request is too large"))
        try:
            shop, secret, key = _read_request(content)
        except ValueError as exc:
            self._note_wrong_try(address)
            return _refuse(HTTPStatus.BAD_REQUEST, "invalid", describe_error(exc))
        try:
            async with self._joining:
                office = self._office.acting_for(Actor("join", shop, address))
                given = await Enrolment(office).join(shop, secret, key)
        except Forbidden as exc:
            self._note_wrong_try(address)
            _log.warning("%s wants to join from %s: %s", shop, address, exc.detail)
            return _refuse(HTTPStatus.FORBIDDEN, "refused", exc.detail)
        except GatewayError as exc:
            self._failures.failed(describe_error(exc))
            return _refuse(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "unavailable",
                message("the head office cannot let shops join now: try again later"),
                {"Retry-After": "30"},
            )
        self._failures.recovered()
        _log.info("%s has joined from %s", shop, address)
        document = {
            "shop": shop,
            "servers": [*self._office.folder.plan.servers],
            "ca": given.ca,
            "certificate": given.certificate,
            "user_jwt": given.user_jwt,
        }
        return web.json_response(document)

    def _note_wrong_try(self, address: str) -> None:
        bucket = self._tries.pop(address, None) or TokenBucket(TRIES_PER_MINUTE / 60, TRIES_PER_MINUTE)
        bucket.take()
        while len(self._tries) >= MAX_ADDRESSES:
            del self._tries[next(iter(self._tries))]
        self._tries[address] = bucket


def make_server_tls(authority: ChainAuthority, *hosts: str) -> ssl.SSLContext:
    """Return the context of a server with a new certificate for these names and addresses. Raises `StateError`."""
    certificate, key = authority.issue_server(*hosts)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            file.touch(mode=0o600)
            file.write_bytes(certificate + key)
            context.load_cert_chain(file)
    except OSError as exc:
        raise StateError(
            message("a new certificate of the head office cannot be used: {reason}", reason=describe_error(exc))
        ) from exc
    return context


async def _read_body(request: web.Request) -> bytes:
    """Return the body, or a little more than the longest one if it is longer."""
    content = b""
    while len(content) <= MAX_REQUEST_BYTES and (more := await request.content.read(MAX_REQUEST_BYTES + 1)):
        content += more
    return content


def _read_request(content: bytes) -> tuple[str, bytes, Ed25519PublicKey]:
    """Return the shop, the secret and the key of a request, which is signed by that key. Raises `ValueError`."""
    document = json_text.loads(content)
    if not isinstance(document, dict):
        raise ValueError(message("must be a JSON object"))
    for key, pattern in _KEYS.items():
        if not isinstance(document.get(key), str) or not pattern.fullmatch(document[key]):
            raise ValueError(message("{key}: must match the pattern {pattern}", key=key, pattern=pattern.pattern))
    return document["shop"], bytes.fromhex(document["secret"]), _read_key(document.get("request"))


def _read_key(text: Any) -> Ed25519PublicKey:
    wrong = message("request: must be a certificate request for an Ed25519 key, signed with it, in PEM")
    try:
        request = x509.load_pem_x509_csr(str(text).encode())
        key = request.public_key()
        is_signed = request.is_signature_valid
    except Exception as exc:
        raise ValueError(wrong) from exc
    if not is_signed or not isinstance(key, Ed25519PublicKey):
        raise ValueError(wrong)
    return key


def _refuse(status: HTTPStatus, error: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": error, "detail": str(detail)}, status=status, headers=headers)
