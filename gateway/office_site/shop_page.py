"""The page of one shop: how it is, what it reports, what is wanted of it, and what can be done with it."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.console.event_texts import describe_type
from gateway.errors import InvalidRequest, NotFound
from gateway.fleet.commands import CHOICE_TEXTS, COMMANDS, find_command_name
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import shop_key
from gateway.fleet_settings import CommandName
from gateway.office.desired import find_wanted
from gateway.office.enrolment import Enrolment
from gateway.office.outcome_texts import CALL_OUTCOMES, DESIRED_OUTCOMES
from gateway.office.shops import load_shop
from gateway.office_site.argument_texts import ARGUMENT_TEXTS
from gateway.office_site.event_feed import ChainEvent, read_newest
from gateway.office_site.model_form import list_fields, name_errors, read_model
from gateway.office_site.overview import HEALTH_KINDS, HEALTH_TEXTS
from gateway.office_site.shop_reports import read_reports
from gateway.office_site.site import OfficeContext, OfficePage

MAX_EVENTS: Final = 20
_EVENTS_TIMEOUT_S: Final = 2.0
"""How long the stream of events is waited for."""


async def show_shop(context: OfficeContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("shop.html", **await _gather(context))


async def show_shop_state(context: OfficeContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("shop_state.html", **await _gather(context))


async def show_command(context: OfficeContext) -> web.StreamResponse:
    """Show the form of a command."""
    return _render_command(context)


async def give_command(context: OfficeContext) -> web.StreamResponse:
    """Give a command to the shop, in the background: its page shows what becomes of it."""
    shop, name = context.request.match_info["shop"], _find_command(context)
    form = await context.read_form()
    model = COMMANDS[name].arguments
    try:
        context.view.shops.get(shop)
        arguments = read_model(model, form)
    except InvalidRequest as exc:
        typed = {field: form.text(field) for field in model.model_fields}
        return _render_command(context, problem=exc, typed=typed)
    made = context.view.commands.start(context.office, name, arguments, [shop])
    return context.redirect(f"/console/commands/{made.id}")


async def retire_shop(context: OfficeContext) -> web.StreamResponse:
    """Retire a shop: the name has to be typed, since that cannot be undone."""
    shop = context.view.shops.get(context.request.match_info["shop"]).shop
    address = f"/console/shops/{shop}"
    if (await context.read_form()).text("confirm") != shop:
        return context.redirect(address, notice=message("Type the name of the shop to retire it."), failed=True)
    await Enrolment(context.office).retire(shop)
    await context.view.shops.refresh()
    return context.redirect(address, notice=message("{shop} is retired: its gateway cannot connect.", shop=shop))


async def _find_events(context: OfficeContext, shop: str) -> Sequence[ChainEvent]:
    """Return the newest events of a shop: those that are known, and of each type that is missing the newest one.

    The stream answers late while a shop floods it. The page does without it then.
    """
    recent = context.view.events.recent(shop, MAX_EVENTS)
    if len(recent) == MAX_EVENTS:
        return recent
    seen = {one.sequence for one in recent}
    with contextlib.suppress(TimeoutError, HeadOfficeUnavailable):
        async with asyncio.timeout(_EVENTS_TIMEOUT_S):
            newest = await read_newest(context.office, shop)
            return [*recent, *(one for one in newest if one.sequence not in seen)]
    return recent


async def _gather(context: OfficeContext) -> dict[str, Any]:
    facts = context.view.shops.get(context.request.match_info["shop"])
    shop = facts.shop
    document = await load_shop(context.office, shop)
    recent = await _find_events(context, shop)
    reports = read_reports(document["reported"])
    examined_at, now = document["reported_at"]["findings"], context.view.clock.now()
    answers = {} if reports.desired is None else reports.desired.answers
    documents = {key: one["document"] or {} for key, one in document["desired"].items()}
    wanted = find_wanted(documents, document["groups"], shop_key(shop))
    return {
        "examined_at": examined_at,
        "examined_s": examined_at and max(0.0, now - datetime.fromisoformat(examined_at).timestamp()),
        "shop": facts,
        "desired": document["desired"],
        "reports": reports,
        "wanted": wanted,
        "answers": answers,
        "parts": [*answers, *(part for part in wanted if part not in answers)],
        "revisions": {} if reports.desired is None else reports.desired.revisions,
        "own_key": shop_key(shop),
        "events": [(one, describe_type(one.type)) for one in recent[:MAX_EVENTS]],
        "flow": context.view.flow.of_shop(shop),
        "calls": context.view.commands.of_shop(shop),
        "commands": COMMANDS,
        "call_texts": CALL_OUTCOMES,
        "desired_texts": DESIRED_OUTCOMES,
        "health_texts": HEALTH_TEXTS,
        "health_kinds": HEALTH_KINDS,
    }


def _find_command(context: OfficeContext) -> CommandName:
    text = context.request.match_info["command"]
    name = find_command_name(text)
    if name is None:
        raise NotFound(message("there is no command {name}", name=text))
    return name


def _render_command(
    context: OfficeContext, *, problem: InvalidRequest | None = None, typed: dict[str, str] | None = None
) -> web.Response:
    name = _find_command(context)
    shop = context.view.shops.get(context.request.match_info["shop"])
    errors = {} if problem is None else name_errors(problem)
    return context.render(
        "command.html",
        status=200 if problem is None else problem.status,
        shop=shop,
        name=name,
        command=COMMANDS[name],
        fields=list_fields(COMMANDS[name].arguments, ARGUMENT_TEXTS, CHOICE_TEXTS, typed, errors),
        problem=problem,
    )


PAGES: Final = (
    OfficePage("GET", "shops/{shop}", show_shop, "view"),
    OfficePage("GET", "shops/{shop}/state", show_shop_state, "view", shows="part"),
    OfficePage("GET", "shops/{shop}/commands/{command}", show_command, "operate"),
    OfficePage("POST", "shops/{shop}/commands/{command}", give_command, "operate", does=message("Give a command")),
    OfficePage("POST", "shops/{shop}/retire", retire_shop, "admin", does=message("Retire a shop")),
)
