"""Who changed what, over REST."""

from typing import Any

from gateway.api.route_table import list_routes
from gateway.simulator.camera import SimulatedCamera
from tests.api.conftest import Rest
from tests.each import for_each


def what(body: Any) -> list[tuple[str, str, str, str]]:
    return [(one["who"], one["via"], one["action"], one["object"]) for one in body["changes"]]


async def test_changes_are_recorded_and_failures_are_not(admin: Rest, ours: SimulatedCamera) -> None:
    token = (await admin("POST", "/api/v1/tokens", {"name": "till 9", "scope": "pos"})).body["token"]
    assert (await admin("POST", "/api/v1/tokens", {"name": "till 9", "scope": "pos"})).status == 409
    assert (await admin("DELETE", "/api/v1/tokens/nobody")).status == 404
    assert (await admin("GET", "/api/v1/cameras")).status == 200
    assert (await admin("DELETE", "/api/v1/tokens/till 9")).status == 204
    changes = (await admin("GET", "/api/v1/audit")).body
    me = changes["changes"][0]["who"]
    assert what(changes)[:2] == [
        (me, "api", "Revoke a token", "till 9"),
        (me, "api", "Make a token", "till 9"),
    ]
    assert token not in str(changes)


async def test_calls_of_tills_are_in_the_outbox_and_not_here(admin: Rest, ours: SimulatedCamera) -> None:
    before = (await admin("GET", "/api/v1/audit")).body
    path = f"/api/v1/cameras/{ours.sn}/openapi/device/getConfig"
    await admin("POST", path, {})
    await admin("POST", "/api/v1/events/tickets")
    await admin("POST", "/api/v1/cloud/order/update", {"order_list": []})
    assert (await admin("GET", "/api/v1/audit")).body == before


async def test_pages_and_scope(admin: Rest, pos: Rest) -> None:
    for number in range(3):
        await admin("POST", "/api/v1/tokens", {"name": f"t {number}", "scope": "pos"})
    first = (await admin("GET", "/api/v1/audit?limit=2")).body
    second = (await admin("GET", f"/api/v1/audit?limit=2&before={first['next']}")).body
    assert [one["object"] for one in first["changes"] + second["changes"]][:3] == ["t 2", "t 1", "t 0"]
    everything = (await admin("GET", "/api/v1/audit")).body
    assert (await admin("GET", f"/api/v1/audit?before={'9' * 20}")).body == everything
    assert (await pos("GET", "/api/v1/audit")).status == 403
    assert (await admin("GET", "/api/v1/audit?limit=0")).status == 400


@for_each(
    [one for one in list_routes() if one.method != "GET" and one.path.startswith("/api/v1/cloud/")],
    name=lambda route: route.path,
)
def test_the_hot_path_is_not_audited(route: Any) -> None:
    assert not route.audited


async def test_a_camera_is_named_by_its_serial_number(admin: Rest, ours: SimulatedCamera) -> None:
    assert (await admin("DELETE", f"/api/v1/cameras/{ours.sn}")).status == 204
    assert (await admin("POST", "/api/v1/cameras", {"sn": ours.sn, "address": ours.address})).status in (200, 201)
    changes = what((await admin("GET", "/api/v1/audit")).body)
    assert [one[2:] for one in changes[:2]] == [("Make a camera managed", ours.sn), ("Forget a camera", ours.sn)]
