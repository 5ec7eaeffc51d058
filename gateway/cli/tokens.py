"""Commands for the tokens of tills and installers."""

import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, get_args

import click
import segno

from firmware_tools.language import message
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, with_api
from gateway.cli.output import messages, print_line, print_message, print_table
from gateway.protocol.endpoint import Scope

P = ParamSpec("P")
T = TypeVar("T")


def _scope_option(**attributes: Any) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return the option `--scope`, with the attributes that differ between the commands."""
    return click.option(
        "--scope",
        "scopes",
        type=click.Choice(get_args(Scope)),
        multiple=True,
        help="What its holder may do; may be given several times.",
        **attributes,
    )


@click.group()
def token() -> None:
    """Tokens: create, list, pair, revoke."""


@token.command()
@_scope_option(required=True)
@click.option("--name", required=True, help="Who will hold it; names are unique.")
@with_api
async def create(context: CommandContext, api: ApiClient, scopes: tuple[str, ...], name: str) -> None:
    """Create a token and print it; it is not shown again.

    pos: reading, events, orders, products, labels. media: live video, recordings, snapshots. people: writing faces and
    their pictures. installer: pos, media, and what sets up cameras. admin: everything.
    """
    body = {"scopes": scopes, "name": name}
    context.emit(await api.post("tokens", body), lambda made: print_line(made["token"]))


@token.command()
@_scope_option(default=("admin",), show_default=True)
@click.option("--name", default="console", show_default=True, help="What the session is called.")
@with_api
async def pair(context: CommandContext, api: ApiClient, scopes: tuple[str, ...], name: str) -> None:
    """Make a code that opens a session at the console: good for one device, within 10 minutes."""
    context.emit(await api.post("pairing-codes", {"scopes": scopes, "name": name}), _show_code)


def _show_code(made: dict[str, Any]) -> None:
    print_line(made["code"])
    print_message(
        message("Type it within {minutes:.0f} minutes at one of these addresses:", minutes=made["valid_s"] / 60)
    )
    for url in made["urls"]:
        messages.print(url, markup=False, soft_wrap=True)
    if sys.stdout.isatty():
        segno.make(made["sign_in_urls"][0], error="m", micro=False).terminal(sys.stdout, compact=True)


@token.command("list")
@with_api
async def list_tokens(context: CommandContext, api: ApiClient) -> None:
    """List the tokens, without the tokens themselves."""
    columns = {
        message("NAME"): "name",
        message("SCOPE"): "scope",
        message("CREATED"): "created_at",
        message("LAST USED"): "last_used_at",
    }
    nobody = message("there is no token: no till can call the gateway until `sunmi-gateway token create` makes one")
    document = await api.get("tokens")
    context.emit(document, lambda shown: print_table(map(_name_scopes, shown["tokens"]), columns, empty=nobody))


@token.command()
@click.argument("name")
@with_api
async def revoke(context: CommandContext, api: ApiClient, name: str) -> None:
    """Revoke a token; it stops working at once."""
    await api.call("DELETE", f"tokens/{name}")
    context.emit({"name": name, "revoked": True}, lambda _: print_line(message("{name}: revoked", name=name)))


def _name_scopes(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a token as the table shows it: with the scopes themselves where they have no name together."""
    return shown | {"scope": ", ".join(shown["scopes"])} if shown["scope"] == "custom" else shown
