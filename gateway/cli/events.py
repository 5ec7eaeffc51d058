"""Commands for events: following them, and the subscriptions of the vendor's."""

from typing import Any
from urllib.parse import urlencode

import click

from firmware_tools.language import message
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, with_api
from gateway.cli.hooks import hook, hooks, unhook
from gateway.cli.output import print_line, print_message
from gateway.protocol import json_text


@click.group()
def events() -> None:
    """What happens in the store: tail, hooks, hook, unhook."""


for _command in (hooks, hook, unhook):
    events.add_command(_command)


@events.command()
@click.option("--after", help="Begin after the event with this id; 0: with the oldest. Default: with what happens now.")
@click.option("--types", help="Only these types, separated by commas: face.seen, or a family: 'camera.*'.")
@click.option("--camera", metavar="SN", help="Only events of this camera.")
@click.option("--no-follow", is_flag=True, help="Print the stored events, the oldest first, and end.")
@with_api
async def tail(context: CommandContext, api: ApiClient, /, no_follow: bool, **given: str | None) -> None:
    """Show events as they happen, one a line; with --json one JSON document a line."""
    query = {name: value for name, value in given.items() if value}
    if no_follow or not api.running:
        await _print_stored(context, api, query)
        if not no_follow:
            print_message(message("no gateway runs here, so no new events will come: these are the stored ones"))
        return
    print_message(message("waiting for events; Ctrl-C ends"))
    async for name, document in api.stream(f"events?{urlencode(query)}"):
        if name == "notice":
            print_message(document["detail"])
        else:
            _print_event(context, document)


async def _print_stored(context: CommandContext, api: ApiClient, query: dict[str, str]) -> None:
    query = {"after": "0", "limit": "1000"} | query
    while True:
        page = await api.get(f"events?{urlencode(query)}")
        for event in page["events"]:
            _print_event(context, event)
        if page["next"] == query["after"]:
            return
        query["after"] = page["next"]


def _print_event(context: CommandContext, event: dict[str, Any]) -> None:
    context.emit(event, lambda one: print_line(_format_event(one)))


def _format_event(event: dict[str, Any]) -> str:
    data = json_text.dumps({name: value for name, value in event["data"].items() if name != "payload"})
    return f"{event['time']}  {event['type']:<24}  {event['camera'] or '-':<16}  {event['source']:<7}  {data}"
