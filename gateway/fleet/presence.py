"""Two gateways with one certificate, as from a copied SD card: each hears the other one answer, and both stop.

What is done for the shop goes on. Only what concerns the head office rests, since nobody knows which one it means.
"""

import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from gateway.events.log import EventLog
from gateway.fleet.documents import Presence
from gateway.fleet.events import ShopCloned, ShopCloneGone
from gateway.fleet.link_part import LinkPart
from gateway.fleet.subjects import present_subject
from gateway.protocol.event_type import EventType
from gateway.runtime.clock import PeerClock
from gateway.runtime.timestamps import utc_text

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection, ReceivedMessage

ANNOUNCE_INTERVAL_S: Final = 300.0
"""How often this gateway says that it is there."""
GONE_AFTER_S: Final = 900.0
"""How long no other gateway is heard until there is none any more."""
MAX_OTHERS: Final = 10
"""How many other gateways are remembered."""
MAX_BYTES: Final = 8192
"""The longest message that is read."""

_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Other:
    presence: Presence
    first_heard_at: float
    heard_at: float
    is_confirmed: bool = False
    """Whether it has said that it is there after this gateway said so. What is heard once can be a message of the
    process before this one, which a server had for a while."""


class PresenceWatch(LinkPart):
    """Says that this gateway is there, and hears whether another one has the same certificate."""

    def __init__(
        self,
        shop: str,
        clock: PeerClock,
        event_log: EventLog,
        *,
        report: Callable[[EventType], None],
        find_addresses: Callable[[], Collection[str]],
        save_cursor: Callable[[], Awaitable[None]],
        on_change: Callable[[], None],
    ) -> None:
        """`report` takes events; `on_change` is called when another gateway is heard first, and when it answers.

        `save_cursor` stores how far the events are sent: it is called before they get other ids.
        """
        self._subject = present_subject(shop)
        self._clock = clock
        self._event_log = event_log
        self._report = report
        self._find_addresses = find_addresses
        self._save_cursor = save_cursor
        self._on_change = on_change
        self._instance = secrets.token_hex(16)
        self._started = utc_text(clock.now())
        self._announced_at: float | None = None
        """When this gateway said last that it is there; None if it has to say it now."""
        self._others: dict[str, _Other] = {}
        self._clone: tuple[Presence, str] | None = None
        """The other gateway that was reported, and since when it was heard."""

    @property
    def is_cloned(self) -> bool:
        """Whether another gateway with this shop's certificate has answered this one lately."""
        return self._clone is not None or any(one.is_confirmed for one in self._others.values())

    def describe_clone(self) -> dict[str, Any] | None:
        """Return the other gateway as `{host, addresses, since}`; None if there is none."""
        if self._clone is None:
            return None
        presence, since = self._clone
        return {"host": presence.host, "addresses": list(presence.addresses), "since": since}

    async def begin(self, connection: "FleetConnection") -> None:
        """Listen on a new connection, and say that this gateway is there. Raises `HeadOfficeUnavailable`."""
        self._announced_at = None
        await connection.subscribe(self._subject, lambda received: self._hear(connection, received))

    async def work(self, connection: "FleetConnection") -> bool:
        """Say that this gateway is there, if it is time, and report whether another one is.

        Raises `HeadOfficeUnavailable` and `StateError`.
        """
        now = time.monotonic()
        if self._announced_at is None or now - self._announced_at >= ANNOUNCE_INTERVAL_S:
            self._announced_at = now
            await connection.send(self._subject, self._describe(connection).model_dump_json().encode())
        self._others = {name: one for name, one in self._others.items() if now - one.heard_at < GONE_AFTER_S}
        confirmed = [one.presence for one in self._others.values() if one.is_confirmed]
        if confirmed and self._clone is None:
            await self._begin_clone(confirmed[0])
        elif not confirmed and self._clone is not None:
            self._end_clone(self._clone[0])
        return False

    async def _begin_clone(self, other: Presence) -> None:
        # Both count on from the same number. A new epoch keeps what one sends from passing for what the other sent.
        await self._save_cursor()
        await self._event_log.begin_epoch()
        self._clone = other, utc_text(self._clock.now())
        _log.error(
            "another gateway has this shop's certificate: %s, %s; nothing is sent to the head office, and nothing of "
            "it is followed, until only one is left",
            other.host,
            ", ".join(other.addresses),
        )
        self._report(ShopCloned(host=other.host, addresses=", ".join(other.addresses)))

    def _end_clone(self, other: Presence) -> None:
        self._clone = None
        _log.info("the other gateway with this shop's certificate is gone: %s", other.host)
        self._report(ShopCloneGone(host=other.host, addresses=", ".join(other.addresses)))

    def _describe(self, connection: "FleetConnection") -> Presence:
        return Presence(
            instance=self._instance,
            host=socket.gethostname()[:255],
            addresses=tuple(sorted(self._find_addresses())[:20]),
            started=self._started,
            signature=_sign(connection, self._instance),
        )

    def _hear(self, connection: "FleetConnection", received: "ReceivedMessage") -> None:
        if len(received.payload) > MAX_BYTES:
            return
        try:
            presence = Presence.model_validate_json(received.payload)
        except ValidationError:
            return
        if presence.instance == self._instance or not presence.signature.isascii():
            return
        # A server sends the answer of a stream wherever a shop wants it, so this may be from another shop.
        if not secrets.compare_digest(presence.signature, _sign(connection, presence.instance)):
            return
        now = time.monotonic()
        if (known := self._others.get(presence.instance)) is not None:
            known.heard_at = now
            if known.is_confirmed or self._announced_at is None or self._announced_at < known.first_heard_at:
                return
            known.is_confirmed = True
        elif len(self._others) < MAX_OTHERS:
            self._others[presence.instance] = _Other(presence, now, now)
        else:
            return
        self._announced_at = None  # the other one has to hear of this one, too
        self._on_change()


def _sign(connection: "FleetConnection", instance: str) -> str:
    return connection.sign(f"present {instance}")
