"""Which shops a wave reaches, and by which documents.

All waves but the last one write the shops' own documents. The last one writes the document of the chain or of the
groups, if the roll-out is for these, so that shops that join later get it, too.
"""

import hashlib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.fleet.subjects import CHAIN_KEY, group_key, shop_key
from gateway.office.desired import DesiredBucket
from gateway.office.rollout_documents import Rollout, RolloutTarget
from gateway.office.shop_facts import ShopFacts
from gateway.office.shops import ShopList

_PERCENTAGE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?")


class TargetShop(NamedTuple):
    """A shop that a roll-out is for."""

    facts: ShopFacts
    """The shop."""
    parts: Collection[str]
    """The parts for which it has no narrower value of its own."""


class Targets(NamedTuple):
    """The shops that a change has not reached yet."""

    shops: Sequence[TargetShop]
    """The shops, in no order."""
    own: int
    """How many shops are left out, since they have values of their own for everything."""


def list_scopes(target: RolloutTarget) -> list[str]:
    """Return the keys of the documents that a change for these shops belongs in."""
    if target.everyone:
        return [CHAIN_KEY]
    return [*map(group_key, target.groups), *map(shop_key, target.shops)]


def has_shared_scope(target: RolloutTarget) -> bool:
    """Whether a change for these shops belongs in a document that several shops read."""
    return target.everyone or bool(target.groups)


def belongs_to(target: RolloutTarget, facts: ShopFacts) -> bool:
    """Whether a roll-out is for a shop. One that has not joined gets it from the documents when it does."""
    if facts.record is None or facts.record.state != "joined" or facts.is_revoked:
        return False
    return target.everyone or facts.shop in target.shops or not {*target.groups}.isdisjoint(facts.record.groups)


async def find_targets(
    desired: DesiredBucket,
    shops: ShopList,
    target: RolloutTarget,
    changed: Collection[str],
    reached: Collection[str] = (),
) -> Targets:
    """Return the shops that a change of these parts is for, beyond those that it has reached.

    Raises `HeadOfficeUnavailable`.
    """
    documents: dict[str, Mapping[str, object]] = {}
    if has_shared_scope(target):
        async for one in desired.read_all():
            documents[one.key] = {part: value for part, value in one.read(changed).items() if value is not None}
    found, own = list[TargetShop](), 0
    for facts in shops:
        if facts.shop in reached or not belongs_to(target, facts):
            continue
        taken = {part for key in _list_narrower(target, facts) for part in documents.get(key, ())}
        parts = [part for part in changed if part not in taken]
        if parts:
            found.append(TargetShop(facts, parts))
        else:
            own += 1
    return Targets(found, own)


def choose_wave(rollout: Rollout, targets: Targets, reached: int) -> list[TargetShop]:
    """Return the shops that the present wave reaches beyond those that were reached already.

    Which ones are the first percents differs from roll-out to roll-out.
    """
    wave = rollout.waves[rollout.wave]
    if not is_percentage(wave):
        return [one for one in targets.shops if one.facts.record is not None and wave in one.facts.record.groups]
    # Rounded up: a percent of a small chain is one shop, not none.
    wanted = math.ceil((len(targets.shops) + reached) * float(wave) / 100)
    ordered = sorted(targets.shops, key=lambda one: _shuffle(rollout.id, one.facts.shop))
    return ordered[: max(0, wanted - reached)]


def is_percentage(wave: str) -> bool:
    """Whether a wave is a percentage, and not the name of a group."""
    return _PERCENTAGE.fullmatch(wave) is not None


def _list_narrower(target: RolloutTarget, facts: ShopFacts) -> list[str]:
    """Return the documents that win over the one by which a change reaches a shop in the end."""
    if facts.shop in target.shops:
        return []
    groups = () if facts.record is None else facts.record.groups
    own = shop_key(facts.shop)
    if target.everyone:
        return [*map(group_key, groups), own]
    last = max(number for number, group in enumerate(groups) if group in target.groups)
    return [*map(group_key, groups[last + 1 :]), own]


def _shuffle(rollout: str, shop: str) -> bytes:
    """Return by what shops are sorted, so that it is not always the same ones that come first."""
    return hashlib.sha256(f"{rollout}/{shop}".encode()).digest()
