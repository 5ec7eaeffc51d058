"""A list that is handed over again: what is done stays so, no secret comes back, and a reset camera is noticed."""

from pathlib import Path

from gateway.simulator.store import WIFI_PASSWORD
from tests.shop.conftest import PLAN, Site, failures


async def test_a_dry_run_of_another_list_leaves_the_plan_as_it_is(site: Site, tmp_path: Path) -> None:
    site.connect_all()
    camera = site.store.cameras[0]
    await site.rest("PUT", PLAN, site.plan())
    done = await site.run(confirm_erase=2)
    assert await site.gateway.shop_parts.plan_pictures.save(camera.sn, "after", b"a picture")
    other = {"cameras": [{"sn": "FM020A2300001", "activation_number": "908012345678901234567890"}]}
    would = await site.rest("POST", f"{PLAN}/dry-run", other)
    assert would.status == 200, would.body
    assert (would.body["erases"], [one["sn"] for one in would.body["cameras"]]) == (1, ["FM020A2300001"])
    assert (await site.rest("GET", PLAN)).body == done
    assert site.gateway.shop_parts.plan_pictures.has(camera.sn, "after")
    only_failed = await site.rest("POST", f"{PLAN}/dry-run?only=failed", site.plan())
    assert only_failed.body["cameras"] == []
    stored = b"".join(file.read_bytes() for file in (tmp_path / "state").glob("gateway.db*"))
    assert b"FM020A2300001" not in stored


async def test_a_list_that_is_done_brings_no_secret_back(site: Site, tmp_path: Path) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    assert failures(await site.run(confirm_erase=2)) == []
    put = await site.rest("PUT", PLAN, site.plan())
    assert put.body["counts"]["done"] == 3
    assert put.body["wifi"]["password"] is None
    assert all(camera["activation_number"] is None for camera in put.body["cameras"])
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "state").glob("gateway.db*"))
    for secret in (WIFI_PASSWORD, *site.store.activation_numbers.values()):
        assert secret.encode() not in on_disk


async def test_a_camera_that_was_reset_needs_its_list_once(site: Site) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    assert failures(await site.run(confirm_erase=2)) == []
    camera = site.store.cameras[1]
    camera.state.factory_reset()
    site.connect_all()
    put = await site.rest("PUT", PLAN, site.plan())
    assert (put.body["erases"], put.body["counts"]["done"]) == (1, 2)
    again = await site.run(confirm_erase=1)
    assert (again["state"], failures(again)) == ("done", [])
    assert camera.state.activated


async def test_a_camera_that_is_off_is_looked_at_again(site: Site) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    assert failures(await site.run(confirm_erase=2)) == []
    camera = site.store.cameras[1]
    await camera.stop()
    put = await site.rest("PUT", PLAN, site.plan())
    assert put.body["counts"]["pending"] == 1, "nobody knows what became of it"
    await camera.start()
    again = await site.run(only="failed")
    assert (again["state"], failures(again)) == ("done", [])
