"""The command of the head office that reads the events of all shops."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import describe_error, message
from gateway.cli.command import CommandContext
from gateway.cli.office_folder import with_office
from gateway.cli.output import print_line, print_message
from gateway.protocol import json_text

if TYPE_CHECKING:
    from gateway.office.office import Office
    from gateway.office.stored_messages import StreamMessage
    from gateway.office.stream_follower import StreamFollower, StreamStart

_POLL_INTERVAL_S: Final = 1.0
_AGE: Final = re.compile(r"([0-9]{1,6})([smhd])")
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The servers take no earlier time."""
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TYPE: Final = re.compile(r">|(?:[A-Za-z0-9_-]+|\*)(?:\.(?:[A-Za-z0-9_-]+|\*))*(?:\.>)?")
"""The type of events, whose parts may be `*`, and everything after them `>`."""
_SUBJECT_PARTS: Final = 4
"""Before the type of an event, its subject has `fleet`, the version, the shop and `event`."""


def _check_type(_: click.Context, __: click.Parameter, value: str) -> str:
    if not _TYPE.fullmatch(value):
        what = message("{value!r} is no type of events such as camera.offline, camera or 'camera.*'", value=value)
        raise click.BadParameter(localize(what))
    return value if set(value) & {".", "*", ">"} else f"{value}.>"


@click.command()
@click.option("--shop", metavar="SHOP", help="Only events of this shop.")
@click.option("--type", "event_type", default=">", callback=_check_type, metavar="TYPE",
              help="Only this type, or a family: camera, or 'camera.*'.")  # fmt: skip
@click.option("--since", default="1h", show_default=True, metavar="TIME",
              help="From then on: an age such as 30m, 12h or 7d, or a time in UTC.")  # fmt: skip
@click.option("--follow", is_flag=True, help="Go on with the events as they arrive, until Ctrl-C.")
@with_office
async def events(
    context: CommandContext, office: "Office", *, shop: str | None, event_type: str, since: str, follow: bool
) -> None:
    """Print events of the shops, one a line, in the order of their arrival; with --json one document a line.

    With --follow it goes on when the servers of the chain were away: nothing is lost, and nothing comes twice.
    """
    from gateway.fleet.subjects import EVENTS, event_subject
    from gateway.office.enrolment import Enrolment
    from gateway.office.stream_follower import StreamFollower

    since = parse_since(since, await office.read_time())
    if shop is not None:
        await Enrolment(office).check(shop)
    follower = StreamFollower(office, EVENTS, event_subject(shop or "*", event_type))
    reading = _Reading(context, follower, since)
    if not follow:
        await reading.go_on()
        return
    print_message(message("waiting for events; Ctrl-C ends"))
    while True:
        await reading.go_on_if_possible()
        await asyncio.sleep(_POLL_INTERVAL_S)


class _Reading:
    """Prints what a stream has, again and again."""

    def __init__(self, context: CommandContext, follower: "StreamFollower", since: str) -> None:
        self._context = context
        self._follower = follower
        self._since = since
        self._is_whole = False
        """Whether everything since then is read, which may be cut short."""
        self._printed = 0
        """The number of the last event of it that was printed."""
        self._is_away = False
        """Whether the servers did not answer the last time."""

    async def go_on(self) -> None:
        """Print what is new. Raises `HeadOfficeUnavailable`."""
        await self._follower.read(self._take, self._begin)
        self._end_trouble()
        self._is_whole, self._printed = False, 0

    async def go_on_if_possible(self) -> None:
        """Print what is new, if the servers answer; say so when they do not any more, and when they do again."""
        from gateway.fleet.failures import HeadOfficeUnavailable

        try:
            await self.go_on()
        except HeadOfficeUnavailable as exc:
            if not self._is_away:
                reason = describe_error(exc)
                print_message(message("no events come until the servers answer again: {reason}", reason=reason))
            self._is_away = True

    async def _begin(self) -> "StreamStart":
        from gateway.office.stream_follower import StreamStart

        self._is_whole = True
        return StreamStart(self._printed, self._since)

    def _take(self, stored: "StreamMessage") -> None:
        self._end_trouble()
        _print_event(self._context, stored)
        if self._is_whole:
            self._printed = stored.sequence

    def _end_trouble(self) -> None:
        if self._is_away:
            print_message(message("the servers answer again: what has happened meanwhile follows"))
            self._is_away = False


def parse_since(text: str, now: datetime) -> str:
    """Return a time in UTC as the servers want it. Raises `click.UsageError`."""
    if (age := _AGE.fullmatch(text)) is not None:
        try:
            since = now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError:
            since = _FIRST
    else:
        try:
            given = datetime.fromisoformat(text)
            since = given if given.tzinfo else given.replace(tzinfo=UTC)
            since = max(since, _FIRST).astimezone(UTC)
        except (ValueError, OverflowError) as exc:
            what = message(
                "--since: {text!r} is neither an age such as 12h nor a time such as 2026-11-21T14:00:00Z", text=text
            )
            raise click.UsageError(localize(what)) from exc
    return f"{max(since, _FIRST):%Y-%m-%dT%H:%M:%SZ}"


def _print_event(context: CommandContext, stored: "StreamMessage") -> None:
    parts = stored.subject.split(".")
    try:
        event = json_text.load_shallow(stored.payload)
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
