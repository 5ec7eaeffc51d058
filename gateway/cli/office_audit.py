"""The command of the head office that shows who has changed what."""

from typing import TYPE_CHECKING, Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.command import CommandContext
from gateway.cli.office_events import parse_since
from gateway.cli.office_folder import with_office
from gateway.cli.output import print_message, print_table
from gateway.protocol import json_text

if TYPE_CHECKING:
    from gateway.office.audit import AuditEntry
    from gateway.office.office import Office

_COLUMNS: Final = {
    message("TIME"): "time",
    message("WHO"): "who",
    message("FROM"): "host",
    message("WHAT"): "text",
    message("OBJECT"): "object",
    message("REVISION"): "revision",
    message("DETAILS"): "shown_details",
}
_MAX_SHOWN: Final = 200


@click.command()
@click.argument("search", required=False, default="")
@click.option("--since", metavar="TIME", help="From then on: an age such as 30m, 12h or 7d, or a time in UTC.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000),
              help="How many are shown at most: the newest.")  # fmt: skip
@with_office
async def audit(context: CommandContext, office: "Office", *, search: str, since: str | None, limit: int) -> None:
    """Show who has changed what at the head office, the newest last; or those with SEARCH in them."""
    from gateway.office.audit import read_newest

    begin = "" if since is None else parse_since(since, await office.read_time())
    found = await read_newest(office, limit + 1, search=search, since=begin)
    shown = [*reversed(found[:limit])]
    nothing = message("nothing like that was changed at the head office")
    document = {"entries": [one.describe() for one in shown]}
    context.emit(document, lambda _: print_table(map(_make_row, shown), _COLUMNS, empty=nothing))
    if len(found) > limit:
        print_message(message("there are older ones: --limit {count} shows more", count=2 * limit))


def _make_row(entry: "AuditEntry") -> dict[str, Any]:
    details = json_text.dumps(entry.details)[:_MAX_SHOWN] if entry.details else ""
    return {**entry.describe(), "text": localize(entry.text), "shown_details": details}
