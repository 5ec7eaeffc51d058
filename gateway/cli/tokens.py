"""Commands for the tokens of tills and installers."""

from typing import Any, get_args

import click

from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, with_api
from gateway.cli.output import print_line, print_table
from gateway.protocol.endpoint import Scope


@click.group()
def token() -> None:
    """Tokens: create, list, revoke."""


@token.command()
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(get_args(Scope)),
    multiple=True,
    required=True,
    help="What its holder may do; may be given several times.",
)
@click.option("--name", required=True, help="Who will hold it; names are unique.")
@with_api
async def create(context: CommandContext, api: ApiClient, scopes: tuple[str, ...], name: str) -> None:
    """Create a token and print it; it is not shown again.

    pos: reading, events, orders, products, labels. media: live video, recordings, snapshots. people: writing faces and
    their pictures. installer: pos, media, and what sets up cameras. admin: everything.
    """
    body = {"scopes": scopes, "name": name}
    context.emit(await api.post("tokens", body), lambda made: print_line(made["token"]))


@token.command("list")
@with_api
async def list_tokens(context: CommandContext, api: ApiClient) -> None:
    """List the tokens, without the tokens themselves."""
    columns = {"NAME": "name", "SCOPE": "scope", "CREATED": "created_at", "LAST USED": "last_used_at"}
    context.emit(await api.get("tokens"), lambda document: print_table(map(_name_scopes, document["tokens"]), columns))


@token.command()
@click.argument("name")
@with_api
async def revoke(context: CommandContext, api: ApiClient, name: str) -> None:
    """Revoke a token; it stops working at once."""
    await api.call("DELETE", f"tokens/{name}")
    context.emit({"name": name, "revoked": True}, lambda _: print_line(f"{name}: revoked"))


def _name_scopes(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a token as the table shows it: with the scopes themselves where they have no name together."""
    return shown | {"scope": ", ".join(shown["scopes"])} if shown["scope"] == "custom" else shown
