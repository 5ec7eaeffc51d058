"""Commands for webhooks: tills that events are pushed to."""

import click

from gateway.cli.client import Api
from gateway.cli.messages import messages
from gateway.cli.session import Session, fail, speaks
from gateway.cli.tables import members, show, table

_COLUMNS = {
    "ID": "webhook_id",
    "NAME": "name",
    "URL": "url",
    "TYPES": "types",
    "STATE": "state",
    "BEHIND": "behind",
    "ERROR": "last_error",
}


@click.group()
def webhooks() -> None:
    """Tills that events are pushed to: list, add, show, test, remove."""


@webhooks.command("list")
@speaks
async def list_webhooks(session: Session, api: Api) -> None:
    """List the webhooks and how their deliveries go."""
    session.emit(await api.get("webhooks"), lambda document: table(document["webhooks"], _COLUMNS))


@webhooks.command()
@click.argument("url")
@click.option("--name", default="", help="What people call it.")
@click.option("--types", default="", help="Only these types, separated by commas: face.seen, or a family: 'camera.*'.")
@click.option("--camera", default="", metavar="SN", help="Only events of this camera.")
@speaks
async def add(session: Session, api: Api, url: str, name: str, types: str, camera: str) -> None:
    """Push events to a till's address from now on. Its secret is shown this once."""
    names = [one for one in types.split(",") if one]
    made = await api.post("webhooks", {"url": url, "name": name, "types": names, "camera": camera})
    session.emit(made, members)
    messages.print("the till checks the header webhook-signature with this secret (Standard Webhooks)")


@webhooks.command("show")
@click.argument("webhook_id", metavar="ID")
@speaks
async def show_webhook(session: Session, api: Api, webhook_id: str) -> None:
    """Show a webhook and how its delivery goes."""
    session.emit(await api.get(f"webhooks/{webhook_id}"), members)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@speaks
async def test(session: Session, api: Api, webhook_id: str) -> None:
    """Push a test event now, and tell what became of it."""
    outcome = await api.post(f"webhooks/{webhook_id}/test", {})
    session.emit(outcome, members)
    if not outcome["delivered"]:
        fail(f"the test did not arrive: {outcome['error']}")


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@speaks
async def remove(session: Session, api: Api, webhook_id: str) -> None:
    """Push no more to a till."""
    await api.call("DELETE", f"webhooks/{webhook_id}")
    session.emit({"webhook_id": webhook_id, "removed": True}, lambda _: show(f"{webhook_id}: removed"))
