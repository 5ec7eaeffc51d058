"""A real gateway under a roll-out and a command, and roll-outs whose processes are killed."""

import asyncio
import contextlib
import io
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.fleet import desired_follower
from gateway.fleet.part_names import PRODUCTS, PartKind
from gateway.fleet.subjects import CHAIN_KEY, shop_key
from gateway.office.command_calls import CommandCall, call_shops
from gateway.office.content import ContentStore
from gateway.office.desired import DesiredBucket
from gateway.office.office import Office
from gateway.office.rollout_documents import RolloutTarget
from gateway.office.rollout_service import follow_rollout
from gateway.office.rollouts import RolloutStore, start_rollout
from gateway.office.shop_facts import ShopHealth
from gateway.office.shops import load_shops
from tests.fleet.cluster import HeadOffice
from tests.fleet.desired_shop import DesiredShop
from tests.forking import start_program
from tests.office.simulated_shop import put_record, read_public_key, simulate_shops

EVERYONE = RolloutTarget(everyone=True)
STREAMS = "settings.video.max_streams"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desired_follower, "MIN_RUN_S", 0.0)
    monkeypatch.setattr(desired_follower, "SPREAD_S", 0.01)


@pytest.fixture
async def connected(office: HeadOffice) -> AsyncIterator[Office]:
    async with office.connect() as connected:
        for stream in ("KV_shops", "KV_reported", "KV_desired", "KV_rollouts"):
            await connected.jetstream.purge_stream(stream)
        yield connected


async def test_a_real_gateway_takes_settings_and_a_list_and_does_a_command(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    shop = DesiredShop(tmp_path, office, "shop-1", more='[cloud]\nshop_id = "1"\n')
    key = read_public_key(office.settings("shop-1").private_key)
    await put_record(connected, "shop-1", state="joined", public_key=key)
    try:
        await shop.start()
        known = await load_shops(connected)
        while known.get("shop-1").version is None:
            await known.refresh()

        async def roll_out(kind: PartKind, parts: dict[str, Any]) -> dict[str, int]:
            rollout = await start_rollout(
                connected, known, kind, parts, EVERYONE, title="", waves=["100"], wait_s=600
            )  # fmt: skip
            done = await follow_rollout(connected, known, rollout.id, lambda _: None, tick_s=0.05)
            assert done.state == "done", done.reason
            return {str(outcome): count for outcome, count in done.outcomes.items()}

        outcomes, gateway = await asyncio.gather(roll_out("settings", {STREAMS: 1}), shop.restart())
        assert outcomes == {"applied": 1}
        assert gateway.settings.video.max_streams == 1
        reference = await ContentStore(connected).put("prices.csv", io.BytesIO(b"id,name,price\n1,Cola,1.50\n"))
        wanted = {**reference.model_dump(mode="json"), "complete": True, "confirm": False}
        assert await roll_out("products", {PRODUCTS: wanted}) == {"applied": 1}
        calls: list[CommandCall] = []
        for command in ("doctor", "outbox_retry"):
            await call_shops(
                connected,
                command,
                {},
                ["shop-1"],
                run_id=f"real-{command}",
                deadline_s=300,
                on_outcome=calls.append,
            )
        assert [(one.outcome, bool(one.result)) for one in calls] == [("done", True), ("refused", False)]
        assert "fleet.may" in calls[1].reason
        await known.refresh(asks=True)
        assert known.get("shop-1").health in (ShopHealth.OK, ShopHealth.TROUBLE)
    finally:
        await shop.stop()


async def test_another_process_goes_on_with_a_rollout_whose_process_was_killed(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    """The command is killed with -9 again and again, wherever it is; at the end every shop has it once and for all."""
    names: dict[str, tuple[str, ...]] = {f"kill-{number}": () for number in range(8)}
    async with simulate_shops(office, connected, tmp_path, names) as shops:
        await DesiredBucket(connected).change(shop_key("kill-1"), {STREAMS: 5})
        known = await load_shops(connected)
        rollout = await start_rollout(
            connected, known, "settings", {STREAMS: 2}, EVERYONE, title="", waves=["25", "50", "75", "100"], wait_s=600
        )  # fmt: skip
        store = RolloutStore(connected)
        killed = 0
        while (now := (await store.get(rollout.id))[0]).state != "done" and killed < 3:
            process = await start_program("gateway", "office", "rollouts", "follow", rollout.id, "--folder",
                                          str(office.chain.path))  # fmt: skip
            while (await store.get(rollout.id))[0].beat <= now.beat and process.returncode is None:
                await asyncio.sleep(0.005)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.communicate()
            killed += 1
            # Nobody else is there, so its holder need not be waited for.
            await store.change(rollout.id, lambda one: one.model_copy(update={"holder": ""}))
        done = await follow_rollout(connected, known, rollout.id, lambda _: None, tick_s=0.05)
        assert (done.state, done.outcomes, done.own) == ("done", {"applied": 7}, 1)
        reached = [shop async for _, batch in store.batches(rollout.id) for shop in batch.shops]
        assert sorted(reached) == sorted({*names} - {"kill-1"})
        documents = [(await DesiredBucket(connected).get(shop_key(shop))).read([STREAMS])[STREAMS] for shop in names]
        assert documents == [5 if shop == "kill-1" else None for shop in names]
        assert (await DesiredBucket(connected).get(CHAIN_KEY)).read([STREAMS]) == {STREAMS: 2}
        while any(shop.values.get(STREAMS) != (5 if name == "kill-1" else 2) for name, shop in shops.items()):
            await asyncio.sleep(0.01)
