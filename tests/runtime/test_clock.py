"""The time of a peer, learned from its `Date` header."""

import time
from email.utils import formatdate

import pytest

from gateway.runtime.clock import PeerClock

TIME_LIMIT_S = 300
"""No test runs longer, so no two looks at a clock are further apart."""


def test_an_unknown_peer_has_the_systems_time() -> None:
    clock = PeerClock()
    assert not clock.known
    assert clock.offset_s is None
    assert clock.now() == pytest.approx(time.time(), abs=TIME_LIMIT_S)


def test_a_peers_date_is_its_time() -> None:
    clock = PeerClock()
    moved = clock.learn(formatdate(1593029283, usegmt=True))
    assert clock.known
    assert clock.now() == pytest.approx(1593029283, abs=TIME_LIMIT_S)
    assert moved == pytest.approx(1593029283 - time.time(), abs=TIME_LIMIT_S)
    assert clock.offset_s == pytest.approx(1593029283 - time.time(), abs=TIME_LIMIT_S)


def test_a_difference_of_a_second_moves_nothing() -> None:
    clock = PeerClock()
    clock.set(1593029283)
    assert clock.learn(formatdate(1593029284, usegmt=True)) == 0


@pytest.mark.parametrize("date", ["Wed, 24 Jun 2020 20:08:03", "Wed, 24 Jun 2020 20:08:03 -0000"])
def test_a_date_without_a_zone_is_in_utc(date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        clock = PeerClock()
        clock.learn(date)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert clock.now() == pytest.approx(1593029283, abs=TIME_LIMIT_S)


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Wed, 99 Jun 2020 20:08:03 GMT", "Wed, 24 Jun 99999999 20:08:03 GMT"]
)
def test_a_malformed_date_moves_nothing(date: str) -> None:
    clock = PeerClock()
    assert clock.learn(date) == 0
    assert not clock.known


def test_a_jump_of_the_systems_clock_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = PeerClock()
    clock.set(1593029283)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock.now() == pytest.approx(1593029283, abs=TIME_LIMIT_S)
