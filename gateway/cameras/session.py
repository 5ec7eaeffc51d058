"""The line to one camera: one call at a time, signed with the time that the camera itself tells."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from gateway.cameras.connection import CameraConnection, HttpResponse, MalformedCameraResponse
from gateway.errors import RateLimited
from gateway.protocol.endpoint import Call
from gateway.protocol.envelope import MalformedResponse, VendorResponse, parse_response
from gateway.protocol.return_codes import CAMERA_SIGNATURE_REFUSED, CAMERA_TIME_REFUSED
from gateway.protocol.signing import add_signature
from gateway.runtime.clock import PeerClock
from gateway.runtime.logs.calls import call_logger
from gateway.runtime.metrics import measure_call

MAX_WAITING: Final = 32
"""How many calls may wait for one camera; they are small devices and slow at times."""
MAX_WAIT_S: Final = 60.0
"""How long a call waits for its turn, in seconds."""

_CLOCK_MOVED_S: Final = 2.0


class Account(NamedTuple):
    """What a call is signed with: an app_id, and its secret key or, for an activation, the activation number."""

    app_id: str
    key: str

    def __repr__(self) -> str:
        return f"Account({self.app_id!r}, ********)"


class CameraSession:
    """The turn, the connection and the clock of one camera. `fallback` is the clock to go by until it tells its own."""

    def __init__(self, sn: str, context: ssl.SSLContext, fallback: PeerClock) -> None:
        self.sn = sn
        self.clock = PeerClock(fallback)
        self.connection: CameraConnection | None = None
        self.latest: HttpResponse | None = None
        """What came for the call that was sent last, also where it is no vendor answer; None where nothing came."""
        self._context = context
        self._log_call = call_logger("camera", sn)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._date: str | None = None

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the camera to be free and keep it. Raises `RateLimited` when too many wait, or for too long."""
        if not self._turn.locked():
            await self._turn.acquire()
        elif self._waiting >= MAX_WAITING:
            raise RateLimited(f"{MAX_WAITING} calls wait for the camera {self.sn} already: try again", retry_after_s=1)
        else:
            await self._wait()
        try:
            yield
        finally:
            self._turn.release()

    async def _wait(self) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(MAX_WAIT_S):
                await self._turn.acquire()
        except TimeoutError as exc:
            busy = f"the camera {self.sn} was busy with other calls for {MAX_WAIT_S:.0f} s: try again"
            raise RateLimited(busy, retry_after_s=5) from exc
        finally:
            self._waiting -= 1

    async def connect(self, address: str, pin: str, *, deadline: float) -> None:
        """Be connected to an address (`host:port`) that shows the pin; an open connection of that kind is kept.

        `deadline` is a time of the event loop, as in `exchange`. Raises as `CameraConnection.open`.
        """
        if self.connection is None or (self.connection.address, self.connection.pin) != (address, pin):
            self.close()
            host, _, port = address.rpartition(":")
            self.connection = CameraConnection(host, int(port), self._context, pin=pin)
        await self.connection.open(timeout_s=_left(deadline))

    async def exchange(self, call: Call, account: Account | None, *, deadline: float) -> VendorResponse:
        """Send a call, signed for `account` or unsigned, and return the answer, whatever its code.

        A camera that refused the time or the signature, and told another time with it, gets the call signed anew.
        Raises as `CameraConnection.post`.
        """
        with measure_call(call.endpoint.path, self._log_call):
            answer, moved_s = await self._send(call, account, deadline)
            time_refused = answer.code in (CAMERA_TIME_REFUSED, CAMERA_SIGNATURE_REFUSED)
            if account is not None and time_refused and abs(moved_s) >= _CLOCK_MOVED_S:
                answer, _ = await self._send(call, account, deadline)
            return answer

    async def _send(self, call: Call, account: Account | None, deadline: float) -> tuple[VendorResponse, float]:
        if self.connection is None:
            raise RuntimeError("a line has to be connected first")
        fields = call.fields
        if account is not None:
            fields = add_signature(
                fields,
                app_id=account.app_id,
                key=account.key,
                timestamp=int(self.clock.now()),
                random=str(random.randint(10**9, 10**10 - 1)),
            )
        body = _form(fields)
        self.latest = None
        answer = await self.connection.post(
            f"/openapi/{call.endpoint.path}",
            body,
            timeout_s=_left(deadline),
            repeatable=call.endpoint.repeatable,
        )
        self.latest = answer
        moved_s = self._learn(answer.date)
        where = f"the camera {self.sn} at {self.connection.address}"
        if answer.status != 200:
            raise MalformedCameraResponse(f"{where} answered HTTP status {answer.status}", http_status=answer.status)
        try:
            return parse_response(answer.body), moved_s
        except MalformedResponse as exc:
            raise MalformedCameraResponse(f"{where} {exc}") from exc

    def _learn(self, date: str | None) -> float:
        if date is None or date == self._date:
            return 0.0
        self._date = date
        return self.clock.learn(date)

    def close(self) -> None:
        """Drop the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def _form(fields: Mapping[str, str]) -> bytes:
    """Encode a form; names are the catalogue's and need no quoting, nor do most values, which saves a fifth of a call.

    A blank becomes %20: every decoder knows that, while "+" needs one that knows forms.
    """
    plain = (value if value.isascii() and value.isalnum() else quote(value, safe="") for value in fields.values())
    return "&".join([f"{name}={value}" for name, value in zip(fields, plain, strict=True)]).encode()


def _left(deadline: float) -> float:
    return max(0.0, deadline - asyncio.get_running_loop().time())
