"""Commands that need no gateway: listing the catalogue, and computing signatures."""

import asyncio

import click

from firmware_tools.language import message
from gateway.cli.arguments import parse_pairs
from gateway.cli.command import CommandContext, writing_results
from gateway.cli.output import print_line, print_table
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.reference import render
from gateway.protocol.signing import sign as signature
from gateway.protocol.signing import string_to_sign

_KEY_HELP = message("The secret key, or the activation number for an activation; - is standard input, @FILE a file.")


@click.command()
@click.option("--markdown", is_flag=True, help="Print the reference page.")
@click.pass_obj
def catalogue(context: CommandContext, markdown: bool) -> None:
    """List every endpoint of cameras and cloud."""
    if markdown:
        with writing_results():
            click.echo(render(CATALOGUE).encode(), nl=False)
        return
    columns = {
        message("SIDE"): "side",
        message("PATH"): "path",
        message("TITLE"): "title",
        message("SCOPE"): "scope",
        message("AVAILABILITY"): "availability",
    }
    document = {"endpoints": [endpoint.describe() for endpoint in CATALOGUE.endpoints]}
    context.emit(document, lambda shown: print_table(shown["endpoints"], columns))


@click.command()
@click.option("--key", required=True, help=_KEY_HELP)
@click.argument("arguments", nargs=-1, metavar="NAME=VALUE...")
@click.pass_obj
def sign(context: CommandContext, key: str, arguments: tuple[str, ...]) -> None:
    """Compute a signature: print the string that is signed, and the signature."""
    parameters = parse_pairs(arguments)
    key = asyncio.run(context.read_secret("--key", key, message("Secret key"))) or ""
    document = {"string_to_sign": string_to_sign(parameters, key), "sign": signature(parameters, key)}
    context.emit(document, lambda made: print_line(f"{made['string_to_sign']}\n{made['sign']}"))
