"""The command of the head office that gives commands to shops."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from pydantic import ValidationError

from firmware_tools.command_language import localize
from firmware_tools.language import count_message, describe_error, join, message
from gateway.cli.arguments import parse_pairs
from gateway.cli.command import CommandContext, fail
from gateway.cli.office_folder import with_office
from gateway.cli.office_targets import make_target, target_options
from gateway.cli.output import localize_reported, print_line, print_message, print_table
from gateway.cli.seconds import Seconds
from gateway.fleet.command_results import SupportBundleResult
from gateway.fleet.commands import COMMANDS, find_command_name
from gateway.fleet_settings import CommandName
from gateway.protocol import json_text
from gateway.storage.private_file import write_private
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
_FINDING_COLUMNS: Final = {
    message("SHOP"): "shop",
    message("CHECK"): "check",
    message("STATE"): "status",
    message("REASON"): "reason",
}
_FINDING_STATES: Final = {"failed": message("failed"), "warning": message("warning")}
"""What the doctor does not find good, the worst first."""
_SAVED: Final = "saved"
"""What stands in place of a support bundle that was written to a file: which one, or why not."""
_SHOWN_LENGTH: Final = 80
"""How much of a result stands in a table."""


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
@click.option("--deadline", "deadline_s", type=Seconds(1, 86_400), default=60.0, show_default=True,
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
    that is off belongs in its settings. A support bundle is written to the present folder. With --json
    everything is printed as it is.
    """
    from gateway.office.command_calls import call_shops
    from gateway.office.natural_order import natural_key
    from gateway.office.outcome_texts import CALL_OUTCOMES
    from gateway.office.rollout_targets import belongs_to
    from gateway.office.rollouts import check_target
    from gateway.office.shops import load_shops

    target = make_target(shops, groups, everyone=everyone)
    values = {name: _parse_value(text) for name, text in parse_pairs(arguments).items()}
    command_name = _check(command, values)
    known = await load_shops(office)
    check_target(known, target)
    names = sorted((facts.shop for facts in known if belongs_to(target, facts)), key=natural_key)
    if not names:
        fail(message("no shop of these has joined: sunmi-gateway office shops"))
    calls: list[CommandCall] = []
    if run_id is None:
        run_id = secrets.token_hex(8)
        print_message(message("id {id}: should this be interrupted, repeat the line with --id {id}", id=run_id))

    def note(call: "CommandCall") -> None:
        if not context.json and isinstance(call.result.get("base64"), str):  # thousands of them would take all memory
            call = call._replace(result={_SAVED: _save_bundle(call.shop, call.result)})
        calls.append(call)
        if len(names) > 1 and not context.json:
            print_message(f"{len(calls)}/{len(names)}  {call.shop}: {localize(CALL_OUTCOMES[call.outcome])}")

    await call_shops(
        office,
        command_name,
        values,
        names,
        run_id=run_id,
        deadline_s=deadline_s,
        on_outcome=note,
    )
    calls.sort(key=lambda one: (one.outcome == "done", natural_key(one.shop)))
    context.emit({"id": run_id, "calls": [one._asdict() for one in calls]}, _print_calls)
    if failed := sum(one.outcome != "done" for one in calls):
        fail(count_message("{count} shop has not done it", "{count} shops have not done it", failed))


def _check(command: str, values: dict[str, Any]) -> CommandName:
    """Return the name of a command. Raises `click.UsageError`, which names what no shop would take."""
    known = find_command_name(command)
    if known is None:
        names = ", ".join(sorted(COMMANDS))
        raise click.UsageError(
            localize(message("{name!r} is no command: there are {names}", name=command, names=names))
        )
    try:
        COMMANDS[known].arguments.model_validate_json(json.dumps(values))
    except ValidationError as exc:
        first = exc.errors()[0]
        name, reason = ".".join(map(str, first["loc"])), describe_validation_error(first)
        raise click.UsageError(localize(message("--argument {name}: {reason}", name=name, reason=reason))) from exc
    return known


def _print_calls(document: dict[str, Any]) -> None:
    from gateway.office.outcome_texts import CALL_OUTCOMES

    calls = document["calls"]
    findings = [row for one in calls for row in _list_findings(one["shop"], one["result"])]
    rows = [
        {
            **one,
            "outcome": localize(CALL_OUTCOMES[one["outcome"]]),
            "reason": localize_reported(one["reason"]),
            "result": _summarize(one["result"]),
        }
        for one in calls
    ]
    if len(calls) == 1 and calls[0]["outcome"] == "done" and not _is_special(calls[0]["result"]):
        print_line(json_text.dumps(calls[0]["result"], indent=2))
        return
    print_table(rows, _COLUMNS)
    if findings:
        print_table(findings, _FINDING_COLUMNS)


def _is_special(result: Mapping[str, Any]) -> bool:
    """Return whether a result is not shown as it is: the doctor's findings, or a file."""
    return isinstance(result.get("findings"), list) or _SAVED in result


def _summarize(result: Mapping[str, Any]) -> str | None:
    if _SAVED in result:
        return str(result[_SAVED])
    if isinstance(result.get("findings"), list):
        found = [one.get("status") for one in result["findings"] if isinstance(one, dict)]
        failed, warnings = found.count("failed"), found.count("warning")
        return localize(message("failed: {failed}, warnings: {warnings}", failed=failed, warnings=warnings))
    text = json_text.dumps(result) if result else ""
    return (text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…") or None


def _list_findings(shop: str, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the doctor of a shop does not find good, the failures first."""
    given = result.get("findings")
    found = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return [
        {"shop": shop, "check": one.get("check"), "status": localize(words), "reason": _join_words(one)}
        for status, words in _FINDING_STATES.items()
        for one in found
        if one.get("status") == status
    ]


def _join_words(finding: Mapping[str, Any]) -> str:
    words = (finding.get(name) for name in ("what", "what_to_do"))
    return localize(join("; ", [localize_reported(one) for one in words if isinstance(one, str) and one]))


def _save_bundle(shop: str, result: Mapping[str, Any]) -> str:
    """Write the support bundle that a shop has sent, by no name of its; return the file, or why that cannot be."""
    file = Path(f"{shop}-support.tar.gz")
    try:
        write_private(file, SupportBundleResult.model_validate(result).decode())
    except (ValueError, OSError) as exc:
        return localize(message("{path}: cannot be written: {reason}", path=file, reason=describe_error(exc)))
    return str(file)


def _parse_value(text: str) -> Any:
    """Return an argument: what it is as JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
