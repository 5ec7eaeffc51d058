"""Waiting items as the queue sees them, and what it selects of them."""

import json
from collections.abc import Iterable

from gateway.outbox.model import Batch, Limit
from gateway.outbox.queue import Queue, QueuedItem, Selection
from gateway.outbox.retry import UNLIMITED

ORDER = "order/update"
UPDATE = "product/update"
CREATE = "product/create"
DELETE = "product/delete"
BIND = "product/bindEsl"
SHOP = '{"shop_id":"1"}'


def item(
    sequence: int,
    key: str = "",
    *others: str,
    path: str = ORDER,
    shared: str = SHOP,
    size: int = 100,
    expires_s: float | None = None,
) -> QueuedItem:
    """Return a waiting item, with a key of its own unless one is given."""
    barrier = int(path in (CREATE, DELETE, BIND))
    order_key = key or f"key {sequence}"
    other_keys = json.dumps(others) if others else None
    return QueuedItem(sequence, path, shared, order_key, other_keys, f"ref {sequence}", size, barrier, expires_s)


def unlimited(_: int) -> int:
    return UNLIMITED


def consider(
    items: Iterable[QueuedItem], queue: Queue | None = None, limit: Limit = unlimited, *, single: bool = False
) -> Selection:
    """Let a selection go through items until it has enough."""
    selection = (queue or Queue()).select(limit, uptime_s=0.0, single=single)
    for one in items:
        if not selection.consider(one):
            break
    return selection


def entries(batch: Batch | None) -> list[list[int]]:
    """Return the numbers of the items of each entry."""
    return [] if batch is None else [entry.sequences for entry in batch.entries]


def claimed(queue: Queue, *items: QueuedItem) -> Batch:
    """Take items in flight as one batch."""
    batch = consider(items, queue).batch
    assert batch is not None
    queue.claim(batch)
    return batch
