"""The token bucket: how many calls pass at once, and how many in each second after that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.token_bucket import TokenBucket
from tests.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def empty_bucket(clock: ManualClock, *, rate_per_s: float = 10, burst: int = 3) -> TokenBucket:
    bucket = TokenBucket(rate_per_s, burst, clock)
    for _ in range(burst):
        assert bucket.delay_s() == 0
        bucket.take()
    return bucket


def test_a_new_bucket_lets_a_burst_pass_and_then_a_call_in_each_interval(clock: ManualClock) -> None:
    assert empty_bucket(clock).delay_s() == pytest.approx(0.1)


def test_a_token_that_was_not_there_delays_the_next_call_twice_as_long(clock: ManualClock) -> None:
    bucket = empty_bucket(clock)
    bucket.take()
    assert bucket.delay_s() == pytest.approx(0.2)


def test_the_delay_shrinks_as_time_passes(clock: ManualClock) -> None:
    bucket = empty_bucket(clock)
    clock.now_s += 0.025
    assert bucket.delay_s() == pytest.approx(0.075)
    clock.now_s += 0.025
    assert bucket.delay_s() == pytest.approx(0.05)


def test_asking_for_the_delay_takes_nothing(clock: ManualClock) -> None:
    bucket = empty_bucket(clock)
    clock.now_s += 0.05
    assert bucket.delay_s() == bucket.delay_s() == pytest.approx(0.05)


def test_tokens_gained_in_a_pause_pass_at_once(clock: ManualClock) -> None:
    bucket = empty_bucket(clock)
    clock.now_s += 0.25
    for _ in range(2):
        assert bucket.delay_s() == 0
        bucket.take()
    assert bucket.delay_s() == pytest.approx(0.05)


def test_a_pause_of_any_length_gains_no_more_than_a_burst(clock: ManualClock) -> None:
    bucket = empty_bucket(clock, burst=3)
    clock.now_s += 3600
    for _ in range(3):
        assert bucket.delay_s() == 0
        bucket.take()
    assert bucket.delay_s() == pytest.approx(0.1)


@given(
    pauses=st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=60),
    rate_per_s=st.floats(min_value=0.5, max_value=100),
    burst=st.integers(min_value=1, max_value=10),
)
def test_no_span_of_time_has_more_calls_than_a_burst_and_the_rate(
    pauses: list[float], rate_per_s: float, burst: int
) -> None:
    clock = ManualClock()
    bucket = TokenBucket(rate_per_s, burst, clock)
    calls: list[float] = []
    for pause_s in pauses:
        clock.now_s += pause_s
        clock.now_s += bucket.delay_s()
        bucket.take()
        calls.append(clock.now_s)
    for first, began in enumerate(calls):
        for last in range(first, len(calls)):
            assert last - first + 1 <= burst + rate_per_s * (calls[last] - began) + 1e-6
