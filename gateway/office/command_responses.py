"""Where shops respond to the commands of this process.

A shop may respond at subjects of its own alone, so nobody responds for another one, and a response goes nowhere else.
"""

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator
from typing import Final, Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from gateway.fleet.subjects import command_subject, response_subject

MAX_PENDING_BYTES: Final = 64 * 1024 * 1024
"""How many bytes of responses wait at most; more are dropped, and those shops are asked again."""
_NO_RESPONDERS: Final = "503"


class CommandResponses:
    """Asks shops, and takes what they respond; made by `open`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._token = secrets.token_hex(16)
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Msg]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, client: Client) -> AsyncIterator[Self]:
        """Listen to responses. Raises the errors of the client library."""
        responses = cls(client)
        subscription = await client.subscribe(
            response_subject("*", f"{responses._token}.*"),
            cb=responses._take,
            pending_bytes_limit=MAX_PENDING_BYTES,
        )
        try:
            yield responses
        finally:
            if not client.is_closed:
                await subscription.unsubscribe()

    async def request(self, shop: str, command: str, payload: bytes, timeout_s: float) -> bytes:
        """Ask a shop, and return what it responds.

        Raises `NoRespondersError` if it is away, `TimeoutError` and other errors of the client library.
        """
        reply = response_subject(shop, f"{self._token}.{next(self._numbers)}")
        self._waiting[reply] = response = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._client.publish(command_subject(shop, command), payload, reply)
                received = await response
        finally:
            del self._waiting[reply]
        if (received.headers or {}).get("Status") == _NO_RESPONDERS:
            raise nats.errors.NoRespondersError
        return bytes(received.data)

    async def _take(self, received: Msg) -> None:
        waiting = self._waiting.get(received.subject)
        if waiting is not None and not waiting.done():
            waiting.set_result(received)
