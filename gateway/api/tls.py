"""The TLS context of the HTTPS port: what it shows is kept current while tills are connected."""

import asyncio
import contextlib
import functools
import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.app import Gateway
from gateway.authority.names import present_names
from gateway.discovery.camera_tls import load_chain
from gateway.errors import SettingsError

if TYPE_CHECKING:
    from gateway.authority.authority import Authority

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 2.0


@contextlib.asynccontextmanager
async def serve_certificate(gateway: Gateway) -> AsyncIterator[ssl.SSLContext]:
    """Yield a context that shows the shop's own certificate, or one that the gateway's authority issues.

    While it is in use it follows the files, or the names, addresses and time; connections that are open stay open.
    Raises `SettingsError` naming the file that cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    renew: Callable[[], None]
    if gateway.authority is not None:
        renew = functools.partial(_issue, gateway, gateway.authority, context)
    else:
        settings = gateway.settings.server
        renew = _OwnFiles(Path(settings.tls_certificate), Path(settings.tls_private_key), context).load
    renew()
    keeping = asyncio.create_task(_keep(renew))
    try:
        yield context
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep(renew: Callable[[], None]) -> None:
    trouble = ""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        try:
            renew()
            trouble = ""
        except (SettingsError, OSError, ssl.SSLError) as exc:
            if str(exc) != trouble:
                trouble = str(exc)
                _log.warning("the HTTPS port keeps its certificate, since there is no new one: %s", trouble)


def _issue(gateway: Gateway, authority: "Authority", context: ssl.SSLContext) -> None:
    names = present_names(gateway.settings, gateway.advertisement.host)
    authority.renew(names, gateway.cloud.clock.now(), functools.partial(load_chain, context))


class _OwnFiles:
    """A certificate of the shop's own, loaded again when its files change: such a one is renewed by other programs."""

    def __init__(self, certificate: Path, key: Path, context: ssl.SSLContext) -> None:
        self._certificate, self._key, self._context = certificate, key, context
        self._loaded: list[tuple[int, int, int]] = []

    def load(self) -> None:
        """Load the files unless they are those that were loaded last. Raises `SettingsError`."""
        try:
            found = [_mark(file.stat()) for file in (self._certificate, self._key)]
            if found == self._loaded:
                return
            # First into a context that nobody uses: a certificate whose key is not written yet would spoil the other.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._context):
                # With no password given, OpenSSL would ask on the terminal for that of an encrypted key.
                context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ssl.SSLError) as exc:
            raise SettingsError(
                f"server.tls_certificate {self._certificate} and server.tls_private_key {self._key} cannot be used: "
                f"{exc.strerror or exc}"
            ) from exc
        self._loaded = found


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size
