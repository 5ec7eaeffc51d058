"""Roll-outs: starting one, what people do with it, and its record in the bucket `rollouts`."""

import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import ValidationError

from firmware_tools.language import describe_error, message
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, StateError
from gateway.fleet.part_names import PartKind
from gateway.fleet.subjects import ROLLOUTS
from gateway.office.audit import AuditAction, record_change
from gateway.office.bucket import Bucket, DamagedEntry, RevisionConflict
from gateway.office.desired import DesiredBucket, check_removals
from gateway.office.office import Office
from gateway.office.outcome_texts import ROLLOUT_STATES
from gateway.office.rollout_documents import (
    OVER,
    Rollout,
    RolloutBatch,
    RolloutState,
    RolloutTarget,
)
from gateway.office.rollout_targets import belongs_to, find_targets, is_percentage, list_scopes
from gateway.office.shops import ShopList, check_shops, unknown_group
from gateway.runtime.failure_log import FailureLog
from gateway.settings import describe_errors

DEFAULT_WAVES: Final = ("1", "10", "100")
DEFAULT_STOP_AT: Final = 0.05
DEFAULT_WAIT_S: Final = 900.0
MAX_WAVES: Final = 20
MAX_NAMES: Final = 1000
"""How many shops a roll-out can name. More of them belong in a group."""
MAX_KEPT: Final = 50
"""How many roll-outs are kept; the oldest that are over are forgotten."""
MAX_WAIT_S: Final = 30 * 86_400.0

_log: Final = logging.getLogger(__name__)

RolloutAction = Literal["pause", "continue", "stop", "undo"]
"""What people do with a roll-out."""

_NEXT: Final[Mapping[RolloutAction, tuple[tuple[RolloutState, ...], RolloutState]]] = {
    "pause": (("running",), "paused"),
    "continue": (("paused", "stopped"), "running"),
    "stop": (("running", "paused", "stopped"), "ended"),
    "undo": (("running", "paused", "stopped", "ended", "done"), "undoing"),
}
"""In which states a person can do what, and to which state it leads."""


class RolloutStore:
    """The roll-outs of a chain. Every method raises `HeadOfficeUnavailable`."""

    def __init__(self, office: Office) -> None:
        """Take the connection."""
        self._bucket = Bucket(office, ROLLOUTS)
        self._unreadable = FailureLog(_log, "a roll-out is left out, since it cannot be read")

    async def create(self, rollout: Rollout) -> int:
        """Store a new roll-out; return its revision. Raises `Conflict` if there is one of its name."""
        try:
            return await self._bucket.put(rollout.id, rollout.model_dump_json().encode(), 0)
        except RevisionConflict as exc:
            raise Conflict(message("there is a roll-out {id} already: try again", id=rollout.id)) from exc

    async def get(self, rollout_id: str) -> tuple[Rollout, int]:
        """Return a roll-out and its revision. Raises `NotFound`."""
        entry = await self._bucket.get(rollout_id)
        if entry.value is None:
            raise NotFound(
                message("no roll-out is called {id}: `sunmi-gateway office rollouts list` shows them", id=rollout_id)
            )
        return _parse(rollout_id, entry.value), entry.revision

    async def change(self, rollout_id: str, edit: Callable[[Rollout], Rollout]) -> tuple[Rollout, int]:
        """Change a roll-out by `edit`; return the new one and its revision.

        Raises `NotFound`, `Conflict` and what `edit` raises.
        """
        changed: list[Rollout] = []

        def work(value: bytes | None) -> bytes:
            if value is None:
                raise NotFound(message("there is no roll-out {id} any more", id=rollout_id))
            changed[:] = [edit(_parse(rollout_id, value))]
            return changed[0].model_dump_json().encode()

        _, revision = await self._bucket.change(rollout_id, work)
        return changed[0], revision

    async def list_all(self) -> list[Rollout]:
        """Return all roll-outs, the newest first. One that cannot be read, as of a newer head office, is left out."""
        found: list[Rollout] = []
        problem: StateError | None = None
        async for entry in self._bucket.entries("*"):
            if entry.value is not None:
                try:
                    found.append(_parse(entry.key, entry.value))
                except StateError as exc:
                    problem = exc
        if problem is None:
            self._unreadable.recovered()
        else:
            self._unreadable.failed(describe_error(problem))
        return sorted(found, key=lambda one: (one.began, one.id), reverse=True)

    async def batches(self, rollout_id: str) -> AsyncIterator[tuple[int, RolloutBatch]]:
        """Yield the shops that a roll-out has reached, with the number of each batch. Raises `StateError`."""
        for number in itertools.count():
            entry = await self._bucket.get(f"{rollout_id}.{number}")  # the leader is asked: a shop must not be missed
            if entry.value is None:
                return
            yield number, _parse_batch(entry.key, entry.value)

    async def put_batch(self, rollout_id: str, number: int, batch: RolloutBatch) -> None:
        """Store a batch, before any of its shops is told. Raises `Conflict` if there is another one of its number."""
        value = batch.model_dump_json().encode()
        try:
            await self._bucket.put(f"{rollout_id}.{number}", value, 0)
        except RevisionConflict as exc:
            if (await self._bucket.get(f"{rollout_id}.{number}")).value != value:
                raise Conflict(message("another process advances the roll-out {id}", id=rollout_id)) from exc

    async def change_batch(self, rollout_id: str, number: int, edit: Callable[[RolloutBatch], RolloutBatch]) -> None:
        """Change a batch. Raises `Conflict` and `StateError`."""
        key = f"{rollout_id}.{number}"

        def work(value: bytes | None) -> bytes:
            return edit(_parse_batch(key, value or b"")).model_dump_json().encode()

        await self._bucket.change(key, work)

    async def forget_old(self) -> None:
        """Forget the oldest roll-outs that are over, beyond those that are kept."""
        for one in (await self.list_all())[MAX_KEPT:]:
            if one.state in OVER:
                await self._bucket.purge(f"{one.id}.*")
                await self._bucket.purge(one.id)


