import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.cameras import write_behind
from gateway.cameras.presence import MAX_UNIDENTIFIED, MAX_UNMANAGED
from gateway.cameras.record import MAX_ADDRESSES
from gateway.cameras.registry import CameraRecord, Registry
from gateway.cameras.table import CameraTable
from gateway.discovery.device import DiscoveredDevice, FoundBy
from gateway.errors import CameraUntrusted, Conflict, InvalidRequest, NotFound, StateError
from gateway.runtime.supervisor import Supervisor, TaskReport
from gateway.storage.database import Database

Reload = Callable[[], Awaitable[Registry]]
Written = Callable[[], Awaitable[list[tuple[str, int, int]]]]
Changes = list[tuple[str, str]]

SS, FS, OTHER = "SS101D8BS00087", "FS101D8BS00106", "SS101D8BS00099"
ETHERNET, WIFI, HOTSPOT = "10.0.0.7:443", "10.0.0.8:443", "192.168.200.1:443"
PIN, OTHER_PIN = "ab" * 32, "cd" * 32
START = 1_763_766_878


class Time:
    """The two clocks of a registry, moved by the test."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.jumped = 0.0

    def unix(self) -> float:
        return START + self.passed + self.jumped

    def monotonic(self) -> float:
        return 500 + self.passed


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "gateway.db")
    yield opened
    await opened.close()


@pytest.fixture
def passing() -> Time:
    return Time()


@pytest.fixture
async def registry(database: Database, passing: Time) -> AsyncIterator[Registry]:
    made = Registry(CameraTable(database), Supervisor(), now=passing.unix, monotonic=passing.monotonic, interval_s=60)
    await made.load()
    yield made
    await made.close()


@pytest.fixture
def changes(registry: Registry) -> Changes:
    heard: Changes = []
    registry.subscribe(lambda change, camera: heard.append((change, camera.sn)))
    return heard


@pytest.fixture
def stored(database: Database, passing: Time, registry: Registry) -> Reload:
    async def load() -> Registry:
        await registry.flush()
        again = Registry(CameraTable(database), Supervisor(), now=passing.unix, monotonic=passing.monotonic)
        await again.load()
        return again

    return load


@pytest.fixture
def written(tmp_path: Path, registry: Registry) -> Written:
    async def files() -> list[tuple[str, int, int]]:
        await registry.flush()
        stats = [(name, (tmp_path / name).stat()) for name in ("gateway.db", "gateway.db-wal")]
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]

    return files


def discovered(sn: str, address: str, found_by: FoundBy = "broadcast", **claims: object) -> DiscoveredDevice:
    values: dict[str, object] = {"interface": "eth0", "mac": "0C:25:76:AA:BB:CC", "model": "FM010", **claims}
    return DiscoveredDevice(sn=sn, address=address, found_by=found_by, **values)  # type: ignore[arg-type]


def discover(
    registry: Registry, sn: str, address: str, found_by: FoundBy = "broadcast", **claims: object
) -> CameraRecord:
    camera = registry.record_device(discovered(sn, address, found_by, **claims))
    assert camera is not None
    return camera


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


async def test_unknown_values_are_null_and_the_name_is_empty(registry: Registry) -> None:
    described = (await registry.manage(SS, ETHERNET)).describe()
    assert described["addresses"] == [
        {"address": ETHERNET, "interface": None, "found_by": "address", "last_seen": None}
    ]
    nothing = {key for key, value in described.items() if value is None}
    assert nothing == {"mac", "model", "software_version", "certificate_sha256", "last_seen"}
    assert described["name"] == ""


async def test_an_unknown_camera_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound, match="run discovery, or add it"):
        registry.get(SS)
    with pytest.raises(NotFound):
        await registry.forget(SS)
    registry.record_success(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)


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


async def test_an_answer_at_a_known_address_is_a_sign_of_life(registry: Registry, passing: Time) -> None:
    await registry.manage(SS, ETHERNET)
    camera = registry.record_device(discovered("", ETHERNET, "sweep"))
    assert camera is registry.get(SS)
    assert camera.online
    assert registry.unidentified == {}


async def test_unidentified_ones_are_bounded(registry: Registry) -> None:
    for number in range(MAX_UNIDENTIFIED + 10):
        registry.record_device(discovered("", f"10.1.{number // 256}.{number % 256}:443", "sweep"))
    assert len(registry.unidentified) == MAX_UNIDENTIFIED
    assert "10.1.0.0:443" not in registry.unidentified


# A frame proves nothing


async def test_frames_do_not_move_a_managed_camera(registry: Registry, changes: Changes, passing: Time) -> None:
    discover(registry, SS, ETHERNET, name="Kasse")
    await registry.manage(SS)
    await registry.pin(SS, PIN)
    await registry.update(SS, name="Eingang", activation="activated")
    await registry.prefer(SS, ETHERNET)
    passing.passed += 1000
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


async def test_invented_addresses_are_bounded_and_leave_the_preferred_one(registry: Registry, passing: Time) -> None:
    await registry.manage(SS, ETHERNET)
    for number in range(100):
        passing.passed += 1
        discover(registry, SS, f"10.66.0.{number}:443")
    assert registry.get(SS).candidate_addresses() == [
        ETHERNET,
        *(f"10.66.0.{number}:443" for number in range(99, 92, -1)),
    ]
    assert len(registry.get(SS).addresses) == MAX_ADDRESSES


async def test_found_cameras_are_bounded_and_managed_ones_stay(
    registry: Registry, passing: Time, stored: Reload
) -> None:
    discover(registry, SS, ETHERNET)
    await registry.manage(SS)
    discover(registry, FS, WIFI)
    for number in range(MAX_UNMANAGED):
        passing.passed += 0.01
        discover(registry, f"F{number}", f"10.1.{number // 256}.{number % 256}:443")
    again = await stored()
    for one in (registry, again):
        assert len(one.all()) == MAX_UNMANAGED + 1
        assert one.all()[0].sn == SS
        with pytest.raises(NotFound):
            one.get(FS)


# Addresses


async def test_ethernet_and_wifi_at_once_is_not_a_move(registry: Registry, changes: Changes, passing: Time) -> None:
    for _ in range(5):
        discover(registry, SS, WIFI)
        discover(registry, SS, ETHERNET)
        passing.passed += 60
    assert registry.get(SS).address == WIFI
    assert ("moved", SS) not in changes


async def test_a_found_camera_moves_when_it_is_gone_from_where_it_was(
    registry: Registry, changes: Changes, passing: Time
) -> None:
    discover(registry, SS, ETHERNET)
    passing.passed += 170
    discover(registry, SS, WIFI)
    assert registry.get(SS).address == ETHERNET
    passing.passed += 20
    discover(registry, SS, WIFI)
    assert registry.get(SS).address == WIFI
    for _ in range(3):
        registry.record_failure(SS, WIFI)
    discover(registry, SS, ETHERNET)
    assert registry.get(SS).address == ETHERNET
    assert changes == [("found", SS), ("online", SS), ("moved", SS), ("moved", SS)]


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
    registry: Registry, changes: Changes
) -> None:
    discover(registry, SS, ETHERNET)
    discover(registry, SS, WIFI)
    discover(registry, FS, ETHERNET)
    assert (registry.get(SS).address, registry.get(FS).address) == (WIFI, ETHERNET)
    assert changes.count(("moved", SS)) == 1


async def test_a_person_names_the_address(registry: Registry) -> None:
    discover(registry, FS, ETHERNET)
    camera = await registry.manage(SS, ETHERNET)
    assert (camera.managed, camera.address, camera.online) == (True, ETHERNET, False)
    assert registry.get(FS).candidate_addresses() == []
    await registry.prefer(SS, ETHERNET)
    await registry.manage(SS, "[fd00::7]:8443")
    assert (camera.address, camera.verified_address) == ("[fd00::7]:8443", "")


@pytest.mark.parametrize(
    ("sn", "address"),
    [
        (SS, "10.0.0.7"),
        (SS, "10.0.0.7:0"),
        (SS, "10.0.0.7:65536"),
        (SS, "10.0.0.7:443/x"),
        (SS, "user@10.0.0.7:443"),
        (SS, "a b:443"),
        ("S/1", ETHERNET),
        ("", ETHERNET),
    ],
)
async def test_a_wrong_address_or_serial_number_is_refused(registry: Registry, sn: str, address: str) -> None:
    with pytest.raises(InvalidRequest):
        await registry.manage(sn, address)
    assert registry.all() == []


# Liveness


async def test_offline_only_after_three_misses_in_a_row(registry: Registry, changes: Changes) -> None:
    discover(registry, SS, ETHERNET)
    changes.clear()
    registry.record_failure(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)
    registry.record_success(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)
    assert registry.get(SS).online
    registry.record_failure(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)
    assert not registry.get(SS).online
    registry.record_success(SS, ETHERNET)
    assert changes == [("offline", SS), ("online", SS)]


async def test_a_second_address_keeps_it_online(registry: Registry) -> None:
    discover(registry, SS, ETHERNET)
    discover(registry, SS, WIFI)
    for _ in range(5):
        registry.record_failure(SS, ETHERNET)
    assert registry.get(SS).online
    for _ in range(3):
        registry.record_failure(SS, WIFI)
    assert not registry.get(SS).online


async def test_offline_when_unseen_for_three_intervals(registry: Registry, changes: Changes, passing: Time) -> None:
    discover(registry, SS, ETHERNET)
    passing.passed += 180
    registry.expire_unseen()
    assert registry.get(SS).online
    passing.passed += 1
    registry.expire_unseen()
    registry.expire_unseen()
    assert changes == [("found", SS), ("online", SS), ("offline", SS)]


async def test_a_jump_of_the_clock_makes_nobody_offline(registry: Registry, changes: Changes, passing: Time) -> None:
    passing.jumped = -START
    discover(registry, SS, ETHERNET)
    passing.jumped = 0
    passing.passed += 60
    registry.expire_unseen()
    assert registry.get(SS).online
    assert registry.get(SS).describe()["last_seen"] == "1970-01-01T00:00:00Z"


async def test_without_rounds_nobody_goes_offline_unseen(database: Database, passing: Time) -> None:
    registry = Registry(
        CameraTable(database), Supervisor(), now=passing.unix, monotonic=passing.monotonic, interval_s=0
    )
    discover(registry, SS, ETHERNET)
    passing.passed += 100_000
    registry.expire_unseen()
    assert registry.get(SS).online
    await registry.close()


# Trust and what the camera says itself


async def test_the_first_pin_stays_until_a_person_trusts_another(registry: Registry, changes: Changes) -> None:
    discover(registry, SS, ETHERNET)
    await registry.pin(SS, PIN)
    await registry.pin(SS, PIN)
    await registry.prefer(SS, ETHERNET)
    with pytest.raises(CameraUntrusted) as refused:
        await registry.pin(SS, OTHER_PIN)
    assert refused.value.members == {"certificate_sha256": OTHER_PIN}
    with pytest.raises(Conflict, match=OTHER_PIN):
        await registry.trust(SS, PIN, OTHER_PIN)
    assert registry.get(SS).certificate_sha256 == PIN
    colons = ":".join(OTHER_PIN[index : index + 2] for index in range(0, 64, 2)).upper()
    await registry.trust(SS, colons, OTHER_PIN)
    assert (registry.get(SS).certificate_sha256, registry.get(SS).verified_address) == (OTHER_PIN, "")
    assert changes.count(("pinned", SS)) == 2


async def test_what_the_camera_says_is_noted_and_activation_needs_a_new_proof(
    registry: Registry, changes: Changes
) -> None:
    camera = await registry.manage(SS, ETHERNET)
    await registry.prefer(SS, ETHERNET)
    await registry.update(SS, name=" Eingang\n", model="FM010", activation="not_activated")
    assert (camera.name, camera.model, camera.verified_address) == ("Eingang", "FM010", ETHERNET)
    await registry.update(SS, activation="activated")
    assert camera.verified_address == ""
    await registry.prefer(SS, ETHERNET)
    await registry.update(SS, activation="activated", name="")
    assert (camera.name, camera.verified_address) == ("", ETHERNET)
    assert changes.count(("activation", SS)) == 2


async def test_a_subscriber_that_fails_hinders_nobody(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    registry.subscribe(lambda change, camera: heard.remove(change))
    registry.subscribe(lambda change, camera: heard.append(change))
    discover(registry, SS, ETHERNET)
    assert heard == ["found", "online"]
    assert "A subscriber failed at the change 'found'" in caplog.text


async def test_whatever_happens_an_address_is_where_one_camera_is(registry: Registry, passing: Time) -> None:
    """Random life: only cameras that can prove who they are may share an address, and the preferred one is known."""
    dice = random.Random(7)
    for _ in range(5000):
        sn, address = f"S{dice.randrange(6)}", f"10.0.0.{dice.randrange(6)}:443"
        passing.passed += dice.choice((0, 1, 60, 200))
        match dice.randrange(12):
            case 0:
                await registry.manage(sn, address)
            case 1 if sn in {camera.sn for camera in registry.all()}:
                await registry.prefer(sn, address)
            case 2 if sn in {camera.sn for camera in registry.all()}:
                await registry.update(sn, activation="activated")
            case 3 if sn in {camera.sn for camera in registry.all()}:
                await registry.forget(sn)
            case 4 | 5:
                registry.record_failure(sn, address)
            case 6:
                registry.record_device(discovered("", address, "sweep"))
                registry.expire_unseen()
            case _:
                discover(registry, sn, address)
        cameras = registry.all()
        for camera in cameras:
            assert camera.address in {"", *camera.addresses}
            assert camera.verified_address in {"", camera.address}
            assert camera.managed or bool(camera.address) == bool(camera.addresses)
            camera.describe()
        settled = [camera for camera in cameras if not camera.can_prove_serial_number]
        places = [address for camera in settled for address in camera.addresses]
        assert len(places) == len(set(places))
        assert len({camera.verified_address for camera in cameras} - {""}) == sum(
            bool(camera.verified_address) for camera in cameras
        )


# What is stored


async def test_what_matters_survives_a_restart(registry: Registry, stored: Reload) -> None:
    discover(registry, SS, ETHERNET, name="Kasse", software_version="1.2.6")
    discover(registry, FS, WIFI)
    await registry.manage(SS)
    await registry.pin(SS, PIN)
    await registry.update(SS, activation="activated", software_version="1.2.7")
    await registry.prefer(SS, ETHERNET)
    again = await stored()
    camera = again.get(SS)
    assert (camera.managed, camera.name, camera.software_version) == (True, "Kasse", "1.2.7")
    assert (camera.activation, camera.certificate_sha256) == ("activated", PIN)
    assert (camera.online, camera.last_seen, camera.verified_address) == (False, None, "")
    assert again.get(SS).candidate_addresses() == [ETHERNET]
    assert again.get(FS).managed is False


async def test_repeated_sightings_write_nothing(
    registry: Registry, database: Database, passing: Time, written: Written
) -> None:
    discover(registry, SS, ETHERNET)
    discover(registry, SS, WIFI)
    discover(registry, FS, HOTSPOT)
    await registry.manage(FS)
    await registry.pin(FS, PIN)
    await registry.prefer(FS, HOTSPOT)
    before = await written()
    for _ in range(200):
        passing.passed += 60
        for address, found_by in ((ETHERNET, "broadcast"), (WIFI, "mdns"), (ETHERNET, "sweep")):
            discover(registry, SS, address, found_by)  # type: ignore[arg-type]
        discover(registry, FS, HOTSPOT)
        discover(registry, FS, "10.0.0.9:443")
        registry.record_success(FS, HOTSPOT)
        for _ in range(4):
            registry.record_failure(SS, ETHERNET)
        registry.expire_unseen()
        await registry.prefer(FS, HOTSPOT)
        await registry.update(FS, model="FM010")
        await registry.pin(FS, PIN)
    assert await written() == before
    await registry.update(FS, name="Eingang")
    assert await written() != before


async def test_forgetting_is_for_good_until_it_is_found_again(
    registry: Registry, stored: Reload, changes: Changes
) -> None:
    discover(registry, SS, ETHERNET)
    await registry.manage(SS)
    await registry.pin(SS, PIN)
    await registry.forget(SS)
    assert (await stored()).all() == []
    assert (discover(registry, SS, ETHERNET).managed, registry.get(SS).certificate_sha256) == (False, "")
    assert changes.count(("found", SS)) == 2
    assert len((await stored()).all()) == 1


async def test_a_decision_that_cannot_be_stored_is_told_and_kept_for_later(
    registry: Registry, database: Database, stored: Reload
) -> None:
    discover(registry, SS, ETHERNET)
    await registry.flush()
    await database.read("PRAGMA query_only = ON")
    with pytest.raises(StateError, match="cannot be written"):
        await registry.manage(SS)
    assert registry.get(SS).managed
    await database.read("PRAGMA query_only = OFF")
    assert (await stored()).get(SS).managed


async def storing(supervisor: Supervisor, state: str, *, failures: int) -> TaskReport:
    """Wait until the storage of cameras is in a state, having failed at least that often."""
    while True:
        (report,) = [report for report in supervisor.reports() if report.name == "camera storage"]
        if report.state == state and report.failures >= failures:
            return report
        await asyncio.sleep(0.005)


async def test_discovered_devices_are_stored_soon_and_one_failure_is_made_up_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_behind, "STORE_INTERVAL_S", 0.01)
    supervisor = Supervisor(initial_delay_s=0.01)
    registry = Registry(CameraTable(database), supervisor)
    await registry.load()
    await database.read("PRAGMA query_only = ON")
    discover(registry, SS, ETHERNET)
    await storing(supervisor, "failing", failures=1)
    await database.read("PRAGMA query_only = OFF")
    while [camera.sn for camera in await CameraTable(database).load_all()] != [SS]:
        await asyncio.sleep(0.005)
    await storing(supervisor, "running", failures=1)
    await registry.close()


async def test_storage_that_fails_for_ever_is_reported_once_and_keeps_nothing_else_from_working(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(write_behind, "STORE_INTERVAL_S", 0.01)
    supervisor = Supervisor(initial_delay_s=0.01)
    registry = Registry(CameraTable(database), supervisor)
    await registry.load()
    await database.read("PRAGMA query_only = ON")
    discover(registry, SS, ETHERNET)
    report = await storing(supervisor, "failing", failures=5)
    assert "cannot be written" in (report.last_failure or "")
    assert discover(registry, FS, WIFI).online
    assert len(registry.all()) == 2
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    with pytest.raises(StateError):
        await registry.close()
    assert (await storing(supervisor, "stopped", failures=5)).last_failure


async def test_closing_stores_what_is_left(database: Database, passing: Time) -> None:
    registry = Registry(CameraTable(database), Supervisor(), now=passing.unix, monotonic=passing.monotonic)
    discover(registry, SS, ETHERNET)
    await registry.close()
    await registry.close()
    assert [camera.sn for camera in await CameraTable(database).load_all()] == [SS]
