"""The judgement over a run: what was acknowledged arrived, in order per key, and every duplicate has its reason."""

import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.outbox.cloud import Delivery, ObservedCloud, Version

LAG_S = 0.5
"""How long after a call took effect a death may still keep its success from being written down, in seconds."""


@dataclass(slots=True)
class Judgement:
    """What was found; `reasons` counts the deliveries that were repeated by why their success was not known."""

    missing: list[Version] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    request_paths: int = 0
    longest_lag_s: float = 0.0

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} by {reason}" for reason, count in sorted(self.reasons.items())) or "none"
        return (
            f"{self.request_paths} orders arrived, {len(self.missing)} missing; repeated: {reasons} "
            f"(death up to {self.longest_lag_s * 1000:.0f} ms after the call), "
            f"{len(self.unexplained)} without a reason; {len(self.disordered)} out of order"
        )

    def check(self) -> None:
        """Raise AssertionError unless all is well."""
        assert not self.missing, f"acknowledged but lost: {self.missing[:10]}"
        assert not self.unexplained, f"repeated without a reason: {self.unexplained[:10]}"
        assert not self.disordered, f"out of order: {self.disordered[:10]}"


BACKLOG_S = 0.2
"""How long before the cloud reads a request its sender may have died: what is in a socket outlives it, in seconds."""


def judge(cloud: ObservedCloud, acknowledged: Iterable[Version], deaths: Sequence[float]) -> Judgement:
    """Compare what the tills were promised with what the cloud's own records say."""
    found = Judgement()
    arrivals: dict[Version, list[Delivery]] = defaultdict(list)
    by_order: dict[str, list[tuple[int, int, Delivery]]] = defaultdict(list)
    for delivery in cloud.deliveries:
        for version in delivery.orders:
            arrivals[version].append(delivery)
            by_order[version.order_no].append((delivery.visit.number, version.number, delivery))
    found.request_paths = len(arrivals)
    found.missing = [version for version in acknowledged if version not in arrivals]
    for version, deliveries in arrivals.items():
        for delivery in deliveries[:-1]:
            reason, lag_s = _reason(delivery, deaths, cloud.stops)
            if reason is None:
                found.unexplained.append(f"{version}: {[one.visit for one in deliveries]}")
            else:
                found.reasons[reason] += 1
                found.longest_lag_s = max(found.longest_lag_s, lag_s)
    for order_no, seen in by_order.items():
        seen.sort(key=lambda one: one[0])
        numbers = [number for _, number, _ in seen]
        if numbers != sorted(numbers):
            history = [
                (at, f"version {number} {one.visit}, with {len(one.orders) - 1} others")
                for _, number, one in seen
                for at in (one.visit.at,)
            ]
            history += [(at, "death") for at in deaths if seen[0][2].visit.at - 2 < at < seen[-1][2].visit.at + 2]
            found.disordered.append(f"{order_no}: " + "; ".join(f"{at:.3f} {what}" for at, what in sorted(history)))
    return found


def _reason(delivery: Delivery, deaths: Sequence[float], stops: Sequence[float]) -> tuple[str | None, float]:
    """Return why the gateway could not know that a call had taken effect, and how long after it that happened."""
    if delivery.visit.fault == "reset_after":
        return "a connection reset after the cloud read the request", 0.0
    for happened, reason in ((deaths, "the gateway's death"), (stops, "the cloud's going away")):
        # From before its arrival: the connection may have died while the cloud was still at it.
        place = bisect.bisect_left(happened, delivery.visit.at - BACKLOG_S)
        if place < len(happened) and happened[place] - delivery.at < LAG_S:
            return reason, max(0.0, happened[place] - delivery.at)
    return None, 0.0
