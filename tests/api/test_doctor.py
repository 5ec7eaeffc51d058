"""The doctor over REST."""

from typing import Any

from gateway.doctor.checks import CHECKS


async def test_an_admin_gets_a_finding_of_every_check(admin: Any, pos: Any, installer: Any) -> None:
    answer = await admin("POST", "/api/v1/doctor")
    assert answer.status == 200
    assert {one["check"] for one in answer.body["findings"]} == {check.name for check in CHECKS}
    bad = {one["check"] for one in answer.body["findings"] if one["status"] in ("failed", "warning")}
    assert bad <= {"second_gateway"}, "other tests run gateways on loopback"
    for other in (pos, installer):
        assert (await other("POST", "/api/v1/doctor")).status == 403
