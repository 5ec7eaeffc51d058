"""Advances a roll-out, step by step, from whatever state another process has left it in.

One process advances a roll-out at a time: its holder, who gives a sign of life with each step. Another one takes over
when it has seen none for a while, measured by its own monotonic clock: no clock of another machine counts. Everything
that is written names the revision that it replaces, so a holder that was frozen meanwhile changes nothing any more.
"""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.fleet.subjects import CHAIN_KEY, group_key, shop_key
from gateway.office.desired import DesiredBucket, DesiredDocument, Parts
from gateway.office.natural_order import natural_key
from gateway.office.office import Office
from gateway.office.rollout_documents import (
    ACTIVE,
    FAILURES,
    ReachedShop,
    Rollout,
    RolloutBatch,
    ShopResult,
)
from gateway.office.rollout_outcome import RolloutLook, Told, count_outcomes, explain_failures, judge, list_troubles
from gateway.office.rollout_targets import (
    TargetShop,
    choose_wave,
    find_targets,
    has_shared_scope,
    list_scopes,
)
from gateway.office.rollouts import RolloutStore
from gateway.office.shops import ShopList
from gateway.runtime.task_group import run_all
from gateway.runtime.timestamps import utc_text

LEASE_S: Final = 30.0
"""How long a holder is silent until another process takes over."""
TICK_S: Final = 2.0
"""How often shops are looked at."""
MAX_TICK_S: Final = 10.0
"""How much of the time between two looks counts as waiting at most: a process that was frozen has not waited."""
BATCH: Final = 200
"""How many shops are told between two signs of life."""
CONCURRENCY: Final = 32
"""How many documents are written at the same time."""


class _HolderLost(Exception):
    """Another process advances the roll-out now, or the servers were put back to what they were earlier."""


