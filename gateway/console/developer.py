"""The integrator's corner: every endpoint with a form to try it, signatures step by step, and simulated faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import describe_error, message
from gateway.access.scopes import require_scope
from gateway.api.vendor import check_described, find_needed_scope, may_see_secrets
from gateway.console.page import ConsolePage, PageContext
from gateway.console.parameter_form import make_fields, read_arguments
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, Problem, VendorRefused
from gateway.outbox.submission import SubmissionStatus
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint, Side
from gateway.protocol.signing import sign, string_to_sign

_PAGE: Final = "/console/developer"
_WAIT_S: Final = 10.0
"""How long a call that may be queued is waited for."""
_MAX_PAIRS: Final = 200


@dataclass(frozen=True, slots=True)
class TryResult:
    """What became of a call that a person tried."""

    succeeded: bool
    """Whether the vendor answered with code 0."""
    summary: str
    """What happened, in one sentence."""
    body: str = ""
    """The response as indented JSON; empty if there is none."""
    outbox_id: str = ""
    """Where it is in the outbox; empty if it is not there."""


async def show_developer(context: PageContext) -> web.StreamResponse:
    """List the endpoints, and offer the signature calculator."""
    return _render_index(context)


def _render_index(context: PageContext, **calculator: Any) -> web.Response:
    wanted = context.request.query.get("search", "").strip()[:100]
    words = wanted.casefold().split()
    found = [
        endpoint
        for endpoint in CATALOGUE.endpoints
        if all(word in f"{endpoint.side} {endpoint.path} {endpoint.title}".casefold() for word in words)
    ]
    values = {"pairs": "", "string_to_sign": "", "signature": "", "problem": None} | calculator
    status = 200 if values["problem"] is None else values["problem"].status
    return context.render(
        "developer.html",
        status=status,
        endpoints=found,
        search=wanted,
        simulated_store=context.site.simulated_store,
        **values,
    )


async def calculate_signature(context: PageContext) -> web.StreamResponse:
    """Show the string that is signed, and the signature."""
    form = await context.read_form()
    pairs = form.raw_text("pairs")
    try:
        parameters = _parse_pairs(pairs)
    except InvalidRequest as exc:
        return _render_index(context, pairs=pairs, problem=exc)
    key = form.raw_text("key")
    return _render_index(
        context, pairs=pairs, string_to_sign=string_to_sign(parameters, key), signature=sign(parameters, key)
    )


def _parse_pairs(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > _MAX_PAIRS:
        raise InvalidRequest([FieldError("pairs", message("must be at most {limit} lines", limit=_MAX_PAIRS))])
    pairs = [line.partition("=") for line in lines]
    wrong = next((line for line, (_, equals, _) in zip(lines, pairs, strict=True) if not equals), None)
    if wrong is not None:
        raise InvalidRequest([FieldError("pairs", message("{wrong!r} is not name=value", wrong=wrong[:80]))])
    return {name.strip(): value for name, _, value in pairs}


async def show_endpoint(context: PageContext) -> web.StreamResponse:
    """Show an endpoint with a form to try it."""
    endpoint = _find_endpoint(context)
    shop = context.gateway.settings.cloud.shop if endpoint.side == "cloud" else {}
    return _render_endpoint(context, endpoint, values=shop | {"camera": context.request.query.get("camera", "")})


def _find_endpoint(context: PageContext) -> Endpoint:
    names = context.request.match_info
    side: Side
    for side in ("camera", "cloud"):
        if names["side"] == side:
            return CATALOGUE.get(side, names["path"])
    raise NotFound(message("there is no side {side!r}: camera or cloud", side=names["side"][:40]))


def _render_endpoint(
    context: PageContext,
    endpoint: Endpoint,
    *,
    values: Mapping[str, Any],
    field_errors: Sequence[FieldError] = (),
    problem: Problem | None = None,
    result: TryResult | None = None,
) -> web.Response:
    needed = find_needed_scope(endpoint, context.gateway)
    return context.render(
        "developer_endpoint.html",
        status=200 if problem is None else problem.status,
        endpoint=endpoint,
        fields=make_fields(endpoint, values=values, field_errors=field_errors),
        cameras=[one for one in context.gateway.registry.all() if one.managed],
        chosen=values.get("camera", ""),
        needed=needed,
        may=needed in context.scopes,
        problem=problem,
        result=result,
    )


async def try_endpoint(context: PageContext) -> web.StreamResponse:
    """Send a call as the form says, and show the response."""
    endpoint = _find_endpoint(context)
    require_scope(context.scopes, find_needed_scope(endpoint, context.gateway))
    form = await context.read_form()
    arguments, files = read_arguments(endpoint, form)
    values = arguments | {"camera": form.text("camera")}
    try:
        check_described(endpoint)
        if not endpoint.repeatable and not form.is_ticked("confirmed"):
            raise Conflict(message("this call changes something: tick the box that says that you mean it"))
        defaults = context.gateway.settings.cloud.shop if endpoint.side == "cloud" else {}
        call = endpoint.encode(arguments, files=files, defaults=defaults)
        result = await _send(context, endpoint, call, form.text("camera"))
    except VendorRefused as exc:
        result = TryResult(False, exc.detail, _format(exc.vendor_answer), exc.outbox_id or "")
    except InvalidRequest as exc:
        return _render_endpoint(context, endpoint, values=values, field_errors=exc.field_errors, problem=exc)
    except Problem as exc:
        return _render_endpoint(context, endpoint, values=values, problem=exc)
    return _render_endpoint(context, endpoint, values=values, result=result)


async def _send(context: PageContext, endpoint: Endpoint, call: Call, camera: str) -> TryResult:
    gateway = context.gateway
    if endpoint.relay is not None:
        gateway.cloud.check_credentials()
        gateway.outbox_worker.start()
        return _describe_queued(await gateway.outbox.submit(call, token=context.name, wait_s=_WAIT_S))
    if endpoint.side == "cloud":
        response = await gateway.cloud.call(call)
    else:
        response = await gateway.cameras.call(gateway.registry.find_spelling(camera), call)
    document = response.document
    if not may_see_secrets(endpoint, context.scopes):
        document = endpoint.redact(document)
    return TryResult(True, message("The call succeeded."), _format(document))


def _describe_queued(status: SubmissionStatus) -> TryResult:
    if status.outcome is None:
        return TryResult(True, message("It waits in the outbox."), outbox_id=status.outbox_id)
    if status.response:
        body = _format(json_text.loads(status.response))
        succeeded = status.state == "delivered"
        text = message("The call succeeded.") if succeeded else message("The cloud refused it.")
        return TryResult(succeeded, text, body, status.outbox_id)
    return TryResult(False, status.outcome.meaning or message("It was not sent."), outbox_id=status.outbox_id)


def _format(document: Any) -> str:
    return json_text.dumps(json_text.make_encodable(document), indent=2)


async def plug_camera(context: PageContext) -> web.StreamResponse:
    """Unplug a camera of the simulated store, or plug it in again."""
    control = context.site.simulated_store
    if control is None:
        raise NotFound(message("this is no simulated store: nothing can be told to misbehave"))
    form = await context.read_form()
    sn, plugged = form.text("sn"), form.text("action") == "plug"
    try:
        await control.plug(sn, plugged)
    except ValueError as exc:
        return context.redirect(_PAGE, notice=describe_error(exc), failed=True)
    done = message("{sn} is plugged in.", sn=sn) if plugged else message("{sn} is unplugged.", sn=sn)
    return context.redirect(f"{_PAGE}#cameras", notice=done)


async def inject_fault(context: PageContext) -> web.StreamResponse:
    """Let a server of the simulated store misbehave, or all behave again."""
    control = context.site.simulated_store
    if control is None:
        raise NotFound(message("this is no simulated store: nothing can be told to misbehave"))
    form = await context.read_form()
    if form.text("action") == "clear":
        control.clear()
        return context.redirect(_PAGE, notice=message("Everything behaves again."))
    try:
        control.inject(form.text("target"), form.text("fault"))
    except ValueError as exc:
        return context.redirect(_PAGE, notice=describe_error(exc), failed=True)
    notice = message("{target} misbehaves: {fault}", target=form.text("target"), fault=form.text("fault"))
    return context.redirect(_PAGE, notice=notice)


PAGES = (
    ConsolePage("GET", "developer", show_developer, "pos"),
    ConsolePage("POST", "developer/signature", calculate_signature, "pos", audited=False),
    ConsolePage("POST", "developer/faults", inject_fault, "admin", does=message("Let the simulated store misbehave")),
    ConsolePage(
        "POST", "developer/cameras", plug_camera, "admin", does=message("Plug in or unplug a simulated camera")
    ),
    ConsolePage("GET", "developer/{side}/{path:.+}", show_endpoint, "pos"),
    ConsolePage("POST", "developer/{side}/{path:.+}", try_endpoint, "pos", does=message("Try an endpoint")),
)
