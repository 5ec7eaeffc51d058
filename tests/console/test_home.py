"""The first page: when the doctor has to look again."""

import pytest

from gateway.console.home import MAX_FINDINGS_AGE_S, MIN_FINDINGS_AGE_S, is_out_of_date
from gateway.doctor.check import Finding, Status


@pytest.mark.parametrize(
    ("found", "age_s", "reachable", "expected"),
    [
        ("ok", None, True, True),
        ("ok", MAX_FINDINGS_AGE_S + 1, True, True),
        ("ok", MIN_FINDINGS_AGE_S + 1, True, False),
        ("ok", MIN_FINDINGS_AGE_S + 1, None, False),
        ("ok", MIN_FINDINGS_AGE_S + 1, False, True),
        ("failed", MIN_FINDINGS_AGE_S + 1, True, True),
        ("failed", MIN_FINDINGS_AGE_S + 1, False, False),
        ("ok", MIN_FINDINGS_AGE_S - 1, False, False),
    ],
)
def test_the_doctor_looks_again_when_the_cloud_is_no_longer_as_it_found_it(
    found: Status, age_s: float | None, reachable: bool | None, expected: bool
) -> None:
    findings = [Finding(found, "the cloud", check="cloud_tls")]
    assert is_out_of_date(findings, age_s, cloud_reachable=reachable) is expected
