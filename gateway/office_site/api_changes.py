"""The calls that change shops: what is desired of them, roll-outs, files and commands."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.bodies import Body, read_body
from gateway.api.idempotency import MAX_KEY_LENGTH, parse_idempotency_key
from gateway.api.problems import REPLAYED_HEADER
from gateway.api.query import Flag, Query, read_query
from gateway.api.route import DeclaredResponse, json_response
from gateway.errors import FieldError, InvalidRequest
from gateway.fleet.commands import COMMANDS
from gateway.fleet_settings import CommandName
from gateway.office.command_calls import check_size
from gateway.office.desired import DesiredBucket, list_parts
from gateway.office.natural_order import natural_key
from gateway.office.rollout_documents import RolloutTarget
from gateway.office.rollout_targets import belongs_to
from gateway.office.rollouts import (
    DEFAULT_STOP_AT,
    DEFAULT_WAIT_S,
    DEFAULT_WAVES,
    RolloutAction,
    RolloutStore,
    act_on_rollout,
    check_target,
    start_rollout,
)
from gateway.office_site.command_runs import DEADLINE_S, MAX_DEADLINE_S
from gateway.office_site.desired_parts import check_parts, find_key, set_parts
from gateway.office_site.file_intake import FileKind
from gateway.office_site.model_form import check_model
from gateway.office_site.site import OfficeRequest, OfficeRoute

_ETAG: Final = ("ETag",)
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The `ETag` of what was read, so that nobody's change is lost.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes the same command with the same key no new one: while this head office remembers it, the "
    f"response is that of the first call, and `{REPLAYED_HEADER}` says so. After that, and at another head office, "
    "shops that have acted on it say what became of it, and the others act on it now, as long as a shop remembers it: "
    "its newest 1,000 commands, and results of 20. Keys of one token are apart from those of others.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
}
_ACTIONS: Final[Mapping[RolloutAction, str]] = {
    "pause": message("Pause a roll-out"),
    "continue": message("Continue a roll-out"),
    "stop": message("End a roll-out where it is"),
    "undo": message("Undo a roll-out"),
}


class DesiredBody(Body):
    """All that is to be desired of a circle of shops; what it does not name is desired no more."""

    parts: dict[str, Any] = Field(
        max_length=1000,
        description="By part: `settings.SECTION.KEY`, `products`, `templates.NAME`, `version`.",
        examples=[{"settings.discovery.interval_s": 120}],
    )


class TargetBody(Body):
    """For which shops; exactly one of the three."""

    shops: list[str] = Field(default=[], max_length=1000, description="These shops.")
    groups: list[str] = Field(default=[], max_length=20, description="The shops of these groups.")
    everyone: bool = Field(default=False, description="All shops.")

    def make_target(self) -> RolloutTarget:
        """Return the shops. Raises `InvalidRequest` if none are named, or in two ways."""
        if sum(map(bool, (self.shops, self.groups, self.everyone))) != 1:
            raise InvalidRequest([FieldError("shops", message("say for which shops: shops, groups or everyone"))])
        values = {"shops": self.shops, "groups": self.groups, "everyone": self.everyone}
        check_model(RolloutTarget, values)
        return RolloutTarget.model_validate(values)


class RolloutBody(TargetBody):
    """A roll-out to start."""

    parts: dict[str, Any] = Field(
        min_length=1,
        max_length=100,
        description="What is to be desired, by part; null: nothing any more. All of one kind.",
        examples=[{"version": "1.4.2"}],
    )
    title: str = Field(default="", max_length=500, description="What it changes, for people.")
    waves: list[str] = Field(default=[*DEFAULT_WAVES], max_length=20, description="Groups, then percentages up to 100.")
    stop_at: float = Field(default=DEFAULT_STOP_AT, ge=0, le=1, description="At which share of failures it stops.")
    wait_s: float = Field(default=DEFAULT_WAIT_S, ge=0, description="For how long each wave is waited for.")


class CommandBody(TargetBody):
    """A command to give."""

    command: CommandName = Field(description="Its name.")
    arguments: dict[str, Any] = Field(default={}, description="Its arguments.")
    deadline_s: float = Field(
        default=DEADLINE_S, gt=0, le=MAX_DEADLINE_S, description="How long shops have to get it, in seconds."
    )


class FileQuery(Query):
    """What the file is."""

    kind: FileKind = Field(description="A list of products, or a template of labels.")
    name: str = Field(min_length=1, max_length=200, description="The name of the file.")
    partial: Flag = Field(default=False, description="Whether products that the list does not have stay.")
    confirm: Flag = Field(default=False, description="Whether it is taken though it changes or deletes much.")


async def show_desired_parts(context: OfficeRequest) -> web.StreamResponse:
    """Return what is desired of a circle of shops."""
    document = await DesiredBucket(context.office).get(find_key(context.view.shops, context.request.match_info["key"]))
    return _answer_desired(document.key, document.revision, list_parts(document.document))


async def put_desired_parts(context: OfficeRequest) -> web.StreamResponse:
    """Replace what is desired of a circle of shops, if nobody else has changed it meanwhile (`If-Match`)."""
    key = find_key(context.view.shops, context.request.match_info["key"])
    body = await read_body(context.request, DesiredBody)
    check_parts(body.parts)
    given = context.request.headers.get("If-Match")
    if given is None:
        reason = message("is required: the ETag of what you have read, so that nobody's change is lost")
        raise InvalidRequest([FieldError("If-Match", reason)])
    revision = await set_parts(context.office, key, given.strip('"'), body.parts, is_whole=True)
    return _answer_desired(key, revision, body.parts)


async def list_rollouts(context: OfficeRequest) -> web.StreamResponse:
    """List the roll-outs, the newest first."""
    return json_response({"rollouts": [one.describe() for one in await RolloutStore(context.office).list_all()]})


async def start_chain_rollout(context: OfficeRequest) -> web.StreamResponse:
    """Start a roll-out."""
    body = await read_body(context.request, RolloutBody)
    kind = check_parts(body.parts)
    if kind is None:
        reason = message("must all be of one kind: settings, products, templates or version")
        raise InvalidRequest([FieldError("parts", reason)])
    rollout = await start_rollout(
        context.office,
        context.view.shops,
        kind,
        body.parts,
        body.make_target(),
        title=body.title or ", ".join(body.parts),
        waves=body.waves,
        stop_at=body.stop_at,
        wait_s=body.wait_s,
    )
    await context.view.refresh_rollouts()
    return json_response(rollout.describe(), 201, {"Location": f"/api/v1/rollouts/{rollout.id}"})


async def show_chain_rollout(context: OfficeRequest) -> web.StreamResponse:
    """Return a roll-out, and what became of it in each shop."""
    rollout, results = await context.view.looks.look(_find(context))
    return json_response({"rollout": rollout.describe(), "results": [one.model_dump(mode="json") for one in results]})


def _find(context: OfficeRequest) -> str:
    return context.view.find_rollout(context.request.match_info["id"])


def _act(action: RolloutAction) -> Any:
    async def act(context: OfficeRequest) -> web.StreamResponse:
        rollout = await act_on_rollout(context.office, _find(context), action)
        await context.view.refresh_rollouts()
        return json_response(rollout.describe())

    act.__name__ = f"{action}_rollout"
    return act


async def store_file(context: OfficeRequest) -> web.StreamResponse:
    """Check a file and store it at the servers; shops get it once it is desired."""
    query = read_query(context.request.query, FileQuery)
    async with context.site.files.receive_body(context.request) as file:
        part, value = await context.site.files.store(
            context.office, query.kind, query.name, file, is_partial=query.partial, is_confirmed=query.confirm
        )
    return json_response({"part": part, "value": value}, 201)


async def list_commands(_: OfficeRequest) -> web.StreamResponse:
    """List the commands that shops know."""
    commands = [
        {"name": name, "title": str(one.title), "arguments": one.arguments.model_json_schema()}
        for name, one in COMMANDS.items()
    ]
    return json_response({"commands": commands})


async def give_commands(context: OfficeRequest) -> web.StreamResponse:
    """Give a command to shops, in the background."""
    body = await read_body(context.request, CommandBody)
    target = body.make_target()
    check_target(context.view.shops, target)
    check_model(COMMANDS[body.command].arguments, body.arguments)
    check_size(body.arguments)
    shops = sorted((one.shop for one in context.view.shops if belongs_to(target, one)), key=natural_key)
    if not shops:
        raise InvalidRequest([FieldError("shops", message("none of these shops has joined"))])
    commands, run_id = context.view.commands, _name_run(context)
    repeated = commands.find_repeated(run_id, body.command, body.arguments, target) if run_id else None
    made = repeated or commands.start(
        context.office,
        body.command,
        body.arguments,
        shops,
        deadline_s=body.deadline_s,
        run_id=run_id,
        target=target,
    )
    headers = {"Location": f"/api/v1/commands/{made.id}"}
    return json_response(made.describe(), 202, headers | ({REPLAYED_HEADER: "true"} if repeated else {}))


def _name_run(context: OfficeRequest) -> str:
    """Return how the command of a request with an idempotency key is called at every head office; empty without one."""
    key = parse_idempotency_key(context.request)
    return "" if key is None else hashlib.sha256(f"{context.token}\0{key}".encode()).hexdigest()[:32]


async def show_commands(context: OfficeRequest) -> web.StreamResponse:
    """Return what became of a command."""
    return json_response(context.view.commands.get(context.request.match_info["id"]).describe())


def _answer_desired(key: str, revision: int, parts: Mapping[str, Any]) -> web.Response:
    document = {"key": key, "revision": revision, "parts": parts}
    return json_response(document, headers={"ETag": f'"{revision}"'})


ROUTES: Final = (
    OfficeRoute("GET", "/api/v1/desired/{key}", "Show what is desired of the chain, a group or a shop",
                show_desired_parts, "view",
                responses={200: DeclaredResponse("What is desired; `ETag` is its revision.", "DesiredParts",
                                                 headers=_ETAG)}),
    OfficeRoute("PUT", "/api/v1/desired/{key}", "Replace what is desired, with If-Match", put_desired_parts, "operate",
                DesiredBody, {200: DeclaredResponse("What is desired now.", "DesiredParts", headers=_ETAG)},
                headers=(_IF_MATCH,)),
    OfficeRoute("GET", "/api/v1/rollouts", "List the roll-outs", list_rollouts, "view",
                responses={200: DeclaredResponse("The roll-outs.", "RolloutList")}),
    OfficeRoute("POST", "/api/v1/rollouts", "Start a roll-out in waves", start_chain_rollout, "operate", RolloutBody,
                {201: DeclaredResponse("The roll-out.", "Rollout", headers=("Location",))}),
    OfficeRoute("GET", "/api/v1/rollouts/{id}", "Show a roll-out and its outcomes", show_chain_rollout, "view",
                responses={200: DeclaredResponse("The roll-out.", "RolloutStatus")}),
    *(OfficeRoute("POST", f"/api/v1/rollouts/{{id}}/{action}", summary, _act(action), "operate",
                  responses={200: DeclaredResponse("The roll-out.", "Rollout")})
      for action, summary in _ACTIONS.items()),
    OfficeRoute("POST", "/api/v1/files", "Store a list of products or a template for shops", store_file, "operate",
                query=FileQuery, file_types=("application/octet-stream",),
                responses={201: DeclaredResponse("The part that can be desired now.", "StoredPart")}),
    OfficeRoute("GET", "/api/v1/commands", "List the commands that shops know", list_commands, "view",
                responses={200: DeclaredResponse("The commands.", "DeclaredCommandList")}),
    OfficeRoute("POST", "/api/v1/commands", "Give a command to shops", give_commands, "operate", CommandBody,
                {202: DeclaredResponse("It is under way.", "CommandRun", headers=("Location",),
                                       optional_headers=(REPLAYED_HEADER,)),
                 409: DeclaredResponse("The Idempotency-Key was used for another command or other shops.", "Problem")},
                headers=(_IDEMPOTENCY_KEY,)),
    OfficeRoute("GET", "/api/v1/commands/{id}", "Show what became of a command", show_commands, "view",
                responses={200: DeclaredResponse("What became of it so far.", "CommandRun")}),
)  # fmt: skip
