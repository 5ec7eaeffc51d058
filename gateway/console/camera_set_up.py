"""The guided set-up of a camera: questions one after the other, each kept while the page is closed."""

import dataclasses
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.cameras.activation_probe import AccessPointListUnsupported
from gateway.cameras.provisioning import ProvisioningRequest
from gateway.cameras.wifi_networks import is_hidden, uses_wep, uses_wpa
from gateway.console.activation_code import can_decode, read_activation_number
from gateway.console.page import ConsolePage, PageContext
from gateway.console.set_up_draft import QUESTIONS, Question, SetUpDraft
from gateway.console.set_up_progress import find_camera, find_job, render_progress, set_up_path
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, Problem

SEEN: Final = "seen:"
"""Begins the value of a network that the camera sees; it cannot be mistaken for one of the other choices then."""
_FILLED_IN: Final = message("The number was read in the picture. Compare it with the paper before you go on.")


async def show_set_up(context: PageContext) -> web.StreamResponse:
    """Show the next question, or how far the job is."""
    sn, _ = find_camera(context)
    draft, job = context.site.drafts.find(sn), find_job(context)
    if job is not None and (draft is None or not draft.is_open):
        return render_progress(context, job)
    asked = context.request.query.get("question")
    following: Question = (draft.next_question if draft is not None else "network") or "name"
    question = next((one for one in QUESTIONS if one == asked), following)
    return _ask(context, question, draft or SetUpDraft())


def _ask(
    context: PageContext,
    question: Question,
    draft: SetUpDraft,
    problem: Problem | None = None,
    notice: str = "",
    password: str = "",
) -> web.Response:
    sn, camera = find_camera(context)
    settings = context.gateway.settings.provisioning
    return context.render(
        "set_up.html",
        status=200 if problem is None else problem.status,
        question=question,
        questions=QUESTIONS,
        sn=sn,
        camera=camera,
        title=camera.name or sn if camera is not None else sn,
        draft=draft,
        store_ssid=settings.ssid,
        has_store_password=bool(settings.password),
        can_decode=can_decode(),
        is_activated=camera is not None and camera.activation == "activated",
        number=draft.activation_number or "",
        password=password,
        problem=problem,
        read_notice=notice,
        field_errors=dict(problem.field_errors) if isinstance(problem, InvalidRequest) else {},
    )


async def list_networks(context: PageContext) -> web.StreamResponse:
    """Show the Wi-Fi networks that the camera sees."""
    sn, camera = find_camera(context)
    store_ssid = context.gateway.settings.provisioning.ssid
    values: dict[str, Any] = {"sn": sn, "networks": [], "hidden": 0, "problem": None, "store_ssid": store_ssid}
    values["store_is_seen"] = False
    if camera is None:
        values["problem"] = NotFound(message("The camera was not found yet, so what it sees is not known."))
        return context.render("set_up_networks.html", **values)
    try:
        seen = await context.gateway.cameras.list_access_points(sn)
    except AccessPointListUnsupported:
        values["problem"] = Conflict(message("The camera's firmware does not list networks: type the name."))
    except Problem as exc:
        values["problem"] = exc
    else:
        named = {one.ssid: one for one in seen if not is_hidden(one)}
        values["hidden"] = sum(map(is_hidden, seen))
        values["store_is_seen"] = store_ssid in named
        values["networks"] = [
            {"ssid": ssid, "usable": not uses_wep(one), "needs_password": uses_wpa(one)}
            for ssid, one in sorted(named.items(), key=lambda item: (uses_wep(item[1]), item[0].casefold()))
            if ssid != store_ssid
        ]
    return context.render("set_up_networks.html", **values)


