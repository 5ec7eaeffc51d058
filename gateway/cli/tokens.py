"""Commands for the tokens with which tills and installers call the gateway."""

import click

from gateway.cli.client import Api
from gateway.cli.session import Session, speaks
from gateway.cli.tables import show, table


@click.group()
def token() -> None:
    """Tokens: create, list, revoke."""


@token.command()
@click.option("--scope", type=click.Choice(["pos", "installer", "admin"]), required=True)
@click.option("--name", required=True, help="Who will hold it; names are unique.")
@speaks
async def create(session: Session, api: Api, scope: str, name: str) -> None:
    """Make a token and print it; it is not shown again."""
    session.emit(await api.post("tokens", {"scope": scope, "name": name}), lambda made: show(made["token"]))


@token.command("list")
@speaks
async def list_tokens(session: Session, api: Api) -> None:
    """List the tokens, without the tokens themselves."""
    columns = {"NAME": "name", "SCOPE": "scope", "CREATED": "created_at", "LAST USED": "last_used_at"}
    session.emit(await api.get("tokens"), lambda document: table(document["tokens"], columns))


@token.command()
@click.argument("name")
@speaks
async def revoke(session: Session, api: Api, name: str) -> None:
    """Revoke a token; it stops working at once."""
    await api.call("DELETE", f"tokens/{name}")
    session.emit({"name": name, "revoked": True}, lambda _: show(f"{name}: revoked"))