async def start_rollout(
    office: Office,
    shops: ShopList,
    kind: PartKind,
    parts: Mapping[str, Any],
    target: RolloutTarget,
    *,
    title: str,
    waves: Sequence[str] = DEFAULT_WAVES,
    stop_at: float = DEFAULT_STOP_AT,
    wait_s: float = DEFAULT_WAIT_S,
) -> Rollout:
    """Store a roll-out that is to begin; `gateway.office.rollout_run` advances it.

    `shops` was refreshed before. The values of `parts` are checked by the caller.

    Raises `InvalidRequest`, `NotFound` and `HeadOfficeUnavailable`.
    """
    check_target(shops, target)
    desired = DesiredBucket(office)
    check_removals((await desired.read(list_scopes(target))).values(), parts)
    now = await office.read_time()
    rollout = Rollout(
        id=f"{now:%Y%m%d}-{secrets.token_hex(3)}",
        kind=kind,
        title=title[:500],
        by=str(office.actor)[:200],
        began=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        target=target,
        parts=dict(parts),
        waves=parse_waves(waves, shops, target),
        stop_at=check_share(stop_at),
        wait_s=_check_wait(wait_s),
    )
    targets = await find_targets(desired, shops, target, parts)
    rollout = rollout.model_copy(update={"shops": len(targets.shops), "own": targets.own})
    store = RolloutStore(office)
    revision = await store.create(rollout)
    wanted = target.model_dump(mode="json", exclude_defaults=True)
    await record_change(
        office, "rollout", rollout.id, revision=revision, parts=rollout.parts, target=wanted, waves=rollout.waves
    )
    await store.forget_old()
    return rollout


def list_actions(state: RolloutState) -> Sequence[RolloutAction]:
    """Return what a person can do with a roll-out in this state."""
    return [action for action, (states, _) in _NEXT.items() if state in states]


