"""A new version proves itself before it serves, by those checks alone that the version before it has passed.

So what was broken before, as a camera without power, rolls nothing back. Nor does what breaks meanwhile and is none of
this machine, as a lost internet line.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from firmware_tools.language import describe_error, join, message
from gateway import __version__
from gateway.api.local_socket import request_health
from gateway.app import Gateway
from gateway.doctor.check import CheckContext, run_checks
from gateway.doctor.checks import CHECKS
from gateway.errors import StateError
from gateway.updates.exchange import PendingUpdate, write_verdict

LIMIT_S: Final = 60.0
"""How long a version may take to prove itself."""
_PAUSE_S: Final = 2.0
_CHECK_LIMIT_S: Final = 10.0

_log: Final = logging.getLogger(__name__)


async def find_failures(gateway: Gateway) -> dict[str, str]:
    """Make every check that a version has to pass; return the reason of each that fails, and nothing of the others."""
    findings = await run_checks(
        CheckContext(gateway.settings, gateway), [check for check in CHECKS if check.proves_version]
    )
    bad = [finding for finding in findings if finding.status in ("failed", "warning")]
    failures = {finding.check: finding.what for finding in bad}
    for name, work in _VITAL.items():
        try:
            async with asyncio.timeout(_CHECK_LIMIT_S):
                await work(gateway)
        except Exception as exc:
            failures[name] = describe_error(exc) or type(exc).__name__
    return failures


def list_checks(failures: Collection[str]) -> tuple[str, ...]:
    """Return the names of the checks that pass, given those that fail."""
    names = [check.name for check in CHECKS if check.proves_version]
    return tuple(name for name in (*_VITAL, *names) if name not in failures)


async def prove(
    gateway: Gateway,
    pending: PendingUpdate,
    start: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    *,
    limit_s: float = LIMIT_S,
) -> bool:
    """Make the checks, start the background work, and make them again; return whether the gateway serves from then on.

    The verdict is on the disk when this returns. After `stop` there is none.
    """
    deadline = time.monotonic() + limit_s
    try:
        async with asyncio.timeout(limit_s):
            problem = await _pass(gateway, pending.checks, stop, deadline)
            if not problem and not stop.is_set():
                await start()
                problem = await _pass(gateway, pending.checks, stop, deadline)
    except TimeoutError:
        problem = message("it did not prove itself within {limit_s:g} s", limit_s=limit_s)
    except Exception as exc:
        _log.exception("version %s cannot start its work", __version__)
        problem = describe_error(exc) or type(exc).__name__
    if stop.is_set():
        return False
    await asyncio.to_thread(
        write_verdict, gateway.directory.path, pending, __version__, serves=not problem, reason=str(problem)
    )
    if problem:
        _log.error("version %s does not work here, so the version before it comes back: %s", __version__, problem)
    else:
        _log.info("version %s has proved itself", __version__)
    return not problem


async def _pass(gateway: Gateway, checks: Collection[str], stop: asyncio.Event, deadline: float) -> str:
    """Make the checks until all that count pass; return what still fails when the time is nearly over."""
    while not stop.is_set():
        failures = {name: what for name, what in (await find_failures(gateway)).items() if name in checks}
        if not failures:
            return ""
        if time.monotonic() + 2 * _PAUSE_S > deadline:
            return join("; ", [f"{name}: {what}" for name, what in failures.items()])
        await asyncio.sleep(_PAUSE_S)
    return ""


async def _request_health(gateway: Gateway) -> None:
    await request_health(gateway.socket)


async def _request_at_ports(gateway: Gateway) -> None:
    """Request the health at each port, as tills do."""
    if gateway.check_api is not None:
        await gateway.check_api()


async def _write_and_read(gateway: Gateway) -> None:
    await gateway.database.try_to_write()


async def _read_outbox(gateway: Gateway) -> None:
    await gateway.outbox.counts()
    await gateway.outbox.stats()


async def _find_faults(gateway: Gateway) -> None:
    """Raise if a service or job fails through a fault of this version, not because a line or a device is away."""
    if faults := gateway.supervisor.find_faults():
        reasons = [f"{fault.name}: {fault.last_failure}" for fault in faults]
        raise StateError(join("; ", reasons))


_VITAL: Final[Mapping[str, Callable[[Gateway], Awaitable[None]]]] = {
    "api": _request_health,
    "storage": _write_and_read,
    "orders": _read_outbox,
    "services": _find_faults,
    "ports": _request_at_ports,
}
"""What no version can serve without, by names that are no check's."""
