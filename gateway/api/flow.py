"""Customer flow of a shop: today and past days, also while the internet is down."""

from typing import Final

from aiohttp import web
from pydantic import Field

from gateway.api.query import Day, Query, read_query
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response


class ShopQuery(Query):
    """Whose customers are counted."""

    shop_id: str | None = Field(default=None, description="The shop; that of the settings if none is named.")
    sunmi_shop_no: str | None = Field(
        default=None, description="The platform's newer key of a shop, instead of shop_id."
    )

    @property
    def shop(self) -> dict[str, str]:
        """The parameters that name the shop."""
        return self.model_dump(include={"shop_id", "sunmi_shop_no"}, exclude_none=True)


class HistoryQuery(ShopQuery):
    """Whose customers are counted, and on which days."""

    first: Day = Field(alias="from", description="The first day, YYYY-MM-DD, in the shop's own time.")
    last: Day | None = Field(
        default=None,
        alias="to",
        description="The last day, at most 12 months after the first; the first one if not given.",
    )


async def flow_today(context: RequestContext) -> web.StreamResponse:
    """Return how many customers came today, by kind."""
    query = read_query(context.request.query, ShopQuery)
    return json_response(await context.gateway.flow.today(query.shop))


async def flow_history(context: RequestContext) -> web.StreamResponse:
    """Return how many customers came on past days, by kind."""
    query = read_query(context.request.query, HistoryQuery)
    return json_response(await context.gateway.flow.history(query.shop, query.first, query.last or query.first))


_MEMBERS: Final = (
    "`total`, `new`, `repeat` and `members` count customers, `face_not_seen` those whose face was not seen; null is "
    "what the cloud does not count. Times are the shop's: `2026-11-21 09:00`. `ages` has a row for each age range: "
    "`age` in words, the kinds, and `men` and `women` with theirs. `source` is `cloud` if the numbers were fetched for "
    "this response, `cache` if they are cached{mixed}; `fetched_at` is when, `age_s` how many seconds ago, {oldest}. "
    "`unavailable` lists the vendor's endpoints that gave nothing now: `endpoint`, `code` and `detail`, as a problem "
    "has them. What the others gave is there all the same; the call fails only where there are no numbers at all."
)
_TODAY: Final = (
    "The present day of one shop: `hours` is its trend, `date` the day. Numbers are fetched at most every 15 seconds, "
    "and cached ones returned for up to a day while the cloud is away. "
    + _MEMBERS.format(mixed="", oldest="for all of them alike")
)
_HISTORY: Final = (
    "Past days of one shop: `days` has a row for each day, `hours` is for a single day, `weeks` and `months` for that "
    "many days and where the vendor offers them. Over more than 30 days the vendor counts no totals and no ages. The "
    "vendor adds a day on the next one; two days later it is `final`, and not fetched again. "
    + _MEMBERS.format(mixed=", `mixed` if some are", oldest="for the oldest of them")
)

ROUTES = (
    Route("GET", "/api/v1/flow/today", "Customer flow of the present day", flow_today, "pos",
          query=ShopQuery, responses={200: DeclaredResponse(_TODAY, "FlowToday")}),
    Route("GET", "/api/v1/flow/history", "Customer flow of past days", flow_history, "pos",
          query=HistoryQuery, responses={200: DeclaredResponse(_HISTORY, "FlowHistory")}),
)  # fmt: skip
