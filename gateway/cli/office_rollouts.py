"""Commands of the head office for changes that reach the shops in waves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.command import CommandContext
from gateway.cli.office_folder import with_office
from gateway.cli.office_targets import describe_rollout, follow
from gateway.cli.output import localize_reported, print_line, print_message, print_table

if TYPE_CHECKING:
    from gateway.office.office import Office
    from gateway.office.rollouts import RolloutAction

_MAX_SHOWN: Final = 50
_COLUMNS: Final = {
    message("ID"): "id",
    message("TITLE"): "title",
    message("STATE"): "state",
    message("WAVE"): "shown_wave",
    message("TOLD"): "told",
    message("SHOPS"): "shops",
    message("FAILED"): "failed",
    message("AS OF"): "counted_at",
    message("REASON"): "reason",
}
_SHOP_COLUMNS: Final = {
    message("SHOP"): "shop",
    message("WAVE"): "wave",
    message("STATE"): "outcome",
    message("REASON"): "reason",
}


@click.group()
def rollouts() -> None:
    """Changes that reach the shops in waves: list, show, follow, pause, continue, stop, undo."""


@rollouts.command("list")
@with_office
async def list_rollouts(context: CommandContext, office: "Office") -> None:
    """List the roll-outs, the newest first. Failures are those that had been counted when it was advanced last."""
    from gateway.office.outcome_texts import ROLLOUT_STATES
    from gateway.office.rollouts import RolloutStore

    found = [one.describe() for one in await RolloutStore(office).list_all()]
    nothing = message("there is no roll-out: `sunmi-gateway office set … --waves 1,10,100` begins one")
    rows = (
        {
            **one,
            "state": localize(ROLLOUT_STATES[one["state"]]),
            "shown_wave": f"{one['wave'] + 1}/{len(one['waves'])}",
            "reason": localize_reported(one["reason"]),
        }
        for one in found
    )
    context.emit({"rollouts": found}, lambda _: print_table(rows, _COLUMNS, empty=nothing))


@rollouts.command("show")
@click.argument("rollout_id", metavar="ID")
@with_office
async def show_rollout(context: CommandContext, office: "Office", *, rollout_id: str) -> None:
    """Show what became of a roll-out in each shop that it has reached, failures first."""
    from gateway.office.rollout_run import RolloutRun
    from gateway.office.shops import ShopList

    rollout, found = await RolloutRun(office, ShopList(office), rollout_id).look()
    results = [one.model_dump() for one in found]
    document = {**rollout.describe(), "results": results}
    context.emit(document, lambda _: _print_rollout(describe_rollout(rollout), rollout.reason, results))


def _print_rollout(state: str, reason: str, results: Sequence[dict[str, Any]]) -> None:
    from gateway.office.outcome_texts import SHOP_OUTCOMES

    print_line(state)
    if reason:
        print_line(localize_reported(reason))
    if results:
        rows = [
            {
                **one,
                "wave": one["wave"] + 1,
                "outcome": localize(SHOP_OUTCOMES[one["outcome"]]),
                "reason": localize_reported(one["reason"]),
            }
            for one in results[:_MAX_SHOWN]
        ]
        print_table(rows, _SHOP_COLUMNS)
    if len(results) > _MAX_SHOWN:
        print_message(message("there are {count} more: --json shows all", count=len(results) - _MAX_SHOWN))


@rollouts.command("follow")
@click.argument("rollout_id", metavar="ID")
@with_office
async def follow_one(context: CommandContext, office: "Office", *, rollout_id: str) -> None:
    """Advance a roll-out, or watch `office serve` do it, until there is nothing to do any more."""
    from gateway.office.rollouts import RolloutStore
    from gateway.office.shops import ShopList

    await RolloutStore(office).get(rollout_id)
    await follow(context, office, ShopList(office), rollout_id)


@rollouts.command("pause")
@click.argument("rollout_id", metavar="ID")
@with_office
async def pause_rollout(context: CommandContext, office: "Office", *, rollout_id: str) -> None:
    """Tell no more shops until it is continued."""
    await _act(context, office, rollout_id, "pause")


@rollouts.command("continue")
@click.argument("rollout_id", metavar="ID")
@with_office
async def continue_rollout(context: CommandContext, office: "Office", *, rollout_id: str) -> None:
    """Go on with one that is paused, or that failures have stopped: those that there are count no more."""
    await _act(context, office, rollout_id, "continue", follows=True)


@rollouts.command("stop")
@click.argument("rollout_id", metavar="ID")
@with_office
async def stop_rollout(context: CommandContext, office: "Office", *, rollout_id: str) -> None:
    """End one for good. Shops that were told keep it."""
    await _act(context, office, rollout_id, "stop")


@rollouts.command("undo")
@click.argument("rollout_id", metavar="ID")
@with_office
async def undo_rollout(context: CommandContext, office: "Office", *, rollout_id: str) -> None:
    """Give back to every shop what was desired of it before, unless that was changed since."""
    await _act(context, office, rollout_id, "undo", follows=True)


async def _act(
    context: CommandContext, office: "Office", rollout_id: str, action: "RolloutAction", *, follows: bool = False
) -> None:
    from gateway.office.rollouts import act_on_rollout
    from gateway.office.shops import ShopList

    rollout = await act_on_rollout(office, rollout_id, action)
    if follows:
        await follow(context, office, ShopList(office), rollout_id)
    else:
        context.emit(rollout.describe(), lambda _: print_line(describe_rollout(rollout)))
