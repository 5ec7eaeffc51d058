"""Roll-outs against a real server, with shops that answer: waves, stops, ways back, and processes that take over."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Conflict, InvalidRequest, NotFound, StateError
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import CHAIN_KEY, DESIRED, ROLLOUTS, group_key, shop_key
from gateway.office import office as office_connection
from gateway.office import rollouts
from gateway.office.bucket import Bucket
from gateway.office.connections import ChainConnections, read_connections
from gateway.office.desired import DesiredBucket
from gateway.office.office import Actor, Office
from gateway.office.rollout_documents import ReachedShop, Rollout, RolloutBatch, RolloutTarget
from gateway.office.rollout_run import RolloutRun
from gateway.office.rollout_service import advance_rollouts, follow_rollout
from gateway.office.rollouts import RolloutStore, act_on_rollout, start_rollout
from gateway.office.shops import ShopList, load_shops
from gateway.runtime.supervisor import Supervisor
from tests.fleet.cluster import HeadOffice
from tests.office.simulated_shop import SimulatedShop, simulate_shops
from tests.waiting import until

PART = "settings.discovery.interval_s"
TICK_S = 0.05
EVERYONE = RolloutTarget(everyone=True)


class Chain:
    """The head office of a test, and its shops."""

    def __init__(self, office: Office, shops: dict[str, SimulatedShop], known: ShopList) -> None:
        self.office = office
        self.shops = shops
        self.known = known
        self.desired = DesiredBucket(office)

    async def start(self, value: object, target: RolloutTarget = EVERYONE, **options: Any) -> Rollout:
        options = {"waves": ["10", "50", "100"], "wait_s": 60.0, **options}
        parts, title = {PART: value}, f"interval {value}"
        return await start_rollout(self.office, self.known, "settings", parts, target, title=title, **options)

    async def follow(self, rollout: Rollout) -> Rollout:
        return await follow_rollout(self.office, self.known, rollout.id, lambda _: None, tick_s=TICK_S)

    async def read(self, key: str) -> object:
        return (await self.desired.get(key)).read([PART])[PART]

    async def read_shops(self) -> list[object]:
        return [await self.read(shop_key(shop)) for shop in self.shops]

    async def damage(self, shop: str) -> None:
        """Let what is wanted of a shop be something that nobody can read."""
        bucket = Bucket(self.office, DESIRED)
        await bucket.put(shop_key(shop), b'{"version": 5}', (await bucket.get(shop_key(shop))).revision)

    async def until_taken(self, value: object, *shops: str) -> None:
        while any(self.shops[shop].values.get(PART) != value for shop in shops or self.shops):
            await asyncio.sleep(0.01)


@pytest.fixture
async def chain(office: HeadOffice, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Chain]:
    """Ten shops, of which two are in the group canary. Nothing of other tests is left."""
    async with office.connect() as connected:
        for stream in ("KV_shops", "KV_reported", "KV_desired", "KV_rollouts"):
            await connected.jetstream.purge_stream(stream)
        names = {f"shop-{number}": ("canary",) if number < 2 else () for number in range(10)}
        async with simulate_shops(office, connected, tmp_path, names) as shops:
            yield Chain(connected, shops, await load_shops(connected))


async def test_a_change_reaches_all_shops_in_waves_and_ends_in_one_document(chain: Chain) -> None:
    rollout = await chain.start(30, waves=["canary", "50", "100"])
    seen: list[tuple[int, int]] = []

    def note(one: Rollout) -> None:
        seen.append((one.wave, one.told))

    done = await follow_rollout(chain.office, chain.known, rollout.id, note, tick_s=TICK_S)
    assert (done.state, done.told, done.shops, done.outcomes) == ("done", 10, 10, {"applied": 10})
    assert {(0, 2), (1, 5), (2, 10)} <= set(seen)
    assert (await chain.read(CHAIN_KEY), await chain.read_shops()) == (30, [None] * 10)
    await chain.until_taken(30)
    undone = await act_on_rollout(chain.office, rollout.id, "undo")
    assert (await chain.follow(undone)).state == "undone"
    assert (await chain.read(CHAIN_KEY), await chain.read_shops()) == (None, [None] * 10)


async def test_a_bad_value_stops_in_the_first_wave_and_every_shop_gets_back_what_it_had(chain: Chain) -> None:
    await chain.desired.change(shop_key("shop-3"), {PART: 2.5})
    for shop in chain.shops.values():
        shop.refused[PART] = ("refused", "must be less")
    names = tuple(chain.shops)
    rollout = await chain.start(99, RolloutTarget(shops=names), waves=["50", "100"], stop_at=0.2)
    stopped = await chain.follow(rollout)
    assert (stopped.state, stopped.told) == ("stopped", 5)
    assert "must be less" in stopped.reason
    run = RolloutRun(chain.office, chain.known, rollout.id)
    while (await run.look()).rollout.outcomes != {"refused": 5}:  # it stops before all have answered
        await asyncio.sleep(0.01)
    for shop in chain.shops.values():
        shop.refused.clear()
    await act_on_rollout(chain.office, rollout.id, "undo")
    before = (await RolloutStore(chain.office).get(rollout.id))[0]
    assert (await chain.follow(rollout)).state == "undone"
    undone, results = await run.look()
    assert (undone.outcomes, undone.failed, undone.counted_at) == (before.outcomes, before.failed, before.counted_at)
    assert undone.failed > 0
    assert [one.outcome for one in results] == ["undone"] * 5
    assert await chain.read_shops() == [2.5 if shop == "shop-3" else None for shop in chain.shops]


async def test_taking_back_what_is_not_desired_waits_for_no_shop(chain: Chain) -> None:
    rollout = await chain.start(None, waves=["50", "100"], wait_s=5.0)
    done = await chain.follow(rollout)
    assert (done.state, done.outcomes) == ("done", {"applied": 10})


async def test_failures_below_the_share_do_not_stop_it_and_are_told(chain: Chain) -> None:
    chain.shops["shop-4"].refused[PART] = ("rolled_back", "it cut the shop off")
    rollout = await chain.start(40, waves=["50", "100"], stop_at=0.5)
    done = await chain.follow(rollout)
    assert (done.state, done.outcomes, done.failed) == ("done", {"applied": 9, "rolled_back": 1}, 1)
    [failed] = [
        one
        for one in (await RolloutRun(chain.office, chain.known, rollout.id).look()).results
        if one.outcome != "applied"
    ]
    assert (failed.shop, failed.reason) == ("shop-4", "it cut the shop off")


async def test_trouble_that_begins_after_the_change_is_a_failure_and_earlier_trouble_is_not(chain: Chain) -> None:
    for shop in chain.shops.values():
        await shop.report(failing={"outbox": "the disk is full"})
    await chain.known.refresh()
    rollout = await chain.start(50, waves=["100"], stop_at=0.1)
    assert (await chain.follow(rollout)).state == "done"
    rollout = await chain.start(51, RolloutTarget(shops=("shop-1", "shop-2")), waves=["50", "100"], stop_at=0.1)
    for shop in chain.shops.values():
        await shop.report(failing={"outbox": "the disk is full", "api": "the port is taken"})
    # It was seen before the shops were told, so it is no consequence.
    assert (await chain.follow(rollout)).state == "done"
    run = RolloutRun(chain.office, chain.known, rollout.id)
    for shop in chain.shops.values():
        await shop.report(failing={"discovery": "no interface"})
    assert {one.outcome for one in (await run.look()).results} == {"trouble"}


async def test_shops_that_are_away_hold_up_nothing_and_get_it_later(chain: Chain) -> None:
    for name in ("shop-5", "shop-6"):
        await chain.shops[name].disconnect()
    await chain.known.refresh(asks=True)
    rollout = await chain.start(60, stop_at=0.0)
    done = await chain.follow(rollout)
    assert (done.state, done.outcomes, done.failed) == ("done", {"applied": 8, "away": 2}, 0)
    await chain.shops["shop-5"].connect()
    await chain.until_taken(60, "shop-5")
    run = RolloutRun(chain.office, chain.known, rollout.id)
    while (seen := await run.look()).rollout.outcomes != {"applied": 9, "away": 1}:
        await asyncio.sleep(0.01)
    assert [one.outcome for one in seen.results].count("away") == 1


async def test_a_shop_that_is_not_done_in_time_is_not_called_silent(chain: Chain) -> None:
    for shop in chain.shops.values():
        shop.refused[PART] = ("pending", "nothing starts the gateway again")
    rollout = await chain.start(75, waves=["20", "100"], wait_s=0.3, stop_at=0.5)
    stopped = await chain.follow(rollout)
    assert (stopped.state, stopped.told) == ("stopped", 2)
    run = RolloutRun(chain.office, chain.known, rollout.id)
    while (seen := await run.look()).rollout.outcomes != {"unfinished": 2}:  # it may be over before they have answered
        await asyncio.sleep(0.01)
    assert seen.rollout.failed == 2
    assert {one.reason for one in seen.results} == {"nothing starts the gateway again"}


async def test_a_shop_that_says_nothing_in_time_has_failed(chain: Chain) -> None:
    for shop in chain.shops.values():
        shop.silent = True
    rollout = await chain.start(70, waves=["20", "100"], wait_s=0.3, stop_at=0.5)
    stopped = await chain.follow(rollout)
    assert (stopped.state, stopped.outcomes, stopped.told) == ("stopped", {"silent": 2}, 2)
    continued = await act_on_rollout(chain.office, rollout.id, "continue")
    assert (continued.state, continued.tolerated) == ("running", 2)


async def test_a_shop_with_a_value_of_its_own_keeps_it(chain: Chain) -> None:
    await chain.desired.change(shop_key("shop-7"), {PART: 7})
    await chain.desired.change(group_key("canary"), {PART: 8})
    done = await chain.follow(await chain.start(80))
    assert (done.state, done.own, done.shops, done.outcomes) == ("done", 3, 7, {"applied": 7})
    assert await chain.read(shop_key("shop-7")) == 7
    await chain.until_taken(8, "shop-0", "shop-1")
    await chain.until_taken(7, "shop-7")


async def test_a_group_gets_its_own_document(chain: Chain) -> None:
    done = await chain.follow(await chain.start(15, RolloutTarget(groups=("canary",)), waves=["50", "100"]))
    assert (done.state, done.outcomes) == ("done", {"applied": 2})
    assert (await chain.read(group_key("canary")), await chain.read(CHAIN_KEY)) == (15, None)
    assert await chain.read_shops() == [None] * 10


async def test_people_pause_continue_and_end_it(chain: Chain) -> None:
    rollout = await chain.start(90)
    with pytest.raises(Conflict, match="continue is not possible"):
        await act_on_rollout(chain.office, rollout.id, "continue")
    await act_on_rollout(chain.office.acting_for(Actor("page", "eve", "::1")), rollout.id, "pause")
    paused = await chain.follow(rollout)
    assert (paused.state, paused.reason, paused.told) == ("paused", "paused by eve", 0)
    await act_on_rollout(chain.office, rollout.id, "continue")
    run = RolloutRun(chain.office, chain.known, rollout.id)
    assert (await run.step()).told == 1
    await act_on_rollout(chain.office, rollout.id, "stop")
    assert ((await run.step()).state, (await run.step()).told) == ("ended", 1)
    assert [await chain.read(CHAIN_KEY), sum(one == 90 for one in await chain.read_shops())] == [None, 1]
    with pytest.raises(Conflict):
        await act_on_rollout(chain.office, rollout.id, "continue")


async def test_one_process_advances_it_and_another_takes_over_when_that_is_silent(chain: Chain) -> None:
    rollout = await chain.start(100)
    first = RolloutRun(chain.office, chain.known, rollout.id, lease_s=0.5)
    second = RolloutRun(chain.office, chain.known, rollout.id, lease_s=0.5)
    one = await first.step()
    assert (await second.step()).holder == one.holder
    while (await second.step()).holder == one.holder:
        await asyncio.sleep(0.05)
    # The first one comes back: it sees that, and changes nothing.
    assert (await first.step()).holder != one.holder
    await first.release()
    await second.release()
    assert (await chain.follow(rollout)).outcomes == {"applied": 10}


async def test_who_takes_over_asks_shops_for_no_other_answer(chain: Chain) -> None:
    rollout = await chain.start(105, waves=["30", "60", "100"])
    first = RolloutRun(chain.office, chain.known, rollout.id)
    while (await first.step()).wave == 0:
        await asyncio.sleep(TICK_S)
    await first.release()
    # Somebody else changes what is wanted of the shops of that wave, which are silent from now on.
    told = [name for name in chain.shops if await chain.read(shop_key(name)) == 105]
    assert len(told) >= 3
    for name in told:
        chain.shops[name].silent = True
        await chain.desired.change(shop_key(name), {"settings.video.max_streams": 3})
    done = await chain.follow(rollout)
    assert (done.state, done.outcomes) == ("done", {"applied": 10})
    await chain.until_taken(105, *(chain.shops.keys() - told))
    for shop in chain.shops.values():
        shop.silent = True
    await chain.desired.change(CHAIN_KEY, {"settings.video.max_streams": 4})
    seen = await RolloutRun(chain.office, chain.known, rollout.id).look()
    assert seen.rollout.outcomes == {"applied": 10}


async def test_a_holder_that_was_frozen_cannot_bring_back_what_was_undone(chain: Chain) -> None:
    rollout = await chain.start(110, RolloutTarget(shops=("shop-1", "shop-2")), waves=["100"])
    frozen = RolloutRun(chain.office, chain.known, rollout.id)
    rewrite, wake = frozen._desired._bucket.put, asyncio.Event()

    async def wait(key: str, value: bytes, revision: int) -> int:
        await wake.wait()
        return await rewrite(key, value, revision)

    frozen._desired._bucket.put = wait  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        step = group.create_task(frozen.step())
        while not [number async for number, _ in RolloutStore(chain.office).batches(rollout.id)]:
            await asyncio.sleep(0.01)
        await act_on_rollout(chain.office, rollout.id, "undo")
        other = RolloutRun(chain.office, chain.known, rollout.id, lease_s=0.0)
        while (await other.step()).state != "undone":
            await asyncio.sleep(0.01)
        wake.set()
        with contextlib.suppress(Conflict):
            await step
    assert await chain.read_shops() == [None] * 10


async def test_what_a_former_holder_has_noted_late_is_gone_on_with(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = await chain.start(115, waves=["10", "100"])
    put_batch = RolloutStore.put_batch

    async def put_after_another(store: RolloutStore, rollout_id: str, number: int, batch: RolloutBatch) -> None:
        monkeypatch.setattr(RolloutStore, "put_batch", put_batch)
        earlier = ReachedShop(earlier={PART: None}, troubles=("service.relay",))
        await put_batch(store, rollout_id, number, RolloutBatch(wave=0, shops={"shop-4": earlier}))
        with pytest.raises(Conflict) as caught:
            await put_batch(store, rollout_id, number, batch)
        raise caught.value

    monkeypatch.setattr(RolloutStore, "put_batch", put_after_another)
    done = await chain.follow(rollout)
    assert (done.state, done.told, done.outcomes) == ("done", 10, {"applied": 10})
    assert RolloutStore.put_batch is put_batch


async def test_who_follows_it_gets_over_the_loss_of_a_server(
    chain: Chain, office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_connection, "REQUEST_TIMEOUT_S", 1.0)
    [node] = office.nodes
    rollout = await chain.start(130, waves=["10", "20", "30", "40", "50", "100"])
    waves: list[int] = []

    async def kill() -> None:
        while not waves or waves[-1] < 2:
            await asyncio.sleep(0.01)
        await node.kill()
        await node.start()

    async with asyncio.TaskGroup() as group:
        group.create_task(kill())
        done = await follow_rollout(
            chain.office, chain.known, rollout.id, lambda one: waves.append(one.wave), tick_s=TICK_S
        )
    # Shops that were not back yet when they were told have it later.
    assert (done.state, done.told, done.failed) == ("done", 10, 0)
    await chain.until_taken(130)
    assert (await chain.read(CHAIN_KEY), await chain.read_shops()) == (130, [None] * 10)


async def test_who_follows_it_goes_back_with_servers_that_are_restored_from_a_backup(
    chain: Chain, office: HeadOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_connection, "REQUEST_TIMEOUT_S", 1.0)
    [node] = office.nodes
    stored, backup = node.folder / "jetstream", tmp_path / "backup"
    rollout = await chain.start(140, waves=["10", "20", "30", "40", "50", "60", "100"])
    waves: list[int] = []

    async def restore() -> None:
        while not waves or waves[-1] < 1:
            await asyncio.sleep(0.01)
        await node.kill()
        shutil.copytree(stored, backup)
        await node.start()
        while waves[-1] < 4:
            await asyncio.sleep(0.01)
        await node.kill()
        shutil.rmtree(stored)
        shutil.copytree(backup, stored)
        await node.start()

    async with asyncio.TaskGroup() as group:
        group.create_task(restore())
        done = await follow_rollout(
            chain.office, chain.known, rollout.id, lambda one: waves.append(one.wave), tick_s=TICK_S
        )
    # Shops that were not back yet when they were told again have it later.
    assert (done.state, done.told, done.failed) == ("done", 10, 0)
    assert waves != sorted(waves)
    await chain.until_taken(140)
    assert (await chain.read(CHAIN_KEY), await chain.read_shops()) == (140, [None] * 10)


async def test_looking_at_a_rollout_again_does_not_ask_all_servers_again(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Office] = []

    async def note(office: Office) -> ChainConnections:
        asked.append(office)
        return await read_connections(office)

    monkeypatch.setattr("gateway.office.shops.read_connections", note)
    rollout = await chain.start(31)
    for _ in range(3):  # as a page does that is kept live
        await RolloutRun(chain.office, chain.known, rollout.id).look()
    assert len(asked) <= 1


async def test_nothing_goes_on_after_a_step_that_failed(chain: Chain) -> None:
    rollout = await chain.start(32, RolloutTarget(shops=tuple(chain.shops)), waves=["100"])
    await chain.damage("shop-3")
    before = asyncio.all_tasks()
    with pytest.raises(StateError, match="the shop shop-3 is damaged"):
        await RolloutRun(chain.office, chain.known, rollout.id).step()
    assert [task for task in asyncio.all_tasks() - before if "rollout_run.py" in repr(task)] == []


async def test_a_rollout_that_cannot_go_on_stops_no_other_one(chain: Chain) -> None:
    stuck = await chain.start(33, RolloutTarget(shops=("shop-3",)), waves=["100"])
    await chain.damage("shop-3")
    await Bucket(chain.office, ROLLOUTS).put("damaged", b"{", 0)
    lost = await chain.start(35, RolloutTarget(shops=("shop-4",)), waves=["100"])
    await Bucket(chain.office, ROLLOUTS).put(f"{lost.id}.0", b"{", 0)
    with pytest.raises(StateError, match=rf"{lost.id}\.0 is damaged"):
        await RolloutRun(chain.office, chain.known, lost.id).look()
    others = [await chain.start(34, RolloutTarget(shops=(shop,)), waves=["100"]) for shop in ("shop-1", "shop-2")]
    supervisor = Supervisor()
    supervisor.start_service(
        "roll-outs", lambda service: advance_rollouts(chain.office, chain.known, service, tick_s=TICK_S)
    )
    store = RolloutStore(chain.office)
    while {(await store.get(one.id))[0].state for one in others} != {"done"}:
        await asyncio.sleep(0.02)
    await until(lambda: supervisor.reports()[0].state == "failing")
    failure = supervisor.reports()[0].last_failure or ""
    assert any(name in failure for name in ("--shop shop-3", lost.id)), failure
    await supervisor.close()
    assert {one.id for one in await store.list_all()} == {stuck.id, lost.id, *(one.id for one in others)}


async def test_all_rollouts_advance_as_long_as_the_head_office_serves(chain: Chain) -> None:
    first = await chain.start(120, RolloutTarget(shops=("shop-1",)), waves=["100"])
    second = await chain.start(121, RolloutTarget(shops=("shop-2",)), waves=["100"])
    supervisor = Supervisor()
    supervisor.start_service(
        "roll-outs", lambda service: advance_rollouts(chain.office, chain.known, service, tick_s=TICK_S)
    )
    store = RolloutStore(chain.office)
    while {(await store.get(one.id))[0].state for one in (first, second)} != {"done"}:
        await asyncio.sleep(0.02)
    await supervisor.close()
    assert {one.id for one in await store.list_all()} == {first.id, second.id}


async def test_servers_that_are_away_for_a_moment_end_nobodys_hold(
    chain: Chain, office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_connection, "REQUEST_TIMEOUT_S", 1.0)
    [node] = office.nodes
    for shop in chain.shops.values():
        shop.silent = True
    rollout = await chain.start(122, wait_s=3600.0)
    supervisor = Supervisor(initial_delay_s=0.01)
    supervisor.start_service(
        "roll-outs", lambda service: advance_rollouts(chain.office, chain.known, service, tick_s=TICK_S)
    )

    async def read() -> Rollout:
        while True:
            with contextlib.suppress(HeadOfficeUnavailable):
                return (await RolloutStore(chain.office).get(rollout.id))[0]

    while not (before := await read()).is_told:
        await asyncio.sleep(0.02)
    await node.kill()
    await until(lambda: supervisor.reports()[0].state == "failing")
    await node.start()
    while (after := await read()).beat <= before.beat + 10:
        await asyncio.sleep(0.02)
    assert after.holder == before.holder
    await supervisor.close()


async def test_only_rollouts_that_are_over_are_forgotten(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "MAX_KEPT", 0)
    one_shop = RolloutTarget(shops=("shop-1",))
    paused, ended = [await chain.start(value, one_shop, waves=["100"]) for value in (40, 41)]
    await act_on_rollout(chain.office, paused.id, "pause")
    await act_on_rollout(chain.office, ended.id, "stop")
    newest = await chain.start(42, one_shop, waves=["100"])
    assert {one.id for one in await RolloutStore(chain.office).list_all()} == {paused.id, newest.id}


async def test_what_cannot_be_is_refused_before_anything_is_stored(chain: Chain) -> None:
    for waves in (["50"], ["50", "10", "100"], ["101"], ["nobody", "100"], ["10", "canary", "100"], [], ["0", "100"]):
        with pytest.raises(InvalidRequest, match="waves"):
            await chain.start(1, waves=waves)
    for option, value in (("stop_at", 2.0), ("wait_s", -1.0)):
        with pytest.raises(InvalidRequest):
            await chain.start(1, EVERYONE, **{option: value})
    for target in (RolloutTarget(shops=("nowhere",)), RolloutTarget(groups=("nobody",))):
        with pytest.raises(NotFound):
            await chain.start(1, target)
    with pytest.raises(NotFound, match="no roll-out"):
        await RolloutStore(chain.office).get("nothing")
    assert await RolloutStore(chain.office).list_all() == []
