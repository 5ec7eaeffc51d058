"""The page of one shop: how it is, what it reports, what is wanted of it, and what can be done with it."""

from datetime import datetime
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.console.event_texts import describe_type
from gateway.errors import InvalidRequest, NotFound
from gateway.fleet.commands import COMMANDS
from gateway.fleet.subjects import shop_key
from gateway.office.desired import find_wanted
from gateway.office.enrolment import Enrolment
from gateway.office.shops import load_shop
from gateway.office_site.event_feed import read_newest
from gateway.office_site.model_form import list_fields, name_errors, read_model
from gateway.office_site.overview import HEALTH_KINDS, HEALTH_TEXTS
from gateway.office_site.shop_reports import read_reports
from gateway.office_site.site import OfficeContext, OfficePage

MAX_EVENTS: Final = 20


async def show_shop(context: OfficeContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("shop.html", **await _gather(context), commands=COMMANDS)


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


async def show_command_run(context: OfficeContext) -> web.StreamResponse:
    """Show what became of a command."""
    return context.render("command_run.html", run=context.view.commands.get(context.request.match_info["run"]))


async def show_command_run_part(context: OfficeContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("command_run_part.html", run=context.view.commands.get(context.request.match_info["run"]))


async def retire_shop(context: OfficeContext) -> web.StreamResponse:
    """Retire a shop: the name has to be typed, since that cannot be undone."""
    shop = context.view.shops.get(context.request.match_info["shop"]).shop
    address = f"/console/shops/{shop}"
    if (await context.read_form()).text("confirm") != shop:
        return context.redirect(address, notice=message("Type the name of the shop to retire it."), failed=True)
    await Enrolment(context.office).retire(shop)
    await context.view.shops.refresh()
    return context.redirect(address, notice=message("{shop} is retired: its gateway cannot connect.", shop=shop))


async def _gather(context: OfficeContext) -> dict[str, Any]:
    facts = context.view.shops.get(context.request.match_info["shop"])
    shop = facts.shop
    document = await load_shop(context.office, shop)
    recent = context.view.events.recent(shop, MAX_EVENTS)
    seen = {one.sequence for one in recent}
    if len(recent) < MAX_EVENTS:
        recent = [*recent, *(one for one in await read_newest(context.office, shop) if one.sequence not in seen)]
    reports = read_reports(document["reported"])
    examined_at = document["reported_at"]["findings"]
    now = await context.office.read_time()
    answers = {} if reports.desired is None else reports.desired.answers
    documents = {key: one["document"] or {} for key, one in document["desired"].items()}
    wanted = find_wanted(documents, document["groups"], shop_key(shop))
    return {
        "examined_at": examined_at,
        "examined_s": None if examined_at is None else (now - datetime.fromisoformat(examined_at)).total_seconds(),
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
        "health_texts": HEALTH_TEXTS,
        "health_kinds": HEALTH_KINDS,
    }


def _find_command(context: OfficeContext) -> Any:
    name = context.request.match_info["command"]
    if name not in COMMANDS:
        raise NotFound(message("there is no command {name}", name=name))
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
        fields=list_fields(COMMANDS[name].arguments, typed, errors),
        problem=problem,
    )


PAGES: Final = (
    OfficePage("GET", "shops/{shop}", show_shop, "view"),
    OfficePage("GET", "shops/{shop}/state", show_shop_state, "view", shows="part"),
    OfficePage("GET", "shops/{shop}/commands/{command}", show_command, "operate"),
    OfficePage("POST", "shops/{shop}/commands/{command}", give_command, "operate", does=message("Give a command")),
    OfficePage("POST", "shops/{shop}/retire", retire_shop, "admin", does=message("Retire a shop")),
    OfficePage("GET", "commands/{run}", show_command_run, "view"),
    OfficePage("GET", "commands/{run}/part", show_command_run_part, "view", shows="part"),
)
