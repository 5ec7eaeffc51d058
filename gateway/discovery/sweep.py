"""Finds cameras by trying addresses: a host that accepts an HTTPS connection is identified."""

import asyncio
import errno
import re
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from firmware_tools.language import count_message, describe_error
from gateway.discovery.camera_tls import fingerprint
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.device_binding import bind_to_interface
from gateway.discovery.frame_sockets import FrameSockets
from gateway.discovery.identification import build_device, identify
from gateway.discovery.scope import Target

_MAX_CONCURRENCY: Final = 256
"""The most addresses to try at a time."""
_PASSES: Final = (0.1, 0.4, 1.0)
"""When each pass over the silent addresses ends, as a share of the time. A camera on a cable accepts in the first, one
asleep on Wi-Fi in the last."""
_HANDSHAKE_DELAY_S: Final = 0.1
"""How long the TLS handshake waits for the announcement, which is less work for a small device."""
_ABSENT_ERRNOS: Final = {errno.EHOSTUNREACH, errno.ETIMEDOUT, getattr(errno, "EHOSTDOWN", errno.EHOSTUNREACH)}
_PRESENT_ERRNOS: Final = {errno.ECONNREFUSED, errno.ECONNRESET}
_STRING_TAGS: Final = rb"[\x0c\x13\x14\x16]"
_CAMERA_NAMES: Final = re.compile(
    rb"\x06\x03\x55\x04\x03" + _STRING_TAGS + rb"(?:\x09(?i:ipc-https)|\x07(?i:sunmica))"  # common name
    rb"|\x06\x03\x55\x04\x0a" + _STRING_TAGS + rb"\x05(?i:sunmi)"  # organisation
)
"""Attributes of names in DER: the kind, the type of the text, its length, and the text."""


