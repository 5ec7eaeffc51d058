"""The session with one camera: one call at a time, signed by the clock that the camera uses."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.cameras.camera_clock import CameraClock, ClockReading
from gateway.cameras.connection import CameraConnection, HttpResponse, MalformedCameraResponse
from gateway.discovery.camera_tls import CameraTlsContext
from gateway.errors import RateLimited
from gateway.protocol import form
from gateway.protocol.endpoint import Call
from gateway.protocol.envelope import MalformedResponse, VendorResponse, parse_camera_response
from gateway.protocol.return_codes import CAMERA_SIGNATURE_REFUSED, CAMERA_TIME_REFUSED
from gateway.protocol.signing import add_signature
from gateway.runtime.logs.calls import call_logger
from gateway.runtime.metrics import measure_call

MAX_WAITING_CALLS: Final = 32
"""How many calls may wait for one camera. Cameras are small devices, and slow at times."""
MAX_WAIT_S: Final = 60.0
"""How long a call waits until the camera is free, in seconds."""

_MAX_ATTEMPTS: Final = 4
"""How often a call is signed and sent while the camera refuses the time: once by each clock, and by a `Date` anew."""
_TIME_REFUSALS: Final = (CAMERA_TIME_REFUSED, CAMERA_SIGNATURE_REFUSED)

_log = logging.getLogger(__name__)


class Credentials(NamedTuple):
    """What a call is signed with."""

    app_id: str
    """The account's app_id."""
    key: str
    """The account's secret key or, for an activation, the activation number."""

    def __repr__(self) -> str:
        return f"Credentials({self.app_id!r}, ********)"


class CameraSession:
    """The connection and the clock of one camera. Its calls take turns."""

    def __init__(self, sn: str, context: CameraTlsContext, clock: CameraClock) -> None:
        self.sn = sn
        self.clock = clock
        self.connection: CameraConnection | None = None
        self.last_response: HttpResponse | None = None
        """The HTTP response to the last call, even if it is no vendor response. None if none came."""
        self._context = context
        self._log_call = call_logger("camera", sn)
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._reads_incompletely = False

    @contextlib.asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        """Wait until the camera is free, and reserve it. Raises `RateLimited` if too many wait, or for too long."""
        if not self._lock.locked():
            await self._lock.acquire()
        elif self._waiting >= MAX_WAITING_CALLS:
            raise RateLimited(
                message(
                    "{max_waiting_calls} calls wait for the camera {sn} already: try again",
                    max_waiting_calls=MAX_WAITING_CALLS,
                    sn=self.sn,
                ),
                retry_after_s=1,
            )
        else:
            await self._wait()
        try:
            yield
        finally:
            self._lock.release()

    async def _wait(self) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(MAX_WAIT_S):
                await self._lock.acquire()
        except TimeoutError as exc:
            busy = message(
                "the camera {sn} was busy with other calls for {max_wait_s:.0f} s: try again",
                sn=self.sn,
                max_wait_s=MAX_WAIT_S,
            )
            raise RateLimited(busy, retry_after_s=5) from exc
        finally:
            self._waiting -= 1

    async def connect(self, address: str, pin: str, *, deadline: float, interface: str = "") -> None:
        """Connect to an address (`host:port`) that shows the pin. An open connection of that kind is kept.

        `interface` is the name of the one that leads there, if that is known. `deadline` is a time of the event loop,
        as in `exchange`. Raises the same as `CameraConnection.open`.
        """
        if self.connection is None or (self.connection.address, self.connection.pin) != (address, pin):
            self.close()
            host, _, port = address.rpartition(":")
            self.connection = CameraConnection(host, int(port), self._context, pin=pin, interface=interface)
        await self.connection.open(timeout_s=_remaining_s(deadline))

    async def exchange(
        self,
        call: Call,
        credentials: Credentials | None,
        *,
        deadline: float,
        reconnect: Callable[[], Awaitable[None]] | None = None,
    ) -> VendorResponse:
        """Send a call, signed if there are credentials, and return the response, whatever its code.

        If the camera refused the time or the signature, the call is signed and sent again by each other clock that is
        known. `reconnect` is for a call that is not repeatable: each further attempt goes over a connection of its own,
        at whose other end was asked who is there. Raises the same as `CameraConnection.post` and as `reconnect`.
        """
        with measure_call(call.endpoint.path, self._log_call):
            if credentials is None:
                return await self._send(call, call.fields, deadline)
            return await self._send_signed(call, credentials, deadline, reconnect)

    async def _send_signed(
        self, call: Call, credentials: Credentials, deadline: float, reconnect: Callable[[], Awaitable[None]] | None
    ) -> VendorResponse:
        tried: list[ClockReading] = []
        refusal: VendorResponse | None = None
        while len(tried) < _MAX_ATTEMPTS and (reading := self.clock.choose(tried)) is not None:
            if tried and reconnect is not None:
                await reconnect()
            tried.append(reading)
            fields = add_signature(
                call.fields,
                app_id=credentials.app_id,
                key=credentials.key,
                timestamp=reading.timestamp,
                random=str(random.randint(10**9, 10**10 - 1)),
            )
            response = await self._send(call, fields, deadline)
            if response.code == 0:
                self.clock.accepted = reading.source
            if response.code not in _TIME_REFUSALS:
                return response
            if refusal is None or refusal.code == CAMERA_TIME_REFUSED:  # a refused signature says more
                refusal = response
        assert refusal is not None  # noqa: S101 - there is always a clock to try first
        return refusal

    async def _send(self, call: Call, fields: Mapping[str, str], deadline: float) -> VendorResponse:
        if self.connection is None:
            raise RuntimeError("a session has to be connected first")
        self.last_response = None
        http = await self.connection.post(
            f"/openapi/{call.endpoint.path}",
            form.encode(fields).replace(b"+", b"%20"),  # every decoder knows %20; "+" needs one that knows forms
            timeout_s=_remaining_s(deadline),
            repeatable=call.endpoint.repeatable,
        )
        self.last_response = http
        self.clock.learn(http.date)
        where = message("the camera {sn} at {address}", sn=self.sn, address=self.connection.address)
        if not 200 <= http.status < 300:
            raise MalformedCameraResponse(
                message("{camera} answered HTTP status {status}", camera=where, status=http.status),
                received=http.received,
                http_status=http.status,
            )
        try:
            response = parse_camera_response(http.body)
        except MalformedResponse as exc:
            detail = message("{camera}: {reason}", camera=where, reason=exc)
            raise MalformedCameraResponse(detail, received=http.received) from exc
        self._log_left_out(call, response)
        return response

    def _log_left_out(self, call: Call, response: VendorResponse) -> None:
        """Log what could not be read, once until the camera's responses can be read again."""
        if response.left_out and not self._reads_incompletely:
            _log.warning(
                "the camera %s answered %s with entries that cannot be read; %d left out",
                self.sn,
                call.endpoint.path,
                response.left_out,
            )
        self._reads_incompletely = response.left_out > 0

    def close(self) -> None:
        """Drop the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def _remaining_s(deadline: float) -> float:
    return max(0.0, deadline - asyncio.get_running_loop().time())
