"""The first page: how the shops are, the worst first."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.office.natural_order import natural_key
from gateway.office.shop_facts import ShopFacts, ShopHealth
from gateway.office.shops import ShopList
from gateway.office_site.row_pages import cut_page, read_page_number
from gateway.office_site.site import OfficeContext, OfficePage

MAX_SEARCH_LENGTH: Final = 100
MAP_WIDTH: Final = 720
_MAP_AREA: Final = 720 * 160
_MAX_CELL: Final = 24.0
_MIN_CELL: Final = 3.0
_GAP: Final = 0.15
"""Which share of a square of the map stays empty."""

HEALTH_TEXTS: Final[dict[ShopHealth, Message]] = {
    ShopHealth.CLONED: message("two gateways, stopped"),
    ShopHealth.TROUBLE: message("something does not work"),
    ShopHealth.REVOKED: message("listed, but revoked"),
    ShopHealth.AWAY: message("away"),
    ShopHealth.NEVER_JOINED: message("not joined yet"),
    ShopHealth.OK: message("all well"),
    ShopHealth.RETIRED: message("retired"),
}
"""What each state of a shop is called."""
HEALTH_KINDS: Final[dict[ShopHealth, str]] = {
    ShopHealth.CLONED: "failed",
    ShopHealth.TROUBLE: "failed",
    ShopHealth.REVOKED: "warning",
    ShopHealth.AWAY: "warning",
    ShopHealth.NEVER_JOINED: "skipped",
    ShopHealth.OK: "ok",
    ShopHealth.RETIRED: "skipped",
}
"""How a state is coloured."""


@dataclass(frozen=True, slots=True)
class ShopSearch:
    """What a person looks for."""

    text: str = ""
    """What name, title, version or trouble hold."""
    healths: Sequence[ShopHealth] = ()
    """Only shops in these states."""
    groups: Sequence[str] = ()
    """Only shops of these groups."""
    version: str = ""
    """Only shops with this version."""
    number: int = 1
    """The number of the page."""

    @classmethod
    def parse(cls, request: web.Request) -> "ShopSearch":
        """Read it from a query; what means nothing is left out."""
        query = request.query
        return cls(
            query.get("q", "").strip()[:MAX_SEARCH_LENGTH],
            [one for one in ShopHealth if one.value in query.getall("health", [])],
            [one[:64] for one in query.getall("group", []) if one][:20],
            query.get("version", "")[:64],
            read_page_number(query.get("page", "")),
        )

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves shops out."""
        return bool(self.text or self.healths or self.groups or self.version)

    @property
    def query(self) -> str:
        """It as a query."""
        return self.page(self.number)

    def page(self, number: int) -> str:
        """Return another page of it as a query."""
        pairs = [("q", self.text), *(("health", one.value) for one in self.healths)]
        pairs += [*(("group", one) for one in self.groups), ("version", self.version), ("page", str(number))]
        return urlencode([(name, value) for name, value in pairs if value])

    def find(self, shops: ShopList) -> list[ShopFacts]:
        """Return the shops that fit, the worst first."""
        found = shops.search(self.text, healths=self.healths, groups=self.groups)
        return [one for one in found if one.version == self.version] if self.version else found


@dataclass(frozen=True, slots=True)
class MapArea:
    """The squares of the shops in one state."""

    health: ShopHealth
    """The state."""
    count: int
    """How many shops are in it."""
    path: str
    """The squares as the path of an SVG."""


@dataclass(frozen=True, slots=True)
class ShopMap:
    """A picture with a square for each shop: thousands of them are one path for each state."""

    areas: Sequence[MapArea]
    """The worst first."""
    height: float
    """Its height in units of the drawing."""
    width: int = MAP_WIDTH
    """Its width in units of the drawing."""


def draw_map(counts: Sequence[tuple[ShopHealth, int]]) -> ShopMap:
    """Return the map of so many shops in each state, in this order."""
    total = sum(count for _, count in counts)
    cell = min(_MAX_CELL, max(_MIN_CELL, math.floor(math.sqrt(_MAP_AREA / max(1, total)))))
    columns = int(MAP_WIDTH // cell)
    side = round(cell * (1 - _GAP), 1)
    areas, place = [], 0
    for health, count in counts:
        corners = (((place + one) % columns, (place + one) // columns) for one in range(count))
        path = "".join(f"M{column * cell:g} {row * cell:g}h{side:g}v{side:g}h-{side:g}z" for column, row in corners)
        place += count
        if count:
            areas.append(MapArea(health, count, path))
    return ShopMap(areas, max(1, -(-total // columns)) * cell)


async def show_overview(context: OfficeContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("overview.html", **_gather(context))


async def show_overview_part(context: OfficeContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("overview_part.html", **_gather(context))


def _gather(context: OfficeContext) -> dict[str, Any]:
    shops, search = context.view.shops, ShopSearch.parse(context.request)
    found = search.find(shops)
    counts = shops.counts()
    by_group: dict[str, Counter[ShopHealth]] = {group: Counter() for group in shops.groups()}
    for one in shops:
        if one.record is not None and one.health is not ShopHealth.RETIRED:
            for group in one.record.groups:
                by_group[group][one.health] += 1
    return {
        "search": search,
        "page": cut_page(found, search.number),
        "found": len(found),
        "counts": counts,
        "total": sum(counts.values()),
        "waiting": sum(one.waiting for one in shops),
        "server_troubles": shops.server_troubles,
        "servers": shops.servers,
        "servers_expected": shops.servers_expected,
        "wrong_clocks": [] if context.view.is_old else shops.wrong_clocks,
        "asked_s": time.monotonic() - shops.asked_at,
        "map": draw_map([(health, counts[health]) for health in ShopHealth if health is not ShopHealth.RETIRED]),
        "groups": list(by_group),
        "by_group": by_group,
        "group_columns": [health for health in ShopHealth if health is not ShopHealth.RETIRED and counts[health]],
        "versions": sorted({one.version for one in shops if one.version}, key=natural_key),
        "health_texts": HEALTH_TEXTS,
        "health_kinds": HEALTH_KINDS,
    }


PAGES: Final = (
    OfficePage("GET", "", show_overview, "view"),
    OfficePage("GET", "overview", show_overview_part, "view", shows="part"),
)
