"""Commands of the head office that look at its shops: all of them, one of them, their groups."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import count_message, join, message
from gateway.cli.command import CommandContext
from gateway.cli.office_folder import with_office
from gateway.cli.output import localize_reported, print_line, print_members, print_message, print_table

if TYPE_CHECKING:
    from gateway.fleet.documents import DesiredAnswer
    from gateway.office.office import Office

_HEALTHS: Final = {
    "cloned": message("two gateways"),
    "trouble": message("trouble"),
    "revoked": message("revoked"),
    "away": message("away"),
    "never_joined": message("not joined"),
    "ok": message("ok"),
    "retired": message("retired"),
}
_COLUMNS: Final = {
    message("SHOP"): "shop",
    message("TITLE"): "title",
    message("STATE"): "state",
    message("SINCE"): "since",
    message("VERSION"): "version",
    message("CAMERAS"): "shown_cameras",
    message("WAITING"): "waiting",
    message("REASON"): "shown_reason",
}
_PART_COLUMNS: Final = {
    message("PART"): "part",
    message("WANTED"): "wanted",
    message("FROM"): "key",
    message("STATE"): "outcome",
    message("REASON"): "reason",
}
_GROUP_COLUMNS: Final = {message("GROUP"): "group", message("SHOPS"): "shops"}


@click.command()
@click.argument("search", required=False, default="")
@click.option("--state", "states", multiple=True, type=click.Choice([*_HEALTHS]),
              help="Only shops in this state; may be given again.")  # fmt: skip
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only shops of this group.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many are shown at most.")
@with_office
async def shops(
    context: CommandContext,
    office: "Office",
    *,
    search: str,
    states: Sequence[str],
    groups: Sequence[str],
    limit: int,
) -> None:
    """List the shops, the worst first, or those with SEARCH in name, title, version or what does not work."""
    from gateway.office.shop_facts import ShopHealth
    from gateway.office.shops import load_shops, unknown_group

    known = await load_shops(office)
    named = {group for facts in known if facts.record is not None for group in facts.record.groups}
    if missing := [group for group in groups if group not in named]:
        raise unknown_group(", ".join(missing))
    found = known.search(search, healths=[ShopHealth(state) for state in states], groups=groups)
    document = {
        "shops": [facts.describe() for facts in found[:limit]],
        "found": len(found),
        "counts": {health.value: count for health, count in known.counts().items()},
        "servers": known.describe_servers(),
    }
    context.emit(document, _print_shops)
    if len(found) > limit:
        print_message(message("there are {count} more: --limit {all}", count=len(found) - limit, all=len(found)))


def _print_shops(document: Mapping[str, Any]) -> None:
    if any(document["counts"].values()):
        nothing = message("no shop is like that; without SEARCH, --state and --group all are listed")
    else:
        nothing = message("the chain has no shop yet: `sunmi-gateway office enrol SHOP` adds one")
    print_table(map(_add_words, document["shops"]), _COLUMNS, empty=nothing)
    counts = ((localize(_HEALTHS[health]), count) for health, count in document["counts"].items() if count)
    print_message(", ".join(f"{words} {count}" for words, count in counts))
    servers = document["servers"]
    for trouble in servers["troubles"]:
        server, address, reason = trouble["server"], trouble["address"], trouble["reason"]
        what = message("the server {server} at {address}: {reason}", server=server, address=address, reason=reason)
        print_message(what)
    if servers["answered"] < servers["expected"]:
        print_message(
            message(
                "servers that have said who is connected: only {answered} of {expected}. Shops of the others seem to "
                "be away",
                answered=servers["answered"],
                expected=servers["expected"],
            )
        )
    for text in servers["wrong_clocks"]:
        print_message(text)


def _add_words(shop: dict[str, Any]) -> dict[str, Any]:
    offline, cameras = shop["cameras_offline"], shop["cameras"]
    troubles = [f"{one['name']}: {localize_reported(one['reason'])}" for one in shop["troubles"]]
    if shop["cloned"]:
        troubles.insert(0, " ".join([shop["cloned"]["host"], *shop["cloned"]["addresses"]]))
    return {
        **shop,
        "state": localize(_HEALTHS[shop["health"]]),
        "shown_cameras": f"{cameras - offline}/{cameras}" if cameras else None,
        "shown_reason": localize(join("; ", troubles[:3])),
    }


@click.command()
@click.argument("shop")
@with_office
async def show(context: CommandContext, office: "Office", *, shop: str) -> None:
    """Show one shop as a whole: how it is, what it reports, and what became of what is desired of it."""
    from gateway.office.shops import load_shop

    context.emit(await load_shop(office, shop), _print_shop)


def _print_shop(document: Mapping[str, Any]) -> None:
    from gateway.fleet.subjects import shop_key
    from gateway.office.desired import find_wanted
    from gateway.office_site.shop_reports import read_reports

    shown = _add_words(dict(document))
    members = ("shop", "title", "groups", "state", "since", "heard_at", "version", "shown_cameras", "waiting")
    print_members({name.removeprefix("shown_"): shown[name] for name in members})
    for trouble in document["troubles"]:
        print_line(f"{trouble['kind']} {trouble['name']}: {localize_reported(trouble['reason'])}")
    reports = read_reports(document["reported"])
    for one in reports.findings:
        if one.advice:
            print_line(f"  {one.check}: {localize_reported(one.advice)}")
    answers = {} if reports.desired is None else reports.desired.answers
    for key, one in document["desired"].items():
        if one["document"] is None:
            print_line(message("{key} is damaged: `sunmi-gateway office unset document` empties it", key=key))
    documents = {key: one["document"] or {} for key, one in document["desired"].items()}
    wanted = find_wanted(documents, document["groups"], shop_key(document["shop"]))
    rows = [
        _describe_answer(answers.get(part))
        | ({"wanted": wanted[part].text, "key": wanted[part].key} if part in wanted else {})
        | {"part": part}
        for part in sorted({*answers, *wanted})
    ]
    if rows:
        print_table(rows, _PART_COLUMNS)


def _describe_answer(answer: "DesiredAnswer | None") -> dict[str, str]:
    from gateway.office.outcome_texts import DESIRED_OUTCOMES

    if answer is None:
        return {}
    return {"outcome": localize(DESIRED_OUTCOMES[answer.outcome]), "reason": localize_reported(answer.reason)}


@click.group()
def groups() -> None:
    """Groups of shops: list, add, remove."""


@groups.command("list")
@with_office
async def list_groups(context: CommandContext, office: "Office") -> None:
    """List the groups, and how many shops each has."""
    from gateway.office.shops import load_shops

    found = [{"group": group, "shops": count} for group, count in (await load_shops(office)).groups().items()]
    nothing = message("no shop is in a group: sunmi-gateway office groups add GROUP --shop SHOP")
    context.emit({"groups": found}, lambda shown: print_table(shown["groups"], _GROUP_COLUMNS, empty=nothing))


@groups.command("add")
@click.argument("group")
@click.option("--shop", "names", multiple=True, required=True, metavar="SHOP", help="This shop; may be given again.")
@with_office
async def add_to_group(context: CommandContext, office: "Office", *, group: str, names: Sequence[str]) -> None:
    """Put shops into a GROUP. Of several groups of a shop the last one wins."""
    await _change_groups(context, office, names, add=[group])


@groups.command("remove")
@click.argument("group")
@click.option("--shop", "names", multiple=True, required=True, metavar="SHOP", help="This shop; may be given again.")
@with_office
async def remove_from_group(context: CommandContext, office: "Office", *, group: str, names: Sequence[str]) -> None:
    """Take shops out of a GROUP: what is desired of it does not concern them any more."""
    await _change_groups(context, office, names, remove=[group])


async def _change_groups(
    context: CommandContext, office: "Office", names: Sequence[str], *, add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> None:  # fmt: skip
    from gateway.office.changes import change_groups

    changed = {name: await change_groups(office, name, add=add, remove=remove) for name in dict.fromkeys(names)}
    context.emit({"groups": changed}, lambda _: print_line(_describe_changed(len(changed))))


def _describe_changed(count: int) -> str:
    return count_message("{count} shop is changed", "{count} shops are changed", count)
