"""What must not happen with a site plan: a wrong camera is changed, a secret stays, or a full disk leaves it stuck."""

import contextlib
import ipaddress
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StateError
from gateway.shop.plan_table import SitePlanTable
from tests.shop.conftest import PLAN, Site, failures
from tests.waiting import until


def break_writes(folder: Path, condition: str) -> None:
    """Let the database refuse changes of the run, as one on a bad disk does."""
    with contextlib.closing(sqlite3.connect(folder / "state" / "gateway.db")) as connection, connection:
        connection.execute(
            f"CREATE TRIGGER broken BEFORE UPDATE ON site_plan WHEN {condition} "
            "BEGIN SELECT RAISE(ABORT, 'the disk is broken'); END"
        )


async def test_a_mac_address_of_another_camera_is_noticed_once_both_are_found(site: Site) -> None:
    site.connect_all()
    _, camera, other = site.store.cameras
    row = {"sn": camera.sn, "mac": other.state.mac, "activation_number": site.store.activation_numbers[camera.sn]}
    put = await site.rest("PUT", PLAN, {"cameras": [row]})
    assert put.status == 200, "nothing is known of the cameras yet"
    document = await site.run(confirm_erase=put.body["erases"])
    assert "is that of the camera" in failures(document)[0]
    assert not camera.state.activated
    assert "device/activate" not in camera.request_paths


async def test_two_rows_of_one_camera_are_noticed_once_it_is_found(site: Site) -> None:
    site.connect_all()
    camera = site.store.cameras[0]
    rows = [{"sn": camera.sn, "name": "One"}, {"mac": camera.state.mac, "name": "Two"}]
    assert (await site.rest("PUT", PLAN, {"cameras": rows})).status == 200
    document = await site.run()
    assert [one["state"] for one in document["cameras"]] == ["done", "failed"]
    assert "which row 1 has already" in failures(document)[0]
    assert camera.state.name == "One"


async def test_a_number_that_a_kill_left_is_deleted_at_the_next_start(site: Site, tmp_path: Path) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    assert (await site.run(confirm_erase=2))["state"] == "done"
    number = next(iter(site.store.activation_numbers.values()))
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "gateway.db")) as connection, connection:
        connection.execute("INSERT INTO site_plan_secret (position, secret) VALUES (1, ?)", (number.encode(),))
    shop = site.gateway.shop
    await shop.load()
    shop.resume()
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "state").glob("gateway.db*"))
    assert number.encode() not in on_disk


async def test_a_run_ends_though_its_end_cannot_be_stored(site: Site, tmp_path: Path) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    break_writes(tmp_path, """new.run LIKE '%"done"%'""")
    await site.rest("POST", f"{PLAN}/run", {"confirm_erase": 2})
    await until(lambda: not site.gateway.shop.is_running)
    assert (await site.rest("GET", PLAN)).body["state"] == "done"


async def test_a_run_that_cannot_be_stored_changes_nothing(site: Site, tmp_path: Path) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    before = await site.run(confirm_erase=2)
    break_writes(tmp_path, "1")
    assert (await site.rest("POST", f"{PLAN}/run", {})).status == 500
    after = (await site.rest("GET", PLAN)).body
    assert (after["state"], after["counts"]) == ("done", before["counts"])


async def test_one_camera_in_two_rows_is_noticed_when_only_the_failed_go_on(site: Site) -> None:
    site.connect_all()
    camera = site.store.cameras[0]
    rows = [{"sn": camera.sn, "name": "One"}, {"mac": camera.state.mac, "name": "Two"}]
    assert (await site.rest("PUT", PLAN, {"cameras": rows})).status == 200
    for document in (await site.run(), await site.run(only="failed")):
        assert [one["state"] for one in document["cameras"]] == ["done", "failed"]
    assert camera.state.name == "One"


async def refuse(table: SitePlanTable, *given: Any) -> None:
    """Be the method of a table on a full disk."""
    raise StateError("the disk is full")


async def test_a_stop_that_cannot_be_stored_is_refused_and_can_be_repeated(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.connect_all()
    for camera in site.store.cameras:
        camera.faults.latency_s = 0.3
    await site.rest("PUT", PLAN, site.plan())
    await site.rest("POST", f"{PLAN}/run", {"confirm_erase": 2})
    with monkeypatch.context() as patch:
        patch.setattr(SitePlanTable, "save_run", refuse)
        assert (await site.rest("DELETE", f"{PLAN}/run")).status == 503
    assert (await site.rest("DELETE", f"{PLAN}/run")).status == 200
    await site.gateway.shop.load()
    assert site.gateway.shop.run_record.state == "stopped", "a person stopped it: a start does not go on"


async def test_a_number_that_cannot_be_deleted_does_not_keep_the_gateway_from_starting(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    with monkeypatch.context() as patch:
        patch.setattr(SitePlanTable, "delete_secret", refuse)
        assert (await site.run(confirm_erase=2))["counts"]["done"] == 3
        await site.gateway.shop.load()
    await site.gateway.shop.load()
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "state").glob("gateway.db*"))
    assert not any(number.encode() in on_disk for number in site.store.activation_numbers.values())


async def test_a_camera_that_never_comes_to_an_end_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.shop.run.MAX_STEP_S", 2)
    site.connect_all()
    slow = site.store.cameras[0]
    slow.faults.add("slow", path="config/getName", seconds=600, times=None)
    await site.rest("PUT", PLAN, site.plan())
    document = await site.run(confirm_erase=2)
    assert [one["state"] for one in document["cameras"]] == ["failed", "done", "done"]
    assert "it has not ended within 2 s" in failures(document)[0]


async def test_a_shop_may_have_the_network_of_the_hotspots(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cameras.record.HOTSPOT_NETWORK", ipaddress.ip_network("127.20.0.0/16"))
    site.connect_all()
    plan = {"cameras": site.rows()}
    await site.rest("PUT", PLAN, plan)
    document = await site.run(confirm_erase=2)
    assert (document["state"], failures(document)) == ("done", [])
    assert {camera["steps"][1]["state"] for camera in document["cameras"]} == {"skipped"}, "each stays on its cable"
