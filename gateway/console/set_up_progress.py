"""How far the set-up of a camera is, and what a person does when it waits or has failed."""

from collections.abc import Iterable
from typing import Final, Literal

from aiohttp import web

from firmware_tools.language import message
from gateway.cameras.provisioning import ProvisioningRequest
from gateway.cameras.provisioning.job import ProvisioningJob
from gateway.cameras.record import CameraRecord, is_serial_number
from gateway.console.activation_code import can_decode, read_activation_number
from gateway.console.page import ConsolePage, PageContext
from gateway.console.set_up_draft import SetUpDraft
from gateway.console.set_up_texts import ADVICE, LED_HINTS, STATE_TITLES, STEP_TITLES
from gateway.errors import Conflict, InvalidRequest, NotFound, Problem

Needed = Literal["password", "activation_number"]
_NETWORK_REASONS: Final = ("network_not_seen", "wep_not_supported")
_NUMBER_REASONS: Final = ("wrong_activation_number", "not_activated")


def find_camera(context: PageContext) -> tuple[str, CameraRecord | None]:
    """Return the serial number in the path, and the camera's record: it may be in its box still.

    Raises `NotFound` for what cannot be a serial number.
    """
    sn = context.sn
    if not is_serial_number(sn):
        raise NotFound(message("{sn!r} is no serial number", sn=sn[:60]))
    return sn, context.gateway.registry.find(sn)


def find_job(context: PageContext) -> ProvisioningJob | None:
    """Return the camera's job, also one that has ended."""
    try:
        return context.gateway.provisioning.get(context.sn)
    except NotFound:
        return None


def set_up_path(context: PageContext) -> str:
    """Return the address of the page."""
    return f"/console/cameras/{context.sn}/set-up"


def render_progress(context: PageContext, job: ProvisioningJob, problem: Problem | None = None) -> web.Response:
    """Return the page with the job."""
    return _render(context, "set_up_job.html", job, problem)


async def show_progress(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    job = find_job(context)
    if job is None:
        raise NotFound(message("no set-up is under way"))
    return _render(context, "set_up_progress.html", job, None)


def _render(context: PageContext, template: str, job: ProvisioningJob, problem: Problem | None) -> web.Response:
    sn, camera = find_camera(context)
    draft = _get_draft(context, job)
    return context.render(
        template,
        status=200 if problem is None else problem.status,
        sn=sn,
        camera=camera,
        title=(camera.name if camera is not None else "") or sn,
        job=job,
        needed=list_needed(job, draft),
        change_network=job.reason in _NETWORK_REASONS,
        draft=draft,
        advice=ADVICE.get(job.reason) if job.reason is not None else None,
        led_hint=LED_HINTS.get(job.step) if job.is_active else None,
        step_titles=STEP_TITLES,
        state_titles=STATE_TITLES,
        can_decode=can_decode(),
        next_sn=find_next_camera(context.gateway.registry.all(), job.sn) if job.state == "done" else None,
        problem=problem,
        field_errors=dict(problem.field_errors) if isinstance(problem, InvalidRequest) else {},
    )


def find_next_camera(cameras: Iterable[CameraRecord], done: str) -> str | None:
    """Return the serial number of another camera that answers and is not activated; None if there is none."""
    waiting = [one.sn for one in cameras if one.online and one.activation == "not_activated" and one.sn != done]
    return min(waiting, default=None)


def _get_draft(context: PageContext, job: ProvisioningJob) -> SetUpDraft:
    return context.site.drafts.find(job.sn) or SetUpDraft.from_request(job.request)


def list_needed(job: ProvisioningJob, draft: SetUpDraft) -> list[Needed]:
    """Return which values a person has to give before a failed job is tried again: the wrong one, or one not kept."""
    if job.state != "failed":
        return []
    needed: list[Needed] = []
    if job.reason == "wrong_wifi_password" or (
        job.had_password and not draft.password and job.get_step("wifi").state in ("pending", "failed")
    ):
        needed.append("password")
    if job.reason in _NUMBER_REASONS or (
        job.had_number and not draft.activation_number and job.get_step("activate").state in ("pending", "failed")
    ):
        needed.append("activation_number")
    return needed


async def retry(context: PageContext) -> web.StreamResponse:
    """Try again, with the values that were wrong or are not kept."""
    job = find_job(context)
    if job is None or job.is_active:
        return context.redirect(set_up_path(context))
    form, draft = await context.read_form(), _get_draft(context, job)
    needed = list_needed(job, draft)
    if "password" in needed:
        draft.password = form.raw_text("password")
    if "activation_number" in needed:
        draft.activation_number = form.text("number") or None
        draft.confirm_erase = draft.confirm_erase or form.is_ticked("confirm_erase")
    try:
        if "photo" in form.files:
            draft.activation_number = await read_activation_number(
                form.files["photo"].data, turn=context.site.photo_turn, others=[job.sn]
            )
        request = draft.make_request(with_network=not _has_joined(job))
        await context.gateway.provisioning.start(job.sn, request)
    except Problem as exc:
        return render_progress(context, job, exc)
    context.site.drafts.save(job.sn, draft)
    return context.redirect(set_up_path(context))


def _has_joined(job: ProvisioningJob) -> bool:
    return job.get_step("wifi").state == "done" and job.get_step("rejoin").state in ("done", "skipped")


async def resume(context: PageContext) -> web.StreamResponse:
    """Go on with a job that waits for a person."""
    try:
        await context.gateway.provisioning.start(context.sn, ProvisioningRequest())
    except Problem as exc:
        return context.redirect(set_up_path(context), notice=exc.detail, failed=True)
    return context.redirect(set_up_path(context))


async def cancel(context: PageContext) -> web.StreamResponse:
    """Cancel the job, if it is still under way."""
    try:
        await context.gateway.provisioning.cancel(context.sn)
    except (Conflict, NotFound):
        return context.redirect(set_up_path(context))
    return context.redirect(set_up_path(context), notice=message("The set-up was cancelled."))


async def begin_again(context: PageContext) -> web.StreamResponse:
    """Ask from the beginning, or only for the network. What was filled in stays."""
    sn, _ = find_camera(context)
    job = find_job(context)
    if job is not None and job.is_active:
        return context.redirect(set_up_path(context))
    draft = SetUpDraft() if job is None else _get_draft(context, job)
    if job is not None and job.state == "done":
        draft = SetUpDraft()
    draft.is_open = True
    draft.answered = set()
    context.site.drafts.save(sn, draft)
    return context.redirect(f"{set_up_path(context)}?question=network")


PAGES = (
    ConsolePage("GET", "cameras/{sn}/set-up/progress", show_progress, "installer", shows="part"),
    ConsolePage("POST", "cameras/{sn}/set-up/retry", retry, "installer", does=message("Go on with a camera's set-up")),
    ConsolePage(
        "POST", "cameras/{sn}/set-up/resume", resume, "installer", does=message("Go on with a camera's set-up")
    ),
    ConsolePage("POST", "cameras/{sn}/set-up/cancel", cancel, "installer", does=message("Cancel a camera's set-up")),
    ConsolePage(
        "POST", "cameras/{sn}/set-up/again", begin_again, "installer", does=message("Begin a camera's set-up again")
    ),
)
