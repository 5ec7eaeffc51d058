"""The certificates of the simulated cameras, and the one that they may demand of a client."""

import ssl
from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "certificates"

CLIENT_CERTIFICATE: Final = _FOLDER / "openapi.p12"
"""The client certificate that a simulated camera accepts: SHA-1, in a PKCS#12 file with legacy algorithms."""
CLIENT_CERTIFICATE_PASSWORD: Final = "sunmi-openapi"  # noqa: S105 - of a throw-away key that is published here


@cache
def camera_context(*, changed: bool, client_certificate: bool) -> ssl.SSLContext:
    """Return the context of every camera: TLS 1.2 with the shared certificate, or with the changed one.

    With `client_certificate` the handshake fails unless the client shows one issued by the vendor's authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # SHA-1 signatures are refused above
    context.load_cert_chain(_FOLDER / ("other_camera.pem" if changed else "camera.pem"))
    if client_certificate:
        context.load_verify_locations(_FOLDER / "client_authority.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context