async def answer_network(context: PageContext) -> web.StreamResponse:
    """Keep the network that a person chose."""
    sn, _ = find_camera(context)
    form = await context.read_form()
    choice = form.raw_text("network")
    draft = context.site.drafts.find(sn) or SetUpDraft()
    known_ssid, known_password = draft.ssid, draft.password
    draft.ssid = draft.password = None
    draft.hidden, draft.is_open = False, True
    draft.answered.discard("network")
    settings = context.gateway.settings.provisioning
    if choice == "store" and settings.ssid:
        draft.ssid = settings.ssid
    elif choice == "other":
        draft.ssid, draft.hidden = form.raw_text("ssid"), form.is_ticked("hidden")
    elif choice.startswith(SEEN):
        draft.ssid = choice.removeprefix(SEEN)
    typed = form.raw_text("password")
    if draft.ssid is not None:
        kept = known_password if draft.ssid == known_ssid else None
        draft.password = typed or kept or settings.find_password(draft.ssid) or ""
    try:
        if draft.ssid is None and choice != "keep":
            raise InvalidRequest([FieldError("network", message("Choose one."))])
        ProvisioningRequest(ssid=draft.ssid, password=draft.password, hidden=draft.hidden).check()
    except InvalidRequest as exc:
        draft.password = None
        return _ask(context, "network", draft, exc, password=typed)
    return _go_on(context, sn, draft, "network")


async def answer_activation(context: PageContext) -> web.StreamResponse:
    """Keep the activation number, typed or photographed, and that face groups may be deleted."""
    sn, camera = find_camera(context)
    form = await context.read_form()
    draft = context.site.drafts.find(sn) or SetUpDraft()
    draft.is_open = True
    if form.text("action") == "skip":
        draft.activation_number, draft.confirm_erase = None, False
        return _go_on(context, sn, draft, "activation")
    draft.activation_number, draft.confirm_erase = form.text("number") or None, form.is_ticked("confirm_erase")
    if "photo" in form.files:
        others = [sn, *([camera.mac, camera.mac[-5:]] if camera is not None else [])]
        try:
            draft.activation_number = await read_activation_number(
                form.files["photo"].data, turn=context.site.photo_turn, others=others
            )
        except InvalidRequest as exc:
            return _ask(context, "activation", draft, exc)
        draft.answered.discard("activation")
        context.site.drafts.save(sn, draft)
        return _ask(context, "activation", draft, notice=_FILLED_IN)
    try:
        if draft.activation_number is None:
            raise InvalidRequest([FieldError("activation_number", message("is required"))])
        ProvisioningRequest(activation_number=draft.activation_number, confirm_erase=draft.confirm_erase).check()
    except InvalidRequest as exc:
        return _ask(context, "activation", draft, exc)
    return _go_on(context, sn, draft, "activation")


async def answer_name(context: PageContext) -> web.StreamResponse:
    """Keep the name, and start the job."""
    sn, _ = find_camera(context)
    form = await context.read_form()
    draft = context.site.drafts.find(sn) or SetUpDraft()
    if (missing := dataclasses.replace(draft, answered=draft.answered | {"name"}).next_question) is not None:
        return context.redirect(f"{set_up_path(context)}?question={missing}")
    draft.name = form.text("name")
    try:
        await context.gateway.provisioning.start(sn, draft.make_request())
    except Problem as exc:
        return _ask(context, "name", draft, exc)
    draft.is_open = False
    draft.answered.add("name")
    context.site.drafts.save(sn, draft)
    return context.redirect(set_up_path(context))


def _go_on(context: PageContext, sn: str, draft: SetUpDraft, answered: Question) -> web.Response:
    draft.answered.add(answered)
    context.site.drafts.save(sn, draft)
    return context.redirect(f"{set_up_path(context)}?question={draft.next_question or 'name'}")


PAGES = (
    ConsolePage("GET", "cameras/{sn}/set-up", show_set_up, "installer"),
    ConsolePage("GET", "cameras/{sn}/set-up/networks", list_networks, "installer", shows="part"),
    ConsolePage(
        "POST", "cameras/{sn}/set-up/network", answer_network, "installer", does=message("Choose a camera's Wi-Fi")
    ),
    ConsolePage(
        "POST",
        "cameras/{sn}/set-up/activation",
        answer_activation,
        "installer",
        does=message("Give a camera's activation number"),
    ),
    ConsolePage(
        "POST", "cameras/{sn}/set-up/name", answer_name, "installer", does=message("Name a camera and set it up")
    ),
)
