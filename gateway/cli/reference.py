"""Commands that need no gateway: the catalogue, and signatures worked out."""

import click

from gateway.cli.session import Session
from gateway.cli.tables import show, table
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.reference import render
from gateway.protocol.signing import sign as signature
from gateway.protocol.signing import string_to_sign


@click.command()
@click.option("--markdown", is_flag=True, help="Print the reference page.")
@click.pass_obj
def catalogue(session: Session, markdown: bool) -> None:
    """List every endpoint of cameras and cloud."""
    if markdown:
        click.echo(render(CATALOGUE), nl=False)
        return
    columns = {"SIDE": "side", "PATH": "path", "TITLE": "title", "SCOPE": "scope", "AVAILABILITY": "availability"}
    document = {"endpoints": [endpoint.describe() for endpoint in CATALOGUE.endpoints]}
    session.emit(document, lambda shown: table(shown["endpoints"], columns))


@click.command()
@click.option("--key", required=True, help="The secret key, or the activation number for an activation.")
@click.argument("arguments", nargs=-1, metavar="NAME=VALUE...")
@click.pass_obj
def sign(session: Session, key: str, arguments: tuple[str, ...]) -> None:
    """Work out a signature: print the string that is signed, and the signature."""
    parameters = {}
    for pair in arguments:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{pair!r} is not name=value")
        parameters[name] = value
    document = {"string_to_sign": string_to_sign(parameters, key), "sign": signature(parameters, key)}
    session.emit(document, lambda made: show(f"{made['string_to_sign']}\n{made['sign']}"))
