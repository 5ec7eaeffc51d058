"""Commands for the outbox: what waits for the cloud, what it refused, and what becomes of that."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from gateway.cli.arguments import vendor_body
from gateway.cli.client import Api
from gateway.cli.messages import messages
from gateway.cli.session import Session, fail, speaks, write_file
from gateway.cli.tables import members, show, table
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
_PAGE = 500


@click.group()
def outbox() -> None:
    """The queue towards the cloud: list, show, retry, edit, drop, release, export, stats."""


@outbox.command("list")
@click.option("--state", type=click.Choice(STATES))
@click.option("--path", help="Only this endpoint, such as order/update.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _PAGE))
@click.option("--after", help="Go on after this, the `next` of the page before.")
@speaks
async def list_items(session: Session, api: Api, /, limit: int, **given: str | None) -> None:
    """List what is in the outbox, in the order of acceptance."""
    query = {name: value for name, value in given.items() if value} | {"limit": str(limit)}
    page = await api.get(f"outbox?{urlencode(query)}")
    session.emit(page, lambda shown: table(shown["items"], _COLUMNS))
    if page["next"]:
        messages.print(f"there are more: --after {page['next']}")


@outbox.command("show")
@click.argument("outbox_id", metavar="ID")
@speaks
async def show_item(session: Session, api: Api, outbox_id: str) -> None:
    """Show one item, or a call with its items."""
    session.emit(await api.get(f"outbox/{outbox_id}"), members)


@outbox.command()
@click.argument("outbox_id", metavar="ID")
@speaks
async def retry(session: Session, api: Api, outbox_id: str) -> None:
    """Send a refused or expired item again."""
    session.emit(await api.post(f"outbox/{outbox_id}/retry", {}), members)


@outbox.command()
@click.argument("outbox_id", metavar="ID")
@click.argument("arguments", nargs=-1, required=True, metavar="NAME=VALUE...")
@speaks
async def edit(session: Session, api: Api, outbox_id: str, arguments: tuple[str, ...]) -> None:
    """Replace the parameters of a refused item, which is then sent again."""
    item = await api.get(f"outbox/{outbox_id}")
    parameters = vendor_body(CATALOGUE.get("cloud", item["path"]), arguments)
    if not isinstance(parameters, dict):
        fail("a file cannot be replaced: drop the item and call again")
    session.emit(await api.call("PUT", f"outbox/{outbox_id}", {"parameters": parameters}), members)


@outbox.command()
@click.argument("outbox_id", metavar="ID")
@speaks
async def drop(session: Session, api: Api, outbox_id: str) -> None:
    """Remove an item that was not delivered."""
    await api.call("DELETE", f"outbox/{outbox_id}")
    session.emit({"outbox_id": outbox_id, "dropped": True}, lambda _: show(f"{outbox_id}: dropped"))


@outbox.command()
@speaks
async def release(session: Session, api: Api) -> None:
    """Send what a restored outbox holds back; list it first, and drop what is out of date."""
    session.emit(await api.post("outbox/release", {}), lambda done: show(f"{done['released']} calls are sent now"))


@outbox.command()
@click.option("--state", type=click.Choice(STATES))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; default: standard output.")
@speaks
async def export(session: Session, api: Api, state: str | None, output: Path | None) -> None:
    """Write all items, with their parameters, as one JSON document."""
    items: list[Any] = []
    query = {"limit": str(_PAGE)} | ({"state": state} if state else {})
    while True:
        page = await api.get(f"outbox?{urlencode(query)}")
        items += page["items"]
        if not page["next"]:
            break
        query["after"] = page["next"]
    text = json_text.dumps({"items": items}, indent=None if session.json else 2)
    if output is None:
        click.echo(text)
        return
    write_file(output, text)
    messages.print(f"{len(items)} items written to {output}", markup=False)


@outbox.command()
@speaks
async def stats(session: Session, api: Api) -> None:
    """Tell how much waits, and for how long."""
    session.emit((await api.get("status"))["outbox"], members)
