"""The page of a roll-out: which shops it has reached is read when that changes, not for every look."""

import asyncio
import re

import pytest
from nats.aio.client import Client

from gateway.fleet.subjects import ROLLOUTS
from gateway.office.bucket import Bucket
from gateway.office.rollout_documents import RolloutTarget
from gateway.office.rollouts import RolloutStore, act_on_rollout, start_rollout
from tests.office_site.chain import Visitor


async def test_the_shops_are_read_again_only_when_others_are_reached(
    visitor: Visitor, shops: dict[str, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.sign_in()
    site = visitor.site
    await site.view.shops.refresh()
    target = RolloutTarget(shops=("hamburg-1", "hamburg-2"))
    parts = {"settings.discovery.interval_s": 33.0}
    rollout = await start_rollout(
        site.office, site.view.shops, "settings", parts, target, title="interval", waves=["50", "100"], wait_s=600
    )
    store = RolloutStore(site.office)
    told = (await store.get(rollout.id))[0]
    while not told.is_told:
        await visitor.get(f"rollouts/{rollout.id}/part")
        told = (await store.get(rollout.id))[0]
    await visitor.get(f"rollouts/{rollout.id}")
    read: list[str] = []
    batches = RolloutStore.batches

    def note(self: RolloutStore, rollout_id: str) -> object:
        read.append(rollout_id)
        return batches(self, rollout_id)

    monkeypatch.setattr(RolloutStore, "batches", note)
    while (await store.get(rollout.id))[0].beat == told.beat:
        await asyncio.sleep(0.05)
    for _ in range(3):
        _, html = await visitor.get(f"rollouts/{rollout.id}/part")
        assert html.count('data-label="Shop"') == 1
    assert rollout.id not in read
    await act_on_rollout(site.office, rollout.id, "stop")
    _, html = await visitor.get(f"rollouts/{rollout.id}/part")
    assert read.count(rollout.id) == 1
    assert "ended by a person" in html
    [question] = re.findall(r"<details><summary>Undo it</summary>.*?</details>", html, re.DOTALL)
    assert "Every shop that was told gets back what was wanted of it before" in question
    assert html.count(f"{rollout.id}/undo") == question.count(f"{rollout.id}/undo") == 1
    await Bucket(site.office, ROLLOUTS).purge(f"{rollout.id}.*")
    await Bucket(site.office, ROLLOUTS).purge(rollout.id)
