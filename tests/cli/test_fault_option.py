"""Faults as they are written on the command line."""

from typing import Any, get_args

import pytest

from gateway.cli.fault_option import parse_fault
from gateway.simulator.faults import (
    COMMON_PARAMETERS,
    FAULT_KINDS,
    PARAMETERS,
    FaultInjection,
    FaultKind,
    InjectedFault,
)


def injected(text: str) -> FaultInjection:
    faults = FaultInjection()
    parse_fault(text)(faults)
    return faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop", InjectedFault("drop")),
        ("slow:seconds=0.5,times=2", InjectedFault("slow", seconds=0.5, times=2)),
        ("refuse:code=5,path=config/setZoom", InjectedFault("refuse", code=5, path="config/setZoom")),
        ("status:status=503,retry_after_s=7", InjectedFault("status", status=503, retry_after_s=7)),
    ],
)
def test_a_fault_of_single_calls(text: str, fault: InjectedFault) -> None:
    assert injected(text).queue == [fault]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("close_after_answer", "close_after_answer", True),
        ("send_date:false", "send_date", False),
        ("latency_s:0.2", "latency_s", 0.2),
        ("clock_offset_s:-3600", "clock_offset_s", -3600.0),
    ],
)
def test_a_fault_of_every_call(text: str, name: str, value: Any) -> None:
    faults = injected(text)
    assert getattr(faults, name) == value
    faults.clear()
    assert faults == FaultInjection()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("slw", r"'slw' is not a fault; there are slow, .*silent, latency_s, .*client_certificate"),
        ("slow:second=1", "slow has no parameter 'second'; it has seconds, path, times"),
        ("slow:code=1", "slow has no parameter 'code'"),
        ("slow:seconds", "slow: seconds needs a value"),
        ("slow:seconds=x", "seconds is a number, not 'x'"),
        ("drop:times=1.5", r"times is a whole number, not '1\.5'"),
        ("drop:times=0", "times is at least 1"),
        ("slow", "slow needs seconds above 0"),
        ("status:status=200", "400 to 599, not 200"),
        ("latency_s", "latency_s is a number, not ''"),
        ("send_date:no", "send_date is true or false, not 'no'"),
        ("queue", "'queue' is not a fault"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_fault(text)


def test_every_fault_and_parameter_is_described() -> None:
    assert set(FAULT_KINDS) == set(get_args(FaultKind))
    used = {name for known in FAULT_KINDS.values() for name in known.parameters}
    assert used | set(COMMON_PARAMETERS) == set(PARAMETERS)
