"""The items of a queued call: splitting calls, merging and combining items, and reading the outcome of each.

Pure functions. `gateway.outbox` stores the items and `gateway.outbox.worker` sends them.
"""

import functools
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from firmware_tools.language import fill
from gateway.outbox import reasons
from gateway.outbox.account import SHOP_PARAMETERS
from gateway.outbox.model import Batch, ItemOutcome, NewItem, Outcome, State
from gateway.outbox.named_items import find_named_items
from gateway.protocol import form, json_text
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.envelope import VendorResponse
from gateway.protocol.relay_policy import RelayPolicy

MAX_BATCH_BYTES: Final = 1024 * 1024 - 1024
"""Largest size in a form of the items of one call: the vendor's 1 MB, less a reserve for the other parameters."""

_EMPTY: Final = (None, "")
_DIGEST_BYTES: Final = 16
_DIGEST_VERSION: Final = b"\x01"
"""Version of `content_digest`. Digests are stored, so every change of the function needs a new byte."""


def get_relay_policy(endpoint: Endpoint) -> RelayPolicy:
    """Return the relay policy of an endpoint. Raises ValueError if it has none."""
    if endpoint.relay is None:
        raise ValueError(f"{endpoint.path} is never queued")
    return endpoint.relay


def split(call: Call) -> tuple[str, list[NewItem]]:
    """Return the parameters that the items of a call share, as JSON, and the items."""
    relay = get_relay_policy(call.endpoint)
    if not relay.list_parameter:
        return _split_whole(call, relay)
    shared, shop = _encode_shared(tuple([field for field in call.fields.items() if field[0] != relay.list_parameter]))
    kind = relay.order_keys[0].kind
    items: list[NewItem] = []
    names = relay.order_keys[0].names
    for raw in json_text.split_array(call.fields[relay.list_parameter]):
        reference = str(json_text.load_member(raw, names[0]) if names else json_text.loads(raw))
        digest = hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).digest() if relay.deduplicated else None
        key = f"{kind}:{shop}:{reference}"
        items.append(NewItem(raw.decode(), reference, (key,), form.encoded_length(raw) + 3, digest))
    return shared, items


def _split_whole(call: Call, relay: RelayPolicy) -> tuple[str, list[NewItem]]:
    shared, shop = _encode_shared(tuple([field for field in call.fields.items() if field[0] in SHOP_PARAMETERS]))
    own = {name: value for name, value in call.fields.items() if name not in SHOP_PARAMETERS}
    keys = tuple(f"{key.kind}:{shop}:{own[name]}" for key in relay.order_keys for name in key.names if own.get(name))
    size = len(form.encode(own)) + sum(len(part.data) for part in call.files.values())
    return shared, [NewItem(json_text.dumps(own), keys[0].rpartition(":")[2], keys, size)]


