"""How far events are sent, and where that goes on after a new connection."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from gateway.events.cursor import LogRange
from gateway.fleet_settings import SHOP_NAME

MESSAGE_ID: Final = "Nats-Msg-Id"
"""The header by which JetStream knows a message that comes again."""
COMPLETE_TO: Final = "Sunmi-Complete-To"
"""The header with the number of the event up to which the stream had everything."""

_ID: Final = re.compile(rf"{SHOP_NAME}/([0-9A-Za-z_-]{{1,64}})-([0-9]{{1,18}})")


def message_id(shop: str, event_id: str) -> str:
    """Return how the stream knows an event. Shops that were set up as copies of each other have the same event ids."""
    return f"{shop}/{event_id}"


@dataclass(frozen=True, slots=True)
class FleetCursor:
    """How far the events of the log are sent."""

    epoch: str = ""
    """The epoch of the event log under which it moved last. An older one: nothing is sent of the present one yet."""
    number: int = 0
    """Everything up to this event is acknowledged, or is not to be sent."""
    published: int = 0
    """The last event that was acknowledged; 0 if none was. With an epoch and 0, damage has cost the cursor."""
    since: int = 0
    """Everything up to this event is of the shop that this gateway was before, and never sent as this one's."""
    member: str = ""
    """Which shop of which chain it is, as `find_member` tells; empty if it was never stored."""


class StoredEvent(NamedTuple):
    """The last event of this shop in the stream."""

    epoch: str
    """The epoch of its id."""
    number: int
    """The number of its id."""
    complete_to: int
    """When it was sent, the stream had everything up to this number. Events after it were under way together."""

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Self:
        """Read it from the headers of its message. Raises `ValueError` for what no gateway sends."""
        sent_id, complete_to = headers.get(MESSAGE_ID, ""), headers.get(COMPLETE_TO, "")
        match = _ID.fullmatch(sent_id)
        if match is None or not re.fullmatch(r"[0-9]{1,18}", complete_to):
            raise ValueError(f"{sent_id!r} and {complete_to!r} are no headers of an event")
        return cls(match[1], int(match[2]), int(complete_to))


def find_start(cursor: FleetCursor, last: StoredEvent | None, log: LogRange) -> int:
    """Return the number of the event after which to go on.

    The stream is believed where it has less than the cursor says: it may have been restored from a backup, or be
    another one. A backup of the shop's own database begins a new epoch, which goes on where its cursor was. What was
    before `since` is sent in no case.
    """
    has_sent_epoch = cursor.published > 0 and cursor.epoch == log.epoch
    if last is None:
        start = log.oldest - 1 if cursor.published else cursor.number
    elif last.epoch == cursor.epoch and not cursor.published:  # the cursor was lost by damage
        start = min(cursor.number, last.complete_to)
    elif last.epoch != log.epoch:
        start = log.oldest - 1 if has_sent_epoch else cursor.number
    elif not has_sent_epoch or last.number < cursor.published:
        start = last.complete_to
    else:  # the cursor is stored some time after the acknowledgement, so the stream may be ahead
        start = max(cursor.number, last.complete_to)
    return max(cursor.since, min(start, log.newest))
