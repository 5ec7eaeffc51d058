"""How many customers came, and what happens in the store now."""

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.console import charts
from gateway.console.event_texts import FAMILIES, show_event
from gateway.console.page import ConsolePage, PageContext
from gateway.errors import Problem
from gateway.events.event import EventFilter
from gateway.protocol.catalogue.people import format_age_range

_KINDS: Final = {"new": message("new"), "repeat": message("regular"), "members": message("members")}
"""The kinds of customers, in the order in which a column stacks them."""
_ALL: Final = {"total": message("customers")}
"""What a column shows where the vendor counts no kinds."""
_GENDERS: Final = {"men": message("men"), "women": message("women")}
_PERIODS: Final = (7, 30)
"""For how many past days there is a chart."""
_EVENTS: Final = 50
"""How many events are shown."""
_MAX_CAMERA: Final = 64


class _Table(NamedTuple):
    """Numbers that are shown as a chart and as a table."""

    rows: Sequence[Mapping[str, Any]]
    """The rows; `label` names each."""
    series: Mapping[str, Message]
    """The members that are numbers, with what people call them."""
    chart: charts.Chart
    """The chart."""


async def show_today(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("today.html", **(await _gather_flow(context) | await _gather_events(context)))


async def show_flow(context: PageContext) -> web.StreamResponse:
    """Show the customers alone."""
    return context.render("today_flow.html", **await _gather_flow(context))


async def show_events(context: PageContext) -> web.StreamResponse:
    """Show the events alone."""
    return context.render("today_events.html", **await _gather_events(context))


def _encode(context: PageContext, period: int) -> str:
    """Return the query of an address for the customers of another period, with the same events."""
    kept = {name: context.request.query.get(name, "")[:_MAX_CAMERA] for name in ("family", "camera")}
    return urlencode({name: value for name, value in {"days": period or "", **kept}.items() if value})


async def _gather_flow(context: PageContext) -> dict[str, Any]:
    days = context.request.query.get("days", "")
    period = int(days) if days in map(str, _PERIODS) else 0
    flow = context.gateway.flow
    counted: dict[str, Any] = {}
    problem: Problem | None = None
    try:
        if period:
            today = datetime.fromtimestamp(context.gateway.clock.now(), UTC).date()
            counted = await flow.history({}, today - timedelta(days=period), today - timedelta(days=1))
        else:
            counted = await flow.today({})
    except Problem as exc:
        problem = exc
    rows = [
        {**row, "label": str(row["time"])[5:] if period else str(row["time"])[11:16]}
        for row in counted.get("days" if period else "hours") or []
    ]
    kinds = _KINDS if any(row[kind] is not None for row in rows for kind in _KINDS) else _ALL
    ages = [
        {"label": format_age_range(row["age_range"]), **{name: row[name]["total"] for name in _GENDERS}}
        for row in counted.get("ages") or []
    ]
    return {
        "period": period,
        "encode": functools.partial(_encode, context),
        "periods": _PERIODS,
        "flow": counted,
        "flow_problem": problem,
        "people": _Table(rows, kinds, charts.stack(rows, list(kinds), "label")),
        "ages": _Table(ages, _GENDERS, charts.stack(ages, list(_GENDERS), "label")),
    }


async def _gather_events(context: PageContext) -> dict[str, Any]:
    query = context.request.query
    family = query.get("family", "") if query.get("family", "") in FAMILIES else ""
    camera = query.get("camera", "")[:_MAX_CAMERA]
    event_filter = EventFilter.parse(f"{family}.*" if family else "", camera)
    found = await context.gateway.event_log.read_latest(event_filter, limit=_EVENTS)
    return {
        "events": [show_event(event) for event in found],
        "names": {one.sn: one.name for one in context.gateway.registry.all()},
        "family": family,
        "families": FAMILIES,
        "camera": camera,
        "cameras": [one for one in context.gateway.registry.all() if one.managed],
    }


PAGES = (
    ConsolePage("GET", "today", show_today, "pos"),
    ConsolePage("GET", "today/flow", show_flow, "pos", shows="part"),
    ConsolePage("GET", "today/events", show_events, "pos", shows="part"),
)
