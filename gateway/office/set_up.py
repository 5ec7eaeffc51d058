"""Giving the servers of a chain what they need, when they run."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Final

import nats.js.errors

from firmware_tools.language import message
from gateway.errors import StateError
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.office.office import Office, translated
from gateway.office.revocation import reconcile
from gateway.office.streams import list_streams, make_stream

LEADER_TIMEOUT_S: Final = 30.0
"""How long servers that have just been started take at most to choose a leader."""
STORAGE_EXCEEDED: Final = 10047
"""What a server responds if streams could become larger than what it may store (`err_code` of JetStream)."""
_RETRY_INTERVAL_S: Final = 0.5
_REQUEST_TIMEOUT_S: Final = 5.0
"""How long one request takes at most: servers that have just been started lose some, and it is safe to ask again."""


async def set_up(office: Office) -> Sequence[str]:
    """Make the streams and buckets that the servers lack, and change what differs; return the names of those.

    Who is revoked is made the same everywhere: servers or folder may be restored ones. Servers that have just been
    started are waited for. Raises `HeadOfficeUnavailable`, and `StateError` if the servers still have the limit of
    before for what they store.
    """
    plan = office.folder.plan
    give_up_at = time.monotonic() + LEADER_TIMEOUT_S
    jetstream = office.client.jetstream(timeout=_REQUEST_TIMEOUT_S)
    waiting, touched = [*list_streams(plan.replicas, plan.storage_bytes)], list[str]()
    while waiting:
        try:
            with translated(office.folder), _explain_limit(plan.storage_gb):
                if await make_stream(jetstream, waiting[0]):
                    touched.append(str(waiting[0].name))
                del waiting[0]
        except HeadOfficeUnavailable:
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(_RETRY_INTERVAL_S)
    if await reconcile(office):
        touched.append("revocations")
    return touched


@contextlib.contextmanager
def _explain_limit(storage_gb: int) -> Iterator[None]:
    try:
        yield
    except nats.js.errors.APIError as exc:
        if exc.err_code != STORAGE_EXCEEDED:
            raise
        raise StateError(
            message(
                "the servers run with a lower limit than {storage_gb} GB: copy server.conf from the folder of each to "
                "its machine, start it again, then run this again",
                storage_gb=storage_gb,
            )
        ) from exc
