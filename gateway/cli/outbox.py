"""Commands for the outbox: calls that wait for the cloud, and those that it refused."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from gateway.cli.arguments import build_body
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, fail, with_api, write_file
from gateway.cli.output import print_line, print_members, print_message, print_table
from gateway.outbox.account import UNKNOWN_ACCOUNT, Account
from gateway.outbox.model import STATES
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE

_COLUMNS = {
    "ID": "outbox_id",
    "PATH": "path",
    "STATE": "state",
    "CREATED": "created_at",
    "ATTEMPTS": "attempts",
    "CODE": "vendor_code",
    "MEANING": "vendor_meaning",
}
_MAX_PAGE = 500


@click.group()
def outbox() -> None:
    """The queue of calls for the cloud: list, show, retry, edit, drop, release, export, stats."""


@outbox.command("list")
@click.option("--state", type=click.Choice(STATES))
@click.option("--path", help="Only this endpoint, such as order/update.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _MAX_PAGE))
@click.option("--after", help="Only items after this one: `next` of the page before.")
@with_api
async def list_items(context: CommandContext, api: ApiClient, /, limit: int, **given: str | None) -> None:
    """List what is in the outbox, in the order of acceptance."""
    query = {name: value for name, value in given.items() if value} | {"limit": str(limit)}
    page = await api.get(f"outbox?{urlencode(query)}")
    context.emit(page, lambda shown: print_table(shown["items"], _COLUMNS))
    if page["next"]:
        print_message(f"there are more: --after {page['next']}")


@outbox.command("show")
@click.argument("outbox_id", metavar="ID")
@with_api
async def show_item(context: CommandContext, api: ApiClient, outbox_id: str) -> None:
    """Show one item, or a call with its items."""
    context.emit(await api.get(f"outbox/{outbox_id}"), print_members)


@outbox.command()
@click.argument("outbox_id", metavar="ID")
@with_api
async def retry(context: CommandContext, api: ApiClient, outbox_id: str) -> None:
    """Send a refused or expired item again."""
    context.emit(await api.post(f"outbox/{outbox_id}/retry", {}), print_members)


@outbox.command()
@click.argument("outbox_id", metavar="ID")
@click.argument("arguments", nargs=-1, required=True, metavar="NAME=VALUE...")
@with_api
async def edit(context: CommandContext, api: ApiClient, outbox_id: str, arguments: tuple[str, ...]) -> None:
    """Replace the parameters of a refused item, which is then sent again."""
    item = await api.get(f"outbox/{outbox_id}")
    parameters = build_body(CATALOGUE.get("cloud", item["path"]), arguments)
    if not isinstance(parameters, dict):
        fail("a file cannot be replaced: drop the item and call again")
    context.emit(await api.call("PUT", f"outbox/{outbox_id}", {"parameters": parameters}), print_members)


@outbox.command()
@click.argument("outbox_id", metavar="ID")
@with_api
async def drop(context: CommandContext, api: ApiClient, outbox_id: str) -> None:
    """Remove an item that was not delivered."""
    await api.call("DELETE", f"outbox/{outbox_id}")
    context.emit({"outbox_id": outbox_id, "dropped": True}, lambda _: print_line(f"{outbox_id}: dropped"))


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
    context.emit(done, lambda _: print_line(f"{done['released']} calls are sent now"))
    if done.get("outdated"):
        print_message(
            f"{done['outdated']} calls stay held: newer ones for the same thing were delivered since; drop them "
            "(sunmi-gateway outbox list --state waiting)"
        )


def _confirm_move(relay: Any) -> None:
    """Show both accounts and ask."""
    for other in relay["other_accounts"]:
        print_message(f"{other['items']} calls wait for {_name_account(other['account'])}")
    print_message(f"the settings name {_name_account(relay['account'])}")
    click.confirm("Send those calls to the account of the settings?", abort=True, err=True)


def _name_account(account: Any) -> str:
    return str(UNKNOWN_ACCOUNT if account is None else Account(**account))


@outbox.command()
@click.option("--state", type=click.Choice(STATES))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; default: standard output.")
@with_api
async def export(context: CommandContext, api: ApiClient, state: str | None, output: Path | None) -> None:
    """Write all items, with their parameters, as one JSON document."""
    items: list[Any] = []
    query = {"limit": str(_MAX_PAGE)} | ({"state": state} if state else {})
    while True:
        page = await api.get(f"outbox?{urlencode(query)}")
        items += page["items"]
        if not page["next"]:
            break
        query["after"] = page["next"]
    text = json_text.dumps({"items": items}, indent=None if context.json else 2)
    if output is None:
        click.echo(text.encode())
        return
    write_file(output, text)
    print_message(f"{len(items)} items written to {output}")


@outbox.command()
@with_api
async def stats(context: CommandContext, api: ApiClient) -> None:
    """Show how many items wait, and for how long."""
    context.emit((await api.get("status"))["outbox"], print_members)
