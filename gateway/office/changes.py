"""Changes that reach all their shops at once, and the groups of shops."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import SHOPS, shop_key
from gateway.fleet_settings import SHOP_NAME
from gateway.office.audit import record_change
from gateway.office.bucket import Bucket
from gateway.office.desired import DesiredBucket, Parts, check_removals
from gateway.office.office import Office
from gateway.office.rollout_documents import RolloutTarget
from gateway.office.rollout_targets import find_targets, list_scopes
from gateway.office.rollouts import check_target
from gateway.office.shops import ShopList, parse_record, unknown_shop


async def change_at_once(office: Office, shops: ShopList, parts: Parts, target: RolloutTarget) -> dict[str, Any]:
    """Set parts of what is desired of shops; return `{told, own, unchanged, documents}`.

    `own` is how many keep values of their own, `unchanged` whether it was desired already. Raises `InvalidRequest`,
    `NotFound`, `Conflict` and `HeadOfficeUnavailable`.
    """
    check_target(shops, target)
    desired, keys = DesiredBucket(office), list_scopes(target)
    check_removals((await desired.read(keys)).values(), parts)
    targets = await find_targets(desired, shops, target, parts)
    documents = []
    for key in keys:
        before, revision = await desired.change(key, parts)
        documents.append(before)
        if revision != before.revision:
            await record_change(office, "desired", key, revision=revision, parts=parts)
    return {
        "told": len(targets.shops),
        "own": targets.own,
        "unchanged": all(one.read(parts) == parts for one in documents),
        "documents": [one.key for one in documents],
    }


async def empty_documents(office: Office, shops: ShopList, target: RolloutTarget) -> list[str]:
    """Take back all that is desired of shops in their own documents, also in damaged ones; return their keys.

    Raises `NotFound`, `Conflict` and `HeadOfficeUnavailable`.
    """
    check_target(shops, target)
    groups = {shop_key(shop): shops.get(shop).record for shop in target.shops}
    keys = list_scopes(target)
    for key in keys:
        record = groups.get(key)
        revision = await DesiredBucket(office).empty(key, () if record is None else record.groups)
        await record_change(office, "desired", key, revision=revision, parts={}, replaces_all=True)
    return keys


async def change_groups(office: Office, shop: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
    """Put a shop into groups, and take it out of others; return its groups, of which the last one wins.

    Done again after a crash it is whole. Raises `InvalidRequest`, `NotFound`, `Conflict`, `DamagedEntry` and
    `HeadOfficeUnavailable`.
    """
    groups: list[str] = []
    reason = message("a shop has at most 20 groups, each of 1 to 64 letters, digits, - and _")
    if not all(re.fullmatch(SHOP_NAME, group) for group in remove):
        raise InvalidRequest([FieldError("groups", reason)])

    def edit(value: bytes | None) -> bytes:
        record = parse_record(shop, value)
        if record is None:
            raise unknown_shop(shop)
        kept = [group for group in record.groups if group not in remove]
        groups[:] = [*kept, *(group for group in dict.fromkeys(add) if group not in kept)]
        try:
            changed = ShopRecord.model_validate({**record.model_dump(), "groups": groups})
        except ValidationError as exc:
            raise InvalidRequest([FieldError("groups", reason)]) from exc
        return changed.model_dump_json().encode()

    desired = DesiredBucket(office)
    await desired.get(shop_key(shop))  # one that is damaged is told before anything is changed
    before, revision = await Bucket(office, SHOPS).change(shop, edit)
    await desired.change_groups(shop_key(shop), tuple(groups))
    if revision != before.revision:
        await record_change(office, "groups", shop, revision=revision, groups=groups)
    return groups
