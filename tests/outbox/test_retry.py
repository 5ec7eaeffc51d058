"""Retries: when an item that failed may be sent again, in how much company, and when it is reported."""

from collections.abc import Sequence

import pytest

from gateway.outbox.events import QueueBlocked
from gateway.outbox.model import Batch, BatchEntry
from gateway.outbox.retry import MAX_DELAY_S, UNLIMITED, RetryTracker
from gateway.protocol.catalogue import CATALOGUE
from tests.manual_clock import ManualClock

NOON = 1_593_000_000.9
"""2020-06-24T12:00:00Z, and most of a second."""


@pytest.fixture
def clock() -> ManualClock:
    """Give the clock of a machine that has just started."""
    return ManualClock(0.0)


@pytest.fixture
def tracker(clock: ManualClock) -> RetryTracker:
    return RetryTracker(clock)


def batch_of(*entries: Sequence[int]) -> Batch:
    """Return a batch of orders; each entry is given by the numbers of its items."""
    made = [BatchEntry((f"order:1:{numbers[0]}",), str(numbers[0]), list(numbers)) for numbers in entries]
    return Batch(CATALOGUE.get("cloud", "order/update"), "{}", made)


def fail(
    tracker: RetryTracker, batch: Batch, *, blame: bool = True, delay_s: float = 1.0, now: float = NOON
) -> QueueBlocked | None:
    return tracker.record_failure(batch, blame=blame, delay_s=delay_s, now=now)


def fail_often(tracker: RetryTracker, batch: Batch, times: int) -> None:
    for _ in range(times):
        fail(tracker, batch)


def test_an_item_that_never_failed_goes_at_once_in_a_batch_of_any_size(tracker: RetryTracker) -> None:
    assert tracker.limit(1) == UNLIMITED
    assert tracker.next_retry_in_s() is None
    assert tracker.failures(batch_of([1])) == 0
    assert not tracker.is_poison(batch_of([1]))


def test_an_item_waits_for_the_delay_after_a_failure(tracker: RetryTracker, clock: ManualClock) -> None:
    fail(tracker, batch_of([1]), delay_s=2.0)
    assert tracker.limit(1) == 0
    clock.now_s += 1.9
    assert tracker.limit(1) == 0
    clock.now_s += 0.2
    assert tracker.limit(1) == UNLIMITED


def test_an_item_goes_again_at_the_very_end_of_its_delay(tracker: RetryTracker, clock: ManualClock) -> None:
    fail(tracker, batch_of([1]), delay_s=2.0)
    clock.now_s += 2.0
    assert tracker.limit(1) == UNLIMITED
    assert tracker.next_retry_in_s() is None


def test_the_next_retry_is_that_of_the_item_that_waits_least(tracker: RetryTracker, clock: ManualClock) -> None:
    fail(tracker, batch_of([1]), delay_s=5.0)
    fail(tracker, batch_of([2]), delay_s=3.0)
    clock.now_s += 1.0
    assert tracker.next_retry_in_s() == pytest.approx(2.0)
    clock.now_s += 3.0
    assert tracker.next_retry_in_s() == pytest.approx(1.0)


@pytest.mark.parametrize(("entries", "next_size"), [(7, 3), (3, 1), (2, 1)])
def test_a_batch_that_fails_is_halved_until_each_item_goes_alone(
    tracker: RetryTracker, entries: int, next_size: int
) -> None:
    fail(tracker, batch_of(*([number] for number in range(entries))), blame=False, delay_s=0.0)
    assert {tracker.limit(number) for number in range(entries)} == {next_size}


def test_a_batch_that_is_postponed_goes_again_as_a_whole(tracker: RetryTracker, clock: ManualClock) -> None:
    tracker.postpone(batch_of([1], [2], [3]), delay_s=2.0, now=NOON)
    assert [tracker.limit(number) for number in (1, 2, 3)] == [0] * 3
    clock.now_s += 2.0
    assert [tracker.limit(number) for number in (1, 2, 3)] == [UNLIMITED] * 3
    assert tracker.failures(batch_of([1])) == 0


def test_a_poison_item_that_is_postponed_keeps_its_own_delay(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1]), 5)
    delay_s = tracker.next_retry_in_s()
    tracker.postpone(batch_of([1]), delay_s=1.0, now=NOON)
    assert tracker.next_retry_in_s() == delay_s
    assert tracker.is_poison(batch_of([1]))


def test_an_item_that_failed_alone_for_the_first_time_may_go_with_others(tracker: RetryTracker) -> None:
    fail(tracker, batch_of([1]), delay_s=0.0)
    assert tracker.limit(1) == UNLIMITED


def test_merged_items_that_fail_together_are_one_entry(tracker: RetryTracker) -> None:
    fail(tracker, batch_of([1, 2, 3]), delay_s=0.0)
    assert [tracker.limit(number) for number in (1, 2, 3)] == [UNLIMITED] * 3


def test_a_poison_item_goes_alone(tracker: RetryTracker, clock: ManualClock) -> None:
    fail_often(tracker, batch_of([1]), 2)
    clock.now_s += MAX_DELAY_S
    assert tracker.limit(1) == 1


