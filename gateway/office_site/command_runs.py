"""The commands that this head office gives to shops, and what became of them; in memory alone.

A command makes sense only now. What became of it stands in the audit log of each shop, too.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from firmware_tools.language import message
from gateway.errors import Conflict, NotFound, Overloaded
from gateway.fleet_settings import CommandName
from gateway.office.command_calls import CallOutcome, CommandCall, call_shops
from gateway.office.office import Office
from gateway.office.rollout_documents import RolloutTarget
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.timestamps import utc_text

DEADLINE_S: Final = 300.0
"""How long a shop has to get a command, unless told otherwise, in seconds."""
MAX_DEADLINE_S: Final = 86_400.0
MAX_RUNS: Final = 100
"""How many are remembered; the oldest that are over are forgotten."""
MAX_UNDER_WAY: Final = 1000
"""How many wait for shops at the same time: each looks many times a second whether one is to be asked."""
_RETRY_AFTER_S: Final = 30
MAX_RESULT_BYTES: Final = 64 * 1024 * 1024
"""How much is kept of what shops returned; the oldest goes. A support bundle has half a megabyte."""
_ORDER: Final[Sequence[CallOutcome]] = ("refused", "failed", "interrupted", "unreadable", "away", "running", "done")


@dataclass
class CommandRun:
    """A command to some shops."""

    id: str
    """Names it."""
    command: CommandName
    """Its name."""
    arguments: Mapping[str, Any]
    """Its arguments."""
    shops: Sequence[str]
    """Which shops get it."""
    by: str
    """Who gives it."""
    began: str
    """When, in UTC, by the clock of the servers."""
    target: RolloutTarget | None = None
    """How the shops were named: which these are may have changed when it is given again."""
    calls: dict[str, CommandCall] = field(default_factory=dict)
    """What became of it, by shop, without results; those that are missing have not said it yet."""
    results: dict[str, bytes] = field(default_factory=dict)
    """What shops returned, the oldest first: as JSON, since as objects it takes many times as much."""
    result_bytes: int = 0
    """How much that is."""
    reason: str = ""
    """Why it could not be given; empty if it could."""
    is_over: bool = False
    """Whether nothing more will become of it."""
    version: int = 0
    """Grows with each change of what is known of it."""

    @property
    def outcomes(self) -> Counter[CallOutcome]:
        """How many shops have which outcome."""
        return Counter(one.outcome for one in self.calls.values())

    def rank(self, shop: str) -> int:
        """Return where a shop stands in lists: failures first, then those that have not said it yet."""
        call = self.calls.get(shop)
        return _ORDER.index("running" if call is None else call.outcome)

    def take(self, call: CommandCall) -> None:
        """Take note of what became of it in a shop."""
        self.version += 1
        self.calls[call.shop] = call._replace(result={})
        if call.result:
            content = json.dumps(call.result).encode()
            self.results[call.shop] = content
            self.result_bytes += len(content)

    def drop_oldest_result(self) -> None:
        """Make room for results of other shops."""
        self.version += 1
        shop = next(iter(self.results))
        self.result_bytes -= len(self.results.pop(shop))
        reason = message("its result made room for newer ones: give the command again, to fewer shops")
        self.calls[shop] = self.calls[shop]._replace(reason=reason)

    def read_result(self, shop: str) -> dict[str, Any]:
        """Return what a shop returned; nothing if that is not kept."""
        result: dict[str, Any] = json.loads(self.results.get(shop, b"{}"))
        return result

    def describe(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "command": self.command,
            "shops": len(self.shops),
            "by": self.by,
            "began": self.began,
            "state": "over" if self.is_over else "running",
            "reason": self.reason,
            "calls": [
                {"shop": one.shop, "outcome": one.outcome, "reason": one.reason, "result": self.read_result(one.shop)}
                for one in self.calls.values()
            ],
        }


class CommandRuns:
    """The commands since the start."""

    def __init__(self, supervisor: Supervisor, clock: PeerClock) -> None:
        """Take what runs the commands, and the clock of the servers."""
        self._supervisor = supervisor
        self._clock = clock
        self._runs: dict[str, CommandRun] = {}

    def start(
        self,
        office: Office,
        command: CommandName,
        arguments: Mapping[str, Any],
        shops: Sequence[str],
        *,
        deadline_s: float = DEADLINE_S,
        run_id: str = "",
        target: RolloutTarget | None = None,
    ) -> CommandRun:
        """Give a command to shops, in the background; the caller has checked it and them.

        `run_id` names it, if not by chance: then shops that have acted on it say what became of it, and do it not
        again. The caller has made sure that no command of this name is remembered here. `target` is how it has named
        the shops. Raises `Overloaded` if too many are under way.
        """
        over = [key for key, one in self._runs.items() if one.is_over]
        for key in over[: max(0, len(self._runs) - MAX_RUNS + 1)]:
            del self._runs[key]
        if sum(not one.is_over for one in self._runs.values()) >= MAX_UNDER_WAY:
            refusal = message("{count} commands are under way already: wait until one is over", count=MAX_UNDER_WAY)
            raise Overloaded(refusal, retry_after_s=_RETRY_AFTER_S)
        began = utc_text(self._clock.now())
        made = CommandRun(
            run_id or uuid4().hex, command, arguments, tuple(shops), str(office.actor), began, target=target
        )
        self._runs[made.id] = made
        self._supervisor.start_job("commands to shops", self._run(office, made, deadline_s))
        return made

    def find_repeated(
        self, run_id: str, command: str, arguments: Mapping[str, Any], target: RolloutTarget
    ) -> CommandRun | None:
        """Return the command of this name, if it is remembered. Raises `Conflict` if it is another one."""
        known = self._runs.get(run_id)
        if known is not None and (known.command, known.arguments, known.target) != (command, arguments, target):
            raise Conflict(
                message("the Idempotency-Key was used for another command, or for other shops, before: use a new one")
            )
        return known

    def get(self, run_id: str) -> CommandRun:
        """Return a command. Raises `NotFound`."""
        if run_id not in self._runs:
            raise NotFound(
                message(
                    "no command {id} is remembered here: the audit logs of the shops say what became of it", id=run_id
                )
            )
        return self._runs[run_id]

    def of_shop(self, shop: str) -> list[CommandRun]:
        """Return the commands that a shop gets, the newest first."""
        return [one for one in reversed(self._runs.values()) if shop in one.shops]

    def newest(self) -> list[CommandRun]:
        """Return all, the newest first."""
        return list(reversed(self._runs.values()))

    async def _run(self, office: Office, made: CommandRun, deadline_s: float) -> None:
        def note(call: CommandCall) -> None:
            made.take(call)
            while sum(one.result_bytes for one in self._runs.values()) > MAX_RESULT_BYTES:
                next(one for one in self._runs.values() if one.results).drop_oldest_result()

        try:
            await call_shops(
                office,
                made.command,
                made.arguments,
                made.shops,
                run_id=made.id,
                deadline_s=deadline_s,
                on_outcome=note,
            )
        except Exception as exc:
            made.reason = str(exc)
            raise
        finally:
            made.is_over = True
            made.version += 1
