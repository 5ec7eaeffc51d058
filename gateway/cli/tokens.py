"""Commands for the tokens of tills and installers."""

import click

from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, with_api
from gateway.cli.output import print_line, print_table


@click.group()
def token() -> None:
    """Tokens: create, list, revoke."""


@token.command()
@click.option("--scope", type=click.Choice(["pos", "installer", "admin"]), required=True)
@click.option("--name", required=True, help="Who will hold it; names are unique.")
@with_api
async def create(context: CommandContext, api: ApiClient, scope: str, name: str) -> None:
    """Create a token and print it; it is not shown again."""
    context.emit(await api.post("tokens", {"scope": scope, "name": name}), lambda made: print_line(made["token"]))


@token.command("list")
@with_api
async def list_tokens(context: CommandContext, api: ApiClient) -> None:
    """List the tokens, without the tokens themselves."""
    columns = {"NAME": "name", "SCOPE": "scope", "CREATED": "created_at", "LAST USED": "last_used_at"}
    context.emit(await api.get("tokens"), lambda document: print_table(document["tokens"], columns))


@token.command()
@click.argument("name")
@with_api
async def revoke(context: CommandContext, api: ApiClient, name: str) -> None:
    """Revoke a token; it stops working at once."""
    await api.call("DELETE", f"tokens/{name}")
    context.emit({"name": name, "revoked": True}, lambda _: print_line(f"{name}: revoked"))
