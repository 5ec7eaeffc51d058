"""The page of the customer flow of all shops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.console.charts import Chart, stack
from gateway.errors import FieldError, InvalidRequest
from gateway.office.shops import unknown_group
from gateway.office_site.flow_table import DAYS
from gateway.office_site.site import OfficeContext, OfficePage

_KINDS: Final[Mapping[str, Message]] = {
    "new": message("new"),
    "repeat": message("regular"),
    "members": message("members"),
}
_TOTAL: Final[Mapping[str, Message]] = {"total": message("customers")}
_TOP: Final = 20
_DEFAULT_DAYS: Final = 14
CHOICES: Final = (7, 14, DAYS)
"""How many days can be shown."""


@dataclass(frozen=True, slots=True)
class FlowChart:
    """A chart with its numbers as a table."""

    series: Mapping[str, Message | str]
    """What its colours mean."""
    rows: Sequence[Mapping[str, Any]]
    """The numbers, with `label`."""
    is_comparison: bool = False
    """Whether the numbers are to be compared, not added up."""

    @property
    def chart(self) -> Chart:
        """The picture."""
        return stack(self.rows, list(self.series), "label", beside=self.is_comparison)


async def show_flow(context: OfficeContext) -> web.StreamResponse:
    """Show the customers by day, of all shops or of a group, and compare two groups."""
    query, flow = context.request.query, context.view.flow
    groups = list(context.view.shops.groups())
    group, other = query.get("group", ""), query.get("with", "")
    if missing := [one for one in (group, other) if one and one not in groups]:
        raise unknown_group(missing[0])
    chosen = _read_days(query.get("days", ""))
    days = flow.days()[-chosen:]
    members = {one: _list_members(context, one) for one in groups if one in (group, other)}
    sums = {day: flow.sum_day(day, members.get(group)) for day in days}
    rows = [{"label": day[5:], **numbers.describe()} for day, numbers in sums.items()]
    has_kinds = any(row[kind] is not None for row in rows for kind in ("new", "repeat"))
    people = FlowChart(_KINDS if has_kinds else _TOTAL, rows)
    compared_rows = [
        {
            "label": row["label"],
            "first": row["total"],
            "second": flow.sum_day(day, members[other]).total,
        }
        for day, row in zip(days, rows, strict=True)
        if other
    ]
    last_day = days[-1] if days else ""
    return context.render(
        "flow.html",
        groups=groups,
        group=group,
        other=other,
        days=chosen,
        choices=CHOICES,
        people=people,
        compared=FlowChart(
            {"first": group or message("all shops"), "second": other}, compared_rows, is_comparison=True
        ),
        today=flow.sum_day(last_day, members.get(group)),
        last_day=last_day,
        counted=flow.count_shops(last_day, members.get(group)),
        top=flow.rank(days, members.get(group))[:_TOP],
    )


def _read_days(text: str) -> int:
    """Return how many days are shown. Raises `InvalidRequest`."""
    if not text:
        return _DEFAULT_DAYS
    for one in CHOICES:
        if text == str(one):
            return one
    reason = message("must be one of {allowed}", allowed=", ".join(map(str, CHOICES)))
    raise InvalidRequest([FieldError("days", reason)])


def _list_members(context: OfficeContext, group: str) -> frozenset[str]:
    return frozenset(one.shop for one in context.view.shops if one.record is not None and group in one.record.groups)


PAGES: Final = (OfficePage("GET", "flow", show_flow, "view"),)
