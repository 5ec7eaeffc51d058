"""Commands for shops: each is asked again and again, with the same id, until it has said what became of it.

The shop remembers the id and the outcome, so a repeat is never acted on twice. A command makes sense only now: a shop
that is away until the deadline does not get it.
"""

import asyncio
import hashlib
import heapq
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, NamedTuple

import nats.errors
from pydantic import ValidationError

from firmware_tools.language import describe_error, message
from gateway.errors import FieldError, InvalidRequest
from gateway.fleet.commands import COMMANDS, MAX_ARGUMENTS_BYTES
from gateway.fleet.documents import CommandRequest, CommandResponse
from gateway.fleet_settings import CommandName
from gateway.office.audit import record_change
from gateway.office.command_responses import CommandResponses
from gateway.office.office import Office, translated
from gateway.protocol import json_text
from gateway.runtime.task_group import run_all

CONCURRENCY: Final = 64
"""How many shops are asked at the same time."""
RESPONSE_TIMEOUT_S: Final = 6.0
"""How long a response is waited for: the shop says `running` after 3 seconds."""
AWAY_INTERVALS_S: Final = (1.0, 2.0, 5.0, 10.0)
"""How long until a shop that is away is asked again: after each time, and then always after the last one."""
RUNNING_INTERVAL_S: Final = 2.0
"""How long until a shop that is acting on it is asked again."""

RUN_ID: Final = r"[A-Za-z0-9_-]{8,40}"
"""What names the run of a command."""

CallOutcome = Literal["done", "refused", "failed", "interrupted", "running", "away", "unreadable"]
"""What became of a command. `running` and `away`: so it was when the deadline was over."""


class CommandCall(NamedTuple):
    """What became of a command in a shop."""

    shop: str
    """Its name."""
    id: str
    """The idempotency key of the command."""
    outcome: CallOutcome
    """What became of it."""
    reason: str
    """Why."""
    result: Mapping[str, Any]
    """What it returned."""


class _Due(NamedTuple):
    """A shop that is to be asked."""

    at: float
    """When, by the monotonic clock."""
    shop: str
    attempt: int
    """How often it was asked before."""
    outcome: CallOutcome
    """What it said last."""
    reason: str


async def call_shops(
    office: Office,
    command: CommandName,
    arguments: Mapping[str, Any],
    shops: Sequence[str],
    *,
    run_id: str,
    deadline_s: float,
    on_outcome: Callable[[CommandCall], None],
) -> None:
    """Give a command to shops; `on_outcome` is called for each as soon as it is known what became of it there.

    The caller has checked it and its arguments. `run_id` names the run, as `RUN_ID` says: the same command with the
    same arguments and `run_id` is the same for a shop, so that it may be given again after a crash. `deadline_s` is how
    long from now it may be acted on, in seconds. Raises `InvalidRequest` for arguments that no shop would read, and
    `HeadOfficeUnavailable`.
    """
    check_size(arguments)
    ends_at = time.monotonic() + deadline_s
    deadline = f"{await office.read_time() + timedelta(seconds=deadline_s):%Y-%m-%dT%H:%M:%SZ}"
    command_id = _make_id(run_id, command, arguments)
    about = COMMANDS[command].arguments.model_validate_json(json.dumps(arguments)).subject
    await record_change(office, "command", command, id=command_id, about=about, shops=[*shops])
    calls = _Calls(office.actor, command, arguments, shops, command_id, ends_at, deadline, on_outcome)
    with translated(office.folder):
        async with CommandResponses.open(office.client) as responses:
            await run_all(calls.work(responses) for _ in range(min(CONCURRENCY, len(shops))))


def check_size(arguments: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` for arguments that are larger than a shop reads."""
    size = len(json_text.dumps(json_text.make_encodable(arguments)).encode())
    if size > MAX_ARGUMENTS_BYTES:
        reason = message("have {size} bytes, and shops read {limit} at most", size=size, limit=MAX_ARGUMENTS_BYTES)
        raise InvalidRequest([FieldError("arguments", reason)])


def _make_id(run_id: str, command: str, arguments: Mapping[str, Any]) -> str:
    """Return the idempotency key of a command: with other arguments it is no repeat, and has another one."""
    content = json.dumps([command, arguments], sort_keys=True).encode()
    return f"{run_id}-{hashlib.sha256(content).hexdigest()[:16]}"


class _Calls:
    """The shops that have not said yet what became of a command."""

    def __init__(
        self,
        by: object,
        command: CommandName,
        arguments: Mapping[str, Any],
        shops: Sequence[str],
        command_id: str,
        ends_at: float,
        deadline: str,
        on_outcome: Callable[[CommandCall], None],
    ) -> None:
        self._by = str(by)[:200]
        self._command = command
        self._arguments = dict(arguments)
        self._on_outcome = on_outcome
        self._ends_at = ends_at
        self._deadline = deadline
        self._id = command_id
        self._due = [_Due(0.0, shop, 0, "away", "") for shop in shops]
        heapq.heapify(self._due)
        self._open = len(shops)

    async def work(self, responses: CommandResponses) -> None:
        """Ask one shop after the other until none is left."""
        while self._open:
            now = time.monotonic()
            if self._due and self._due[0].at <= now:
                await self._ask(heapq.heappop(self._due), responses)
            else:
                next_at = self._due[0].at if self._due else now + RESPONSE_TIMEOUT_S
                await asyncio.sleep(max(0.0, min(next_at - now, 0.2)))

    async def _ask(self, due: _Due, responses: CommandResponses) -> None:
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            self._finish(due, due.outcome, due.reason or _describe_end(due.outcome))
            return
        request = CommandRequest(id=self._id, deadline=self._deadline, by=self._by, arguments=self._arguments)
        try:
            received = await responses.request(
                due.shop, self._command, request.model_dump_json().encode(), min(RESPONSE_TIMEOUT_S, left_s)
            )
            response = CommandResponse.model_validate_json(received)
        except nats.errors.ConnectionClosedError:
            raise
        except (OSError, nats.errors.Error, TimeoutError) as exc:
            interval = AWAY_INTERVALS_S[min(due.attempt, len(AWAY_INTERVALS_S) - 1)]
            reason = due.reason if isinstance(exc, nats.errors.NoRespondersError) else _describe_silence(exc)
            self._again(due._replace(attempt=due.attempt + 1, reason=reason), interval)
            return
        except ValidationError:
            self._finish(due, "unreadable", message("its response cannot be read: is its gateway too old?"))
            return
        if response.outcome == "running":
            self._again(due._replace(outcome="running", reason=response.reason, attempt=0), RUNNING_INTERVAL_S)
        else:
            self._finish(due, response.outcome, response.reason, response.result)

    def _again(self, due: _Due, interval_s: float) -> None:
        at = time.monotonic() + interval_s * random.uniform(0.8, 1.2)
        heapq.heappush(self._due, due._replace(at=min(at, self._ends_at)))

    def _finish(self, due: _Due, outcome: CallOutcome, reason: str, result: Mapping[str, Any] | None = None) -> None:
        self._open -= 1
        self._on_outcome(CommandCall(due.shop, self._id, outcome, reason, result or {}))


def _describe_end(outcome: CallOutcome) -> str:
    if outcome == "running":
        return message("it was still at work when the deadline was over; the shop's audit log says what became of it")
    return message("it was away until the deadline, so it has not got the command, and will not")


def _describe_silence(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return message("its response did not arrive: the shop's audit log says whether it has acted on the command")
    return message("the servers took nothing for it: {reason}", reason=describe_error(failure))
