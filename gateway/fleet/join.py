"""Joining a chain with a one-time code: the shop makes its key, and gets a certificate, a token and the servers.

The head office is known by the fingerprint in the code alone. The first call fetches the authority without any trust
and sends nothing; what is secret is sent over a connection that this authority has certified. Dates are not checked.
"""

import asyncio
import contextlib
import hashlib
import ssl
from pathlib import Path
from typing import Any, Final

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from firmware_tools.language import describe_error, message
from gateway.errors import GatewayError, StateError
from gateway.fleet.credentials import MAX_TOKEN_BYTES, make_trust
from gateway.fleet.join_code import FINGERPRINT_BYTES, JoinCode
from gateway.fleet_settings import FleetSettings
from gateway.membership import Membership
from gateway.protocol import json_text
from gateway.storage.private_file import create_private, write_private
from gateway.storage.state_directory import JOIN_CODE_FILE, MEMBERSHIP_FILES, USED_JOIN_CODE_FILE

TIMEOUT_S: Final = 60.0
MAX_RESPONSE_BYTES: Final = 2 * MAX_TOKEN_BYTES
KEY_FILE_PREFIX: Final = "joining-"
"""How the file begins with a key for which nothing was given yet, followed by some digits of the code."""


class JoinFailed(GatewayError):
    """The head office cannot be reached now, or not safely. It may work later."""


class JoinRefused(GatewayError):
    """The code is no longer good, or never was. The text says why and what to do."""


async def join_chain(code: JoinCode, directory: Path) -> Membership:
    """Join as the shop of a code.

    The key stays in the directory until `forget_key`, so that a repeat has the same; that of a refused code does not.

    Raises `JoinFailed`, `JoinRefused`, and `StateError` if the key cannot be stored.
    """
    key = await asyncio.to_thread(_load_key, _key_file(code, directory))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, code.shop)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, None)
    body = {
        "shop": code.shop,
        "secret": code.secret.hex(),
        "request": request.public_bytes(Encoding.PEM).decode(),
    }
    try:
        authority = await _fetch_authority(code)
        status, content = await _call(code, "POST", "", make_trust(ca_pem=authority), json_text.dumps(body).encode())
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
        raise JoinFailed(
            message(
                "the head office at {address} cannot be reached, so the shop has not joined: {reason}",
                address=code.address,
                reason=describe_error(exc),
            )
        ) from exc
    try:
        document = _parse(code, status, content)
    except JoinRefused:
        with contextlib.suppress(OSError):  # it is good for nothing: the head office has given nothing for it
            await asyncio.to_thread(forget_key, code, directory)
        raise
    return _check(code, document, authority, key)


def forget_key(code: JoinCode, directory: Path) -> None:
    """Remove the key of a code when it is stored elsewhere."""
    _key_file(code, directory).unlink(missing_ok=True)


def is_used(code: JoinCode, directory: Path) -> bool:
    """Return whether it is the code with which this gateway has joined last. Raises `StateError`."""
    file = directory / USED_JOIN_CODE_FILE
    try:
        return file.exists() and file.read_bytes() == _digest(code)
    except OSError as exc:
        raise StateError(message("{path}: cannot be read: {reason}", path=file, reason=exc)) from exc


def finish_join(code: JoinCode, directory: Path) -> None:
    """Note that this gateway has joined with a code, and forget one that waits. Raises `StateError`."""
    file = directory / JOIN_CODE_FILE
    try:
        write_private(directory / USED_JOIN_CODE_FILE, _digest(code))
        file.unlink(missing_ok=True)
    except OSError as exc:
        raise StateError(message("{path}: cannot be removed: {reason}", path=file, reason=exc)) from exc
    with contextlib.suppress(OSError):
        forget_key(code, directory)  # last, so that joining can be repeated after a crash


def _digest(code: JoinCode) -> bytes:
    return hashlib.sha256(str(code).encode()).hexdigest().encode()


