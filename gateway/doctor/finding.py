"""What a check finds, what it looks at, and running all checks within a bounded time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast

from gateway.app import Gateway
from gateway.discovery.scan import ScanResult
from gateway.settings import Settings

Status = Literal["ok", "warning", "failed", "skipped"]
T = TypeVar("T")

ROUND_S: Final = 3.0
"""How long the one round of discovery listens that several checks look at."""

_log = logging.getLogger(__name__)


class Finding(NamedTuple):
    """What one check found: in one sentence, what tells so, and what a person does about it. It never holds a secret.

    `skipped` means that the check could not be made or does not apply.
    """

    status: Status
    what: str
    evidence: str = ""
    what_to_do: str = ""
    check: str = ""

    def describe(self) -> dict[str, str]:
        """Return it as the REST interface shows it."""
        return {
            "check": self.check, "status": self.status, "what": self.what, "evidence": self.evidence,
            "what_to_do": self.what_to_do,
        }  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """What is examined: the settings, and the gateway that they made, unless it could not be made."""

    settings: Settings
    gateway: Gateway | None
    _shared: dict[str, asyncio.Task[Any]] = field(default_factory=dict)

    @property
    def parts(self) -> Gateway:
        """The gateway, for checks that are declared to need it."""
        assert self.gateway is not None  # noqa: S101  they are skipped without one
        return self.gateway

    async def once(self, name: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do what several checks need once, for the first that asks."""
        task = self._shared.get(name)
        if task is None:
            task = self._shared[name] = asyncio.create_task(work())
        return cast(T, await asyncio.shield(task))

    async def round(self) -> ScanResult:
        """Return what one round of discovery sees."""
        return await self.once("round", lambda: self.parts.discovery.round(timeout_s=ROUND_S))

    async def close(self) -> None:
        """End what is still under way."""
        for task in self._shared.values():
            task.cancel()
        await asyncio.gather(*self._shared.values(), return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, what does it, for how many seconds at most, and whether it needs a gateway."""

    name: str
    look: Callable[[Subject], Awaitable[Sequence[Finding]]]
    limit_s: float = 10.0
    needs_gateway: bool = False


async def examine(subject: Subject, checks: Sequence[Check]) -> list[Finding]:
    """Make all checks at the same time and return their findings in the order of the checks."""
    try:
        found = await asyncio.gather(*(_made(check, subject) for check in checks))
    finally:
        await subject.close()
    return [finding._replace(check=check.name) for check, some in zip(checks, found, strict=True) for finding in some]


async def _made(check: Check, subject: Subject) -> Sequence[Finding]:
    if check.needs_gateway and subject.gateway is None:
        return [Finding("skipped", "needs a gateway that starts; see the finding on the gateway")]
    try:
        async with asyncio.timeout(check.limit_s):
            return await check.look(subject)
    except TimeoutError:
        return [Finding("warning", f"was not done within {check.limit_s:.0f} s", what_to_do="look again later")]
    except Exception:
        _log.exception("the check %s failed", check.name)
        return [Finding("warning", "the check itself failed; the log tells where", what_to_do="report this")]
