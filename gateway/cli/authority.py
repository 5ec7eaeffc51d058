"""The command that shows the gateway's certificate authority, for a person who installs it on tills."""

import sys
from typing import Any

import click
import segno

from firmware_tools.language import message
from gateway.api.authority_page import format_fingerprint
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, with_api
from gateway.cli.output import print_line, print_members


@click.command()
@with_api
async def authority(context: CommandContext, api: ApiClient) -> None:
    """Show the authority that certifies the HTTPS port: its fingerprint, names, and the page to open on a till."""
    context.emit(await api.get("authority"), _render)


def _render(document: dict[str, Any]) -> None:
    names = ("name", "expires_at", "file", "leaf_expires_at", "names", "addresses", "not_covered")
    members = {name: document[name] for name in names}
    print_members({name: ", ".join(value) if isinstance(value, list) else value for name, value in members.items()})
    print_line("")
    print_line(message("The fingerprint (SHA-256), to compare with the one on a till:"))
    print_line(format_fingerprint(document["certificate_sha256"]))
    print_line("")
    print_line(message("Open {page} on the till:", page=document["page"]))
    if sys.stdout.isatty():
        segno.make(document["page"], error="m", micro=False).terminal(sys.stdout, compact=True)
