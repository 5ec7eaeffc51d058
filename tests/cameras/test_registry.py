"""The registry: what a person decides about cameras, and what cameras have proved."""

import random

import pytest

from gateway.cameras.registry import Registry
from gateway.errors import CameraUntrusted, Conflict, InvalidRequest, NotFound
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


async def test_unknown_values_are_null_and_the_name_is_empty(registry: Registry) -> None:
    described = (await registry.manage(SS, ETHERNET)).describe()
    assert described["addresses"] == [
        {"address": ETHERNET, "interface": None, "found_by": "address", "last_seen": None}
    ]
    nothing = {key for key, value in described.items() if value is None}
    assert nothing == {"mac", "model", "software_version", "online", "certificate_sha256", "last_seen"}
    assert described["name"] == ""


async def test_an_unknown_camera_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound, match="run discovery, or add it"):
        registry.get(SS)
    with pytest.raises(NotFound):
        await registry.forget(SS)
    registry.record_success(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)


async def test_a_person_names_the_address(registry: Registry) -> None:
    discover(registry, FS, ETHERNET)
    camera = await registry.manage(SS, ETHERNET)
    assert (camera.managed, camera.address, camera.online) == (True, ETHERNET, False)
    assert registry.get(FS).candidate_addresses() == []
    await registry.prefer(SS, ETHERNET)
    await registry.manage(SS, f"{ETHERNET[:4]}{ETHERNET[4:]}")  # the same text, another object
    assert (camera.address, camera.verified_address) == (ETHERNET, ETHERNET)
    for address in ("door.local:8443", "10.0.0.1:1", "10.0.0.9:65535"):
        await registry.manage(SS, address)
        assert (camera.address, camera.verified_address) == (address, "")
        assert camera.addresses[address].found_by == "address"


async def test_managed_cameras_come_first_and_then_serial_numbers_decide(registry: Registry) -> None:
    for sn in (OTHER, SS, FS):
        discover(registry, sn, ETHERNET)
    await registry.manage(SS)
    assert [camera.sn for camera in registry.all()] == [SS, FS, OTHER]


async def test_a_camera_that_has_proved_itself_takes_the_address_from_all_others(
    registry: Registry, changes: Changes
) -> None:
    for sn in (SS, FS):
        await registry.manage(sn, ETHERNET if sn == SS else WIFI)
        await registry.update(sn, activation="activated")
    await registry.prefer(SS, ETHERNET)
    registry.record_device(discovered("", HOTSPOT, "sweep"))
    changes.clear()
    for address in (ETHERNET, HOTSPOT, WIFI):  # texts that sort before and after the present one
        await registry.prefer(FS, address)
        assert registry.get(FS).address == registry.get(FS).verified_address == address
    assert registry.get(SS).candidate_addresses() == []
    assert registry.get(SS).verified_address == ""
    assert registry.unidentified == {}
    await registry.prefer(FS, f"{WIFI[:4]}{WIFI[4:]}")  # the same text, another object
    assert changes == [("moved", FS), ("online", FS), ("moved", FS), ("moved", FS)]


async def test_the_first_address_of_a_camera_is_no_move(registry: Registry, changes: Changes) -> None:
    await registry.manage(SS, ETHERNET)
    discover(registry, FS, ETHERNET)
    assert registry.get(SS).address == ""
    changes.clear()
    await registry.prefer(SS, WIFI)
    assert changes == [("online", SS)]


@pytest.mark.parametrize(
    ("sn", "address"),
    [
        (SS, "10.0.0.7"),
        (SS, "10.0.0.7:0"),
        (SS, "10.0.0.7:65536"),
        (SS, "10.0.0.7:99999"),
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
    with pytest.raises(Conflict, match=PIN):
        await registry.trust(SS, OTHER_PIN, PIN)
    assert registry.get(SS).certificate_sha256 == PIN
    colons = ":".join(OTHER_PIN[index : index + 2] for index in range(0, 64, 2)).upper()
    await registry.trust(SS, colons, OTHER_PIN)
    assert (registry.get(SS).certificate_sha256, registry.get(SS).verified_address) == (OTHER_PIN, "")
    assert changes.count(("pinned", SS)) == 2
    await registry.prefer(SS, ETHERNET)
    await registry.trust(SS, OTHER_PIN, f"{OTHER_PIN[:4]}{OTHER_PIN[4:]}")  # it is trusted already: nothing changes
    assert registry.get(SS).verified_address == ETHERNET
    await registry.trust(SS, PIN, PIN)
    assert registry.get(SS).certificate_sha256 == PIN
    assert changes.count(("pinned", SS)) == 3


@pytest.mark.parametrize("wrong", ["ab" * 31, "AB" * 32, "ab" * 33, "xy" * 32])
async def test_a_pin_is_a_sha256(registry: Registry, wrong: str) -> None:
    await registry.manage(SS, ETHERNET)
    with pytest.raises(ValueError, match="64 lower-case"):
        await registry.pin(SS, wrong)
    assert registry.get(SS).certificate_sha256 == ""


async def test_an_untrusted_certificate_is_reported_once_until_a_person_decides(
    registry: Registry, changes: Changes
) -> None:
    camera = await registry.manage(SS, ETHERNET)
    await registry.pin(SS, PIN)
    registry.record_untrusted_certificate(SS, PIN)
    registry.record_untrusted_certificate(FS, OTHER_PIN)
    assert camera.untrusted_sha256 == ""
    for _ in range(2):
        registry.record_untrusted_certificate(SS, OTHER_PIN)
    assert camera.untrusted_sha256 == OTHER_PIN
    assert changes == [("pinned", SS), ("untrusted", SS)]
    await registry.trust(SS, OTHER_PIN, OTHER_PIN)
    assert (camera.certificate_sha256, camera.untrusted_sha256) == (OTHER_PIN, "")


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
    await registry.update(SS, activation="other_owner", mac="0C:25:76:AA:BB:CC", software_version="1.2.6")
    assert (camera.activation, camera.verified_address) == ("other_owner", ETHERNET)
    assert (camera.mac, camera.software_version) == ("0C:25:76:AA:BB:CC", "1.2.6")
    assert changes.count(("activation", SS)) == 3


async def test_a_stored_activation_that_is_confirmed_is_no_change(registry: Registry, stored: Reload) -> None:
    await registry.manage(SS, ETHERNET)
    await registry.update(SS, activation="activated")
    again = await stored()
    again.subscribe(lambda change, camera: pytest.fail(f"{change} of {camera.sn}"))
    await again.update(SS, activation="activated")


async def test_whatever_happens_an_address_is_where_one_camera_is(registry: Registry, clocks: Clocks) -> None:
    """Random life: only cameras that can prove who they are may share an address, and the preferred one is known."""
    dice = random.Random(7)
    for _ in range(5000):
        sn, address = f"S{dice.randrange(6)}", f"10.0.0.{dice.randrange(6)}:443"
        clocks.passed += dice.choice((0, 1, 60, 200))
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
