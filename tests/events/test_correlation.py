"""Event correlation: which report of the one source likely repeats one of the other."""

import json

import pytest

from gateway.events.correlation import MAX_INTERVAL_S, MAX_RECENT, EventCorrelation
from gateway.protocol.vendor_report import VendorReport, parse_report
from tests.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def correlation(clock: ManualClock) -> EventCorrelation:
    return EventCorrelation(clock)


def face(**payload: object) -> VendorReport:
    return parse_report("2001", json.dumps(payload), {})


def test_a_report_is_related_to_one_of_the_other_source_once(correlation: EventCorrelation) -> None:
    correlation.remember("e-1", "camera", "SN1", face(face_id="1"))
    assert correlation.take_related("camera", "SN1", face(face_id="2")) is None, "the same source"
    assert correlation.take_related("cloud", "SN1", face(face_id="2")) == "e-1"
    assert correlation.take_related("cloud", "SN1", face(face_id="2")) is None


def test_type_and_camera_have_to_agree_as_far_as_they_are_known(correlation: EventCorrelation) -> None:
    correlation.remember("e-1", "camera", "SN1", face())
    assert correlation.take_related("cloud", "SN1", parse_report("1010", "{}", {})) is None
    assert correlation.take_related("cloud", "SN2", face()) is None
    assert correlation.take_related("cloud", None, face()) == "e-1"


@pytest.mark.parametrize(
    ("one", "other", "related"),
    [
        ({"gender": 1}, {"gender": 1}, True),
        ({"gender": 1}, {"gender": 2}, False),
        ({"gender": 1}, {"gender": 0}, True),
        ({"gender": 1}, {}, True),
        ({"gender": 1, "age_range": 4}, {"gender": 1, "age_range": 5}, False),
    ],
)
def test_traits_have_to_agree_as_far_as_both_know_them(
    correlation: EventCorrelation, one: dict[str, object], other: dict[str, object], related: bool
) -> None:
    correlation.remember("e-1", "camera", "SN1", face(**one))
    assert (correlation.take_related("cloud", "SN1", face(**other)) == "e-1") is related


def test_what_is_too_old_or_too_far_back_is_not_related(correlation: EventCorrelation, clock: ManualClock) -> None:
    correlation.remember("e-1", "camera", "SN1", face())
    clock.now_s += MAX_INTERVAL_S + 1
    assert correlation.take_related("cloud", "SN1", face()) is None
    correlation.remember("e-2", "camera", "SN2", face())
    for _ in range(MAX_RECENT):
        correlation.remember("e-3", "camera", "SN3", face())
    assert correlation.take_related("cloud", "SN2", face()) is None
