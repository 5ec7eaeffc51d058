"""A gateway that was a shop of a chain and becomes another one: what was the former's is not the new one's."""

from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.desired_settings import (
    DesiredSettings,
    SettingSource,
    SettingsTrial,
    count_start,
    note_problem,
    read_desired,
    write_desired,
)
from gateway.errors import SettingsError
from gateway.fleet_settings import FleetSettings
from gateway.membership import find_member
from tests.fleet.cluster import HeadOffice, make_chain
from tests.fleet.conftest import Open
from tests.fleet.desired_shop import DesiredShop, for_shop, push

ASKED = "token_revoke", {"name": "till 1"}


async def test_a_command_of_the_former_shop_is_none_of_the_new_one(office: HeadOffice, open_gateway: Open) -> None:
    async def become(shop: str) -> Gateway:
        gateway = await open_gateway(office.settings(shop, may=["token_revoke"]))
        if not gateway.tokens.all():
            await gateway.tokens.create("till 1", "pos")
        return gateway

    gateway = await become("shop-1")
    former = await office.command("shop-1", *ASKED, id="for-many-shops")
    assert former["outcome"] == "done"
    await gateway.close()
    gateway = await become("shop-2")  # the head office gives a command to many shops by one id
    assert await office.command("shop-2", *ASKED, id="for-many-shops") == former
    assert gateway.tokens.all() == []
    await gateway.close()
    gateway = await become("shop-1")
    assert await office.command("shop-1", *ASKED, id="for-many-shops") == former
    assert [one.name for one in gateway.tokens.all()] == ["till 1"]


@for_shop(3)
async def test_settings_of_the_former_head_office_do_not_count_for_the_new_shop(shop: DesiredShop) -> None:
    await shop.start()
    wanted = {"video": {"max_streams": 1}, "fleet": {"servers": shop.office.servers[:1] * 2}}
    revision = await shop.want("shop.shop-3", {"settings": wanted})
    gateway = await shop.restart()
    await shop.settled(shop=revision)
    assert (gateway.settings.video.max_streams, len(gateway.settings.fleet.servers)) == (1, 2)
    await shop.stop()
    shop.become("shop-4")
    gateway = await shop.start()
    assert (gateway.settings.video.max_streams, gateway.settings.fleet.servers) == (2, shop.office.servers)
    assert shop.stored == DesiredSettings()
    revision = await shop.want("shop.shop-4", {"settings": {"discovery": {"interval_s": 5}}})
    gateway = await shop.restart()
    assert await shop.outcomes(shop=revision) == {"settings.discovery.interval_s": "applied"}
    assert (gateway.settings.video.max_streams, gateway.settings.discovery.interval_s) == (2, 5)


def test_a_change_on_trial_of_a_former_shop_is_not_taken_back_in_the_new_one(tmp_path: Path) -> None:
    file, own, other = tmp_path / "settings.json", FleetSettings(shop="berlin-1"), FleetSettings(shop="berlin-2")
    trial = SettingsTrial(before={}, sources={"server.port": SettingSource(key="chain", revision=7)}, starts=3)
    member = f"berlin-1 {'0' * 32}"
    write_desired(file, DesiredSettings(member=member, settings={"server.port": 80}, trial=trial))
    count_start(file, other)
    note_problem(file, other, "it is taken")
    assert read_desired(file, other) == DesiredSettings()
    assert read_desired(file, own).trial == trial
    with pytest.raises(SettingsError, match=r"server\.port"):
        count_start(file, own)


async def test_settings_of_another_chain_do_not_count_for_a_shop_of_the_same_name(tmp_path: Path) -> None:
    chains = [make_chain(tmp_path / name).office_files.ca_file for name in ("one", "other")]
    own, other = (FleetSettings(shop="berlin-1", ca_file=file) for file in chains)
    desired = DesiredSettings(member=find_member(own), settings={"video.max_streams": 1})
    write_desired(tmp_path / "settings.json", desired)
    assert read_desired(tmp_path / "settings.json", own) == desired
    assert read_desired(tmp_path / "settings.json", other) == DesiredSettings()
    without = FleetSettings(shop="berlin-1", ca_file="/nowhere")  # then the name counts
    assert read_desired(tmp_path / "settings.json", without) == desired


@for_shop(5, '[cloud]\nbase_url = "https://127.0.0.1:1/openapi"\napp_id = "app"\nsecret_key = "hush"\nshop_id = "7"\n')
async def test_a_list_is_taken_for_each_shop_of_the_cloud(shop: DesiredShop) -> None:
    gateway = await shop.start()
    await gateway.database.execute("UPDATE account SET proof = 2")  # else it would count as a mistake
    products = await push(shop.office, b"id,name,price\n1,Cola,3.50\n")
    revision = await shop.want("shop.shop-5", {"products": products})
    assert await shop.outcomes(shop=revision) == {"products": "applied"}
    await shop.stop()
    shop.become("shop-6")  # as on a copied card
    await shop.start()
    settings = {"cloud": {"shop_id": "8"}}
    revision = await shop.want("shop.shop-6", {"products": products, "settings": settings})
    gateway = await shop.restart()
    assert (await shop.outcomes(shop=revision))["products"] == "applied"
    rows = await gateway.database.read("SELECT account, product_id FROM product ORDER BY account")
    assert [tuple(row) for row in rows] == [(1, "1"), (2, "1")]
