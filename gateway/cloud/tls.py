"""TLS towards the cloud, with certificates judged at the corrected time instead of the system's.

A Raspberry Pi that starts without a clock sees every certificate as not yet valid. So OpenSSL verifies the chain and
the host name but not the dates (its no-check-time flag), and the dates of the verified chain are checked here, right
after the handshake and before anything is sent.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.errors import SettingsError

_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name


class Validity(NamedTuple):
    """When a whole chain is valid, in Unix seconds: from its latest beginning to its earliest end."""

    begin: float
    end: float


class CertificateDateError(ssl.SSLCertVerificationError):
    """The chain is trusted, but not valid at the time that the gateway believes it is."""


class _DatedConnection(ssl.SSLObject):
    """A connection that checks the chain's dates as the last step of its handshake."""

    context: "CloudTlsContext"

    def do_handshake(self) -> None:
        super().do_handshake()
        self.context.check(_validity(self))


class CloudTlsContext(ssl.SSLContext):
    """A client context whose certificates must be valid at `now()`; without `now` their dates are only noted.

    `validity` is that of the chain seen last.
    """

    now: Callable[[], float] | None = None
    validity: Validity | None = None

    def check(self, validity: Validity) -> None:
        """Note the validity of a chain, and raise `CertificateDateError` if it does not hold now."""
        self.validity = validity
        if self.now is not None and not validity.begin <= self.now() <= validity.end:
            raise CertificateDateError("the certificate is not valid at this time")


def make_tls_context(ca_file: str, now: Callable[[], float] | None) -> CloudTlsContext:
    """Make a context that trusts the system's roots and those in `ca_file` (PEM), judging dates at `now()`.

    Raises `SettingsError` if the file cannot be used.
    """
    context = CloudTlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslobject_class = _DatedConnection
    context.now = now
    context.load_default_certs()
    if ca_file:
        try:
            context.load_verify_locations(Path(ca_file))
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError(f"cloud.ca_file: {ca_file} holds no usable certificate: {exc}") from exc
    context.verify_flags |= _NO_CHECK_TIME
    return context


def _validity(connection: Any) -> Validity:
    # OpenSSL has decoded the chain already; `cryptography` would do so again, for 9 MB of memory.
    chain = [one.get_info() for one in connection._sslobj.get_verified_chain()]
    return Validity(
        max(ssl.cert_time_to_seconds(one["notBefore"]) for one in chain),
        min(ssl.cert_time_to_seconds(one["notAfter"]) for one in chain),
    )
