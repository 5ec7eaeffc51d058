"""Advancing roll-outs: one while a person watches, or all of them for as long as the head office serves."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from gateway.errors import Conflict, GatewayError
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.office.office import Office
from gateway.office.rollout_documents import ACTIVE, Rollout
from gateway.office.rollout_run import LEASE_S, TICK_S, RolloutRun
from gateway.office.rollouts import RolloutStore
from gateway.office.shops import ShopList
from gateway.runtime.supervisor import Service

MAX_AWAY_S: Final = 120.0
"""How long the servers can be away, or others change the same, until who watches a roll-out is told. When a server
dies, the others need some seconds."""


async def follow_rollout(
    office: Office,
    shops: ShopList,
    rollout_id: str,
    on_progress: Callable[[Rollout], None],
    *,
    tick_s: float = TICK_S,
    lease_s: float = LEASE_S,
) -> Rollout:
    """Advance a roll-out, or watch another process do it, until there is nothing to do any more; return it then.

    If this is cancelled, it stands as it is: any other process goes on with it. Raises `NotFound` and `StateError`;
    `HeadOfficeUnavailable` if the servers are away for long, and `Conflict` if others change the same for as long.
    """
    run = RolloutRun(office, shops, rollout_id, lease_s=lease_s)
    seen_at = time.monotonic()
    try:
        while True:
            try:
                rollout = await run.step()
            except (HeadOfficeUnavailable, Conflict):
                if time.monotonic() - seen_at > MAX_AWAY_S:
                    raise
            else:
                seen_at = time.monotonic()
                on_progress(rollout)
                if rollout.state not in ACTIVE:
                    return rollout
            await asyncio.sleep(tick_s)
    finally:
        with contextlib.suppress(GatewayError):
            await run.release()


async def advance_rollouts(office: Office, shops: ShopList, service: Service, *, tick_s: float = TICK_S) -> NoReturn:
    """Advance all roll-outs for ever. One that cannot go on is reported as the service's failure, and stops no other.

    So are servers that are away: this process stays the holder of what it advances.
    """
    store = RolloutStore(office)
    runs: dict[str, RolloutRun] = {}
    try:
        while True:
            failure: GatewayError | None
            service.expect_turn()
            try:
                active = {one.id for one in await store.list_all() if one.state in ACTIVE}
                runs = {name: runs.get(name) or RolloutRun(office, shops, name) for name in active}
                failure = await _advance_each(runs.values(), service)
            except HeadOfficeUnavailable as exc:
                failure = exc
            if failure is None:
                service.heartbeat()
            else:
                service.note_failure(failure)
            await asyncio.sleep(tick_s)
    finally:
        for run in runs.values():
            with contextlib.suppress(GatewayError):
                await run.release()


async def _advance_each(runs: Iterable[RolloutRun], service: Service) -> GatewayError | None:
    """Advance each roll-out by a step; return the failure of the first one that cannot go on.

    Raises `HeadOfficeUnavailable` at once: the others would wait for the same servers.
    """
    failure: GatewayError | None = None
    for run in runs:
        service.expect_turn()
        try:
            await run.step()
        except HeadOfficeUnavailable:
            raise
        except GatewayError as exc:
            failure = failure or exc
    return failure
