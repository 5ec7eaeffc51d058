"""Commands for the outbox: calls that wait for the cloud, and those that it refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlencode

import click

from firmware_tools.command_language import localize
from firmware_tools.language import count_message, message
from gateway.cli.arguments import build_body
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, fail, with_api, write_file, writing_results
from gateway.cli.output import print_line, print_members, print_message, print_table
from gateway.outbox.account import UNKNOWN_ACCOUNT, Account
from gateway.outbox.model import STATES
from gateway.outbox.reasons import recognise_reason
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE

_COLUMNS = {
    message("ID"): "outbox_id",
    message("PATH"): "path",
    message("NUMBER"): "reference",
    message("STATE"): "state",
    message("CREATED"): "created_at",
    message("ATTEMPTS"): "attempts",
    message("CODE"): "vendor_code",
    message("REASON"): "reason",
}
"""NUMBER is the number of the order, or the id of the product or label."""
_MAX_PAGE = 500

P = ParamSpec("P")
T = TypeVar("T")


@click.group()
def outbox() -> None:
    """The queue of calls for the cloud: list, show, retry, edit, drop, release, export, stats."""


def _filter_options(*states: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that adds the options which say what items are meant."""
    options = (
        click.option("--state", type=click.Choice(states), help="Only items in this state."),
        click.option("--path", help="Only this endpoint, such as order/update."),
        click.option("--code", type=click.IntRange(0), help="Only items with this code of the vendor."),
        click.option("--before", metavar="TIME", help="Only items accepted before this day or time, in UTC."),
    )

    def decorate(command: Callable[P, T]) -> Callable[P, T]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@outbox.command("list")
@_filter_options(*STATES)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _MAX_PAGE))
@click.option("--after", help="Only items after this one: `next` of the page before.")
@with_api
async def list_items(context: CommandContext, api: ApiClient, /, limit: int, **given: Any) -> None:
    """List what is in the outbox, in the order of acceptance."""
    page = await api.get(f"outbox?{urlencode(_drop_empty(given) | {'limit': limit})}")
    is_filtered = bool(given.get("after") or _drop_empty({k: v for k, v in given.items() if k != "after"}))
    nothing = (
        message("no item is like that; without options, `sunmi-gateway outbox list` shows all")
        if is_filtered
        else message("the outbox is empty: no call waits, and none was refused")
    )
    context.emit(page, lambda shown: print_table(map(_add_reason, shown["items"]), _COLUMNS, empty=nothing))
    if page["next"]:
        print_message(message("there are more: --after {next}", next=page["next"]))


