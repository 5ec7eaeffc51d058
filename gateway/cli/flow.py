"""Commands for customer flow: the numbers of a day or of some days, drawn in the terminal."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import click

from firmware_tools.language import count_message, join, message
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, with_api
from gateway.cli.output import print_bars, print_line, print_message, print_table

Command = TypeVar("Command", bound=Callable[..., Any])

_KINDS: Final = {
    "new": message("new"),
    "repeat": message("repeat"),
    "members": message("members"),
    "face_not_seen": message("with no face seen"),
}
_AGES: Final = {
    message("AGE"): "age",
    message("NEW"): "new",
    message("REPEAT"): "repeat",
    message("MEMBERS"): "members",
    message("MEN"): "men",
    message("WOMEN"): "women",
}
_STEPS: Final = ("hours", "days", "weeks", "months")
_DAY: Final = click.DateTime(formats=["%Y-%m-%d"])


def _shop_options(command: Command) -> Command:
    shop_id = click.option("--shop-id", metavar="ID", help="The shop; default: that of the settings.")
    shop_no = click.option("--sunmi-shop-no", metavar="NO", help="The platform's newer key of the shop, instead.")
    return shop_id(shop_no(command))


@click.group()
def flow() -> None:
    """How many customers came: today, history."""


@flow.command()
@_shop_options
@with_api
async def today(context: CommandContext, api: ApiClient, /, **shop: str | None) -> None:
    """Draw the present day by the hour."""
    await _print_flow(context, api, "today", shop)


@flow.command()
@click.option("--from", "first", type=_DAY, required=True, metavar="DAY", help="The first day, YYYY-MM-DD.")
@click.option("--to", "last", type=_DAY, metavar="DAY", help="The last day; the first one if not given.")
@_shop_options
@with_api
async def history(
    context: CommandContext, api: ApiClient, /, first: datetime, last: datetime | None, **shop: str | None
) -> None:
    """Draw past days: one by the hour, more by the day."""
    days: dict[str, str | None] = {"from": f"{first:%Y-%m-%d}", "to": f"{last or first:%Y-%m-%d}"}
    await _print_flow(context, api, "history", shop | days)


async def _print_flow(context: CommandContext, api: ApiClient, kind: str, query: dict[str, str | None]) -> None:
    given = {name: value for name, value in query.items() if value is not None}
    document = await api.get(f"flow/{kind}?{urlencode(given)}")
    context.emit(document, _draw)
    for one in document["unavailable"]:
        print_message(f"{one['endpoint']}: {one['detail']}")


def _draw(document: Any) -> None:
    days = (
        document["date"] or message("today") if "date" in document else _format_range(document["from"], document["to"])
    )
    print_line(
        message(
            "shop {shop_id}, {days}: {customers}",
            shop_id=document["shop_id"] or document["sunmi_shop_no"],
            days=days,
            customers=_summarise(document),
        )
    )
    print_line(_describe_source(document))
    steps: list[Any] = next((document[name] for name in _STEPS if document.get(name)), [])
    if steps:
        print_line("")
        print_bars([(str(step["time"]).rpartition(" ")[2], step["total"]) for step in steps])
    if document["ages"]:
        print_line("")
        rows = [{**row, **{one: (row[one] or {}).get("total") for one in ("men", "women")}} for row in document["ages"]]
        columns = {heading: name for heading, name in _AGES.items() if any(row[name] is not None for row in rows)}
        print_table(rows, columns)


def _format_range(first: str, last: str) -> str:
    return first if first == last else message("{first} to {last}", first=first, last=last)


def _summarise(document: Any) -> str:
    total = document["total"]
    kinds = [
        message("{number} {kind}", number=document[name], kind=kind)
        for name, kind in _KINDS.items()
        if document[name] is not None
    ]
    customers = (
        message("total not known") if total is None else count_message("{count} customer", "{count} customers", total)
    )
    return message("{customers} ({kinds})", customers=customers, kinds=join(", ", kinds)) if kinds else customers


def _describe_source(document: Any) -> str:
    if document["source"] == "cloud":
        return message("just fetched from the cloud")
    age_s = document["age_s"]
    source = message("cached") if document["source"] == "cache" else message("partly cached")
    units = ((86400, message("days")), (3600, message("h")), (60, message("min")))
    seconds, unit = next(((seconds, unit) for seconds, unit in units if age_s >= 2 * seconds), (1, message("s")))
    age = f"{age_s if seconds == 1 else age_s // seconds:.0f}"
    return message("{source}, fetched {age} {unit} ago", source=source, age=age, unit=unit)
