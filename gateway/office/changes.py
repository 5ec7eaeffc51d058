"""Changes that reach all their shops at once, and the groups of shops."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import SHOPS, shop_key
from gateway.office.audit import record_change
from gateway.office.bucket import Bucket
from gateway.office.desired import DesiredBucket, Parts
from gateway.office.office import Office
from gateway.office.rollout_documents import Rollout, RolloutTarget
from gateway.office.rollout_targets import find_targets, list_scopes
from gateway.office.rollouts import check_target
from gateway.office.shops import ShopList, unknown_shop


async def change_at_once(office: Office, shops: ShopList, parts: Parts, target: RolloutTarget) -> dict[str, Any]:
    """Set parts of what is desired of shops; return `{told, own, unchanged, documents}`.

    `own` is how many keep values of their own, `unchanged` whether it was desired already. Raises `InvalidRequest`,
    `NotFound`, `Conflict` and `HeadOfficeUnavailable`.
    """
    check_target(shops, target)
    desired = DesiredBucket(office)
    asked = Rollout(
        id="at-once", kind="settings", title="", by="", began="", target=target, parts=dict(parts), waves=("100",),
        stop_at=0, wait_s=0,
    )  # fmt: skip
    targets = await find_targets(desired, shops, asked)
    documents = []
    for key in list_scopes(target):
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


async def change_groups(office: Office, shop: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
    """Put a shop into groups, and take it out of others; return its groups, of which the last one wins.

    Done again after a crash it is whole. Raises `InvalidRequest`, `NotFound`, `Conflict` and `HeadOfficeUnavailable`.
    """
    groups: list[str] = []

    def edit(value: bytes | None) -> bytes:
        if value is None:
            raise unknown_shop(shop)
        record = ShopRecord.model_validate_json(value)
        kept = [group for group in record.groups if group not in remove]
        groups[:] = [*kept, *(group for group in dict.fromkeys(add) if group not in kept)]
        try:
            changed = ShopRecord.model_validate({**record.model_dump(), "groups": groups})
        except ValidationError as exc:
            reason = message("a shop has at most 20 groups, each of 1 to 64 letters, digits, - and _")
            raise InvalidRequest([FieldError("groups", reason)]) from exc
        return changed.model_dump_json().encode()

    before, revision = await Bucket(office, SHOPS).change(shop, edit)
    await DesiredBucket(office).change_groups(shop_key(shop), tuple(groups))
    if revision != before.revision:
        await record_change(office, "groups", shop, revision=revision, groups=groups)
    return groups
