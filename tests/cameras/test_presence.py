"""The presence tracker: what discovery and calls say about cameras."""

import pytest

from gateway.cameras.record import MAX_ADDRESSES
from gateway.cameras.registry import Registry
from gateway.cameras.table import CameraTable
from gateway.errors import NotFound
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from tests.cameras.conftest import (
    ETHERNET,
    FS,
    HOTSPOT,
    OTHER,
    OTHER_PIN,
    PIN,
    SS,
    WIFI,
    Changes,
    Clocks,
    Reload,
    discover,
    discovered,
)

# One camera, however it is seen


async def test_one_camera_found_three_ways_is_one_camera(registry: Registry, changes: Changes) -> None:
    for address, found_by in ((ETHERNET, "broadcast"), (ETHERNET, "mdns"), (WIFI, "sweep")):
        discover(registry, SS, address, found_by, name="Tür", software_version="1.2.6")  # type: ignore[arg-type]
    assert len(registry.all()) == 1
    assert registry.get(SS).describe() == {
        "sn": SS,
        "managed": False,
        "address": ETHERNET,
        "addresses": [
            {"address": ETHERNET, "interface": "eth0", "found_by": "mdns", "last_seen": "2025-11-21T23:14:38Z"},
            {"address": WIFI, "interface": "eth0", "found_by": "sweep", "last_seen": "2025-11-21T23:14:38Z"},
        ],
        "mac": "0C:25:76:AA:BB:CC",
        "model": "FM010",
        "name": "Tür",
        "software_version": "1.2.6",
        "online": True,
        "activation": "unknown",
        "certificate_sha256": None,
        "last_seen": "2025-11-21T23:14:38Z",
    }
    assert changes == [("found", SS), ("online", SS)]


async def test_claims_are_cut_and_cleaned(registry: Registry) -> None:
    camera = discover(registry, SS, ETHERNET, name="A\x1b[2J\u202e\ud800\n" + "B" * 5000, software_version="1\x002")
    assert camera.name == "A[2J" + "B" * 124
    assert camera.software_version == "12"
    await registry.flush()


@pytest.mark.parametrize("sn", ["", " ", "SS1/../x", "SS\n1", "..", "Ü1", "S" * 129])
async def test_what_is_no_serial_number_identifies_nothing(registry: Registry, sn: str) -> None:
    assert registry.record_device(discovered(sn, ETHERNET, name="x\x00")) is None
    assert registry.all() == []
    assert registry.unidentified[ETHERNET].sn == ""
    assert registry.unidentified[ETHERNET].name == "x"


# Unidentified


async def test_unidentified_ones_are_kept_until_somebody_says_who_is_there(registry: Registry) -> None:
    assert registry.record_device(discovered("", ETHERNET, "sweep")) is None
    assert registry.record_device(discovered("", WIFI, "sweep")) is None
    assert set(registry.unidentified) == {ETHERNET, WIFI}
    discover(registry, SS, ETHERNET)
    assert set(registry.unidentified) == {WIFI}
    await registry.manage(FS, WIFI)
    assert registry.unidentified == {}


async def test_an_answer_at_a_known_address_is_a_sign_of_life(registry: Registry, clocks: Clocks) -> None:
    await registry.manage(SS, ETHERNET)
    camera = registry.record_device(discovered("", ETHERNET, "sweep"))
    assert camera is registry.get(SS)
    assert camera.online
    assert registry.unidentified == {}


async def test_unidentified_ones_are_bounded_and_the_latest_are_kept(registry: Registry) -> None:
    for number in (*range(1024), 0, 1024):
        registry.record_device(discovered("", f"10.1.{number // 256}.{number % 256}:443", "sweep"))
    assert len(registry.unidentified) == 1024
    assert "10.1.0.0:443" in registry.unidentified
    assert "10.1.0.1:443" not in registry.unidentified


async def test_an_unidentified_device_is_the_camera_that_was_seen_there_last(
    registry: Registry, clocks: Clocks
) -> None:
    for sn in (SS, FS):
        await registry.manage(sn, WIFI)
        await registry.update(sn, activation="activated")
    for sn in (FS, SS, FS):
        clocks.passed += 1
        discover(registry, sn, ETHERNET)
    for address in (ETHERNET, WIFI):
        for sn in (SS, FS):
            for _ in range(3):
                registry.record_failure(sn, address)
    assert not registry.get(SS).online
    assert registry.record_device(discovered("", ETHERNET, "sweep")) is registry.get(FS)
    assert (registry.get(SS).online, registry.get(FS).online) == (False, True)


