"""The customer flow of the last days of all shops, in memory, as the stream has it."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from gateway.fleet.subjects import FLOW, PREFIX, flow_subject
from gateway.office.office import Office, translated
from gateway.office.stored_messages import StreamMessage, read_stream
from gateway.protocol import json_text

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

    def __init__(self, office: Office) -> None:
        """Take the connection; nothing is read before `refresh`."""
        self._office = office
        self._days: dict[str, dict[str, FlowNumbers]] = {}
        self._read_to = 0

    async def refresh(self) -> None:
        """Read what is new. Raises `HeadOfficeUnavailable`."""
        since = "" if self._read_to else f"{await self._office.read_time() - timedelta(days=DAYS):%Y-%m-%dT00:00:00Z}"
        with translated(self._office.folder):
            async for stored in read_stream(
                self._office.client, FLOW, flow_subject("*"), after=self._read_to, since=since
            ):
                self._read_to = stored.sequence
                self._take(stored)
        for day in sorted(self._days)[:-DAYS]:
            del self._days[day]

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
        return sorted(sums.items(), key=lambda one: (-one[1], one[0]))

    def _take(self, stored: StreamMessage) -> None:
        shop, _, day = stored.subject.removeprefix(f"{PREFIX}.").partition(".flow.")
        try:
            document = json_text.loads(stored.payload)
            happened, stored_on = date.fromisoformat(day), date.fromisoformat(stored.stored_at[:10])
        except ValueError:
            return
        # A day that is yet to come would push out what the other shops have counted.
        is_day = happened.isoformat() == day and happened <= stored_on + timedelta(days=1)
        if isinstance(document, dict) and is_day:
            total, new, repeat, members = (_count(document.get(kind)) for kind in _KINDS)
            numbers = FlowNumbers(total, new, repeat, members, document.get("final") is True)
            self._days.setdefault(day, {})[shop] = numbers


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


def _add(numbers: list[int | None]) -> int | None:
    known = [one for one in numbers if one is not None]
    return sum(known) if known else None
