"""Commands for the cloud: calling any of its endpoints."""

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.arguments import build_body
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, with_api
from gateway.cli.encoding import print_json
from gateway.cli.output import print_message
from gateway.errors import NotFound
from gateway.protocol.catalogue import CATALOGUE


@click.group()
def cloud() -> None:
    """The SUNMI store open platform."""


@cloud.command()
@click.argument("path")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@with_api
async def call(context: CommandContext, api: ApiClient, path: str, arguments: tuple[str, ...]) -> None:
    """Call any endpoint of the cloud, such as order/update order_list='[{"order_no": "1"}]'."""
    try:
        known = CATALOGUE.get("cloud", path)
    except NotFound as exc:
        raise click.UsageError(localize(message("{reason} (sunmi-gateway catalogue)", reason=exc))) from exc
    response = await api.post(f"cloud/{known.path}", build_body(known, arguments))
    context.emit(response, print_json)
    if "outbox_id" in response:
        command = f"sunmi-gateway outbox show {response['outbox_id']}"
        print_message(message("kept in the outbox until the cloud has accepted it: {command}", command=command))