def _drop_empty(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _add_reason(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item with the reason for which it was refused or is held."""
    held = localize(message("held for {account}", account=item["held_for"])) if item["held_for"] else None
    return {**item, "reason": recognise_reason(item["vendor_meaning"] or "") or held}


@outbox.command("show")
@click.argument("outbox_id", metavar="ID")
@with_api
async def show_item(context: CommandContext, api: ApiClient, outbox_id: str) -> None:
    """Show one item, or a call with its items."""
    context.emit(await api.get(f"outbox/{outbox_id}"), print_members)


@outbox.command()
@click.argument("outbox_id", metavar="[ID]", required=False)
@_filter_options("refused", "expired")
@click.option("--all", "everything", is_flag=True, help="All refused and expired items.")
@with_api
async def retry(
    context: CommandContext, api: ApiClient, /, outbox_id: str | None, *, everything: bool, **given: Any
) -> None:
    """Send a refused or expired item again, or many at once."""
    wanted = _select(outbox_id, given, everything=everything)
    if outbox_id is not None:
        item = await api.post(f"outbox/{outbox_id}/retry", {})
        context.emit(item, print_members)
        _print_left({} if context.json else item)
        return
    done = await api.post("outbox/retry", wanted)
    said = count_message("{count} call is sent again", "{count} calls are sent again", done["retried"])
    context.emit(done, lambda _: print_line(said))
    _print_left({} if context.json else done)


def _select(outbox_id: str | None, given: Mapping[str, Any], *, everything: bool) -> dict[str, Any]:
    """Return which items are meant. Ends the command unless that is one item, or what the options say."""
    wanted = _drop_empty(given) | ({"all": True} if everything else {})
    if (outbox_id is None) != bool(wanted):
        fail(message("name one item by its ID, or many with --state, --path, --code, --before or --all"))
    return wanted


def _print_left(done: Mapping[str, Any]) -> None:
    """Say with which items nothing was done."""
    for left in done.get("left_items", ()):
        print_message(left["reason"])
    if (more := done.get("left", 0) - len(done.get("left_items", ()))) > 0:
        print_message(message("and {more} more", more=more))


@outbox.command()
@click.argument("outbox_id", metavar="ID")
@click.argument("arguments", nargs=-1, required=True, metavar="NAME=VALUE...")
@with_api
async def edit(context: CommandContext, api: ApiClient, outbox_id: str, arguments: tuple[str, ...]) -> None:
    """Replace the parameters of a refused item, which is then sent again."""
    item = await api.get(f"outbox/{outbox_id}")
    parameters = build_body(CATALOGUE.get("cloud", item["path"]), arguments)
    if not isinstance(parameters, dict):
        fail(message("a file cannot be replaced: drop the item and call again"))
    context.emit(await api.call("PUT", f"outbox/{outbox_id}", {"parameters": parameters}), print_members)


@outbox.command()
@click.argument("outbox_id", metavar="[ID]", required=False)
@_filter_options("refused", "expired", "waiting", "superseded")
@click.option("--all", "everything", is_flag=True, help="Everything that was not delivered.")
@click.option("--yes", is_flag=True, help="For many items: do not ask.")
@with_api
async def drop(
    context: CommandContext, api: ApiClient, /, outbox_id: str | None, *, everything: bool, yes: bool, **given: Any
) -> None:
    """Remove an item that was not delivered, or many at once."""
    wanted = _select(outbox_id, given, everything=everything)
    if outbox_id is not None:
        await api.call("DELETE", f"outbox/{outbox_id}")
        context.emit(
            {"outbox_id": outbox_id, "dropped": True},
            lambda _: print_line(message("{outbox_id}: dropped", outbox_id=outbox_id)),
        )
        return
    if not yes:
        question = message("Drop these calls? They can not be had back (outbox export keeps a copy)")
        click.confirm(localize(question), abort=True, err=True)
    done = await api.post("outbox/drop", wanted)
    said = count_message("{count} call dropped", "{count} calls dropped", done["dropped"])
    context.emit(done, lambda _: print_line(said))
    _print_left({} if context.json else done)


@outbox.command()
@click.option("--to-current", is_flag=True, help="Send what waits for another account to that of the settings.")
@click.option("--yes", is_flag=True, help="With --to-current: do not ask.")
@with_api
async def release(context: CommandContext, api: ApiClient, *, to_current: bool, yes: bool) -> None:
    """Send what a restored outbox holds back, or what waits for an account of earlier settings.

    List it first, and drop what is out of date.
    """
    if to_current and not yes:
        _confirm_move((await api.get("status"))["relay"])
    done = await api.post("outbox/release", {"to_current": True} if to_current else {})
    said = count_message("{count} call is sent now", "{count} calls are sent now", done["released"])
    context.emit(done, lambda _: print_line(said))
    if done.get("outdated"):
        print_message(
            count_message(
                "{count} call stays held: a newer one for the same thing was delivered since; drop it (sunmi-gateway "
                "outbox list --state waiting)",
                "{count} calls stay held: newer ones for the same thing were delivered since; drop them (sunmi-gateway "
                "outbox list --state waiting)",
                done["outdated"],
            )
        )


def _confirm_move(relay: Any) -> None:
    """Show both accounts and ask."""
    for other in relay["other_accounts"] or ():
        print_message(
            count_message(
                "{count} call waits for {account}",
                "{count} calls wait for {account}",
                other["items"],
                account=_name_account(other["account"]),
            )
        )
    print_message(message("the settings name {account}", account=_name_account(relay["account"])))
    click.confirm(localize(message("Send those calls to the account of the settings?")), abort=True, err=True)


def _name_account(account: Any) -> str:
    return str(UNKNOWN_ACCOUNT if account is None else Account(**account))


@outbox.command()
@_filter_options(*STATES)
@click.option("--all", "everything", is_flag=True, help="All items, which is the default.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; default: standard output.")
@with_api
async def export(
    context: CommandContext, api: ApiClient, /, output: Path | None, *, everything: bool, **given: Any
) -> None:
    """Write items, with their parameters, as one JSON document: all, or those that the options say."""
    if everything and _drop_empty(given):
        fail(message("give either --all or other options"))
    items = await api.get_all("outbox", "items", _drop_empty(given) | {"limit": _MAX_PAGE})
    text = json_text.dumps({"items": items}, indent=None if context.json else 2)
    if output is None:
        with writing_results():
            click.echo(text.encode())
        return
    write_file(output, text)
    print_message(
        count_message(
            "{count} item written to {output}", "{count} items written to {output}", len(items), output=output
        )
    )


@outbox.command()
@with_api
async def stats(context: CommandContext, api: ApiClient) -> None:
    """Show how many items wait, and for how long."""
    context.emit((await api.get("status"))["outbox"], print_members)
