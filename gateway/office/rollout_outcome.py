"""What became of a roll-out in each shop, from what the shop reports."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from firmware_tools.language import message
from gateway.fleet.part_names import DOCUMENT
from gateway.office.natural_order import natural_key
from gateway.office.outcome_texts import SHOP_OUTCOMES
from gateway.office.rollout_documents import FAILURES, ReachedShop, Rollout, ShopOutcome, ShopResult
from gateway.office.shop_facts import CHECK, SERVICE, ShopFacts, Trouble


class RolloutLook(NamedTuple):
    """A roll-out, and what became of it by now."""

    rollout: Rollout
    """The roll-out, with the present number of shops by outcome."""
    results: Sequence[ShopResult]
    """What became of it in each shop that it has reached, failures first."""


class Told(NamedTuple):
    """A shop that was told."""

    wave: int
    """In which wave."""
    reached: ReachedShop
    """What was noted of it before."""
    revisions: Mapping[str, int]
    """The documents that tell it, by key, with the revisions that it has to answer."""


def list_troubles(facts: ShopFacts) -> tuple[str, ...]:
    """Return what does not work in a shop, as `KIND.NAME`, apart from what it did not take of the desired state."""
    return tuple(_name(one) for one in facts.troubles if one.kind in (SERVICE, CHECK))


def judge(rollout: Rollout, told: Told, facts: ShopFacts | None) -> tuple[ShopOutcome, str]:
    """Return what became of a roll-out in a shop, and why."""
    if facts is None:
        return "away", message("it is not enrolled any more")
    # The revision of a document that was never there is 0: no shop answers it.
    if any(facts.revisions.get(key, 0) < revision for key, revision in told.revisions.items()):
        return _judge_delay(rollout, told, facts, has_answered=False)
    parts = [DOCUMENT] if facts.is_unread else rollout.parts
    answers = [facts.answers[part] for part in parts if part in facts.answers]
    for outcome in ("refused", "rolled_back"):
        for answer in answers:
            if answer.outcome == outcome:
                return outcome, answer.reason
    if answers:
        return _judge_delay(rollout, told, facts, answers[0].reason, has_answered=True)
    new = [one for one in facts.troubles if one.kind in (SERVICE, CHECK) and _name(one) not in told.reached.troubles]
    if new:
        return "trouble", message("{name}: {reason}", name=new[0].name, reason=new[0].reason)
    return "applied", ""


def _judge_delay(
    rollout: Rollout, told: Told, facts: ShopFacts, reason: str = "", *, has_answered: bool
) -> tuple[ShopOutcome, str]:
    """Return what a shop is that has not said that it is done. `reason` is why, if it has said that."""
    is_over = told.wave < rollout.wave or (rollout.is_told and rollout.waited_s >= rollout.wait_s)
    if facts.connected_since is None:
        if facts.away_since is not None:
            reason = message("it is away since {time}", time=facts.away_since)
        if told.reached.away:
            return "away", reason
        return ("lost" if is_over else "pending"), reason
    if not is_over:
        return "pending", reason
    return ("unfinished" if has_answered else "silent"), reason


def count_outcomes(results: Iterable[ShopResult]) -> dict[ShopOutcome, int]:
    """Return how many shops have which outcome."""
    return dict(Counter(one.outcome for one in results))


def explain_failures(results: Iterable[ShopResult], present: int) -> str:
    """Return why a roll-out stops. `present` is how many shops were not away when they were told."""
    failed = sorted((one for one in results if one.outcome in FAILURES), key=lambda one: natural_key(one.shop))
    return message(
        "shops that failed: {failed} of {count}, {shop} among them: {outcome}: {reason}",
        failed=len(failed),
        count=present,
        shop=failed[0].shop,
        outcome=SHOP_OUTCOMES[failed[0].outcome],
        reason=failed[0].reason or "-",
    )


def _name(trouble: Trouble) -> str:
    return f"{trouble.kind}.{trouble.name}"
