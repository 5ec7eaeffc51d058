"""What is desired of a circle of shops, part by part, as pages and API show and check it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from firmware_tools.language import message
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound
from gateway.fleet.documents import ContentReference, ProductListReference
from gateway.fleet.part_names import PRODUCTS, SETTINGS, TEMPLATES, VERSION, PartKind, find_part_kind
from gateway.fleet.subjects import CHAIN_KEY, shop_key
from gateway.office.audit import record_change
from gateway.office.desired import DesiredBucket, DesiredDocument, check_removals, check_settings, list_parts
from gateway.office.office import Office
from gateway.office.rollout_documents import RolloutTarget
from gateway.office.shops import ShopList
from gateway.office_site.model_form import check_model
from gateway.protocol.json_text import make_encodable
from gateway.updates.machine import VERSION_PATTERN

_MAX_SHOWN: Final = 64
_REFERENCES: Final[Mapping[str, type[BaseModel]]] = {PRODUCTS: ProductListReference, TEMPLATES: ContentReference}
_NO_PART: Final = message("is no part: settings.SECTION.KEY, products, templates.NAME or version")


def find_key(shops: ShopList, key: str) -> str:
    """Return the key of a document, if there is such a circle of shops. Raises `NotFound`."""
    kind, _, name = key.partition(".")
    if key == CHAIN_KEY or (kind == "group" and name in shops.groups()):
        return key
    if kind == "shop":
        return shop_key(shops.get(name).shop)
    raise NotFound(message("there is no shop and no group for {key}", key=key))


def make_target(key: str) -> RolloutTarget:
    """Return the shops of a document."""
    kind, _, name = key.partition(".")
    return RolloutTarget(
        everyone=key == CHAIN_KEY,
        groups=(name,) if kind == "group" else (),
        shops=(name,) if kind == "shop" else (),
    )


async def set_parts(
    office: Office, key: str, revision: str, parts: Mapping[str, Any], *, is_whole: bool = False
) -> int:
    """Set parts of a document that has a revision, and return the new one; `is_whole`: and remove all others.

    Raises `Conflict` if somebody else has changed it meanwhile, and `InvalidRequest`.
    """

    async def decide(document: DesiredDocument) -> Mapping[str, Any]:
        if revision != str(document.revision):
            raise Conflict(message("{key} was changed by somebody else meanwhile: look at it again", key=key))
        check_removals([document], parts)
        others = list_parts(document.document) if is_whole else ()
        return {**dict.fromkeys(others), **parts}

    changed = await DesiredBucket(office).rewrite(key, decide)
    await record_change(office, "desired", key, revision=changed, parts=parts, replaces_all=is_whole or None)
    return changed


def check_parts(parts: Mapping[str, Any]) -> PartKind | None:
    """Return of which one kind all parts are; None if they are of several.

    Raises `InvalidRequest`, which names each part that cannot be desired.
    """
    is_part = {part: find_part_kind(part) is not None and part == make_encodable(part) for part in parts}
    faults = [FieldError(part, _NO_PART) for part, is_one in is_part.items() if not is_one]
    version = parts.get(VERSION)
    if version is not None and not (isinstance(version, str) and re.fullmatch(VERSION_PATTERN, version)):
        what = message("{version!r} cannot be a version of a package", version=str(version)[:_MAX_SHOWN])
        faults.append(FieldError(VERSION, what))
    for part, value in parts.items():
        model = _REFERENCES.get(find_part_kind(part) or "")
        if model is not None and value is not None:
            try:
                check_model(model, value if isinstance(value, dict) else {})
            except InvalidRequest as exc:
                faults += [FieldError(f"{part}.{one.parameter}", one.reason) for one in exc.field_errors]
    if faults:
        raise InvalidRequest(faults)
    settings = {part.partition(".")[2]: value for part, value in parts.items() if find_part_kind(part) == SETTINGS}
    check_settings({name: value for name, value in settings.items() if value is not None})
    kinds = {find_part_kind(part) for part in parts}
    return kinds.pop() if len(kinds) == 1 else None
