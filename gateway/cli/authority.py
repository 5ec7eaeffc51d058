"""The command that shows the gateway's certificate authority, for a person who installs it on tills."""

import sys
from typing import Any

import click
import segno

from gateway.api.authority_page import fingerprint_text
from gateway.cli.client import Api
from gateway.cli.session import Session, speaks
from gateway.cli.tables import members, show


@click.command()
@speaks
async def authority(session: Session, api: Api) -> None:
    """Show the authority that certifies the HTTPS port: its fingerprint, names, and the page to open on a till."""
    session.emit(await api.get("authority"), _show)


def _show(document: dict[str, Any]) -> None:
    shown = ("name", "expires_at", "file", "leaf_expires_at", "names", "addresses", "not_covered")
    texts = {one: document[one] for one in shown}
    members({one: ", ".join(value) if isinstance(value, list) else value for one, value in texts.items()})
    show("\nThe fingerprint (SHA-256), to be compared with what a till shows:")
    show(fingerprint_text(document["certificate_sha256"]))
    show(f"\nOpen {document['page']} on the till:")
    if sys.stdout.isatty():
        segno.make(document["page"], error="m", micro=False).terminal(sys.stdout, compact=True)