class Sweep:
    """Tries addresses and reports the cameras among them.

    A camera is a host that announces itself as one, or shows the vendor's certificate in a bare TLS handshake: no data
    is sent over the connection. Anybody can announce cameras, so the first announcement at an address is confirmed by
    a handshake. Without an announcement it is unidentified. At an address that a person gave
    (`found_by` is "address"), any TLS server is reported.
    """

    def __init__(
        self,
        frames: FrameSockets,
        tls: ssl.SSLContext,
        *,
        until: float,
        report: Callable[[DiscoveredDevice], None],
        is_confirmed: Callable[[DiscoveredDevice], bool],
    ) -> None:
        """Call `report` with each camera, until the loop's time `until`.

        `is_confirmed` tells whether a device that announces itself needs no TLS handshake any more.
        """
        self._frames = frames
        self._tls = tls
        self._until = until
        self._report = report
        self._is_confirmed = is_confirmed
        self._failures: Counter[str] = Counter()
        """How many addresses could not be tried in this pass, by the reason."""

    async def run(self, targets: Collection[Target]) -> list[str]:
        """Try the targets until all have responded or time is up; return what went wrong.

        Each pass waits longer than the one before, and tries only the hosts that were silent.
        """
        loop = asyncio.get_running_loop()
        begin = loop.time()
        silent: Sequence[Target] = list(targets)
        examinations: list[asyncio.Task[None]] = []

        def examine(target: Target, opened: socket.socket) -> None:
            examination = asyncio.create_task(self._examine(target, opened))
            examination.add_done_callback(lambda _: opened.close())  # also if it is cancelled before it begins
            examinations.append(examination)

        try:
            for end_share in _PASSES:
                self._failures.clear()
                start, end = loop.time(), begin + (self._until - begin) * end_share
                chunks = [silent[at : at + _MAX_CONCURRENCY] for at in range(0, len(silent), _MAX_CONCURRENCY)]
                silent = []
                for number, chunk in enumerate(chunks, 1):
                    chunk_end = start + (end - start) * number / len(chunks)
                    silent += await self._connect_all(chunk, until=chunk_end, examine=examine)
            await asyncio.gather(*examinations)
        finally:
            for examination in examinations:
                examination.cancel()
            await asyncio.gather(*examinations, return_exceptions=True)
        return [
            count_message(
                "{count} address could not be tried: {reason}",
                "{count} addresses could not be tried: {reason}",
                count,
                reason=reason,
            )
            for reason, count in self._failures.items()
        ]

    async def _connect_all(
        self, targets: Sequence[Target], *, until: float, examine: Callable[[Target, socket.socket], None]
    ) -> list[Target]:
        """Connect to the targets concurrently; return those that were silent."""
        attempts = [asyncio.create_task(self._connect(target, examine)) for target in targets]
        try:
            await asyncio.wait(attempts, timeout=until - asyncio.get_running_loop().time())
        finally:
            for attempt in attempts:
                attempt.cancel()
            results = await asyncio.gather(*attempts, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [target for target, result in zip(targets, results, strict=True) if result is not True]

    async def _connect(self, target: Target, examine: Callable[[Target, socket.socket], None]) -> bool:
        """Connect, and have the host examined if it accepts; return whether it responded."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            if target.interface is not None:
                if target.interface.shares_network:
                    bind_to_interface(opened, target.interface.name)
                opened.bind((target.interface.address, 0))
            await asyncio.get_running_loop().sock_connect(opened, (target.host, target.port))
        except OSError as exc:
            opened.close()
            if exc.errno not in _ABSENT_ERRNOS | _PRESENT_ERRNOS:
                self._failures[describe_error(exc)] += 1
            return exc.errno in _PRESENT_ERRNOS
        except BaseException:
            opened.close()
            raise
        examine(target, opened)
        return True

    async def _examine(self, target: Target, opened: socket.socket) -> None:
        """Report the host at the other end of a connection if it is a camera."""
        handshake = asyncio.create_task(self._read_certificate(opened))
        try:
            received = self._frames.announcements.get(target.host)
            received = received or await identify(self._frames, target.host, until=self._until)
            if received is not None:
                if received.is_camera:
                    device = build_device(received, port=target.port, found_by=target.found_by)
                    self._report(device if self._is_confirmed(device) else await self._confirm(device, handshake))
                return
            certificate = await handshake
            if certificate and (target.found_by == "address" or is_camera_certificate(certificate)):
                self._report(
                    DiscoveredDevice(
                        address=f"{target.host}:{target.port}",
                        interface=target.interface.name if target.interface else "",
                        found_by=target.found_by,
                        certificate_sha256=fingerprint(certificate),
                    )
                )
        finally:
            handshake.cancel()
            await asyncio.gather(handshake, return_exceptions=True)

    async def _confirm(self, device: DiscoveredDevice, handshake: Awaitable[bytes | None]) -> DiscoveredDevice:
        """Return the device with its certificate, if it completes the TLS handshake.

        That tells that a camera is there, and which one only where a single serial number was announced.
        """
        certificate = await handshake
        if certificate is None or device.address.rpartition(":")[0] in self._frames.ambiguous_hosts:
            return device
        return replace(device, certificate_sha256=fingerprint(certificate))

    async def _read_certificate(self, opened: socket.socket) -> bytes | None:
        """Return the host's certificate (DER), or None if there is no TLS handshake in time."""
        await asyncio.sleep(_HANDSHAKE_DELAY_S)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(self._until):
                transport, _ = await loop.create_connection(
                    asyncio.Protocol, sock=opened, ssl=self._tls, server_hostname=""
                )
        except (OSError, TimeoutError):
            return None
        try:
            connection: ssl.SSLObject = transport.get_extra_info("ssl_object")
            return connection.getpeercert(binary_form=True)
        finally:
            transport.abort()


def is_camera_certificate(certificate: bytes) -> bool:
    """Return whether a certificate (DER) is like the cameras': common name ipc-https, or of the organisation sunmi.

    The names of subject and issuer are searched in the encoded text: the ssl module decodes verified certificates
    only, and there is nothing that the cameras' could be verified against. (NOTES: Camera certificate)
    """
    return _CAMERA_NAMES.search(certificate) is not None
