"""Checks of the way to the cloud: its name, its certificate, its time, and whether it takes the account."""

import asyncio
import contextlib
import ipaddress
import ssl
import time
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from firmware_tools.language import Message, describe_error, join, message
from gateway import RELEASED_AT
from gateway.cloud.client import CloudClient
from gateway.cloud.tls import Validity, make_tls_context
from gateway.doctor.check import CheckContext, Finding
from gateway.errors import CloudRejectedCredentials, Problem, SettingsError, VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.runtime.clock import PeerClock
from gateway.settings import CloudSettings

CLOCK_TOLERANCE_S: Final = 30.0
"""By how much clocks may differ: less than anybody notices in the times of recordings."""

_HANDSHAKE_TIMEOUT_S: Final = 10.0
_ANY_SHOP: Final = {"shop_id": "0"}
_LIST: Final = CATALOGUE.get("cloud", "device/ipc/getList")
_RESOLVER: Final = Path("/etc/resolv.conf")


class _Handshake(NamedTuple):
    """What a connection to the cloud showed before anything secret was sent."""

    tls_version: str
    validity: Validity
    clock: PeerClock


async def check_dns(context: CheckContext) -> list[Finding]:
    """Look up the cloud's name."""
    host = urlsplit(context.settings.cloud.url).hostname or ""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return [Finding("ok", message("the cloud is addressed as {host}, which needs no name server", host=host))]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443)
    except OSError as exc:
        return [
            Finding(
                "failed", message("the name {host} cannot be looked up: {reason}", host=host, reason=exc),
                message("name servers: {servers}", servers=_read_name_servers()),
                message("check the internet connection and the name server that the router gives out (DHCP)"),
            )
        ]  # fmt: skip
    addresses = ", ".join(dict.fromkeys(str(one[4][0]) for one in found))
    return [Finding("ok", message("the name {host} can be looked up", host=host), addresses)]


