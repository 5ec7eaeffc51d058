"""Commands for webhooks: tills that receive events."""

import click

from firmware_tools.language import message
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, fail, with_api
from gateway.cli.output import print_line, print_members, print_message, print_table

_COLUMNS = {
    message("ID"): "webhook_id",
    message("NAME"): "name",
    message("URL"): "url",
    message("TYPES"): "types",
    message("STATE"): "state",
    message("BEHIND"): "behind",
    message("ERROR"): "last_error",
}


@click.group()
def webhooks() -> None:
    """Tills that events are pushed to: list, add, show, test, remove."""


@webhooks.command("list")
@with_api
async def list_webhooks(context: CommandContext, api: ApiClient) -> None:
    """List the webhooks and how their deliveries go."""
    nobody = message("there is no webhook: events are pushed to nobody; tills may read the stream instead")
    context.emit(await api.get("webhooks"), lambda shown: print_table(shown["webhooks"], _COLUMNS, empty=nobody))


@webhooks.command()
@click.argument("url")
@click.option("--name", default="", help="What people call it.")
@click.option("--types", default="", help="Only these types, separated by commas: face.seen, or a family: 'camera.*'.")
@click.option("--camera", default="", metavar="SN", help="Only events of this camera.")
@with_api
async def add(context: CommandContext, api: ApiClient, url: str, name: str, types: str, camera: str) -> None:
    """Push events to a till's address from now on. Its secret is shown this once."""
    names = [one for one in types.split(",") if one]
    made = await api.post("webhooks", {"url": url, "name": name, "types": names, "camera": camera})
    context.emit(made, print_members)
    print_message(message("the till checks the header webhook-signature with this secret (Standard Webhooks)"))


@webhooks.command("show")
@click.argument("webhook_id", metavar="ID")
@with_api
async def show_webhook(context: CommandContext, api: ApiClient, webhook_id: str) -> None:
    """Show a webhook and how its delivery goes."""
    context.emit(await api.get(f"webhooks/{webhook_id}"), print_members)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@with_api
async def test(context: CommandContext, api: ApiClient, webhook_id: str) -> None:
    """Push a test event now, and show the outcome."""
    outcome = await api.post(f"webhooks/{webhook_id}/test", {})
    context.emit(outcome, print_members)
    if not outcome["delivered"]:
        fail(message("the test did not arrive: {error}", error=outcome["error"]))


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@with_api
async def remove(context: CommandContext, api: ApiClient, webhook_id: str) -> None:
    """Stop pushing events to a till."""
    await api.call("DELETE", f"webhooks/{webhook_id}")
    context.emit(
        {"webhook_id": webhook_id, "removed": True},
        lambda _: print_line(message("{webhook_id}: removed", webhook_id=webhook_id)),
    )
