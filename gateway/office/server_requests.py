"""Requests that each server of a chain gets and responds to: one may be silent, which holds up nobody for long."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

import nats.errors
from nats.aio.client import Client

FIRST_RESPONSE_S: Final = 10.0
"""How long the first server is waited for. It may have much else to do, as when all shops come back at once."""
OTHERS_S: Final = 2.0
"""How long each of the others is waited for after that: one of them may have died, and is still counted."""


class ServerResponse(NamedTuple):
    """What a server responds."""

    payload: bytes
    """The response."""
    received_at: float
    """When it came, by this machine's monotonic clock, in seconds."""


async def gather_responses(
    observer: Client,
    subject: str,
    payload: bytes = b"",
    *,
    expected: int = 1,
    count_expected: Callable[[bytes], int] | None = None,
) -> list[ServerResponse]:
    """Return what the servers respond to a request, in the order in which it comes: one at least does.

    `expected` is how many are waited for; `count_expected` returns from a response how many there are, and then more
    are waited for. Raises the errors of the client library.
    """
    inbox = observer.new_inbox()
    subscription = await observer.subscribe(inbox)
    responses: list[ServerResponse] = []
    try:
        await observer.publish(subject, payload, reply=inbox)
        while len(responses) < expected:
            try:
                received = await subscription.next_msg(timeout=OTHERS_S if responses else FIRST_RESPONSE_S)
            except nats.errors.TimeoutError:
                if not responses:
                    raise
                break
            responses.append(ServerResponse(received.data, time.monotonic()))
            if count_expected is not None:
                expected = max(expected, count_expected(received.data))
    finally:
        if not observer.is_closed:
            await subscription.unsubscribe()
    return responses
