"""Commands for hooks: the subscriptions at the cloud and at cameras."""

from typing import Any

import click

from firmware_tools.language import message
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, confirm_end, with_api
from gateway.cli.output import print_members, print_message, print_table

_COLUMNS = {
    message("TARGET"): "target",
    message("STATE"): "state",
    message("CALLBACK"): "callback",
    message("EVENTS"): "events",
    message("SINCE"): "since",
    message("LAST ERROR"): "last_error",
}


@click.command()
@with_api
async def hooks(context: CommandContext, api: ApiClient) -> None:
    """List the subscriptions at the cloud and at cameras, and their states."""
    nobody = message("there is no subscription: neither the cloud nor a camera reports events to this gateway")
    context.emit(await api.get("hooks"), lambda shown: print_table(shown["hooks"], _COLUMNS, empty=nobody))


@click.command()
@click.argument("target", metavar="cloud|CAMERA_SN")
@with_api
async def hook(context: CommandContext, api: ApiClient, target: str) -> None:
    """Subscribe to the events of the cloud or a camera now; a running gateway also does so automatically."""
    _print_hook(context, await api.call("PUT", _path(target)))


@click.command()
@click.argument("target", metavar="cloud|CAMERA_SN")
@click.option("--yes", is_flag=True, help="Do not ask: other systems' subscriptions may end, too.")
@with_api
async def unhook(context: CommandContext, api: ApiClient, target: str, yes: bool) -> None:
    """End all subscriptions at the cloud or a camera, also of other systems, until `hook` or a restart."""
    warning = message(
        "This ends the subscriptions of every other system of this account at {target}, too.",
        target=message("the cloud") if target == "cloud" else message("the camera {sn}", sn=target),
    )
    await confirm_end(context, warning, is_given=yes)
    _print_hook(context, await api.call("DELETE", _path(target)))
    print_message(message("the gateway subscribes again with `events hook`, or when it is restarted"))


def _path(target: str) -> str:
    return "hooks/cloud" if target == "cloud" else f"hooks/cameras/{target}"


def _print_hook(context: CommandContext, document: dict[str, Any]) -> None:
    context.emit(document, print_members)
