"""TLS to the cloud. Certificates are checked at the corrected time instead of the system's.

To a Raspberry Pi that starts without a clock, every certificate is not yet valid. So OpenSSL verifies the chain and the
host name but not the dates (its no-check-time flag). The dates of the verified chain are checked here, right after the
handshake and before anything is sent.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from firmware_tools.language import message
from gateway.errors import SettingsError

_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name


class Validity(NamedTuple):
    """When every certificate of a chain is valid."""

    begin: float
    """The latest beginning, in Unix seconds."""
    end: float
    """The earliest end, in Unix seconds."""


class CertificateDateError(ssl.SSLCertVerificationError):
    """The chain is trusted, but not valid at the corrected time."""


class _DatedConnection(ssl.SSLObject):
    """A connection that checks the dates of the chain as the last step of its handshake."""

    context: "CloudTlsContext"

    def do_handshake(self) -> None:
        super().do_handshake()
        self.context.check(_validity(self))


class CloudTlsContext(ssl.SSLContext):
    """A client context that checks the dates of certificates by a given clock."""

    now: Callable[[], float] | None = None
    """The clock, in Unix seconds; None to check no dates."""
    validity: Validity | None = None
    """When the chain of the last connection is valid."""

    def check(self, validity: Validity) -> None:
        """Remember the validity of a chain. Raises `CertificateDateError` if it is not valid now."""
        self.validity = validity
        if self.now is not None and not validity.begin <= self.now() <= validity.end:
            raise CertificateDateError(message("the certificate is not valid at this time"))


def make_tls_context(ca_file: str, now: Callable[[], float] | None) -> CloudTlsContext:
    """Return a context that trusts the system's roots and those in `ca_file` (PEM), and checks dates at `now()`.

    Raises `SettingsError` if the file cannot be used.
    """
    context = CloudTlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslobject_class = _DatedConnection
    context.now = now
    context.load_default_certs()
    _load_ca_file(context, ca_file)
    context.verify_flags |= _NO_CHECK_TIME
    return context


def check_ca_file(ca_file: str) -> None:
    """Raise `SettingsError` if the file is named and cannot be used."""
    _load_ca_file(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)


def _load_ca_file(context: ssl.SSLContext, ca_file: str) -> None:
    if ca_file:
        try:
            context.load_verify_locations(Path(ca_file))
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError(
                message("cloud.ca_file: {ca_file} holds no usable certificate: {reason}", ca_file=ca_file, reason=exc)
            ) from exc


def _validity(connection: Any) -> Validity:
    # Python before 3.13 has no public way to the chain; and to decode it again, `cryptography` takes 9 MB of memory.
    chain = [one.get_info() for one in connection._sslobj.get_verified_chain()]
    return Validity(
        max(ssl.cert_time_to_seconds(one["notBefore"]) for one in chain),
        min(ssl.cert_time_to_seconds(one["notAfter"]) for one in chain),
    )
