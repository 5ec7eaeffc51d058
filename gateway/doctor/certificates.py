"""Check of the certificate of the HTTPS port, and how long certificates are valid."""

import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from firmware_tools.language import message
from gateway import RELEASED_AT
from gateway.doctor.check import CheckContext, Finding
from gateway.settings import ServerSettings

_EXPIRY_WARNING: Final = timedelta(days=30)


async def check_https_certificate(context: CheckContext) -> list[Finding]:
    """Open the certificate of the HTTPS port with its key, and see how long it is valid."""
    settings = context.settings.server
    if settings.tls_certificate:
        return [_check_files(settings)]
    if not settings.https_port:
        return [Finding("skipped", message("HTTPS is off (server.https_port)"))]
    authority = context.gateway.authority if context.gateway is not None else None
    if authority is None:
        return [Finding("skipped", message("the gateway's own authority issues the certificate when the gateway runs"))]
    end = authority.expires_at
    advice = message(
        "to make a new one, stop the gateway, delete authority.pem, start it, and install it on every till"
    )
    return [check_validity(message("the gateway's own authority"), authority.name, None, end, advice)]


def check_validity(name: str, subject: str, begin: datetime | None, end: datetime, advice: str) -> Finding:
    """Return whether a certificate is valid, and for how long. `name` says which it is, for a sentence."""
    now = datetime.fromtimestamp(max(time.time(), RELEASED_AT), UTC)
    evidence = message("{subject}, valid until {end}", subject=subject, end=end.strftime("%Y-%m-%d"))
    if now > end or (begin is not None and now < begin):
        return Finding("failed", message("{name} is not valid now", name=name), evidence, advice)
    if end - now < _EXPIRY_WARNING:
        return Finding("warning", message("{name} expires soon", name=name), evidence, advice)
    return Finding("ok", message("{name} can be used", name=name), evidence)


def _check_files(settings: ServerSettings) -> Finding:
    from cryptography import x509  # imported here: a gateway without HTTPS needs 9 MB less

    certificate, key = Path(settings.tls_certificate), Path(settings.tls_private_key)
    advice = message(
        "correct server.tls_certificate and server.tls_private_key, or leave them out: then the gateway issues one"
    )
    files = f"{certificate}, {key}"
    try:
        # With no password given, OpenSSL would ask on the terminal for that of an encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        [leaf, *_] = x509.load_pem_x509_certificates(certificate.read_bytes())
    except ssl.SSLError as exc:
        if exc.reason == "KEY_VALUES_MISMATCH":
            return Finding(
                "failed",
                message("{key} is not the key of the certificate {certificate}", key=key, certificate=certificate),
                files,
                advice,
            )
        return Finding(
            "failed",
            message("the certificate for HTTPS cannot be used"),
            message("{files}: {reason}", files=files, reason=exc),
            advice,
        )
    except OSError as exc:
        return Finding(
            "failed",
            message("the certificate for HTTPS cannot be read"),
            message("{files}: {reason}", files=files, reason=exc),
            advice,
        )
    except ValueError as exc:
        return Finding(
            "failed",
            message("the certificate for HTTPS cannot be used"),
            message("{files}: {reason}", files=files, reason=exc),
            advice,
        )
    subject = leaf.subject.rfc4514_string()
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    advice = message("put a renewed one in its place; the gateway takes it at once")
    return check_validity(message("{file}: the certificate for HTTPS", file=certificate), subject, begin, end, advice)