async def _fetch_authority(code: JoinCode) -> str:
    """Return the authority in PEM, which is that of the code. Raises `JoinFailed` if it is another one."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    _, content = await _call(code, "GET", "/authority", anyone)
    try:
        certificate = x509.load_pem_x509_certificate(content)
        fingerprint = certificate.fingerprint(hashes.SHA256())[:FINGERPRINT_BYTES]
    except ValueError:
        fingerprint = b""
    if fingerprint != code.fingerprint:
        raise JoinFailed(
            message(
                "what responds at {address} is not the head office of this join code, so nothing was sent there: see "
                "that the address leads to `sunmi-gateway office serve` of the chain",
                address=code.address,
            )
        )
    return certificate.public_bytes(Encoding.PEM).decode()


async def _call(
    code: JoinCode, method: str, path: str, tls: ssl.SSLContext, body: bytes | None = None
) -> tuple[int, bytes]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    url = f"https://{code.address}/join/v1{path}"
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(
            method, url, data=body, ssl=tls, allow_redirects=False, headers={"Content-Type": "application/json"}
        ) as response,
    ):
        content = await response.content.read(MAX_RESPONSE_BYTES + 1)
        while len(content) <= MAX_RESPONSE_BYTES and (more := await response.content.read(MAX_RESPONSE_BYTES)):
            content += more
        if len(content) > MAX_RESPONSE_BYTES:
            raise ValueError(message("the response is larger than {limit} bytes", limit=MAX_RESPONSE_BYTES))
        return response.status, content


def _parse(code: JoinCode, status: int, content: bytes) -> dict[str, Any]:
    try:
        document = json_text.loads(content)
    except ValueError:
        document = None
    known = document if isinstance(document, dict) else {}
    if status == 200 and known:
        return known
    detail = str(known.get("detail", ""))[:500]
    if status in (400, 403) and known.get("error") in ("invalid", "refused"):
        raise JoinRefused(
            message(
                "the head office refuses shop {shop}: {reason}",
                shop=code.shop,
                reason=detail or message("it does not say why"),
            )
        )
    raise JoinFailed(
        message(
            "the head office at {address} responds with status {status}, so the shop has not joined: {reason}",
            address=code.address,
            status=status,
            reason=detail or message("it does not say why"),
        )
    )


def _check(code: JoinCode, document: dict[str, Any], authority: str, key: Ed25519PrivateKey) -> Membership:
    """Return what the head office gave if it can be used. Raises `JoinFailed`."""
    try:
        given = FleetSettings.model_validate(
            {"servers": document.get("servers"), "shop": code.shop} | dict.fromkeys(MEMBERSHIP_FILES, "-")
        )
        certificate = x509.load_pem_x509_certificate(str(document.get("certificate")).encode())
        is_own = certificate.public_key() == key.public_key()
        token = str(document.get("user_jwt"))
    except ValueError as exc:
        raise _unusable(code, describe_error(exc)) from exc
    if not given.servers or not is_own or token.count(".") != 2:
        raise _unusable(code, message("servers, certificate or token are missing, or are not for this shop"))
    private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    pem = certificate.public_bytes(Encoding.PEM).decode()
    return Membership(code.shop, given.servers, authority, pem, private_key, token)


def _unusable(code: JoinCode, reason: str) -> JoinFailed:
    return JoinFailed(
        message(
            "the head office at {address} gave shop {shop} what cannot be used: {reason}",
            address=code.address,
            shop=code.shop,
            reason=reason,
        )
    )


def _key_file(code: JoinCode, directory: Path) -> Path:
    digits = hashlib.sha256(code.secret).hexdigest()[:16]
    return directory / f"{KEY_FILE_PREFIX}{digits}.key"


def _load_key(file: Path) -> Ed25519PrivateKey:
    """Return the key for a code, a new one the first time: the same for all who join with it. Raises `StateError`."""
    try:
        if not file.exists():
            made = Ed25519PrivateKey.generate()
            with contextlib.suppress(FileExistsError):
                create_private(file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = load_pem_private_key(file.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(message("it is no Ed25519 key in PKCS#8, without a password"))
    except (OSError, ValueError, TypeError) as exc:
        raise StateError(message("{path}: cannot be used: {reason}", path=file, reason=describe_error(exc))) from exc
    return key
