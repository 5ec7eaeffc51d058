"""Reading what a stream holds without a consumer: in batches, which need nothing that a server has to remember."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

BATCH: Final = 2000
"""How many messages a server sends at once. For every batch it counts anew how many more there are."""
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""How many bytes a server sends at once; the batch ends earlier then."""
MAX_SUBJECTS: Final = 500
"""For how many subjects the last messages are read at once. A server takes 1,024."""
TIMEOUT_S: Final = 15.0
"""How long a batch is waited for. A stream needs some seconds to choose a new leader."""
FIRST_WAIT_S: Final = 5.0
"""How long anything of it is waited for the first time. One of several servers is asked, which may have frozen: next
time it is most likely another one."""
ATTEMPTS: Final = 3
"""How often a batch is asked for that does not come, as when its server has died meanwhile."""
RETRY_INTERVAL_S: Final = 0.5
_SEQUENCE: Final = "Nats-Sequence"
"""The header that a server adds to every stored message, and puts behind those that were stored."""
_STORED_AT: Final = "Nats-Time-Stamp"
"""The header with the time at which it was stored."""
_END: Final = "204"
_NOT_FOUND: Final = "404"
_NO_RESPONDERS: Final = "503"


class StreamMessage(NamedTuple):
    """A message of a stream."""

    subject: str
    """Its subject."""
    sequence: int
    """Its number in the stream."""
    stored_at: str
    """When it was stored, in UTC, by the clock of the servers, as 2026-11-29T06:44:16Z."""
    headers: Mapping[str, str]
    """Its headers, with those of the servers."""
    payload: bytes
    """What it holds."""

    @property
    def stored_exactly_at(self) -> str:
        """When it was stored, with all digits, as no two messages of a stream with the same number have it."""
        return self.headers.get(_STORED_AT, "")


async def read_stream(
    client: Client, stream: str, subject: str, *, after: int = 0, since: str = "", max_bytes: int = MAX_BATCH_BYTES
) -> AsyncGenerator[StreamMessage, None]:
    """Yield the messages of a subject, which may have wildcards, in the order of the stream, and end with the last one.

    `after` is the number of the message before the first one; `since` a time in UTC instead. At most a batch is in
    memory, which ends with the message with which it has `max_bytes`. Raises the errors of the client library.
    """
    while True:
        begin: dict[str, Any] = {"start_time": since} if since and not after else {"seq": after + 1}
        batch, is_more = await _read_batch(client, stream, begin | {"next_by_subj": subject, "max_bytes": max_bytes})
        for one in batch:
            yield one
        if not is_more:
            return
        after = batch[-1].sequence


async def read_last_messages(client: Client, stream: str, subjects: Sequence[str]) -> list[StreamMessage]:
    """Return the last message of each subject that has one. Raises the errors of the client library."""
    found: list[StreamMessage] = []
    for start in range(0, len(subjects), MAX_SUBJECTS):
        after, is_more = 0, True
        wanted = [*subjects[start : start + MAX_SUBJECTS]]
        while is_more:
            batch, is_more = await _read_batch(client, stream, {"multi_last": wanted, "seq": after + 1})
            found += batch
            after = batch[-1].sequence if batch else after
    return found


async def read_last_batch(client: Client, stream: str, subject: str) -> tuple[list[StreamMessage], bool]:
    """Return the last message of each subject that fits one with wildcards, and whether there are more than a batch.

    Raises the errors of the client library.
    """
    return await _read_batch(client, stream, {"multi_last": [subject], "seq": 1})


async def read_next_message(client: Client, stream: str, subject: str, number: int) -> StreamMessage | None:
    """Return the first message of a subject with a number or a later one; None if there is none.

    Raises the errors of the client library.
    """
    batch, _ = await _read_batch(client, stream, {"seq": number, "next_by_subj": subject, "batch": 1})
    return batch[0] if batch else None


async def _read_batch(client: Client, stream: str, request: Mapping[str, Any]) -> tuple[list[StreamMessage], bool]:
    """Return a batch, and whether more follows it: that only if the batch is not empty."""
    for attempt in range(ATTEMPTS - 1):
        with contextlib.suppress(nats.errors.TimeoutError, nats.errors.NoRespondersError):
            return await _request_batch(client, stream, request, TIMEOUT_S if attempt else FIRST_WAIT_S)
        await asyncio.sleep(RETRY_INTERVAL_S)
    return await _request_batch(client, stream, request, TIMEOUT_S)


async def _request_batch(
    client: Client, stream: str, request: Mapping[str, Any], first_wait_s: float
) -> tuple[list[StreamMessage], bool]:
    """Ask once for a batch. `first_wait_s` is how long anything of it is waited for; the rest has `TIMEOUT_S`."""
    loop = asyncio.get_running_loop()
    inbox = client.new_inbox()
    batch: list[StreamMessage] = []
    ended: asyncio.Future[tuple[list[StreamMessage], bool]] = loop.create_future()
    limit = asyncio.timeout(first_wait_s)

    async def take(received: Msg) -> None:
        headers = received.headers or {}
        if _SEQUENCE in headers:  # whatever else it has: whoever sent it may have set a status, too
            if not batch and not ended.done():
                limit.reschedule(loop.time() + TIMEOUT_S)
            batch.append(_parse(received, headers))
        elif not ended.done():
            status = headers.get("Status")
            if status == _END:
                ended.set_result((batch, bool(batch) and headers.get("Nats-Num-Pending", "0") != "0"))
            elif status == _NOT_FOUND:
                ended.set_result(([], False))
            elif status == _NO_RESPONDERS:
                ended.set_exception(nats.errors.NoRespondersError())
            else:
                code = int(status) if status and status.isdecimal() else None
                ended.set_exception(nats.js.errors.APIError(code=code, description=headers.get("Description")))

    payload = json.dumps({"batch": BATCH, "max_bytes": MAX_BATCH_BYTES, **request}).encode()
    subscription = await client.subscribe(
        inbox, cb=take, pending_msgs_limit=2 * BATCH, pending_bytes_limit=4 * MAX_BATCH_BYTES
    )
    try:
        async with limit:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", payload, reply=inbox)
            return await ended
    except TimeoutError as exc:
        raise nats.errors.TimeoutError from exc
    finally:
        if not client.is_closed:
            await subscription.unsubscribe()


def _parse(received: Msg, headers: Mapping[str, str]) -> StreamMessage:
    time = headers.get(_STORED_AT, "")
    return StreamMessage(headers["Nats-Subject"], int(headers[_SEQUENCE]), f"{time[:19]}Z", headers, received.data)
