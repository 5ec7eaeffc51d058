"""Takes the commands of the head office: each is checked, remembered, acted on once, and answered.

What arrives is whatever somebody sent. The head office repeats a command while this shop is away or `running`, so a
response that gets lost costs nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from firmware_tools.language import describe_error, join, message
from gateway.audit.change import NewChange
from gateway.audit.log import AuditLog
from gateway.errors import Conflict, Forbidden, GatewayError, InvalidRequest, NotFound, StateError
from gateway.fleet.command_table import FleetCommandTable, StoredCommand
from gateway.fleet.commands import COMMANDS, MAX_REQUEST_BYTES, CommandArguments, FleetCommand, find_command_name
from gateway.fleet.documents import CommandOutcome, CommandRequest, CommandResponse
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.link_part import LinkPart
from gateway.fleet.presence import PresenceWatch
from gateway.fleet.subjects import command_subject
from gateway.fleet_settings import CommandName, FleetSettings
from gateway.protocol import json_text
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.timestamps import utc_text
from gateway.runtime.token_bucket import TokenBucket
from gateway.validation_texts import describe_validation_error

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection, ReceivedMessage

ANSWER_WITHIN_S: Final = 3.0
"""How long a command is waited for before the response is `running`."""
MAX_RUNNING: Final = 3
"""How many commands are acted on at the same time."""
MAX_UNANSWERED: Final = 20
"""How many messages are dealt with at the same time; more get no response, and come again."""
MAX_RESULT_BYTES: Final = 640 * 1024
"""The longest result. A server takes messages of 1 MB."""
_MAX_REASON: Final = 1000
_REFUSALS_PER_S: Final = 1 / 60
_REFUSALS_BURST: Final = 20
"""How many refusals the audit log takes: it is bounded, and what others did must not leave it."""

Act = Callable[[CommandArguments], Awaitable[dict[str, Any]]]
"""Does what a command says, and returns its result as JSON."""

_log: Final = logging.getLogger(__name__)


class _Refused(Exception):
    """A command is not acted on. The text says why."""


class _Checked(NamedTuple):
    """A request that may be acted on."""

    request: CommandRequest
    name: CommandName
    command: FleetCommand
    arguments: CommandArguments


class CommandHandler(LinkPart):
    """Takes commands, and responds to them."""

    def __init__(
        self,
        settings: FleetSettings,
        table: FleetCommandTable,
        clock: PeerClock,
        audit: AuditLog,
        supervisor: Supervisor,
        presence: PresenceWatch,
        *,
        act: Act,
    ) -> None:
        """Take what is needed to check commands, and `act`, which does what they say."""
        self._settings = settings
        self._table = table
        self._clock = clock
        self._audit = audit
        self._supervisor = supervisor
        self._presence = presence
        self._act = act
        self._member = ""
        """As which shop of which chain it takes commands."""
        self._is_open = False
        """Whether the commands of earlier processes have been looked at."""
        self._responses: set[asyncio.Task[None]] = set()
        self._running: dict[str, asyncio.Task[CommandResponse]] = {}
        """The commands that are acted on now, by their idempotency keys."""
        self._beginning = asyncio.Lock()
        """Held while a command is begun, so that those that come at the same time are counted."""
        self._is_held = False
        """Whether no more commands are begun, since the gateway is about to end."""
        self._unstored: dict[str, CommandResponse] = {}
        """What became of commands, where the database could not take it: few, since then none is begun either."""
        self._refusals = TokenBucket(_REFUSALS_PER_S, _REFUSALS_BURST)
        self.outcomes: dict[CommandOutcome, int] = {"done": 0, "refused": 0, "failed": 0}
        """How many commands had which outcome since the start."""

    @property
    def is_busy(self) -> bool:
        """Whether commands are under way."""
        return bool(self._running or self._responses)

    def hold(self) -> None:
        """Begin no more commands: the gateway is about to end, and starts again. They come again by themselves."""
        self._is_held = True

    async def begin(self, connection: "FleetConnection") -> None:
        """Take commands on a new connection. Raises `HeadOfficeUnavailable` and `StateError`."""
        if not self._is_open:
            reason = message("the gateway ended meanwhile, so nobody knows how far it came; it is not done again")
            for stored in await self._table.interrupt(reason):
                await self._record(stored.who, stored.name, stored.subject, "interrupted")
            self._is_open = True
        self._member = connection.member
        await connection.subscribe(
            command_subject(self._settings.shop), lambda received: self._take(connection, received)
        )

    async def close(self) -> None:
        """End what is under way: it is reported as interrupted after the next start."""
        for task in (*self._responses, *self._running.values()):
            task.cancel()
        await asyncio.gather(*self._responses, *self._running.values(), return_exceptions=True)

    def _take(self, connection: "FleetConnection", received: "ReceivedMessage") -> None:
        if len(self._responses) >= MAX_UNANSWERED or not received.reply:
            return
        task = self._supervisor.start_job("response to the head office", self._respond(connection, received))
        self._responses.add(task)
        task.add_done_callback(self._responses.discard)

    async def _respond(self, connection: "FleetConnection", received: "ReceivedMessage") -> None:
        response = await self.answer(received.subject.rpartition(".")[2], received.payload)
        with contextlib.suppress(HeadOfficeUnavailable):  # the head office asks again
            await connection.send(received.reply, json_text.dumps(response.model_dump()).encode())

    async def answer(self, name: str, payload: bytes) -> CommandResponse:
        """Deal with a command, and return the response of this moment."""
        request_id = ""
        try:
            request = _read_request(payload)
            request_id = request.id
            return await self._answer(name, request)
        except _Refused as refused:
            self.outcomes["refused"] += 1
            return CommandResponse(id=request_id, outcome="refused", reason=describe_error(refused)[:_MAX_REASON])

    async def _answer(self, name: str, request: CommandRequest) -> CommandResponse:
        try:
            stored = await self._table.find(self._member, request.id)
            if stored is not None:
                return await self._repeat(name, request, stored)
            try:
                checked = self._check(name, request)
            except _Refused:
                await self._record_refusal(name, request)
                raise
            async with self._beginning:
                if (reason := await self._begin(checked)) is not None:
                    return CommandResponse(id=request.id, outcome="running", reason=reason)
        except StateError as exc:
            reason = message("commands cannot be remembered now, so none is acted on: {reason}", reason=exc)
            raise _Refused(reason) from exc
        return await self._wait(request.id)

    async def _begin(self, checked: _Checked) -> str | None:
        """Begin a command, unless it was begun before; return why it has to wait, or None. Raises `StateError`."""
        request, name = checked.request, checked.name
        if self._is_held:
            return message("the gateway is started again; this one waits")
        if len(self._running) >= MAX_RUNNING:
            return message("{count} other commands are under way; this one waits", count=len(self._running))
        # Two messages with one id can be here at the same time: the database says which of them is the first.
        now, subject = int(self._clock.now()), checked.arguments.subject
        if await self._table.begin(self._member, request.id, name, request.by, subject, now=now):
            work = self._supervisor.start_job(f"command {name}", self._carry_out(checked))
            self._running[request.id] = work
            work.add_done_callback(lambda _: self._running.pop(request.id, None))
        return None

    def _check(self, name: str, request: CommandRequest) -> _Checked:
        """Return a request with what it asks for. Raises `_Refused`."""
        known_name = find_command_name(name)
        if known_name is None:
            known = ", ".join(sorted(COMMANDS))
            raise _Refused(message("{name!r} is no command of this gateway, which has {known}", name=name, known=known))
        if name not in self._settings.may:
            raise _Refused(
                message(
                    "the shop's setting fleet.may does not list {name}: add it there, and restart its gateway",
                    name=name,
                )
            )
        if self._presence.is_cloned:
            raise _Refused(
                message(
                    "another gateway has this shop's certificate, so nobody knows which one is meant: switch one off"
                )
            )
        command, deadline = COMMANDS[known_name], _read_deadline(request.deadline)
        if self._clock.known and self._clock.now() > deadline.timestamp():
            raise _Refused(
                message(
                    "its deadline, {deadline}, is over: it is {now} by the vendor's cloud. Give the command again; if "
                    "it was given just now, set the clocks of the chain's servers",
                    deadline=request.deadline,
                    now=utc_text(self._clock.now()),
                )
            )
        try:
            arguments = command.arguments.model_validate_json(json_text.dumps(request.arguments))
        except ValidationError as exc:
            raise _Refused(_describe_faults("arguments", exc)) from exc
        return _Checked(request, known_name, command, arguments)

    async def _repeat(self, name: str, request: CommandRequest, stored: StoredCommand) -> CommandResponse:
        if stored.name != name:
            raise _Refused(
                message("the id {id} was used for the command {name}: use a new one", id=request.id, name=stored.name)
            )
        return stored.response if stored.response.outcome != "running" else await self._wait(request.id)

    async def _wait(self, request_id: str) -> CommandResponse:
        """Return what became of a command that was taken: `running` if that is not known soon."""
        if (unstored := self._unstored.get(request_id)) is not None:
            return unstored
        running = self._running.get(request_id)
        if running is not None:
            done, _ = await asyncio.wait({running}, timeout=ANSWER_WITHIN_S)
            if done and not running.cancelled() and running.exception() is None:
                return running.result()
        elif (stored := await self._table.find(self._member, request_id)) is not None:
            return stored.response
        return CommandResponse(id=request_id, outcome="running")

    async def _carry_out(self, checked: _Checked) -> CommandResponse:
        """Act on a command, remember what became of it, and return that."""
        request = checked.request
        outcome, reason, result = await self._try(checked)
        if (size := len(json_text.dumps(result).encode())) > MAX_RESULT_BYTES:
            reason = message("the result has {size} bytes, more than a response holds: look in the shop", size=size)
            result = {}
        response = CommandResponse(id=request.id, outcome=outcome, reason=reason[:_MAX_REASON], result=result)
        self.outcomes[outcome] += 1
        try:
            await self._table.finish(self._member, response)
        except StateError as exc:
            _log.warning("what became of the command %s, %s, cannot be stored: %s", request.id, outcome, exc)
            self._unstored[request.id] = response
        await self._record(request.by, checked.name, checked.arguments.subject, outcome)
        return response

    async def _try(self, checked: _Checked) -> tuple[CommandOutcome, str, dict[str, Any]]:
        try:
            async with asyncio.timeout(checked.command.timeout_s):
                return "done", "", await self._act(checked.arguments)
        except TimeoutError:
            limit_s = checked.command.timeout_s
            return "failed", message("it was not done within {limit_s:g} s, and was ended", limit_s=limit_s), {}
        except (InvalidRequest, NotFound, Conflict, Forbidden) as exc:
            return "refused", describe_error(exc), {}
        except GatewayError as exc:
            return "failed", describe_error(exc), {}
        except Exception:
            _log.exception("the command %s of the head office failed", checked.name)
            return "failed", message("the gateway itself failed; its log says where"), {}

    async def _record(self, who: str, name: str, subject: str, outcome: CommandOutcome) -> None:
        known = find_command_name(name)  # an earlier version may have had others
        title = name if known is None else COMMANDS[known].title
        about = f"{subject}: {outcome}" if subject else outcome
        await self._audit.add(NewChange(who, "head_office", title, about))

    async def _record_refusal(self, name: str, request: CommandRequest) -> None:
        if find_command_name(name) is not None and self._refusals.delay_s() <= 0:
            self._refusals.take()
            await self._record(request.by, name, "", "refused")


def _read_request(payload: bytes) -> CommandRequest:
    """Read a request. Raises `_Refused`."""
    if len(payload) > MAX_REQUEST_BYTES:
        raise _Refused(
            message(
                "the message has {size} bytes; at most {limit} are read", size=len(payload), limit=MAX_REQUEST_BYTES
            )
        )
    try:
        document = json_text.loads(payload)
        json_text.dumps(document).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as exc:
        raise _Refused(message("the message must be a JSON object in UTF-8: {reason}", reason=exc)) from exc
    try:
        return CommandRequest.model_validate(document)
    except ValidationError as exc:
        raise _Refused(_describe_faults("", exc)) from exc


def _read_deadline(text: str) -> datetime:
    """Read a deadline; a time without a zone is in UTC. Raises `_Refused`."""
    try:
        deadline = datetime.fromisoformat(text)
        return deadline if deadline.tzinfo is not None else deadline.replace(tzinfo=UTC)
    except ValueError as exc:
        raise _Refused(message("deadline: must be a time such as 2026-11-29T12:00:00Z")) from exc


def _describe_faults(prefix: str, exc: ValidationError) -> str:
    """Return what is wrong with each field."""
    texts = []
    for error in exc.errors()[:10]:
        where = ".".join(filter(None, [prefix, *map(str, error["loc"])])) or message("the message")
        texts.append(message("{parameter}: {reason}", parameter=where, reason=describe_validation_error(error)))
    return join("; ", texts)
