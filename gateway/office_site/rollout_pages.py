"""Pages of roll-outs: all of them, one with its progress, and starting that of a version."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.console.form import Form
from gateway.errors import NotFound, Problem
from gateway.fleet.part_names import VERSION
from gateway.office.outcome_texts import ROLLOUT_STATES, SHOP_OUTCOMES
from gateway.office.rollout_documents import FAILURES, RolloutState
from gateway.office.rollouts import RolloutAction, act_on_rollout, list_actions, start_rollout
from gateway.office_site.desired_parts import check_parts
from gateway.office_site.site import OfficeContext, OfficePage
from gateway.office_site.wave_form import WaveForm, list_typed, read_target

ROLLOUTS: Final = "/console/rollouts"
MAX_RESULTS: Final = 200
"""How many shops the page of a roll-out lists, failures first."""

_STATE_KINDS: Final[Mapping[RolloutState, str]] = {
    "running": "skipped",
    "paused": "warning",
    "stopped": "failed",
    "ended": "warning",
    "done": "ok",
    "undoing": "skipped",
    "undone": "warning",
}
_BUTTONS: Final[Mapping[RolloutAction, tuple[Message, str]]] = {
    "pause": (message("Pause"), "secondary"),
    "continue": (message("Continue"), ""),
    "stop": (message("End it here"), "secondary"),
}
"""What buttons are called and how they look. That to undo a roll-out asks first, and stands apart."""


async def show_rollouts(context: OfficeContext) -> web.StreamResponse:
    """Show all roll-outs, and the form to start one."""
    return _render_all(context)


async def show_rollouts_part(context: OfficeContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("rollouts_part.html", **_list(context))


async def start_version(context: OfficeContext) -> web.StreamResponse:
    """Begin to roll out a version."""
    form = await context.read_form()
    version = form.text("version")
    try:
        check_parts({VERSION: version})
        rollout = await start_rollout(
            context.office,
            context.view.shops,
            VERSION,
            {VERSION: version},
            read_target(form),
            title=message("version {version}", version=version),
            **WaveForm.of(form).read(),
        )
        await context.view.refresh_rollouts()
    except Problem as exc:
        return _render_all(context, problem=exc, form=form)
    return context.redirect(f"{ROLLOUTS}/{rollout.id}")


async def show_rollout(context: OfficeContext) -> web.StreamResponse:
    """Show one roll-out."""
    return context.render("rollout.html", **await _gather(context))


async def show_rollout_part(context: OfficeContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("rollout_part.html", **await _gather(context))


async def act(context: OfficeContext) -> web.StreamResponse:
    """Pause, continue, end or undo a roll-out."""
    key, action = context.view.find_rollout(context.request.match_info["id"]), context.request.match_info["action"]
    found: RolloutAction | None = next((one for one in get_args(RolloutAction) if one == action), None)
    if found is None:
        raise NotFound(message("a roll-out cannot be told to {action}", action=action))
    await act_on_rollout(context.office, key, found)
    await context.view.refresh_rollouts()
    return context.redirect(f"{ROLLOUTS}/{key}")


def _list(context: OfficeContext) -> dict[str, Any]:
    return {"rollouts": context.view.rollouts, "state_texts": ROLLOUT_STATES, "state_kinds": _STATE_KINDS}


def _render_all(context: OfficeContext, *, problem: Problem | None = None, form: Form | None = None) -> web.Response:
    return context.render(
        "rollouts.html",
        status=200 if problem is None else problem.status,
        problem=problem,
        groups=context.view.shops.groups(),
        typed=list_typed(form, "version", "target", "shops"),
        **_list(context),
        **(WaveForm() if form is None else WaveForm.of(form)).values,
    )


async def _gather(context: OfficeContext) -> dict[str, Any]:
    key = context.view.find_rollout(context.request.match_info["id"])
    rollout, results = await context.view.looks.look(key)
    possible = list_actions(rollout.state)
    return {
        "rollout": rollout,
        "results": results[:MAX_RESULTS],
        "failures": FAILURES,
        "outcome_texts": SHOP_OUTCOMES,
        "state_texts": ROLLOUT_STATES,
        "state_kinds": _STATE_KINDS,
        "actions": [(action, text, kind) for action, (text, kind) in _BUTTONS.items() if action in possible],
        "can_undo": "undo" in possible,
    }


PAGES: Final = (
    OfficePage("GET", "rollouts", show_rollouts, "view"),
    OfficePage("GET", "rollouts/part", show_rollouts_part, "view", shows="part"),
    OfficePage("POST", "rollouts", start_version, "operate", does=message("Roll out a version")),
    OfficePage("GET", "rollouts/{id}", show_rollout, "view"),
    OfficePage("GET", "rollouts/{id}/part", show_rollout_part, "view", shows="part"),
    OfficePage("POST", "rollouts/{id}/{action}", act, "operate", does=message("Change a roll-out")),
)
