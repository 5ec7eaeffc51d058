"""Settings that name another account: what waits for the old one is held, shown, and moved when a person says so."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.doctor.check import CheckContext
from gateway.doctor.machine import check_outbox
from gateway.outbox.account_table import Proof
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import Rest
from tests.waiting import until

ORDER = {"order_list": [{"order_no": "1"}]}


@asynccontextmanager
async def served(store: SimulatedStore, tmp_path: Path, shop_id: str) -> AsyncIterator[tuple[Gateway, Rest]]:
    """Run a gateway whose settings name this shop."""
    file = tmp_path / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{tmp_path}/state"\n'
    text = re.sub('shop_id = ".*"', f'shop_id = "{shop_id}"', store.settings_toml(tmp_path))
    file.write_text(text + rest, encoding="utf-8")
    gateway = await Gateway.open(load_settings(file))
    try:
        async with serve(gateway) as urls, aiohttp.ClientSession(urls[0]) as session:
            yield gateway, Rest(session, await gateway.tokens.create(f"admin {shop_id}", "admin"))
    finally:
        await gateway.close()


async def test_a_person_sees_what_is_held_and_moves_it(store: SimulatedStore, tmp_path: Path) -> None:
    async with served(store, tmp_path, "7") as (gateway, admin):
        await gateway.outbox.accounts.store_proof(Proof.SHOP)
        assert (await admin("POST", "/api/v1/cloud/order/update", ORDER, headers={"Prefer": "wait=0"})).status == 202
    async with served(store, tmp_path, store.shop_id) as (gateway, admin):
        gateway.outbox_worker.start()
        relay = (await admin("GET", "/api/v1/status")).body["relay"]
        assert relay["account"]["shop_id"] == store.shop_id
        [other] = relay["other_accounts"]
        assert (other["items"], other["account"]["shop_id"]) == (1, "7")
        [item] = (await admin("GET", "/api/v1/outbox")).body["items"]
        assert (item["state"], item["parameters"]) == ("waiting", {"shop_id": "7", **ORDER})
        assert "shop 7 at" in item["held_for"]
        [finding] = await check_outbox(CheckContext(gateway.settings, gateway))
        assert (finding.status, "shop 7 at" in finding.evidence) == ("warning", True)
        assert "release --to-current" in finding.what_to_do
        assert (await admin("POST", "/api/v1/outbox/release")).body == {"released": 0}
        moved = await admin("POST", "/api/v1/outbox/release", {"to_current": True})
        assert moved.body == {"released": 1, "outdated": 0}
        await until(lambda: not gateway.outbox.depth)
        [item] = (await admin("GET", "/api/v1/outbox")).body["items"]
        assert (item["state"], item["held_for"]) == ("delivered", None)
    assert list(store.cloud.state.shops[store.shop_id].orders) == ["1"]