@functools.lru_cache(maxsize=64)
def _encode_shared(fields: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """Return the shared parameters as JSON, and the shop."""
    shared = dict(fields)
    return json_text.dumps(shared), shared.get("shop_id") or shared.get("sunmi_shop_no", "")


def _digest(*parts: bytes) -> bytes:
    framed = b"".join([len(part).to_bytes(8) + part for part in parts])
    return hashlib.blake2b(framed, digest_size=_DIGEST_BYTES).digest()


def has_same_content(one: str, other: str) -> bool:
    """Tell whether two items have the same content, whatever the order of their members. Damaged ones have not."""
    if one == other:
        return True
    try:
        return bool(json_text.loads(one) == json_text.loads(other))
    except (ValueError, RecursionError):
        return False


def compute_content_digest(call: Call) -> bytes:
    """Return a digest of a call's whole content, whatever the order of members in its objects.

    It begins with the version of this function, for `contradict`.
    """
    structures = {known.name for known in call.endpoint.parameters if known.type in ("array", "object")}
    parts = [call.endpoint.path.encode()]
    for name, value in sorted(call.fields.items()):
        content = json_text.dumps_canonical(json_text.loads(value)) if name in structures else value.encode()
        parts += [name.encode(), content]
    for name, part in sorted(call.files.items()):
        parts += [name.encode(), part.data]
    return _DIGEST_VERSION + _digest(*parts)


def digests_differ(one: bytes, other: bytes) -> bool:
    """Tell whether two digests prove different contents. Digests of different versions prove nothing."""
    return one != other and one[:-_DIGEST_BYTES] == other[:-_DIGEST_BYTES]


def build_parameters(endpoint: Endpoint, shared: Mapping[str, str], text: str) -> dict[str, Any]:
    """Return the parameters of a call with a single item, as JSON values."""
    relay = get_relay_policy(endpoint)
    own = json_text.loads(text)
    return {**shared, **({relay.list_parameter: [own]} if relay.list_parameter else own)}


def merge_texts(older: str, newer: str) -> str | None:
    """Merge two items field by field; the newer value wins.

    Return None if the newer one empties a field that the older one gives, or if either value is an object or a list.
    Whether the first clears it, and the second replaces it or adds to it, is for the vendor to say, so both are sent
    (NOTES: Empty values).
    """
    given, added = json_text.loads(older), json_text.loads(newer)
    if not all(_replaces(given.get(name), value) for name, value in added.items()):
        return None
    return json_text.dumps({**given, **added})


def _replaces(older: Any, newer: Any) -> bool:
    """Tell whether nothing is left of an older value once the cloud has got a newer one."""
    if older in _EMPTY or older == newer:
        return True
    return newer not in _EMPTY and not isinstance(older, dict | list) and not isinstance(newer, dict | list)


def is_merging(endpoint: Endpoint) -> bool:
    """Tell whether waiting items with the same order key are merged."""
    relay = endpoint.relay
    return relay is not None and relay.on_newer == "merge"


def combine(batch: Batch, shop: Mapping[str, str]) -> Call:
    """Return the one call that sends a batch. `shop` holds the keys of the shop for items that name none."""
    relay = get_relay_policy(batch.endpoint)
    fields: dict[str, str] = batch.endpoint.add_defaults(json_text.loads(batch.shared), shop)
    texts = [entry.text for entry in batch.entries]
    if relay.list_parameter:
        return Call(batch.endpoint, {**fields, relay.list_parameter: f"[{','.join(texts)}]"})
    return Call(batch.endpoint, {**fields, **json_text.loads(texts[0])}, batch.files)


def names_shop(batch: Batch) -> bool:
    """Tell whether the items name a shop of their own, which is not that of the settings."""
    return any(json_text.loads(batch.shared).get(name) for name in SHOP_PARAMETERS)


def find_damage(endpoint: Endpoint, shared: str, text: str) -> str | None:
    """Return why an item's stored content cannot be sent, or None if it can."""
    relay = get_relay_policy(endpoint)
    if not text:
        return reasons.LOST
    try:
        parameters, content = json_text.loads(shared), json_text.loads(text)
    except ValueError as exc:
        return fill(reasons.UNREADABLE, reason=exc)
    if not _holds_texts(parameters) or not (relay.list_parameter or _holds_texts(content)):
        return reasons.NO_TEXTS
    if (relay.on_newer == "merge" or relay.creating_member) and not isinstance(content, dict):
        return reasons.NO_OBJECT
    return None


def _holds_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def read_outcomes(batch: Batch, response: VendorResponse) -> list[Outcome | None]:
    """Return the outcome of each entry of a batch from a response with code 0.

    It is None for those that may be meant by an entry of a list that names none of the items.
    """
    endpoint = batch.endpoint
    relay = get_relay_policy(endpoint)
    meaning = endpoint.describe_code(0)
    if not relay.list_parameter:
        return [Outcome("delivered", 0, meaning, response=response.raw.decode("utf-8", "replace"))]
    references = [entry.reference for entry in batch.entries]
    lists, unmatched_list = find_named_items(relay, references, response.document)
    delivered = Outcome("delivered", 0, meaning)
    if not lists and unmatched_list is None:
        return [delivered] * len(references)
    if unmatched_list is not None and len(references) == 1:  # it can mean nothing else
        lists.setdefault(references[0], unmatched_list)
    unnamed = delivered if unmatched_list is None else None
    return [
        _make_listed_outcome(endpoint, relay, lists[entry.reference], entry.text)
        if entry.reference in lists
        else unnamed
        for entry in batch.entries
    ]


def _make_listed_outcome(endpoint: Endpoint, relay: RelayPolicy, result_list: str, text: str) -> Outcome:
    listed = relay.result_lists[result_list]
    if listed.outcome == "redirected":
        return Outcome("waiting", result_list=result_list, redirect_to=relay.redirect_to)
    creating = relay.creating_member if result_list != "invalid_list" else ""
    if listed.outcome == "delivered" or (creating and json_text.loads(text).get(creating)):  # (NOTES: Product updates)
        return Outcome("delivered", 0, endpoint.describe_code(0), result_list)
    return Outcome("refused", 0, f"{listed.meaning} ({result_list})", result_list)


def make_refusal(code: int, meaning: str, document: Any) -> Outcome:
    """Return the outcome of an item that a return code refused."""
    return Outcome("refused", code, meaning, response=json_text.dumps(document))


def aggregate_states(states: Collection[State]) -> State:
    """Return the state of a submission from those of its items."""
    order: tuple[State, ...] = ("sending", "waiting", "delivered", "refused", "expired", "superseded")
    return next(state for state in order if state in states)


def rebuild_response(relay: RelayPolicy, items: Sequence[ItemOutcome]) -> str:
    """Return the response to a submission, as JSON in the vendor's shape, from the outcomes of its items."""
    if len(items) == 1 and items[0].outcome.response:
        return items[0].outcome.response
    lists: dict[str, list[str]] = {name: [] for name in relay.result_lists}
    for reference, outcome in items:
        name = outcome.result_list or ("invalid_list" if outcome.state == "refused" else "")
        if name:
            lists.setdefault(name, []).append(reference)
    data = {name: list(dict.fromkeys(references)) for name, references in lists.items()}
    return json_text.dumps({"code": 0, "msg": "succeed", "data": data})
