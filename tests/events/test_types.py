"""The declared types of events: their names and members are a promise, and each is documented."""

import re
from dataclasses import dataclass, fields

import pytest

from gateway.api.event_schemas import build_event_schemas, event_name, type_families
from gateway.events.types import CameraFound, DiskLow
from gateway.outbox.events import QueueBlocked
from gateway.protocol.event_type import EVENT_TYPES, TYPE_PATTERN, EventType
from gateway.protocol.vendor_events import VENDOR_EVENTS, FaceSeen, MotionDetected, VendorEvent, list_camera_events
from tests.each import for_each

CAMERA = ["managed", "address", "name"]
DISK = ["free_bytes", "total_bytes"]
STEP = ["step", "name", "place", "detail"]
MEMBERS = {
    "camera.activated": [*CAMERA, "activation"],
    "camera.certificate_changed": [*CAMERA, "remembered", "shown"],
    "camera.duplicated": [*CAMERA, "addresses"],
    "camera.found": [*CAMERA, "model"],
    "camera.moved": CAMERA,
    "camera.not_activated": [*CAMERA, "activation"],
    "camera.offline": CAMERA,
    "camera.online": CAMERA,
    "camera.trusted": [*CAMERA, "certificate_sha256"],
    "clock.right": ["cloud_ahead_s"],
    "clock.wrong": ["cloud_ahead_s"],
    "cloud.back": [],
    "cloud.lost": ["reason"],
    "disk.low": DISK,
    "disk.ok": DISK,
    "events.erased": ["events", "by"],
    "face.added": ["face_id", "code"],
    "face.seen": ["face_id", "gender", "age_range", "group_id", "group_name", "group_type"],
    "motion.detected": ["motion_type", "video_url"],
    "outbox.blocked": ["outbox_id", "path", "order_key", "since"],
    "outbox.refused": ["outbox_id", "path", "vendor_code", "meaning"],
    "price.changed": [],
    "fleet.clone_gone": ["host", "addresses"],
    "fleet.cloned": ["host", "addresses"],
    "fleet.events_removed": ["events"],
    "labels.failed": ["labels", "label", "product_id", "reason"],
    "labels.prices_expired": ["labels", "label", "product_id"],
    "labels.recovered": ["labels", "label"],
    "products.differ": ["missing", "foreign", "different", "mended"],
    "products.list_refused": ["file", "list_source", "reason"],
    "products.list_taken": ["list_source", "created", "updated", "deleted", "unchanged", "bad_rows"],
    "products.prices_expired": ["products", "product_id", "name"],
    "products.refused": ["product_id", "name", "reason"],
    "receipt.image": [],
    "receipt.parsed": [],
    "receipt.text": [],
    "shop.run_began": ["cameras"],
    "shop.run_ended": ["done", "failed", "pending"],
    "shop.step_done": [*STEP, "changed"],
    "shop.step_failed": [*STEP, "reason"],
    "shop.step_waiting": [*STEP, "reason"],
    "shop.step_warning": [*STEP, "reason"],
    "vendor.unknown": [],
    "vendor.unreadable": [],
    "webhook.test": ["webhook_id"],
}
"""The members of `data` that tills rely on, in their order; beside those that all events of the vendor have."""
VENDOR = {"vendor_event", "shop_id", "sunmi_shop_no", "payload", "related_to"}


def test_names_and_members_are_as_promised() -> None:
    assert {
        name: [one.name for one in fields(declared) if one.name not in VENDOR] for name, declared in EVENT_TYPES.items()
    } == MEMBERS
    assert {field.name for field in fields(VendorEvent)} == VENDOR


@for_each(sorted(EVENT_TYPES))
def test_every_type_and_every_member_is_documented(name: str) -> None:
    declared = EVENT_TYPES[name]
    assert TYPE_PATTERN.fullmatch(name)
    assert re.fullmatch(r"[A-Z`].+\w\)?", declared.title())
    schemas = build_event_schemas()
    schema = schemas[event_name(declared)]
    assert schema["description"] == f"{declared.title()}."
    assert schema["properties"]["type"]["const"] == name
    data = schemas[schema["properties"]["data"]["$ref"].rpartition("/")[2]]
    members = {member: one for member, one in data["properties"].items() if member != "personal_data"}
    assert list(members) == [field.name for field in fields(declared)]
    for member, described in members.items():
        assert re.match(r"[A-Z`]", described["description"]), member


def test_every_type_belongs_to_a_family_that_filters_name() -> None:
    assert {f"{name.partition('.')[0]}.*" for name in EVENT_TYPES} == set(type_families())


def test_values_that_are_not_known_are_null_for_the_gateway_and_left_out_for_the_vendor() -> None:
    found = CameraFound(managed=False, address=None, name="", model=None)
    assert found.data == {"managed": False, "address": None, "name": "", "model": None}
    seen = FaceSeen(vendor_event=2001, shop_id="7", gender="male", payload={}, related_to="a-1")
    assert list(seen.data.items()) == [
        ("vendor_event", 2001), ("shop_id", "7"), ("gender", "male"), ("payload", {}), ("related_to", "a-1"),
    ]  # fmt: skip
    assert DiskLow(free_bytes=1, total_bytes=2).data == {"free_bytes": 1, "total_bytes": 2}
    assert list(QueueBlocked("1", "order/update", "order 1", "2026-01-01T00:00:00Z").data) == MEMBERS["outbox.blocked"]


def test_the_vendors_events_are_named_once_on_each_side() -> None:
    for keys in ([one.cloud_number for one in VENDOR_EVENTS], [one.camera_name for one in VENDOR_EVENTS]):
        named = [key for key in keys if key is not None]
        assert len(set(named)) == len(named)
    assert list_camera_events("FM020") == list_camera_events("") == (MotionDetected.camera_name, FaceSeen.camera_name)
    assert list_camera_events("FM010") == (MotionDetected.camera_name,)


@pytest.mark.parametrize("name", ["face.seen", "face seen", "x" * 65, ""])
def test_a_name_that_is_taken_or_is_none_is_refused(name: str) -> None:
    with pytest.raises(TypeError):

        @dataclass(frozen=True)
        class Another(EventType):
            """Something else happened."""

            type = name


def test_a_type_without_a_docstring_is_refused() -> None:
    with pytest.raises(TypeError):
        type("Another", (EventType,), {"type": "another.one", "__module__": __name__})