# A frame proves nothing


async def test_frames_do_not_move_a_managed_camera(registry: Registry, changes: Changes, clocks: Clocks) -> None:
    discover(registry, SS, ETHERNET, name="Kasse")
    await registry.manage(SS)
    await registry.pin(SS, PIN)
    await registry.update(SS, name="Eingang", activation="activated")
    await registry.prefer(SS, ETHERNET)
    clocks.passed += 1000
    discover(registry, SS, WIFI, name="gotcha", mac="00:00:00:00:00:01", model="FM020", certificate_sha256=OTHER_PIN)
    camera = registry.get(SS)
    assert (camera.managed, camera.activation, camera.certificate_sha256) == (True, "activated", PIN)
    assert (camera.address, camera.verified_address) == (ETHERNET, ETHERNET)
    assert (camera.name, camera.mac, camera.model) == ("Eingang", "0C:25:76:AA:BB:CC", "FM010")
    assert registry.get(SS).candidate_addresses() == [ETHERNET, WIFI]
    assert ("moved", SS) not in changes
    await registry.prefer(SS, WIFI)
    assert (camera.address, camera.verified_address) == (WIFI, WIFI)
    assert registry.get(SS).candidate_addresses() == [WIFI, ETHERNET]
    assert changes.count(("moved", SS)) == 1


async def test_frames_fill_in_what_is_not_known_of_a_managed_camera(registry: Registry) -> None:
    camera = await registry.manage(SS, ETHERNET)
    discover(registry, SS, ETHERNET, name="Kasse", hotspot=True)
    assert (camera.model, camera.name, camera.hotspot) == ("FM010", "Kasse", True)
    discover(registry, SS, ETHERNET, name="Eingang", software_version="1.2.6")
    assert (camera.name, camera.software_version, camera.hotspot) == ("Kasse", "1.2.6", False)


async def test_frames_change_what_is_known_of_a_found_camera_but_never_to_nothing(registry: Registry) -> None:
    discover(registry, SS, ETHERNET, name="Kasse", software_version="1.2.6")
    camera = discover(registry, SS, ETHERNET, name="Eingang", mac="00:00:00:00:00:01", software_version="")
    assert (camera.name, camera.mac, camera.software_version) == ("Eingang", "00:00:00:00:00:01", "1.2.6")


@pytest.mark.parametrize(("first", "second"), [(ETHERNET, WIFI), (WIFI, ETHERNET)])
async def test_another_camera_at_its_second_address_leaves_the_proof_at_the_first(
    registry: Registry, first: str, second: str
) -> None:
    await registry.manage(SS, second)
    await registry.prefer(SS, first)
    discover(registry, FS, second)
    camera = registry.get(SS)
    assert (camera.candidate_addresses(), camera.verified_address) == ([first], first)


async def test_a_forged_frame_does_not_cut_off_a_camera_that_proves_who_it_is(registry: Registry) -> None:
    await registry.manage(SS, ETHERNET)
    await registry.update(SS, activation="activated")
    await registry.prefer(SS, ETHERNET)
    discover(registry, "FORGED", ETHERNET)
    camera = registry.get(SS)
    assert camera.verified_address == ""
    assert registry.get(SS).candidate_addresses() == [ETHERNET]
    await registry.prefer(SS, ETHERNET)
    assert camera.verified_address == ETHERNET
    assert registry.get("FORGED").describe()["addresses"] == []


async def test_invented_addresses_are_bounded_and_leave_the_preferred_one(registry: Registry, clocks: Clocks) -> None:
    await registry.manage(SS, ETHERNET)
    for number in range(100):
        clocks.passed += 1
        discover(registry, SS, f"10.66.0.{number}:443")
    assert registry.get(SS).candidate_addresses() == [
        ETHERNET,
        *(f"10.66.0.{number}:443" for number in range(99, 92, -1)),
    ]
    assert len(registry.get(SS).addresses) == MAX_ADDRESSES


