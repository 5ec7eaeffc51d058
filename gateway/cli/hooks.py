"""Commands for hooks: whom the gateway has asked to report events."""

import sys
from typing import Any

import click

from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, fail, with_api
from gateway.cli.output import print_members, print_message, print_table

_COLUMNS = {
    "TARGET": "target",
    "STATE": "state",
    "CALLBACK": "callback",
    "EVENTS": "events",
    "SINCE": "since",
    "LAST ERROR": "last_error",
}
_ENDS_ALL = "This ends the subscriptions of every other system of this account at {}, too."


@click.command()
@with_api
async def hooks(context: CommandContext, api: ApiClient) -> None:
    """List the cloud and the cameras with how their subscriptions stand."""
    context.emit(await api.get("hooks"), lambda document: print_table(document["hooks"], _COLUMNS))


@click.command()
@click.argument("target", metavar="cloud|CAMERA_SN")
@with_api
async def hook(context: CommandContext, api: ApiClient, target: str) -> None:
    """Ask the cloud or a camera to report events to the gateway that runs; it does so by itself, too."""
    _emit(context, await api.call("PUT", _path(target)))


@click.command()
@click.argument("target", metavar="cloud|CAMERA_SN")
@click.option("--yes", is_flag=True, help="Do not ask: other systems' subscriptions may end, too.")
@with_api
async def unhook(context: CommandContext, api: ApiClient, target: str, yes: bool) -> None:
    """End what is subscribed at the cloud or a camera, also by other systems, until `hook` or a restart."""
    what = _ENDS_ALL.format("the cloud" if target == "cloud" else f"the camera {target}")
    if not yes:
        if context.no_input or not sys.stdin.isatty():
            fail(f"{what} Say --yes if that is right")
        if not click.confirm(f"{what} Go on?", err=True):
            fail("nothing was changed")
    _emit(context, await api.call("DELETE", _path(target)))
    print_message("the gateway subscribes again when told to (`events hook`), or when it is started again")


def _path(target: str) -> str:
    return "hooks/cloud" if target == "cloud" else f"hooks/cameras/{target}"


def _emit(context: CommandContext, document: dict[str, Any]) -> None:
    context.emit(document, print_members)
