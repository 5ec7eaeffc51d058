"""A check, what it looks at, what it finds, and running all checks within a bounded time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

from firmware_tools.language import message
from gateway.discovery.scan import ScanResult
from gateway.settings import Settings

if TYPE_CHECKING:  # the head office knows what a finding is, and has no gateway
    from gateway.app import Gateway

Status = Literal["ok", "warning", "failed", "skipped"]
T = TypeVar("T")

SCAN_TIMEOUT_S: Final = 3.0
"""How long the one scan listens that several checks share."""

_log = logging.getLogger(__name__)


class Finding(NamedTuple):
    """What one check found. It never holds a secret."""

    status: Status
    """How bad it is; `skipped` means that the check could not be made or does not apply."""
    what: str
    """What was found, in one sentence."""
    evidence: str = ""
    """What proves it."""
    what_to_do: str = ""
    """What a person does about it."""
    check: str = ""
    """The name of the check."""

    def describe(self) -> dict[str, str]:
        """Return it as the REST API shows it."""
        return {
            "check": self.check, "status": self.status, "what": self.what, "evidence": self.evidence,
            "what_to_do": self.what_to_do,
        }  # fmt: skip


@dataclass(frozen=True)
class CheckContext:
    """What is checked."""

    settings: Settings
    """The settings."""
    gateway: "Gateway | None"
    """The gateway that they made; None if it cannot be made."""
    _shared: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    """Results that several checks need, by name."""

    @property
    def running_gateway(self) -> "Gateway":
        """The gateway, for checks that are declared to need it."""
        assert self.gateway is not None  # noqa: S101  they are skipped without one
        return self.gateway

    async def share(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do what several checks need once, for the first that asks; the others wait for its result."""
        shared = self._shared.get(name)
        if shared is not None:
            return cast(T, await asyncio.shield(shared))
        shared = self._shared[name] = asyncio.get_running_loop().create_future()
        try:
            result = await work()
        except BaseException as exc:
            # Whoever waits gets the failure, also that the first ran out of its time.
            shared.set_exception(exc if isinstance(exc, Exception) else TimeoutError(f"{name} was not done in time"))
            shared.exception()
            raise
        shared.set_result(result)
        return result

    async def scan(self) -> ScanResult:
        """Return what one scan finds."""
        return await self.share("scan", lambda: self.running_gateway.discovery.scan(timeout_s=SCAN_TIMEOUT_S))


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    name: str
    """Its name."""
    run: Callable[[CheckContext], Awaitable[Sequence[Finding]]]
    """Makes it."""
    timeout_s: float = 10.0
    """How long it may take, in seconds."""
    needs_gateway: bool = False
    """Whether it is skipped without a gateway."""
    is_cheap: bool = False
    """Whether it may be made at any time, unasked: it calls nobody, and no till feels it."""
    proves_version: bool = False
    """Whether a new version has to pass it as the one before it did: nothing outside of this machine decides it."""


async def run_checks(context: CheckContext, checks: Sequence[Check]) -> list[Finding]:
    """Run all checks at the same time and return their findings in the order of the checks."""
    found = await asyncio.gather(*(_run_check(check, context) for check in checks))
    return [finding._replace(check=check.name) for check, some in zip(checks, found, strict=True) for finding in some]


async def _run_check(check: Check, context: CheckContext) -> Sequence[Finding]:
    if check.needs_gateway and context.gateway is None:
        return [Finding("skipped", message("needs a gateway that starts; see the finding on the gateway"))]
    try:
        async with asyncio.timeout(check.timeout_s):
            return await check.run(context)
    except TimeoutError:
        return [
            Finding(
                "warning",
                message("did not finish within {timeout_s:.0f} s", timeout_s=check.timeout_s),
                what_to_do=message("run the doctor again later"),
            )
        ]
    except Exception:
        _log.exception("the check %s failed", check.name)
        return [
            Finding(
                "warning", message("the check itself failed; the log says where"), what_to_do=message("report this")
            )
        ]
