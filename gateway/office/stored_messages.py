"""Reading what a stream holds without a consumer: in batches, which need nothing that a server has to remember."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

BATCH: Final = 500
"""How many messages a server sends at once."""
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""How many bytes a server sends at once; the batch ends earlier then."""
MAX_SUBJECTS: Final = 500
"""For how many subjects the last messages are read at once. A server takes 1,024."""
TIMEOUT_S: Final = 15.0
"""How long a batch is waited for. A stream needs some seconds to choose a new leader."""
ATTEMPTS: Final = 3
"""How often a batch is asked for that does not come, as when its server has died meanwhile."""
_SEQUENCE: Final = "Nats-Sequence"
"""The header that a server adds to every stored message, and puts behind those that were stored."""
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


async def read_stream(
    client: Client, stream: str, subject: str, *, after: int = 0, since: str = ""
) -> AsyncGenerator[StreamMessage, None]:
    """Yield the messages of a subject, which may have wildcards, in the order of the stream, and end with the last one.

    `after` is the number of the message before the first one; `since` a time in UTC instead. At most a batch is in
    memory. Raises the errors of the client library.
    """
    while True:
        begin: dict[str, Any] = {"start_time": since} if since and not after else {"seq": after + 1}
        batch, is_more = await _read_batch(client, stream, begin | {"next_by_subj": subject})
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


async def _read_batch(client: Client, stream: str, request: Mapping[str, Any]) -> tuple[list[StreamMessage], bool]:
    """Return a batch, and whether more follows it: that only if the batch is not empty."""
    for attempt in range(ATTEMPTS):
        try:
            return await _request_batch(client, stream, request)
        except (nats.errors.TimeoutError, nats.errors.NoRespondersError):
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError  # the loop above has ended by then


async def _request_batch(client: Client, stream: str, request: Mapping[str, Any]) -> tuple[list[StreamMessage], bool]:
    inbox = client.new_inbox()
    batch: list[StreamMessage] = []
    ended: asyncio.Future[tuple[list[StreamMessage], bool]] = asyncio.get_running_loop().create_future()

    async def take(received: Msg) -> None:
        headers = received.headers or {}
        if _SEQUENCE in headers:  # whatever else it has: whoever sent it may have set a status, too
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

    payload = json.dumps({**request, "batch": BATCH, "max_bytes": MAX_BATCH_BYTES}).encode()
    subscription = await client.subscribe(
        inbox, cb=take, pending_msgs_limit=2 * BATCH, pending_bytes_limit=4 * MAX_BATCH_BYTES
    )
    try:
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", payload, reply=inbox)
        async with asyncio.timeout(TIMEOUT_S):
            return await ended
    except TimeoutError as exc:
        raise nats.errors.TimeoutError from exc
    finally:
        if not client.is_closed:
            await subscription.unsubscribe()


def _parse(received: Msg, headers: Mapping[str, str]) -> StreamMessage:
    time = headers.get("Nats-Time-Stamp", "")
    return StreamMessage(headers["Nats-Subject"], int(headers[_SEQUENCE]), f"{time[:19]}Z", headers, received.data)