async def test_found_cameras_are_bounded_and_managed_ones_stay(
    registry: Registry, clocks: Clocks, stored: Reload
) -> None:
    discover(registry, SS, ETHERNET)
    await registry.manage(SS)
    discover(registry, FS, WIFI)
    for number in range(1024):
        clocks.passed += 0.01
        discover(registry, f"F{number}", f"10.1.{number // 256}.{number % 256}:443")
    again = await stored()
    for one in (registry, again):
        assert len(one.all()) == 1025
        assert one.all()[0].sn == SS
        with pytest.raises(NotFound):
            one.get(FS)


async def test_of_too_many_found_cameras_the_one_not_seen_for_longest_is_dropped(
    registry: Registry, clocks: Clocks
) -> None:
    for number in (*range(1024), 0, 1024):
        clocks.passed += 1
        discover(registry, f"F{number}", f"10.1.{number // 256}.{number % 256}:443")
    assert len(registry.all()) == 1024
    assert {"F0", "F2", "F1024"} < {camera.sn for camera in registry.all()}
    with pytest.raises(NotFound):
        registry.get("F1")


async def test_of_found_cameras_not_seen_since_the_start_the_oldest_is_dropped(
    registry: Registry, clocks: Clocks, stored: Reload
) -> None:
    for number in reversed(range(1024)):
        clocks.passed += 1
        discover(registry, f"F{number}", f"10.1.{number // 256}.{number % 256}:443")
    again = await stored()
    discover(again, SS, ETHERNET)
    assert len(again.all()) == 1024
    with pytest.raises(NotFound):
        again.get("F1023")


# Addresses


async def test_ethernet_and_wifi_at_once_is_not_a_move(registry: Registry, changes: Changes, clocks: Clocks) -> None:
    for _ in range(5):
        discover(registry, SS, WIFI)
        discover(registry, SS, ETHERNET)
        clocks.passed += 60
    assert registry.get(SS).address == WIFI
    assert ("moved", SS) not in changes


async def test_a_found_camera_moves_when_it_is_gone_from_where_it_was(
    registry: Registry, changes: Changes, clocks: Clocks
) -> None:
    discover(registry, SS, ETHERNET)
    clocks.passed += 180
    discover(registry, SS, WIFI)
    assert registry.get(SS).address == ETHERNET
    clocks.passed += 1
    discover(registry, SS, WIFI)
    assert registry.get(SS).address == WIFI
    for _ in range(3):
        registry.record_failure(SS, WIFI)
    discover(registry, SS, ETHERNET)
    assert registry.get(SS).address == ETHERNET
    for _ in range(2):
        registry.record_failure(SS, ETHERNET)
    discover(registry, SS, WIFI)
    assert registry.get(SS).address == ETHERNET
    for _ in range(2):
        registry.record_failure(SS, ETHERNET)
    discover(registry, SS, WIFI)
    assert registry.get(SS).address == WIFI
    assert changes == [("found", SS), ("online", SS), *[("moved", SS)] * 3]


async def test_a_found_camera_that_was_away_for_long_moves_at_once(registry: Registry, clocks: Clocks) -> None:
    discover(registry, SS, ETHERNET)
    clocks.passed += 600
    assert discover(registry, SS, WIFI).address == WIFI


async def test_a_found_camera_that_comes_back_to_where_it_was_has_not_moved(
    registry: Registry, changes: Changes, clocks: Clocks
) -> None:
    discover(registry, SS, ETHERNET)
    await registry.prefer(SS, ETHERNET)
    clocks.passed += 1000
    camera = discover(registry, SS, f"{ETHERNET[:4]}{ETHERNET[4:]}")  # the same text, another object
    assert (camera.address, camera.verified_address) == (ETHERNET, ETHERNET)
    assert ("moved", SS) not in changes


async def test_a_found_camera_without_an_address_takes_the_next_one_and_has_not_moved(
    registry: Registry, changes: Changes
) -> None:
    discover(registry, SS, ETHERNET)
    discover(registry, FS, ETHERNET)
    assert registry.get(SS).address == ""
    discover(registry, SS, WIFI)
    assert registry.get(SS).address == WIFI
    assert ("moved", SS) not in changes


async def test_without_periodic_scans_an_address_is_given_up_after_three_minutes(
    database: Database, clocks: Clocks
) -> None:
    registry = Registry(CameraTable(database), Supervisor(), now=clocks.unix, monotonic=clocks.monotonic, interval_s=0)
    discover(registry, SS, ETHERNET)
    clocks.passed += 180
    assert discover(registry, SS, WIFI).address == ETHERNET
    clocks.passed += 1
    assert discover(registry, SS, WIFI).address == WIFI
    await registry.close()


