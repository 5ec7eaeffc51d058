"""The session with one camera: one call at a time, signed with the camera's own time."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from gateway.cameras.connection import CameraConnection, HttpResponse, MalformedCameraResponse
from gateway.errors import RateLimited
from gateway.protocol import form
from gateway.protocol.endpoint import Call
from gateway.protocol.envelope import MalformedResponse, VendorResponse, parse_response
from gateway.protocol.return_codes import CAMERA_SIGNATURE_REFUSED, CAMERA_TIME_REFUSED
from gateway.protocol.signing import add_signature
from gateway.runtime.clock import PeerClock
from gateway.runtime.logs.calls import call_logger
from gateway.runtime.metrics import measure_call

MAX_WAITING_CALLS: Final = 32
"""How many calls may wait for one camera. Cameras are small devices, and slow at times."""
MAX_WAIT_S: Final = 60.0
"""How long a call waits until the camera is free, in seconds."""

_MIN_CLOCK_CHANGE_S: Final = 2.0
"""A smaller change of the camera's time does not explain a refused signature."""


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

    def __init__(self, sn: str, context: ssl.SSLContext, fallback: PeerClock) -> None:
        """Take the clock that is used until the camera has sent its time."""
        self.sn = sn
        self.clock = PeerClock(fallback)
        self.connection: CameraConnection | None = None
        self.last_response: HttpResponse | None = None
        """The HTTP response to the last call, even if it is no vendor response. None if none came."""
        self._context = context
        self._log_call = call_logger("camera", sn)
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._date: str | None = None

    @contextlib.asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        """Wait until the camera is free, and reserve it. Raises `RateLimited` if too many wait, or for too long."""
        if not self._lock.locked():
            await self._lock.acquire()
        elif self._waiting >= MAX_WAITING_CALLS:
            raise RateLimited(
                f"{MAX_WAITING_CALLS} calls wait for the camera {self.sn} already: try again", retry_after_s=1
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
            busy = f"the camera {self.sn} was busy with other calls for {MAX_WAIT_S:.0f} s: try again"
            raise RateLimited(busy, retry_after_s=5) from exc
        finally:
            self._waiting -= 1

    async def connect(self, address: str, pin: str, *, deadline: float) -> None:
        """Connect to an address (`host:port`) that shows the pin. An open connection of that kind is kept.

        `deadline` is a time of the event loop, as in `exchange`. Raises the same as `CameraConnection.open`.
        """
        if self.connection is None or (self.connection.address, self.connection.pin) != (address, pin):
            self.close()
            host, _, port = address.rpartition(":")
            self.connection = CameraConnection(host, int(port), self._context, pin=pin)
        await self.connection.open(timeout_s=_remaining_s(deadline))

    async def exchange(self, call: Call, credentials: Credentials | None, *, deadline: float) -> VendorResponse:
        """Send a call, signed if there are credentials, and return the response, whatever its code.

        If the camera refused the time or the signature, and its response carried another time, the call is signed and
        sent again. Raises the same as `CameraConnection.post`.
        """
        with measure_call(call.endpoint.path, self._log_call):
            response, change_s = await self._send(call, credentials, deadline)
            time_refused = response.code in (CAMERA_TIME_REFUSED, CAMERA_SIGNATURE_REFUSED)
            if credentials is not None and time_refused and abs(change_s) >= _MIN_CLOCK_CHANGE_S:
                response, _ = await self._send(call, credentials, deadline)
            return response

    async def _send(self, call: Call, credentials: Credentials | None, deadline: float) -> tuple[VendorResponse, float]:
        """Return the response, and by how many seconds it changed the camera's clock."""
        if self.connection is None:
            raise RuntimeError("a session has to be connected first")
        fields = call.fields
        if credentials is not None:
            fields = add_signature(
                fields,
                app_id=credentials.app_id,
                key=credentials.key,
                timestamp=int(self.clock.now()),
                random=str(random.randint(10**9, 10**10 - 1)),
            )
        self.last_response = None
        http = await self.connection.post(
            f"/openapi/{call.endpoint.path}",
            form.encode(fields).replace(b"+", b"%20"),  # every decoder knows %20; "+" needs one that knows forms
            timeout_s=_remaining_s(deadline),
            repeatable=call.endpoint.repeatable,
        )
        self.last_response = http
        change_s = self._learn_time(http.date)
        where = f"the camera {self.sn} at {self.connection.address}"
        if http.status != 200:
            raise MalformedCameraResponse(f"{where} answered HTTP status {http.status}", http_status=http.status)
        try:
            return parse_response(http.body), change_s
        except MalformedResponse as exc:
            raise MalformedCameraResponse(f"{where} {exc}") from exc

    def _learn_time(self, date: str | None) -> float:
        if date is None or date == self._date:
            return 0.0
        self._date = date
        return self.clock.learn(date)

    def close(self) -> None:
        """Drop the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def _remaining_s(deadline: float) -> float:
    return max(0.0, deadline - asyncio.get_running_loop().time())
