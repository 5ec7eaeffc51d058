"""Finding cameras by trying addresses: whoever takes an HTTPS connection is asked who it is."""

import asyncio
import errno
import re
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final

from gateway.discovery.camera_tls import fingerprint
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.frames import FrameSockets
from gateway.discovery.identification import camera_sighting, identify
from gateway.discovery.scope import Target

_AT_ONCE: Final = 256
_PASSES: Final = (0.1, 0.4, 1.0)
"""When each pass ends, as a share of the time. A camera on a cable answers in the first, one asleep on Wi-Fi in the
last: the longer a device is silent, the longer it is waited for."""
_HEAD_START_S: Final = 0.1  # the frame's, before a TLS handshake loads a small device
_ABSENT: Final = {errno.EHOSTUNREACH, errno.ETIMEDOUT, getattr(errno, "EHOSTDOWN", errno.EHOSTUNREACH)}
_STRING_TAGS: Final = rb"[\x0c\x13\x14\x16]"
_VENDORS_NAMES: Final = re.compile(
    rb"\x06\x03\x55\x04\x03" + _STRING_TAGS + rb"(?:\x09(?i:ipc-https)|\x07(?i:sunmica))"  # common name
    rb"|\x06\x03\x55\x04\x0a" + _STRING_TAGS + rb"\x05(?i:sunmi)"  # organisation
)
"""Attributes of names in DER: the kind, the type of the text, its length, and the text."""
_PRESENT: Final = {errno.ECONNREFUSED, errno.ECONNRESET}


class Sweep:
    """One sweep over some targets, reporting cameras as it finds them.

    A camera is whoever answers a discovery frame as one, or shows the vendor's certificate in a bare TLS handshake:
    nothing is sent over the connection. Without the frame's answer it stays unidentified. At an address that a person
    gave (`found_by` "address") any TLS server is reported, since the person says that it is a camera.
    """

    def __init__(
        self,
        frames: FrameSockets,
        tls: ssl.SSLContext,
        *,
        until: float,
        report: Callable[[DiscoveredDevice], None],
    ) -> None:
        self._frames = frames
        self._tls = tls
        self._until = until
        self._report = report
        self._examinations: set[asyncio.Task[None]] = set()
        self._failures: Counter[str] = Counter()

    async def run(self, targets: Collection[Target]) -> list[str]:
        """Try the targets in passes of growing patience until all answered or time is up; return what went wrong."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        waiting: Sequence[Target] = list(targets)
        try:
            for end_share in _PASSES:
                self._failures.clear()  # a failure of the last try is what counts
                start, end = loop.time(), begin + (self._until - begin) * end_share
                chunks = [waiting[at : at + _AT_ONCE] for at in range(0, len(waiting), _AT_ONCE)]
                silent: list[Target] = []
                for number, chunk in enumerate(chunks, 1):
                    silent += await self._connect(chunk, until=start + (end - start) * number / len(chunks))
                waiting = silent
            await asyncio.gather(*self._examinations)
        finally:
            for examination in self._examinations:
                examination.cancel()
            await asyncio.gather(*self._examinations, return_exceptions=True)
        return [f"{count} addresses could not be tried: {reason}" for reason, count in self._failures.items()]

    async def _connect(self, targets: Sequence[Target], *, until: float) -> list[Target]:
        """Try the targets at once; return those that were silent."""
        tries = [asyncio.create_task(self._try(target)) for target in targets]
        try:
            await asyncio.wait(tries, timeout=until - asyncio.get_running_loop().time())
        finally:
            for one in tries:
                one.cancel()
            answered = await asyncio.gather(*tries, return_exceptions=True)
        for result in answered:
            if isinstance(result, Exception):
                raise result
        return [target for target, result in zip(targets, answered, strict=True) if result is not True]

    async def _try(self, target: Target) -> bool:
        """Tell whether the host showed itself; one that takes the connection is examined from now on."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            if target.interface is not None:
                opened.bind((target.interface.address, 0))
            await asyncio.get_running_loop().sock_connect(opened, (target.host, target.port))
        except OSError as exc:
            opened.close()
            if exc.errno not in _ABSENT | _PRESENT:
                self._failures[exc.strerror or str(exc)] += 1
            return exc.errno in _PRESENT
        except BaseException:
            opened.close()
            raise
        examination = asyncio.create_task(self._examine(target, opened))
        examination.add_done_callback(lambda _: opened.close())  # also if it is cancelled before it begins
        self._examinations.add(examination)
        return True

    async def _examine(self, target: Target, opened: socket.socket) -> None:
        handshake = asyncio.create_task(self._certificate(opened))
        try:
            heard = self._frames.heard.get(target.host) or await identify(self._frames, target.host, until=self._until)
            if heard is not None:
                if heard.is_camera:
                    self._report(camera_sighting(heard, port=target.port, found_by=target.found_by))
                return
            certificate = await handshake
            if certificate and (target.found_by == "address" or is_vendors(certificate)):
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

    async def _certificate(self, opened: socket.socket) -> bytes | None:
        """Return the certificate (DER) that the host shows, or None where it does not speak TLS in time."""
        await asyncio.sleep(_HEAD_START_S)
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


def is_vendors(certificate: bytes) -> bool:
    """Return whether a certificate (DER) is like the cameras': common name ipc-https, or of the organisation sunmi.

    The names of subject and issuer are searched in the encoded text: the ssl module decodes verified certificates
    only, and there is nothing that the cameras' could be verified against. (NOTES: Camera certificate)
    """
    return _VENDORS_NAMES.search(certificate) is not None