async def test_an_address_that_was_not_seen_since_the_start_is_given_up_at_once(
    registry: Registry, stored: Reload, clocks: Clocks
) -> None:
    discover(registry, SS, ETHERNET)
    again = await stored()
    assert discover(again, SS, WIFI).address == WIFI


async def test_cameras_share_the_hotspot_address_in_turn(registry: Registry, changes: Changes) -> None:
    discover(registry, SS, HOTSPOT, hotspot=True)
    await registry.manage(SS)
    await registry.pin(SS, PIN)
    await registry.prefer(SS, HOTSPOT)
    discover(registry, FS, HOTSPOT, hotspot=True)
    assert (registry.get(SS).address, registry.get(SS).verified_address, registry.get(SS).candidate_addresses()) == (
        "",
        "",
        [],
    )
    assert registry.get(SS).describe()["address"] is None
    discover(registry, OTHER, HOTSPOT, hotspot=True)
    assert [registry.get(sn).candidate_addresses() for sn in (SS, FS, OTHER)] == [[], [], [HOTSPOT]]
    discover(registry, SS, ETHERNET)
    assert registry.get(SS).candidate_addresses() == [ETHERNET]
    discover(registry, SS, HOTSPOT, hotspot=True)
    assert set(registry.get(SS).candidate_addresses()) == {ETHERNET, HOTSPOT}
    assert registry.get(OTHER).candidate_addresses() == []
    assert registry.get(SS).certificate_sha256 == PIN


async def test_a_found_camera_that_loses_its_address_falls_back_to_another(
    registry: Registry, changes: Changes, clocks: Clocks, stored: Reload
) -> None:
    for address in (ETHERNET, HOTSPOT, WIFI):
        clocks.passed += 1
        discover(registry, SS, address)
    discover(registry, FS, ETHERNET)
    assert (registry.get(SS).address, registry.get(FS).address) == (WIFI, ETHERNET)  # the one seen last
    assert registry.get(SS).candidate_addresses() == [WIFI, HOTSPOT]
    assert changes.count(("moved", SS)) == 1
    assert (await stored()).get(SS).address == WIFI


# Subscribers


async def test_a_subscriber_that_fails_hinders_nobody(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    registry.subscribe(lambda change, camera: heard.remove(change))
    registry.subscribe(lambda change, camera: heard.append(change))
    discover(registry, SS, ETHERNET)
    assert heard == ["found", "online"]
    assert "A subscriber failed at the change 'found'" in caplog.text


# What answered outranks what only claimed


async def test_what_is_only_claimed_makes_room_for_what_has_answered(registry: Registry, clocks: Clocks) -> None:
    discover(registry, SS, ETHERNET, certificate_sha256=PIN)
    for number in range(2000):
        clocks.passed += 0.001
        discover(registry, f"FORGED{number:05}", f"10.1.{number // 250}.{number % 250}:443")
    assert registry.find(SS) is not None
    assert len(registry.all()) == 1024


async def test_a_claim_takes_no_address_from_a_camera_that_answers_there(registry: Registry) -> None:
    discover(registry, SS, ETHERNET, certificate_sha256=PIN)
    discover(registry, OTHER, ETHERNET)
    assert registry.get(SS).address == ETHERNET
    discover(registry, OTHER, ETHERNET, certificate_sha256=PIN)
    assert registry.get(SS).address == ""
    assert registry.get(OTHER).address == ETHERNET


# Two devices with one serial number


async def test_two_devices_with_one_serial_number_are_noticed_once(
    registry: Registry, changes: Changes, clocks: Clocks
) -> None:
    discover(registry, SS, ETHERNET)
    discover(registry, SS, WIFI, mac="0C:25:76:AA:BB:CD")  # the other interface of the same device
    assert registry.get(SS).duplicates is None
    for _ in range(2):
        discover(registry, SS, ETHERNET)
        discover(registry, SS, HOTSPOT, mac="0C:25:76:11:22:33")
    assert set(registry.get(SS).duplicates or ()) >= {HOTSPOT}
    assert [change for change, _ in changes].count("duplicated") == 1
    clocks.passed += 3600
    registry.expire_unseen()
    assert registry.get(SS).duplicates is None
    discover(registry, SS, ETHERNET)
    assert registry.get(SS).duplicates is None, "a camera that was replaced by another interface is one"
