"""The command of the head office that reads the events of all shops."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.command import CommandContext
from gateway.cli.office_folder import with_office
from gateway.cli.output import print_line, print_message
from gateway.protocol import json_text

if TYPE_CHECKING:
    from gateway.office.office import Office
    from gateway.office.stored_messages import StreamMessage

_POLL_INTERVAL_S: Final = 1.0
_AGE: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SUBJECT_PARTS: Final = 4
"""Before the type of an event, its subject has `fleet`, the version, the shop and `event`."""


@click.command()
@click.option("--shop", default="*", metavar="SHOP", help="Only events of this shop.")
@click.option("--type", "event_type", default=">", metavar="TYPE", help="Only this type, or a family: 'camera.*'.")
@click.option("--since", default="1h", show_default=True, metavar="TIME",
              help="From then on: an age such as 30m, 12h or 7d, or a time in UTC.")  # fmt: skip
@click.option("--follow", is_flag=True, help="Go on with the events as they arrive, until Ctrl-C.")
@with_office
async def events(
    context: CommandContext, office: "Office", *, shop: str, event_type: str, since: str, follow: bool
) -> None:
    """Print events of the shops, one a line, in the order of their arrival; with --json one document a line."""
    from gateway.fleet.subjects import EVENTS, event_subject
    from gateway.office.stored_messages import read_stream

    subject, last = event_subject(shop, event_type), 0
    begin = parse_since(since, await office.read_time())
    if any(not part or set(part) & set(" \t\r\n") for part in subject.split(".")):
        what = message("--shop and --type must have no blanks and no empty parts")
        raise click.UsageError(localize(what))
    if follow:
        print_message(message("waiting for events; Ctrl-C ends"))
    while True:
        async for stored in read_stream(office.client, EVENTS, subject, after=last, since=begin):
            last = stored.sequence
            _print_event(context, stored)
        if not follow:
            return
        await asyncio.sleep(_POLL_INTERVAL_S)


def parse_since(text: str, now: datetime) -> str:
    """Return a time in UTC as the servers want it. Raises `click.UsageError`."""
    if (age := _AGE.fullmatch(text)) is not None:
        try:
            since = now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError:
            since = datetime.min.replace(year=1970, tzinfo=UTC)
    else:
        try:
            since = datetime.fromisoformat(text)
        except ValueError as exc:
            what = message("--since: {text!r} is neither an age such as 12h nor a time", text=text)
            raise click.UsageError(localize(what)) from exc
        since = since.astimezone(UTC) if since.tzinfo else since.replace(tzinfo=UTC)
    return f"{since:%Y-%m-%dT%H:%M:%SZ}"


def _print_event(context: CommandContext, stored: "StreamMessage") -> None:
    parts = stored.subject.split(".")
    try:
        event = json_text.loads(stored.payload)
    except ValueError:
        event = None
    document: dict[str, Any] = {
        "shop": parts[2],
        "arrived_at": stored.stored_at,
        "type": ".".join(parts[_SUBJECT_PARTS:]),
        "event": event,
    }
    context.emit(document, _print_line)


def _print_line(document: dict[str, Any]) -> None:
    event = document["event"] if isinstance(document["event"], dict) else {}
    data = event.get("data")
    shown = {name: value for name, value in data.items() if name != "payload"} if isinstance(data, dict) else {}
    camera = event.get("camera")
    camera = camera if isinstance(camera, str) and camera else "-"
    text = json_text.dumps(json_text.make_encodable(shown))
    print_line(f"{document['arrived_at']}  {document['shop']:<16}  {document['type']:<24}  {camera:<16}  {text}")