def test_a_single_entry_is_poison_after_two_failures_of_its_own(tracker: RetryTracker) -> None:
    fail(tracker, batch_of([1]))
    assert not tracker.is_poison(batch_of([1]))
    fail(tracker, batch_of([1]))
    assert tracker.is_poison(batch_of([1]))


def test_a_batch_of_several_entries_is_never_poison(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1], [2]), 3)
    assert not tracker.is_poison(batch_of([1], [2]))
    assert tracker.is_poison(batch_of([1]))


def test_a_merged_entry_is_poison_if_its_oldest_item_is(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([2]), 2)
    assert tracker.is_poison(batch_of([2, 3]))
    assert not tracker.is_poison(batch_of([1, 2]))


def test_failures_without_blame_make_no_item_poison(tracker: RetryTracker) -> None:
    for _ in range(5):
        assert fail(tracker, batch_of([1]), blame=False) is None
    assert tracker.failures(batch_of([1])) == 0
    assert not tracker.is_poison(batch_of([1]))


def test_failures_of_a_batch_are_those_of_its_first_item(tracker: RetryTracker) -> None:
    fail(tracker, batch_of([1]))
    fail(tracker, batch_of([1], [2]))
    assert tracker.failures(batch_of([1], [2])) == 2
    assert tracker.failures(batch_of([2], [1])) == 1


def test_a_poison_item_waits_twice_as_long_after_each_failure_up_to_the_longest_delay(
    tracker: RetryTracker, clock: ManualClock
) -> None:
    fail(tracker, batch_of([1]), delay_s=7.0)
    assert tracker.next_retry_in_s() == 7.0
    delays = []
    for _ in range(6):
        fail(tracker, batch_of([1]), delay_s=7.0)
        delays.append(tracker.next_retry_in_s())
    assert delays == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_an_item_that_has_been_failing_for_days_still_waits_for_the_longest_delay(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1]), 5000)
    assert tracker.next_retry_in_s() == MAX_DELAY_S


def test_an_item_that_failed_alone_three_times_is_reported_to_block_others(tracker: RetryTracker) -> None:
    assert fail(tracker, batch_of([1])) is None
    assert fail(tracker, batch_of([1]), now=NOON + 60) is None
    assert fail(tracker, batch_of([1]), now=NOON + 120) == QueueBlocked(
        outbox_id="1", path="order/update", order_key="order:1:1", since="2020-06-24T12:00:00Z"
    )


def test_merged_items_are_reported_as_their_oldest_item(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1, 2]), 2)
    blocked = fail(tracker, batch_of([1, 2]))
    assert blocked is not None
    assert blocked.outbox_id == "1"
    assert fail(tracker, batch_of([1, 2])) is None


def test_an_item_that_changes_several_things_is_reported_by_its_order_key(tracker: RetryTracker) -> None:
    entry = BatchEntry(("label:1:SKDI39DN", "product:1:7"), "SKDI39DN", [1])
    batch = Batch(CATALOGUE.get("cloud", "product/bindEsl"), "{}", [entry])
    fail_often(tracker, batch, 2)
    blocked = fail(tracker, batch)
    assert blocked is not None
    assert blocked.order_key == "label:1:SKDI39DN"


def test_an_item_is_reported_once(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1]), 3)
    assert fail(tracker, batch_of([1])) is None


def test_an_item_is_reported_only_when_it_failed_alone(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1], [2]), 3)
    assert fail(tracker, batch_of([1], [2])) is None
    assert fail(tracker, batch_of([1])) is not None


def test_an_isolated_item_goes_alone_and_at_once(tracker: RetryTracker, clock: ManualClock) -> None:
    tracker.isolate([1, 2], NOON)
    assert [tracker.limit(1), tracker.limit(2), tracker.limit(3)] == [1, 1, UNLIMITED]
    assert tracker.next_retry_in_s() is None


def test_an_item_that_is_isolated_first_failed_then(tracker: RetryTracker) -> None:
    tracker.isolate([1], NOON)
    for _ in range(2):
        assert fail(tracker, batch_of([1]), now=NOON + 3600) is None
    blocked = fail(tracker, batch_of([1]), now=NOON + 3600)
    assert blocked is not None
    assert blocked.since == "2020-06-24T12:00:00Z"


def test_items_go_at_once_when_the_cloud_has_answered(tracker: RetryTracker) -> None:
    fail(tracker, batch_of([1]), blame=False)
    fail(tracker, batch_of([2]))
    tracker.cloud_answered()
    assert (tracker.limit(1), tracker.limit(2)) == (UNLIMITED, UNLIMITED)


def test_a_poison_item_waits_also_when_the_cloud_has_answered(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1]), 2)
    tracker.cloud_answered()
    assert tracker.limit(1) == 0


def test_items_with_an_outcome_are_forgotten(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1]), 2)
    fail_often(tracker, batch_of([2]), 2)
    tracker.forget([7, 1])
    assert tracker.limit(1) == UNLIMITED
    assert tracker.failures(batch_of([1])) == 0
    assert tracker.failures(batch_of([2])) == 2


def test_nothing_is_known_after_all_were_forgotten(tracker: RetryTracker) -> None:
    fail_often(tracker, batch_of([1]), 2)
    tracker.clear()
    assert tracker.limit(1) == UNLIMITED
    tracker.forget([1])