class RolloutRun:
    """One roll-out, as this process advances it. Every method raises `HeadOfficeUnavailable`."""

    def __init__(self, office: Office, shops: ShopList, rollout_id: str, *, lease_s: float = LEASE_S) -> None:
        """Take the connection, and the shops, which are refreshed with each step."""
        self._office = office
        self._store = RolloutStore(office)
        self._desired = DesiredBucket(office)
        self._shops = shops
        self._id = rollout_id
        self._lease_s = lease_s
        self._name = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._told: dict[str, Told] = {}
        self._batches: dict[int, RolloutBatch] = {}
        self._noted: dict[str, int] = {}
        """The revisions of the shops' own documents when it was noted what they are to go back to."""
        self._is_loaded = False
        self._beat = 0
        """The newest sign of life of this process. An older one is of servers that were restored from a backup."""
        self._seen: tuple[int, float] = (0, 0.0)
        """The revision that another holder has written last, and when it was seen first, by the monotonic clock."""
        self._looked_at: float | None = None
        self._reached: object = None
        """What the roll-out said of the shops that it has reached, when these were read for a look."""
        self._writing = asyncio.Semaphore(CONCURRENCY)

    async def step(self) -> Rollout:
        """Do what is to be done now, and return the roll-out. Raises `NotFound`, `Conflict` and `StateError`."""
        try:
            rollout, revision = await self._store.get(self._id)
            if rollout.state not in ACTIVE:
                self._looked_at = None
                return rollout
            if not await self._hold(rollout, revision):
                return rollout
            if not self._is_loaded:
                await self._load(rollout)
            if rollout.state == "undoing":
                return await self._undo(rollout)
            await self._shops.refresh(asks=not rollout.is_told)
            if not rollout.is_told:
                rollout = await self._tell(rollout)
            return await self._look(rollout) if rollout.state == "running" and rollout.is_told else rollout
        except _HolderLost:
            self._is_loaded = False
            return (await self._store.get(self._id))[0]
        except GatewayError:
            self._is_loaded = False  # whether the last change was stored, nobody knows; somebody may have changed more
            raise

    async def release(self) -> None:
        """Let another process take over at once."""
        if self._is_loaded:
            await self._store.change(
                self._id,
                lambda one: one.model_copy(update={"holder": ""}) if one.holder == self._name else one,
            )
            self._is_loaded = False

    async def look(self) -> RolloutLook:
        """Return the roll-out as it is now, whoever advances it, or has done so. One look at a time.

        Of one that is undone, the outcomes that are counted are those before it was.
        """
        rollout, _ = await self._store.get(self._id)
        # Once all shops of a wave are told, no sign of life is about another shop or document.
        reached = (rollout.state, rollout.wave, rollout.told, rollout.is_told or rollout.beat, [*rollout.earlier])
        if reached != self._reached:
            await self._load(rollout)
            self._reached = reached
        if rollout.state in ("undoing", "undone"):
            undone = [ShopResult(shop=shop, wave=told.wave, outcome="undone") for shop, told in self._told.items()]
            return RolloutLook(rollout, sorted(undone, key=lambda one: natural_key(one.shop)))
        await self._shops.refresh()
        results = self._judge(rollout)
        results.sort(key=lambda one: (one.outcome not in FAILURES, one.outcome, natural_key(one.shop)))
        return RolloutLook(rollout.model_copy(update=await self._count(results)), results)

    async def _hold(self, rollout: Rollout, revision: int) -> bool:
        """Return whether this process advances the roll-out, after taking over if nobody does."""
        if rollout.holder == self._name:
            self._is_loaded = self._is_loaded and rollout.beat >= self._beat
            self._beat = rollout.beat
            return True
        self._is_loaded = False
        if rollout.holder:
            if self._seen[0] != revision:
                self._seen = revision, time.monotonic()
            if time.monotonic() - self._seen[1] < self._lease_s:
                return False
        before = rollout.holder

        def take(one: Rollout) -> Rollout:
            if one.holder != before or one.beat != rollout.beat:
                raise _HolderLost
            return one.model_copy(update={"holder": self._name, "beat": one.beat + 1})

        taken, _ = await self._store.change(self._id, take)
        self._beat = taken.beat
        self._looked_at = None
        return True

    async def _save(self, rollout: Rollout, **changes: Any) -> Rollout:
        """Store progress, which is also a sign of life. What a person has decided meanwhile stays."""
        beat = self._beat

        def edit(one: Rollout) -> Rollout:
            if one.holder != self._name or one.beat < beat:
                raise _HolderLost
            if one.state != rollout.state:
                changes.pop("state", None)
                changes.pop("reason", None)
            return one.model_copy(update={**changes, "beat": one.beat + 1})

        saved, _ = await self._store.change(self._id, edit)
        self._beat = max(self._beat, saved.beat)
        return saved

    async def _load(self, rollout: Rollout) -> None:
        """Read which shops were reached, and what they have to answer."""
        self._told.clear()
        self._batches.clear()
        async for number, batch in self._store.batches(self._id):
            self._batches[number] = batch
        scopes = await self._desired.read(list_scopes(rollout.target)) if has_shared_scope(rollout.target) else {}
        noted = rollout.revisions
        shared = {
            key: await self._find_told_revision(scopes[key], noted.get(key, 0))
            for key in rollout.earlier
            if key in scopes
        }
        for batch in self._batches.values():
            own = [shop_key(shop) for shop, reached in batch.shops.items() if reached.earlier]
            documents = await self._desired.read(own)
            for shop, reached in batch.shops.items():
                revisions = self._select(shared, shop)
                if reached.earlier:
                    own_document = documents[shop_key(shop)]
                    self._noted[shop] = own_document.revision
                    revisions = {own_document.key: await self._find_told_revision(own_document, reached.revision)}
                self._told[shop] = Told(batch.wave, reached, revisions)
        self._is_loaded = True

    async def _find_told_revision(self, document: DesiredDocument, noted: int) -> int:
        """Return by which revision of a document shops were told: as noted, unless it is not noted yet.

        Servers that were restored from a backup since have an earlier one.
        """
        if document.revision < noted:
            document = await self._desired.get(document.key)  # that server may lag behind; the leader knows
        return min(document.revision, noted) if noted else document.revision

    async def _tell(self, rollout: Rollout) -> Rollout:
        """Tell the shops of the present wave: note them first, then write the documents."""
        targets = await find_targets(self._desired, self._shops, rollout.target, rollout.parts, self._told.keys())
        chosen = choose_wave(rollout, targets, len(self._told))
        is_shared = rollout.is_last_wave and has_shared_scope(rollout.target)
        rollout = await self._save(rollout, shops=len(targets.shops) + len(self._told), own=targets.own)
        for start in range(0, len(chosen), BATCH):
            if rollout.state != "running":
                return rollout
            await self._note(rollout, chosen[start : start + BATCH], is_shared=is_shared)
            rollout = await self._save(rollout, told=len(self._told))
        for number in [number for number, batch in self._batches.items() if batch.wave == rollout.wave]:
            if rollout.state != "running":
                return rollout
            await self._in_parallel(self._tell_shop(rollout, number, shop) for shop in self._batches[number].shops)
            await self._edit_batch(number, self._note_revisions)
            rollout = await self._save(rollout)
        if is_shared and rollout.state == "running":
            rollout = await self._tell_all(rollout)
        if rollout.state != "running":
            return rollout
        self._looked_at = None
        return await self._save(rollout, is_told=True, waited_s=0.0)

    async def _note(self, rollout: Rollout, chosen: Sequence[TargetShop], *, is_shared: bool) -> None:
        """Store which shops are told next, and what each is to go back to."""
        keys = [] if is_shared else [shop_key(one.facts.shop) for one in chosen]
        documents = await self._desired.read(keys)
        shops: dict[str, ReachedShop] = {}
        for one in chosen:
            earlier: dict[str, Any] = {}
            if (own := documents.get(shop_key(one.facts.shop))) is not None:
                earlier = own.read(one.parts)
                self._noted[one.facts.shop] = own.revision
            shops[one.facts.shop] = ReachedShop(
                earlier=earlier, troubles=list_troubles(one.facts), away=one.facts.connected_since is None
            )
        number = max(self._batches, default=-1) + 1
        batch = RolloutBatch(wave=rollout.wave, shops=shops)
        await self._store.put_batch(self._id, number, batch)
        self._batches[number] = batch
        self._told |= {shop: Told(rollout.wave, reached, {}) for shop, reached in shops.items()}

    async def _tell_shop(self, rollout: Rollout, number: int, shop: str) -> None:
        """Write the change into a shop's own document, unless it is there."""
        if not self._told[shop].reached.earlier:
            return
        wanted = {part: rollout.parts[part] for part in self._told[shop].reached.earlier}

        async def decide(document: DesiredDocument) -> Parts | None:
            reached, present = self._told[shop].reached, document.read(wanted)
            if present == wanted:
                return None
            if document.revision != self._noted.get(shop):
                # Somebody else has written it: if that was another holder, which has undone it, nothing is written.
                if (await self._save(rollout)).state != "running":
                    return None
                self._noted[shop] = document.revision
            if present != reached.earlier:
                # Somebody has changed it since it was noted: that is what it is to go back to.
                reached = reached.model_copy(update={"earlier": present})
                await self._correct(number, shop, reached)
                self._told[shop] = self._told[shop]._replace(reached=reached)
            return wanted

        revision = await self._desired.rewrite(shop_key(shop), decide)
        self._told[shop] = self._told[shop]._replace(revisions={shop_key(shop): revision})

    async def _correct(self, number: int, shop: str, reached: ReachedShop) -> None:
        await self._edit_batch(number, lambda batch: batch.model_copy(update={"shops": {**batch.shops, shop: reached}}))

    def _note_revisions(self, batch: RolloutBatch) -> RolloutBatch:
        """Note by which revisions the shops of a batch were told: the documents may be changed by others later."""
        shops = {
            shop: reached.model_copy(update={"revision": self._told[shop].revisions.get(shop_key(shop), 0)})
            for shop, reached in batch.shops.items()
        }
        return batch.model_copy(update={"shops": shops})

    async def _edit_batch(self, number: int, edit: Callable[[RolloutBatch], RolloutBatch]) -> None:
        self._batches[number] = edit(self._batches[number])
        await self._store.change_batch(self._id, number, edit)

    async def _tell_all(self, rollout: Rollout) -> Rollout:
        """Write the change into the documents of the chain or of groups, and out of those of single shops.

        A shop that has taken the change back keeps its own document: by another one it would try again.
        """
        revisions: dict[str, int] = {}

        async def decide(document: DesiredDocument) -> Parts | None:
            nonlocal rollout
            present = document.read(rollout.parts)
            if present == rollout.parts and document.key in rollout.earlier:
                return None
            rollout = await self._save(rollout, earlier={**rollout.earlier, document.key: present})
            return rollout.parts if rollout.state == "running" else None

        for key in list_scopes(rollout.target):
            revisions[key] = await self._desired.rewrite(key, decide)
            if rollout.state != "running":
                return rollout
        taken_back = {one.shop for one in self._judge(rollout) if one.outcome == "rolled_back"}
        for batch in [*self._batches.values()]:
            moved = [shop for shop, one in batch.shops.items() if one.earlier and shop not in taken_back]
            await self._in_parallel(self._revert(rollout, shop_key(shop), batch.shops[shop].earlier) for shop in moved)
            rollout = await self._save(rollout)
        for shop, told in self._told.items():
            if not told.reached.earlier:
                self._told[shop] = told._replace(revisions=self._select(revisions, shop))
        return await self._save(rollout, revisions=revisions)

    def _select(self, revisions: Mapping[str, int], shop: str) -> dict[str, int]:
        """Return the revisions of those documents that a shop reads."""
        facts = self._shops.find(shop)
        groups = () if facts is None or facts.record is None else facts.record.groups
        read = {CHAIN_KEY, *map(group_key, groups), shop_key(shop)}
        return {key: revision for key, revision in revisions.items() if key in read}

    async def _undo(self, rollout: Rollout) -> Rollout:
        """Give back what each document had before, where it still has what this roll-out has put there."""
        for key, earlier in rollout.earlier.items():
            await self._revert(rollout, key, earlier)
        for batch in [*self._batches.values()]:
            await self._in_parallel(
                self._revert(rollout, shop_key(shop), reached.earlier)
                for shop, reached in batch.shops.items()
                if reached.earlier
            )
            rollout = await self._save(rollout)
        return await self._save(rollout, state="undone", holder="")

    async def _revert(self, rollout: Rollout, key: str, earlier: Mapping[str, Any]) -> None:
        """Give back earlier values to a document.

        It is written even if it stays as it is: a former holder that was frozen finds no revision that it knows.
        """

        async def decide(document: DesiredDocument) -> Parts:
            present = document.read(earlier)
            return {part: value for part, value in earlier.items() if present[part] == rollout.parts[part]}

        await self._desired.rewrite(key, decide)

    async def _look(self, rollout: Rollout) -> Rollout:
        """Look at what has become of it; stop it, or go on to the next wave, if it is time."""
        now = time.monotonic()
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, MAX_TICK_S)
        self._looked_at = now
        rollout = rollout.model_copy(update={"waited_s": rollout.waited_s + passed})
        results = self._judge(rollout)
        counted = await self._count(results)
        outcomes = counted["outcomes"]
        rollout = rollout.model_copy(update=counted)
        changes: dict[str, Any] = {"waited_s": rollout.waited_s, **counted}
        failed = rollout.failed - rollout.tolerated
        present = len(results) - outcomes.get("away", 0)
        if failed > 0 and failed / max(1, present) >= rollout.stop_at:
            changes |= {"state": "stopped", "reason": explain_failures(results, present)}
        elif rollout.waited_s >= rollout.wait_s or not outcomes.get("pending", 0):
            if rollout.is_last_wave:
                changes |= {"state": "done", "reason": "", "holder": ""}
            else:
                changes |= {"wave": rollout.wave + 1, "is_told": False, "waited_s": 0.0}
        return await self._save(rollout, **changes)

    async def _count(self, results: Sequence[ShopResult]) -> dict[str, Any]:
        """Return what a roll-out says of how many shops have which outcome."""
        now = await self._office.read_time()
        return {"outcomes": count_outcomes(results), "counted_at": utc_text(now.timestamp())}

    def _judge(self, rollout: Rollout) -> list[ShopResult]:
        results = []
        for shop, told in self._told.items():
            outcome, reason = judge(rollout, told, self._shops.find(shop))
            results.append(ShopResult(shop=shop, wave=told.wave, outcome=outcome, reason=reason))
        return results

    async def _in_parallel(self, work: Iterable[Coroutine[Any, Any, None]]) -> None:
        async def run(one: Coroutine[Any, Any, None]) -> None:
            async with self._writing:
                await one

        await run_all(run(one) for one in work)
