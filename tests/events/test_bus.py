"""The event bus: a subscriber that fails keeps events from no other, and is logged once."""

import logging
from collections.abc import Sequence

import pytest

from gateway.events.bus import EventBus
from gateway.events.event import Event


def event(number: int) -> Event:
    return Event("abcdef", number, 0, "a", "gateway", None, "{}")


def test_a_failing_subscriber_is_logged_once_and_keeps_events_from_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    bus = EventBus()
    got: list[int] = []
    broken = [True]

    def fail(_: Sequence[Event]) -> None:
        if broken:
            raise KeyError("nobody foresaw this")

    bus.subscribe(fail)
    bus.subscribe(lambda events: got.extend(one.number for one in events))
    bus.publish([event(1), event(2)])
    bus.publish([event(3)])
    assert got == [1, 2, 3]
    [failure] = caplog.records
    assert failure.exc_info is not None
    broken.clear()
    bus.publish([event(4)])
    assert [one.levelno for one in caplog.records] == [logging.ERROR, logging.INFO]


def test_who_unsubscribes_gets_nothing_more_also_during_a_publication() -> None:
    bus = EventBus()
    got: list[str] = []

    def first(_: Sequence[Event]) -> None:
        got.append("first")
        unsubscribe()

    unsubscribe = bus.subscribe(first)
    bus.subscribe(lambda _: got.append("second"))
    bus.publish([event(1)])
    bus.publish([event(2)])
    unsubscribe()
    assert got == ["first", "second", "second"]
