"""The commands that this head office gives to shops, and what became of them; in memory alone.

A command makes sense only now. What became of it stands in the audit log of each shop, too.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from firmware_tools.language import message
from gateway.errors import NotFound
from gateway.office.command_calls import CommandCall, call_shops
from gateway.office.office import Office
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.timestamps import utc_text

DEADLINE_S: Final = 300.0
"""How long a shop has to get a command, unless told otherwise, in seconds."""
MAX_DEADLINE_S: Final = 86_400.0
MAX_RUNS: Final = 100
"""How many are remembered; the oldest that are over are forgotten."""


@dataclass
class CommandRun:
    """A command to some shops."""

    id: str
    """Names it."""
    command: str
    """Its name."""
    arguments: Mapping[str, Any]
    """Its arguments."""
    shops: Sequence[str]
    """Which shops get it."""
    by: str
    """Who gives it."""
    began: str
    """When, in UTC."""
    calls: dict[str, CommandCall] = field(default_factory=dict)
    """What became of it, by shop; those that are missing have not said it yet."""
    reason: str = ""
    """Why it could not be given; empty if it could."""
    is_over: bool = False
    """Whether nothing more will become of it."""

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many shops have which outcome."""
        return Counter(one.outcome for one in self.calls.values())

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
                {"shop": one.shop, "outcome": one.outcome, "reason": one.reason, "result": dict(one.result)}
                for one in self.calls.values()
            ],
        }


class CommandRuns:
    """The commands since the start."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Take what runs the commands."""
        self._supervisor = supervisor
        self._runs: dict[str, CommandRun] = {}

    def start(
        self,
        office: Office,
        command: str,
        arguments: Mapping[str, Any],
        shops: Sequence[str],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> CommandRun:
        """Give a command to shops, in the background; the caller has checked it and them."""
        over = [key for key, one in self._runs.items() if one.is_over]
        for key in over[: max(0, len(self._runs) - MAX_RUNS + 1)]:
            del self._runs[key]
        made = CommandRun(uuid4().hex, command, arguments, tuple(shops), str(office.actor), utc_text(time.time()))
        self._runs[made.id] = made
        self._supervisor.start_job("commands to shops", self._run(office, made, deadline_s))
        return made

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
            made.calls[call.shop] = call

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
