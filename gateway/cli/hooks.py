"""Commands for hooks: whom the gateway has asked to report events."""

import sys
from typing import Any

import click

from gateway.cli.client import Api
from gateway.cli.messages import messages
from gateway.cli.session import Session, fail, speaks
from gateway.cli.tables import members, table

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
@speaks
async def hooks(session: Session, api: Api) -> None:
    """List the cloud and the cameras with how their subscriptions stand."""
    session.emit(await api.get("hooks"), lambda document: table(document["hooks"], _COLUMNS))


@click.command()
@click.argument("target", metavar="cloud|CAMERA_SN")
@speaks
async def hook(session: Session, api: Api, target: str) -> None:
    """Ask the cloud or a camera to report events to the gateway that runs; it does so by itself, too."""
    _emit(session, await api.call("PUT", _path(target)))


@click.command()
@click.argument("target", metavar="cloud|CAMERA_SN")
@click.option("--yes", is_flag=True, help="Do not ask: other systems' subscriptions may end, too.")
@speaks
async def unhook(session: Session, api: Api, target: str, yes: bool) -> None:
    """End what is subscribed at the cloud or a camera, also by other systems, until `hook` or a restart."""
    what = _ENDS_ALL.format("the cloud" if target == "cloud" else f"the camera {target}")
    if not yes:
        if session.no_input or not sys.stdin.isatty():
            fail(f"{what} Say --yes if that is right")
        if not click.confirm(f"{what} Go on?", err=True):
            fail("nothing was changed")
    _emit(session, await api.call("DELETE", _path(target)))
    messages.print("the gateway subscribes again when told to (`events hook`), or when it is started again")


def _path(target: str) -> str:
    return "hooks/cloud" if target == "cloud" else f"hooks/cameras/{target}"


def _emit(session: Session, document: dict[str, Any]) -> None:
    session.emit(document, members)
