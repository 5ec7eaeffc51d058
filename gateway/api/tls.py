"""The certificate of the HTTPS port. It is renewed while connections are open."""

import contextlib
import functools
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_tools.language import message
from gateway.app import Gateway
from gateway.authority.certificate_names import find_certificate_names
from gateway.discovery.camera_tls import load_chain
from gateway.errors import SettingsError, StateError

if TYPE_CHECKING:
    from gateway.authority.authority import Authority

_RENEWAL_INTERVAL_S: Final = 2.0
"""How often names, addresses, time and files are checked. While they stay, this costs nothing else."""


@contextlib.asynccontextmanager
async def serve_certificate(gateway: Gateway) -> AsyncIterator[ssl.SSLContext]:
    """Yield a TLS context with the shop's own certificate, or one that the gateway's authority issues.

    While it is in use the certificate is renewed; open connections stay open.
    Raises `SettingsError` naming the file that cannot be used, and `StateError`.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    renew: Callable[[], Awaitable[None]]
    if gateway.authority is not None:
        renew = functools.partial(_issue, gateway, gateway.authority, context)
    else:
        settings = gateway.settings.server
        renew = _CertificateFiles(Path(settings.tls_certificate), Path(settings.tls_private_key), context).load
    await renew()
    service = gateway.supervisor.start_periodic("HTTPS certificate renewal", renew, interval_s=_RENEWAL_INTERVAL_S)
    try:
        yield context
    finally:
        await gateway.supervisor.remove_service(service)


async def _issue(gateway: Gateway, authority: "Authority", context: ssl.SSLContext) -> None:
    names = find_certificate_names(gateway.settings, gateway.advertisement.host)
    try:
        authority.renew(names, gateway.cloud.clock.now(), functools.partial(load_chain, context))
    except (OSError, ssl.SSLError) as exc:
        raise StateError(message("no new certificate can be used for HTTPS: {reason}", reason=exc)) from exc


class _CertificateFiles:
    """A certificate of the shop's own, which another program renews."""

    def __init__(self, certificate: Path, key: Path, context: ssl.SSLContext) -> None:
        self._certificate, self._key, self._context = certificate, key, context
        self._loaded: list[tuple[int, int, int]] = []

    async def load(self) -> None:
        """Load the files if they changed. Raises `SettingsError`."""
        try:
            found = [_file_version(file.stat()) for file in (self._certificate, self._key)]
            if found == self._loaded:
                return
            # A certificate whose key is not written yet would spoil the context that is in use: try another one first.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._context):
                # With no password given, OpenSSL would ask on the terminal for that of an encrypted key.
                context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError(
                message(
                    "server.tls_certificate {certificate} and server.tls_private_key {key} cannot be used: {reason}",
                    certificate=self._certificate,
                    key=self._key,
                    reason=exc,
                )
            ) from exc
        self._loaded = found


def _file_version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size
