"""The customer flow of the last days of all shops, in memory, as the stream has it."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from gateway.fleet.subjects import FLOW, PREFIX, flow_subject
from gateway.office.natural_order import natural_key
from gateway.office.office import Office
from gateway.office.stored_messages import StreamMessage
from gateway.office.stream_follower import StreamFollower, StreamStart
from gateway.protocol import json_text
from gateway.runtime.clock import PeerClock

DAYS: Final = 35
"""How many days are kept."""
_KINDS: Final = ("total", "new", "repeat", "members")


class FlowNumbers(NamedTuple):
    """The customers of a shop on a day, or of several shops; None is what the cloud does not count."""

    total: int | None
    """All customers."""
    new: int | None
    """Those who were not seen before."""
    repeat: int | None
    """Those who came before."""
    members: int | None
    """The members."""
    final: bool
    """Whether the numbers do not change any more."""

    def describe(self) -> dict[str, Any]:
        """Return them as JSON."""
        return self._asdict()


class ChainFlowTable:
    """The numbers by day and shop, as of the last `refresh`."""

    def __init__(self, office: Office, clock: PeerClock) -> None:
        """Take the connection, and the clock of the servers; nothing is read before `refresh`."""
        self._clock = clock
        self._days: dict[str, dict[str, FlowNumbers]] = {}
        self._follower = StreamFollower(office, FLOW, flow_subject("*"))

    async def refresh(self) -> None:
        """Read what is new. Raises `HeadOfficeUnavailable`."""
        known: set[tuple[str, str]] = set()

        def take(stored: StreamMessage) -> None:
            known.add(self._take(stored))

        if await self._follower.read(take, self._find_start):
            for day, shop in [(day, shop) for day, shops in self._days.items() for shop in shops]:
                if (day, shop) not in known:
                    del self._days[day][shop]
            self._days = {day: shops for day, shops in self._days.items() if shops}
        for day in sorted(self._days)[:-DAYS]:
            del self._days[day]

    async def _find_start(self) -> StreamStart:
        return StreamStart(since=f"{self._today() - timedelta(days=DAYS)}T00:00:00Z")

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now(), UTC).date()

    def days(self) -> list[str]:
        """Return the days that have numbers, the oldest first."""
        return sorted(self._days)

    def sum_day(self, day: str, shops: Collection[str] | None = None) -> FlowNumbers:
        """Return the sum of a day; of all shops unless some are named."""
        numbers = [one for shop, one in self._days.get(day, {}).items() if shops is None or shop in shops]
        total, new, repeat, members = (_add([getattr(one, kind) for one in numbers]) for kind in _KINDS)
        return FlowNumbers(total, new, repeat, members, bool(numbers) and all(one.final for one in numbers))

    def count_shops(self, day: str, shops: Collection[str] | None = None) -> int:
        """Return how many shops have numbers of a day; of all shops unless some are named."""
        return sum(shops is None or shop in shops for shop in self._days.get(day, {}))

    def of_shop(self, shop: str) -> Mapping[str, FlowNumbers]:
        """Return the numbers of a shop by day, the oldest first."""
        return {day: shops[shop] for day, shops in sorted(self._days.items()) if shop in shops}

    def rank(self, days: Collection[str], shops: Collection[str] | None = None) -> list[tuple[str, int]]:
        """Return shops with their customers of some days, the most first; all of them unless some are named."""
        sums: dict[str, int] = {}
        for day in days:
            for shop, numbers in self._days.get(day, {}).items():
                if shops is None or shop in shops:
                    sums[shop] = sums.get(shop, 0) + (numbers.total or 0)
        return sorted(sums.items(), key=lambda one: (-one[1], natural_key(one[0])))

    def _take(self, stored: StreamMessage) -> tuple[str, str]:
        """Take the numbers of a shop, if they can be read; return the day and the shop."""
        shop, _, day = stored.subject.removeprefix(f"{PREFIX}.").partition(".flow.")
        try:
            document = json_text.loads(stored.payload)
            happened = date.fromisoformat(day)
        except ValueError:
            return day, shop
        # A day that is yet to come would push out what the other shops have counted. The clock of the server that has
        # stored it may be wrong.
        is_day = happened.isoformat() == day and happened <= self._today() + timedelta(days=1)
        if isinstance(document, dict) and is_day:
            total, new, repeat, members = (_count(document.get(kind)) for kind in _KINDS)
            numbers = FlowNumbers(total, new, repeat, members, document.get("final") is True)
            self._days.setdefault(day, {})[shop] = numbers
        return day, shop


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


def _add(numbers: list[int | None]) -> int | None:
    known = [one for one in numbers if one is not None]
    return sum(known) if known else None
