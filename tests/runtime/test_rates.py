"""The bounded rate of calls, and the growing pauses while the cloud is away."""

import itertools
import random

import pytest

from gateway.runtime.back_off import BackOff
from gateway.runtime.token_bucket import TokenBucket


def test_so_many_at_once_and_then_so_many_in_a_second() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=3, clock=lambda: 0)
    for _ in range(3):
        assert bucket.delay_s() == 0
        bucket.take()
    assert bucket.delay_s() == pytest.approx(0.1)
    bucket.take()
    assert bucket.delay_s() == pytest.approx(0.2)


@pytest.mark.parametrize(("chance", "pauses"), [
    (0.0, [0.25, 0.5, 1, 2, 4, 8, 15, 15]),
    (0.5, [0.375, 0.75, 1.5, 3, 6, 12, 22.5, 22.5]),
    (1.0, [0.5, 1, 2, 4, 8, 16, 30, 30]),
])  # fmt: skip
def test_pauses_double_up_to_the_longest(chance: float, pauses: list[float]) -> None:
    back_off = BackOff(0.5, 30, draw=lambda: chance)
    assert [back_off.next_delay_s() for _ in pauses] == pauses
    back_off.reset()
    assert back_off.next_delay_s() == pauses[0]


def test_many_gateways_do_not_come_back_together() -> None:
    dice = random.Random(7)
    firsts = [BackOff(8, 30, draw=dice.random).next_delay_s() for _ in range(200)]
    assert 4 <= min(firsts) < 4.2
    assert 7.8 < max(firsts) <= 8
    gaps = [later - sooner for sooner, later in itertools.pairwise(sorted(firsts))]
    assert max(gaps) < 0.3, "they are spread over all of it"
