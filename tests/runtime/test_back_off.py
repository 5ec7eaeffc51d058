"""The back-off: growing delays between failing attempts."""

import itertools
import random

import pytest

from gateway.runtime.back_off import BackOff


@pytest.mark.parametrize(("drawn", "delays"), [
    (0.0, [0.25, 0.5, 1, 2, 4, 8, 15, 15]),
    (0.5, [0.375, 0.75, 1.5, 3, 6, 12, 22.5, 22.5]),
    (1.0, [0.5, 1, 2, 4, 8, 16, 30, 30]),
])  # fmt: skip
def test_delays_double_up_to_the_longest(drawn: float, delays: list[float]) -> None:
    back_off = BackOff(0.5, 30, draw=lambda: drawn)
    assert [back_off.next_delay_s() for _ in delays] == delays


def test_a_reset_begins_with_the_shortest_delay() -> None:
    back_off = BackOff(0.5, 30, draw=lambda: 1.0)
    for _ in range(4):
        back_off.next_delay_s()
    back_off.reset()
    assert [back_off.next_delay_s() for _ in range(3)] == [0.5, 1, 2]


def test_the_ceiling_is_the_longest_that_the_next_delay_can_be() -> None:
    back_off = BackOff(0.5, 30, draw=lambda: 1.0)
    for _ in range(8):
        ceiling_s = back_off.ceiling_s
        assert back_off.next_delay_s() == ceiling_s


def test_many_gateways_do_not_come_back_together() -> None:
    dice = random.Random(7)
    firsts = [BackOff(8, 30, draw=dice.random).next_delay_s() for _ in range(200)]
    assert 4 <= min(firsts) < 4.2
    assert 7.8 < max(firsts) <= 8
    gaps = [later - sooner for sooner, later in itertools.pairwise(sorted(firsts))]
    assert max(gaps) < 0.3, "they are spread over all of it"
