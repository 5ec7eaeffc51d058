"""A restored gateway: everything is known as before, and its queue is held back until a person releases it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.server import serve_commands
from gateway.app import Gateway
from gateway.backup.create import create_backup
from gateway.backup.restore import restore_backup
from gateway.doctor.check import CheckContext, run_checks
from gateway.doctor.checks import CHECKS
from gateway.outbox.item_table import ItemFilter
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import Settings, load_settings
from gateway.simulator.store import SimulatedStore
from tests.search import find

ORDER = CATALOGUE.get("cloud", "order/update")


async def sell(gateway: Gateway, number: int, wait_s: float = 0) -> str:
    order = ORDER.encode({"order_list": [{"order_no": f"CN{number}"}]}, defaults=gateway.settings.cloud.shop)
    return (await gateway.outbox.submit(order, token="till", wait_s=wait_s)).state


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture
def settings(store: SimulatedStore, tmp_path: Path) -> Settings:
    file = tmp_path / "gateway.toml"
    file.write_text(store.settings_toml(tmp_path) + f'\n[storage]\ndirectory = "{tmp_path}/state"\n')
    return load_settings(file)


@pytest.fixture
async def restored(store: SimulatedStore, settings: Settings, tmp_path: Path) -> AsyncIterator[Gateway]:
    """Return a gateway whose state comes from a backup that was made while two orders waited."""
    old = await Gateway.open(settings)
    await find(old, store.cameras[:1])
    await old.registry.manage(store.cameras[0].sn)
    await old.cameras.confirm_certificate(store.cameras[0].sn)
    await old.cameras.probe_activation(store.cameras[0].sn)
    await store.cloud.stop()
    for number in (1, 2):
        await sell(old, number)
    create_backup(settings, tmp_path / "gateway.toml", tmp_path / "backup.tar.gz")
    await old.close()
    (tmp_path / "state").rename(tmp_path / "dead")
    await store.cloud.start()
    done = await restore_backup(tmp_path / "backup.tar.gz", tmp_path / "gateway.toml", replace=False)
    assert (done["held"], done["put_aside"], done["left_out"]) == (2, [], {})
    new = await Gateway.open(settings)
    new.outbox_worker.start()
    yield new
    await new.close()


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        return await answer.json()


async def test_what_waited_is_held_until_it_is_released(restored: Gateway, store: SimulatedStore) -> None:
    async with serve_commands(restored) as session:
        relay = (await get(session, "/api/v1/status"))["relay"]
        assert (relay["away"], relay["held"]) == (None, True)
        assert await sell(restored, 3, wait_s=30) == "waiting", "nobody waits for what is held"
        listing = {"shop_id": store.shop_id}
        async with session.post("/api/v1/cloud/device/ipc/getList", json=listing) as direct:
            assert direct.status == 200, "what is not queued goes on"
        assert "order/update" not in store.cloud.request_paths
        findings = await run_checks(
            CheckContext(restored.settings, restored), [check for check in CHECKS if check.name == "outbox"]
        )
        assert [(one.status, "outbox release" in one.what_to_do) for one in findings] == [("warning", True)]
        async with session.post("/api/v1/outbox/release") as released:
            assert await released.json() == {"released": 3}
        assert await sell(restored, 4, wait_s=20) == "delivered"
        assert (await get(session, "/api/v1/status"))["relay"]["held"] is False
        async with session.post("/api/v1/outbox/release") as again:
            assert await again.json() == {"released": 0}
    texts = [call.fields["order_list"] for call in store.cloud.accepted if call.path == "order/update"]
    sent = [one["order_no"] for text in texts for one in json.loads(text)]
    assert sorted(sent) == ["CN1", "CN2", "CN3", "CN4"]


async def test_the_hold_outlives_a_restart(restored: Gateway, settings: Settings, store: SimulatedStore) -> None:
    await restored.close()
    again = await Gateway.open(settings)
    try:
        again.outbox_worker.start()
        assert again.outbox.held
        assert await sell(again, 3) == "waiting"
        await again.outbox.release_hold()
    finally:
        await again.close()
    last = await Gateway.open(settings)
    assert not last.outbox.held
    await last.close()


async def test_held_items_can_be_dropped_first(restored: Gateway, store: SimulatedStore) -> None:
    entries, _ = await restored.outbox.list_items(ItemFilter(states=("waiting",)))
    await restored.outbox.drop([entries[0].sequence])
    await restored.outbox.release_hold()
    assert await sell(restored, 3, wait_s=20) == "delivered"
    texts = [call.fields["order_list"] for call in store.cloud.accepted if call.path == "order/update"]
    assert "CN1" not in str(texts)


async def test_cameras_are_known_as_before(restored: Gateway, store: SimulatedStore) -> None:
    camera = restored.registry.get(store.cameras[0].sn)
    assert camera.managed
    assert camera.activation == "activated"
    assert camera.certificate_sha256
    await restored.cameras.refresh(camera.sn)