def _read_name_servers() -> str:
    with contextlib.suppress(OSError):
        lines = [line.split() for line in _RESOLVER.read_text(encoding="utf-8", errors="replace").splitlines()]
        return ", ".join(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver") or message("none")
    return message("unknown")


async def check_tls(context: CheckContext) -> list[Finding]:
    """Make a TLS connection to the cloud."""
    handshake = await _get_handshake(context)
    if isinstance(handshake, Finding):
        return [handshake]
    until = time.strftime("%Y-%m-%d", time.gmtime(handshake.validity.end))
    evidence = message(
        "{tls_version}, certificates valid until {until}", tls_version=handshake.tls_version, until=until
    )
    if handshake.clock.known and not handshake.validity.begin <= handshake.clock.now() <= handshake.validity.end:
        what = message("the cloud's certificate is not valid at the cloud's own time")
        return [
            Finding(
                "failed",
                what,
                evidence,
                message("another server may answer in the cloud's place: check proxies and the network"),
            )
        ]
    return [
        Finding(
            "ok",
            message("{address} shows a trusted certificate", address=_format_address(context.settings.cloud)),
            evidence,
        )
    ]


async def check_clock(context: CheckContext) -> list[Finding]:
    """Compare this machine's clock with the cloud's."""
    handshake = await _get_handshake(context)
    advice = message("let it be set from the network: timedatectl set-ntp true, and UDP port 123 open in the router")
    if isinstance(handshake, Finding) or not handshake.clock.known:
        if time.time() < RELEASED_AT:
            return [
                Finding(
                    "warning", message("this machine's clock was never set"), time.strftime("%Y-%m-%d %H:%M"), advice
                )
            ]
        return [Finding("skipped", message("the cloud sent no time"))]
    offset_s = handshake.clock.offset_s or 0.0
    if abs(offset_s) <= CLOCK_TOLERANCE_S:
        return [Finding("ok", message("this machine's clock agrees with the cloud's"), f"{offset_s:+.0f} s")]
    what = message("this machine's clock is {seconds:.0f} s ahead of the cloud's", seconds=-offset_s)
    if offset_s > 0:
        what = message("this machine's clock is {seconds:.0f} s behind the cloud's", seconds=offset_s)
    return [Finding("warning", what, message("calls are signed with the cloud's time, so they work anyway"), advice)]


async def check_credentials(context: CheckContext) -> list[Finding]:
    """Make a signed call that only reads."""
    settings = context.settings.cloud
    if not settings.app_id or not settings.secret_key:
        missing = join(" and ", [name for name in ("app_id", "secret_key") if not getattr(settings, name)])
        return [
            Finding(
                "failed",
                message("cloud.{missing} not set", missing=missing),
                what_to_do=message("run `sunmi-gateway init`"),
            )
        ]
    problem = await _call_signed(context)
    match problem:
        case CloudRejectedCredentials():
            advice = message("compare cloud.environment, cloud.app_id and the secret key with what the vendor sent")
            return [Finding("failed", message("the cloud rejects the account's signature"), problem.detail, advice)]
        case None | VendorRefused():
            return [Finding("ok", message("the cloud accepts the signature of {app_id}", app_id=settings.app_id))]
        case SettingsError():
            return [Finding("failed", describe_error(problem), what_to_do=message("correct the settings"))]
    return [Finding("skipped", message("the cloud did not answer a signed call"), problem.detail)]


async def check_shop(context: CheckContext) -> list[Finding]:
    """Ask the cloud about the shop of the settings."""
    settings = context.settings.cloud
    named = settings.sunmi_shop_no or settings.shop_id
    if not named:
        return [
            Finding(
                "warning", message("no shop is set: calls have to name theirs"), what_to_do=message("set cloud.shop_id")
            )
        ]
    if not settings.app_id or not settings.secret_key:
        return [Finding("skipped", message("needs credentials"))]
    problem = await _call_signed(context)
    if isinstance(problem, VendorRefused):
        return [
            Finding(
                "failed",
                message("the cloud refuses the shop {named}", named=named),
                problem.detail,
                message("correct cloud.shop_id"),
            )
        ]
    if problem is not None:
        return [Finding("skipped", message("the cloud did not accept a signed call"))]
    return [Finding("ok", message("the cloud knows the shop {named}", named=named))]


async def _call_signed(context: CheckContext) -> Problem | SettingsError | None:
    """Return how a signed call failed, or None."""

    async def call_cloud() -> Problem | SettingsError | None:
        settings = context.settings.cloud
        try:
            cloud = CloudClient(settings, PeerClock(), timeout_s=8)
        except SettingsError as exc:
            return exc
        try:
            await cloud.call(_LIST.encode({} if any(settings.shop.values()) else _ANY_SHOP, defaults=settings.shop))
        except Problem as exc:
            return exc
        finally:
            await cloud.close()
        return None

    return await context.share("signed_call", call_cloud)


async def _get_handshake(context: CheckContext) -> _Handshake | Finding:
    return await context.share("handshake", lambda: _make_handshake(context.settings.cloud))


async def _make_handshake(settings: CloudSettings) -> _Handshake | Finding:
    """Connect, and request nothing but the head of a response. Returns a finding if that fails."""
    where = _format_address(settings)
    host, _, port = where.rpartition(":")
    try:
        context = make_tls_context(settings.ca_file, None)
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
            try:
                version = writer.get_extra_info("ssl_object").version()
                writer.write(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                head = b""
            finally:
                writer.transport.abort()
    except SettingsError as exc:
        return Finding("failed", describe_error(exc), what_to_do=message("correct the settings"))
    except TimeoutError:
        return Finding(
            "failed",
            message("{where} does not answer", where=where),
            message("waited {handshake_timeout_s:.0f} s", handshake_timeout_s=_HANDSHAKE_TIMEOUT_S),
            _advise_connection(settings),
        )
    except ssl.SSLCertVerificationError as exc:
        advice = message(
            "a proxy, a filter or a login page of the network intercepts the connection: let this "
            "machine connect without it; for a private cloud, name its root in cloud.ca_file"
        )
        return Finding(
            "failed", message("the certificate of {where} is not trusted", where=where), describe_error(exc), advice
        )
    except OSError as exc:
        return Finding(
            "failed",
            message("no connection to {where}", where=where),
            describe_error(exc) or type(exc).__name__,
            _advise_connection(settings),
        )
    peer_clock = PeerClock()
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "date":
            peer_clock.learn(value.strip())
    assert context.validity is not None  # noqa: S101  the handshake leaves it
    return _Handshake(version, context.validity, peer_clock)


def _advise_connection(settings: CloudSettings) -> Message:
    return message(
        "check the internet connection, and that the router lets this machine reach TCP port {port}",
        port=urlsplit(settings.url).port or 443,
    )


def _format_address(settings: CloudSettings) -> str:
    url = urlsplit(settings.url)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{host}:{url.port or 443}"