async def act_on_rollout(office: Office, rollout_id: str, action: RolloutAction) -> Rollout:
    """Do with a roll-out what a person wants. Raises `Conflict` if its state does not allow it, and `NotFound`.

    Undoing is work, which whoever advances roll-outs does.
    """
    states, following = _NEXT[action]
    who = str(office.actor)

    def edit(rollout: Rollout) -> Rollout:
        if rollout.state not in states:
            raise Conflict(
                message("the roll-out {id} is {state}: {action} is not possible", id=rollout.id,
                        state=ROLLOUT_STATES[rollout.state], action=action)
            )  # fmt: skip
        changes: dict[str, Any] = {"state": following, "reason": _REASONS[action](who)}
        if action == "continue":
            changes["tolerated"] = rollout.failed
        return rollout.model_copy(update=changes)

    changed, revision = await RolloutStore(office).change(rollout_id, edit)
    await record_change(office, _ACTIONS[action], rollout_id, revision=revision)
    return changed


_ACTIONS: Final[Mapping[RolloutAction, AuditAction]] = {
    "pause": "rollout_pause",
    "continue": "rollout_continue",
    "stop": "rollout_stop",
    "undo": "rollout_undo",
}
_REASONS: Final[Mapping[RolloutAction, Callable[[str], str]]] = {
    "pause": lambda who: message("paused by {who}", who=who),
    "continue": lambda who: message("continued by {who}", who=who),
    "stop": lambda who: message("ended by {who}; what was done stays", who=who),
    "undo": lambda who: message("undone by {who}", who=who),
}


def check_target(shops: ShopList, target: RolloutTarget) -> None:
    """Raise `NotFound` or `InvalidRequest` for a target that names a shop or a group that there is not."""
    if len(target.shops) > MAX_NAMES:
        reason = message("there are {count}, and at most {limit}: put them in a group",
                         count=len(target.shops), limit=MAX_NAMES)  # fmt: skip
        raise InvalidRequest([FieldError("shops", reason)])
    check_shops(shops, target.shops)
    known = shops.groups()
    if missing := [group for group in target.groups if group not in known]:
        raise unknown_group(", ".join(missing))


def parse_waves(waves: Sequence[str], shops: ShopList, target: RolloutTarget) -> tuple[str, ...]:
    """Return waves that can be gone through. Raises `InvalidRequest`, which says what is wrong."""
    share = 0.0
    for wave in waves:
        if is_percentage(wave):
            if not share < float(wave) <= 100:
                reason = message("{wave}: percentages must grow, from above 0 to 100", wave=wave)
                raise InvalidRequest([FieldError("waves", reason)])
            share = float(wave)
        elif share:
            reason = message("{wave}: groups come before the percentages", wave=wave)
            raise InvalidRequest([FieldError("waves", reason)])
        elif not any(
            facts.record is not None and wave in facts.record.groups and belongs_to(target, facts) for facts in shops
        ):
            reason = message("{wave}: no shop that this is for is in a group of this name", wave=wave)
            raise InvalidRequest([FieldError("waves", reason)])
    if share != 100 or len(waves) > MAX_WAVES:
        reason = message("must be at most {limit} groups and percentages, and the last one 100", limit=MAX_WAVES)
        raise InvalidRequest([FieldError("waves", reason)])
    return tuple(waves)


def check_share(stop_at: float) -> float:
    """Return a share of failures. Raises `InvalidRequest`."""
    if not 0 <= stop_at <= 1:
        raise InvalidRequest([FieldError("stop_at", message("must be from 0 to 100 percent"))])
    return stop_at


def _check_wait(wait_s: float) -> float:
    if not 0 <= wait_s <= MAX_WAIT_S:
        reason = message("must be from 0 to {limit:g} seconds", limit=MAX_WAIT_S)
        raise InvalidRequest([FieldError("wait", reason)])
    return wait_s


def _parse(rollout_id: str, value: bytes) -> Rollout:
    try:
        return Rollout.model_validate_json(value)
    except ValidationError as exc:
        raise _damaged(rollout_id, describe_errors(exc)) from exc


def _parse_batch(key: str, value: bytes) -> RolloutBatch:
    try:
        return RolloutBatch.model_validate_json(value)
    except ValidationError as exc:
        raise _damaged(key, describe_errors(exc)) from exc


def _damaged(key: str, reason: str) -> DamagedEntry:
    return DamagedEntry(
        message(
            "the roll-out {id} is damaged, so nobody advances it: a newer head office has written it, or somebody who "
            "is not this program; update this head office, or start the roll-out anew ({reason})",
            id=key,
            reason=reason,
        )
    )
