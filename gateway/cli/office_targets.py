"""For which shops a command of the head office is, and how a change reaches them."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from firmware_tools.command_language import localize
from firmware_tools.language import count_message, message
from firmware_tools.rendered_text import recognise_rendered
from gateway.cli.command import CommandContext, fail
from gateway.cli.output import messages, print_line, print_message
from gateway.cli.seconds import Seconds

if TYPE_CHECKING:
    from gateway.fleet.part_names import PartKind
    from gateway.office.office import Office
    from gateway.office.rollout_documents import Rollout, RolloutTarget
    from gateway.office.shops import ShopList

Command = TypeVar("Command", bound=Callable[..., Any])


def target_options(command: Command) -> Command:
    """Add the options that say for which shops a command is: `shops`, `groups` and `everyone`."""
    shop = click.option("--shop", "shops", multiple=True, metavar="SHOP", help="For this shop; may be given again.")
    group = click.option("--group", "groups", multiple=True, metavar="GROUP", help="For the shops of this group.")
    everyone = click.option("--all", "everyone", is_flag=True, help="For all shops.")
    return shop(group(everyone(command)))


def rollout_options(command: Command) -> Command:
    """Add the options that say how a change reaches the shops: `waves`, `stop_at`, `wait_s` and `yes`."""
    waves = click.option(
        "--waves", metavar="WAVE[,…]",
        help="Tell the shops in waves: groups, then percentages up to 100, such as canary,10,100.",
    )  # fmt: skip
    stop_at = click.option(
        "--stop-at", metavar="PERCENT", default="5%", show_default=True,
        help="With --waves: the share of failures at which it stops.",
    )  # fmt: skip
    wait = click.option(
        "--wait", "wait_s", type=Seconds(0), default=900.0, show_default=True,
        help="With --waves: for how long each wave is waited for, in seconds.",
    )  # fmt: skip
    yes = click.option("--yes", is_flag=True, help="Without --waves: tell many shops at once without a question.")
    return waves(stop_at(wait(yes(command))))


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """How a change reaches the shops."""

    waves: str | None
    """The waves with commas; None: all shops at once."""
    stop_at: str
    """At which share of failures it stops."""
    wait_s: float
    """For how long each wave is waited for, in seconds."""
    yes: bool
    """Whether nobody is asked before many shops are told at once."""

    @property
    def share(self) -> float:
        """The share of failures. Raises `click.UsageError`."""
        try:
            share = float(self.stop_at.removesuffix("%")) / 100
        except ValueError:
            share = math.nan
        if not 0 <= share <= 1:
            what = message("--stop-at: {text!r} is no percentage, such as 5%", text=self.stop_at)
            raise click.UsageError(localize(what))
        return share


def make_target(shops: Sequence[str], groups: Sequence[str], *, everyone: bool) -> "RolloutTarget":
    """Return for which shops a command is. Raises `click.UsageError` if that is not said, or twice."""
    from gateway.office.rollout_documents import RolloutTarget

    if sum(map(bool, (shops, groups, everyone))) != 1:
        raise click.UsageError(localize(message("say for which shops: --shop, --group or --all")))
    try:
        return RolloutTarget(shops=tuple(dict.fromkeys(shops)), groups=tuple(dict.fromkeys(groups)), everyone=everyone)
    except ValueError as exc:
        what = message("a name has 1 to 64 letters, digits, - and _")
        raise click.UsageError(localize(what)) from exc


async def tell_shops(
    context: CommandContext,
    office: "Office",
    kind: "PartKind",
    parts: Mapping[str, Any],
    target: "RolloutTarget",
    options: RolloutOptions,
    *,
    title: str,
) -> None:
    """Bring a change to shops, at once or in waves, and say what became of it."""
    from gateway.office.changes import change_at_once
    from gateway.office.rollouts import start_rollout
    from gateway.office.shops import load_shops

    share = options.share
    shops = await load_shops(office)
    if options.waves is None:
        await confirm(context, shops, target, options)
        outcome = await change_at_once(office, shops, parts, target)
        nothing = message("Nothing changes: that is what is desired already.")
        if all(value is None for value in parts.values()):
            nothing = message("Nothing changes.")
        context.emit(outcome, lambda told: _print_told(told, nothing))
        return
    waves = [wave.strip() for wave in options.waves.split(",") if wave.strip()]
    rollout = await start_rollout(
        office, shops, kind, parts, target, title=title, waves=waves, stop_at=share, wait_s=options.wait_s
    )
    await follow(context, office, shops, rollout.id)


async def follow(context: CommandContext, office: "Office", shops: "ShopList", rollout_id: str) -> None:
    """Advance a roll-out until there is nothing to do; exit with status 1 if it has not come to its end."""
    from gateway.office.outcome_texts import ROLLOUT_STATES
    from gateway.office.rollout_service import follow_rollout

    print_message(message("roll-out {id}; Ctrl-C leaves it as it is", id=rollout_id))
    try:
        with _show_progress() as show:
            rollout = await follow_rollout(office, shops, rollout_id, show)
    except asyncio.CancelledError:
        fail(
            message(
                "the roll-out {id} stands still, unless `office serve` runs; go on with it: sunmi-gateway office "
                "rollouts follow {id}",
                id=rollout_id,
            )
        )
    context.emit(rollout.describe(), lambda _: print_line(describe_rollout(rollout)))
    if rollout.state in ("stopped", "paused", "ended"):
        fail(
            message(
                "the roll-out {id} is {state}: {reason}. sunmi-gateway office rollouts show {id} says what became of "
                "it in each shop",
                id=rollout_id,
                state=ROLLOUT_STATES[rollout.state],
                reason=recognise_rendered(rollout.reason),
            )
        )


def describe_rollout(rollout: "Rollout") -> str:
    """Return how a roll-out stands, in one line."""
    from gateway.office.outcome_texts import ROLLOUT_STATES

    state, told, shops, outcomes = ROLLOUT_STATES[rollout.state], rollout.told, rollout.shops, rollout.outcomes
    counts = message(
        "applied {applied}, failed {failed}, open {open}, away {away}",
        applied=outcomes.get("applied", 0),
        failed=rollout.failed,
        open=outcomes.get("pending", 0),
        away=outcomes.get("away", 0),
    )
    if rollout.state in ("undoing", "undone"):
        return message(
            "{state}; before that, told {told} of {shops}: {counts}",
            state=state,
            told=told,
            shops=shops,
            counts=counts,
        )
    return message(
        "{state}: wave {wave} of {waves}, told {told} of {shops}: {counts}, with a value of their own {own}",
        state=state,
        wave=rollout.wave + 1,
        waves=len(rollout.waves),
        told=told,
        shops=shops,
        counts=counts,
        own=rollout.own,
    )


async def confirm(context: CommandContext, shops: "ShopList", target: "RolloutTarget", options: RolloutOptions) -> None:
    """Ask before many shops are told at once; end the command if that is not wanted."""
    from gateway.office.rollout_targets import belongs_to

    count = sum(belongs_to(target, facts) for facts in shops)
    if options.yes or target.shops or count <= 1:
        return
    if not context.can_prompt:
        fail(
            message(
                "{count} shops would be told at once: give --yes if that is right, or --waves 1,10,100", count=count
            )
        )
    if not await context.confirm(message("Tell {count} shops at once, without --waves?", count=count)):
        fail(message("nothing was changed"))


def _print_told(outcome: dict[str, Any], nothing: str) -> None:
    if outcome["unchanged"]:
        print_line(nothing)
        return
    print_line(
        count_message(
            "{count} shop is told. What became of it: sunmi-gateway office show SHOP",
            "{count} shops are told. What became of it: sunmi-gateway office show SHOP",
            outcome["told"],
        )
    )
    if outcome["own"]:
        print_message(
            count_message(
                "{count} shop keeps a value of its own, or of its group",
                "{count} shops keep values of their own, or of their group",
                outcome["own"],
            )
        )


@contextlib.contextmanager
def _show_progress() -> "Iterator[Callable[[Rollout], None]]":
    """Show how a roll-out stands: as a bar in a terminal, else a line for each change."""
    if not messages.is_terminal:
        last = ""

        def tell(rollout: "Rollout") -> None:
            nonlocal last
            if (text := describe_rollout(rollout)) != last:
                last = text
                print_message(text)

        yield tell
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(rollout: "Rollout") -> None:
            ended = sum(count for outcome, count in rollout.outcomes.items() if outcome != "pending")
            bar.update(
                task, description=localize(describe_rollout(rollout)), total=max(rollout.shops, 1), completed=ended
            )

        yield show
