"""The command of the head office that gives commands to shops."""

import json
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from pydantic import ValidationError

from firmware_tools.command_language import localize
from firmware_tools.language import count_message, message
from gateway.cli.arguments import parse_pairs
from gateway.cli.command import CommandContext, fail
from gateway.cli.office_folder import with_office
from gateway.cli.office_targets import make_target, target_options
from gateway.cli.output import print_line, print_message, print_table
from gateway.fleet.commands import COMMANDS
from gateway.protocol import json_text
from gateway.validation_texts import describe_validation_error

if TYPE_CHECKING:
    from gateway.office.command_calls import CommandCall
    from gateway.office.office import Office

_COLUMNS: Final = {
    message("SHOP"): "shop",
    message("STATE"): "outcome",
    message("REASON"): "reason",
    message("RESULT"): "result",
}


def _check_id(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    from gateway.office.command_calls import RUN_ID

    if value is not None and not re.fullmatch(RUN_ID, value):
        raise click.BadParameter(localize(message("{value!r} must have 8 to 40 letters, digits, - or _", value=value)))
    return value


@click.command()
@click.argument("command")
@target_options
@click.option("--argument", "arguments", multiple=True, metavar="NAME=VALUE",
              help="An argument of the command: JSON, or text; may be given again.")  # fmt: skip
@click.option("--deadline", "deadline_s", type=click.FloatRange(1, 86_400), default=60.0, show_default=True,
              help="For how long it may be acted on, in seconds. Shops that are away are asked again.")  # fmt: skip
@click.option("--id", "run_id", callback=_check_id, metavar="ID",
              help="Repeat the command that was begun with this id: no shop acts on it twice.")  # fmt: skip
@with_office
async def run(
    context: CommandContext, office: "Office", *, command: str, shops: Sequence[str], groups: Sequence[str],
    everyone: bool, arguments: Sequence[str], deadline_s: float, run_id: str | None,
) -> None:  # fmt: skip
    """Give a COMMAND to shops, and wait for what becomes of it; status 1 if one has not done it.

    It prints an id first. If it is interrupted, the same line with that --id asks the shops that have acted what became
    of it, and gives it to the others. Each shop allows commands by its own setting fleet.may. What must reach a shop
    that is off belongs in its settings.
    """
    from gateway.office.command_calls import call_shops
    from gateway.office.rollout_targets import belongs_to
    from gateway.office.rollouts import check_target
    from gateway.office.shops import load_shops

    target = make_target(shops, groups, everyone=everyone)
    values = _check_arguments(command, {name: _parse_value(text) for name, text in parse_pairs(arguments).items()})
    known = await load_shops(office)
    check_target(known, target)
    names = sorted(facts.shop for facts in known if belongs_to(target, facts))
    if not names:
        fail(message("no shop of these has joined: sunmi-gateway office shops"))
    calls: list[CommandCall] = []
    if run_id is None:
        run_id = secrets.token_hex(8)
        print_message(message("id {id}: should this be interrupted, repeat the line with --id {id}", id=run_id))

    def note(call: "CommandCall") -> None:
        calls.append(call)
        if len(names) > 1 and not context.json:
            print_message(f"{len(calls)}/{len(names)}  {call.shop}: {call.outcome}")

    await call_shops(
        office,
        command,
        values,
        names,
        run_id=run_id,
        deadline_s=deadline_s,
        on_outcome=note,
    )
    calls.sort(key=lambda one: (one.outcome == "done", one.shop))
    context.emit({"id": run_id, "calls": [one._asdict() for one in calls]}, _print_calls)
    if failed := sum(one.outcome != "done" for one in calls):
        fail(count_message("{count} shop has not done it", "{count} shops have not done it", failed))


def _check_arguments(command: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a command. Raises `click.UsageError`, which names what no shop would take."""
    known = next((one for name, one in COMMANDS.items() if name == command), None)
    if known is None:
        names = ", ".join(sorted(COMMANDS))
        raise click.UsageError(
            localize(message("{name!r} is no command: there are {names}", name=command, names=names))
        )
    try:
        known.arguments.model_validate_json(json.dumps(values))
    except ValidationError as exc:
        first = exc.errors()[0]
        name, reason = ".".join(map(str, first["loc"])), describe_validation_error(first)
        raise click.UsageError(localize(message("--argument {name}: {reason}", name=name, reason=reason))) from exc
    return values


def _print_calls(document: dict[str, Any]) -> None:
    calls = document["calls"]
    if len(calls) == 1 and calls[0]["outcome"] == "done":
        print_line(json_text.dumps(calls[0]["result"], indent=2))
        return
    print_table([{**one, "result": one["result"] or None} for one in calls], _COLUMNS)


def _parse_value(text: str) -> Any:
    """Return an argument: what it is as JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
