"""The items of a queued call: splitting calls, merging and combining items, and reading the outcome of each.

Pure functions. `gateway.outbox` stores the items and `gateway.outbox.worker` sends them.
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from gateway.protocol import form, json_text
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.envelope import VendorResponse
from gateway.protocol.parameters import FilePart
from gateway.protocol.relay_policy import RelayPolicy

State = Literal["waiting", "sending", "delivered", "superseded", "expired", "refused"]
STATES: Final[tuple[State, ...]] = ("waiting", "sending", "delivered", "superseded", "expired", "refused")

CALL_BYTES: Final = 1024 * 1024 - 1024
"""Largest size in a form of the items of one call: the vendor's 1 MB, less a reserve for the other parameters."""

_DIGEST_BYTES: Final = 16
_DIGEST_MADE: Final = b"\x01"
"""Version of `content_digest`. Digests are stored, so every change of the function needs a new byte."""

_SHOP: Final = ("shop_id", "sunmi_shop_no")


class Item(NamedTuple):
    """One item of a call."""

    text: str
    """JSON: the element of the list, or the parameters of the whole call except the shop."""
    reference: str
    """The identifier by which the vendor's responses name it."""
    keys: tuple[str, ...]
    """What it changes, the order key first."""
    size: int
    """Its length in a form, in bytes."""
    digest: bytes | None = None
    """Digest of `text` where the content identifies the item; else None."""


@dataclass(frozen=True, slots=True)
class Fate:
    """The outcome of an item that was sent."""

    state: State
    """Its state now."""
    code: int | None = None
    """The vendor's return code; None without a response."""
    meaning: str = ""
    """What the code or the list means."""
    listed: str = ""
    """The list of the response that names the item; empty if none does."""
    answer: str = ""
    """The whole response, where it concerns this item alone."""
    instead: str = ""
    """The endpoint to which a waiting item goes now, if that is another one."""


@dataclass(frozen=True, slots=True)
class Member:
    """An item of a submission, with what the rebuilt response needs."""

    reference: str
    """The identifier by which the vendor's responses name it."""
    fate: Fate
    """Its outcome."""


def policy(endpoint: Endpoint) -> RelayPolicy:
    """Return the relay policy of an endpoint. Raises ValueError if it has none."""
    if endpoint.relay is None:
        raise ValueError(f"{endpoint.path} is never queued")
    return endpoint.relay


def split(call: Call) -> tuple[str, list[Item]]:
    """Return the parameters that the items of a call share, as JSON, and the items."""
    relay = policy(call.endpoint)
    if not relay.list_parameter:
        return _whole(call, relay)
    shared, shop = _shared(tuple([field for field in call.fields.items() if field[0] != relay.list_parameter]))
    kind = relay.order_keys[0].kind
    items: list[Item] = []
    names = relay.order_keys[0].names
    for element in json_text.loads(call.fields[relay.list_parameter]):
        reference, text = str(element[names[0]] if names else element), json_text.dumps(element)
        raw = text.encode()
        digest = hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).digest() if relay.deduplicated else None
        items.append(Item(text, reference, (f"{kind}:{shop}:{reference}",), form.encoded_length(raw) + 3, digest))
    return shared, items


def _whole(call: Call, relay: RelayPolicy) -> tuple[str, list[Item]]:
    shared, shop = _shared(tuple((name, value) for name, value in call.fields.items() if name in _SHOP))
    own = {name: value for name, value in call.fields.items() if name not in _SHOP}
    keys = tuple(f"{key.kind}:{shop}:{own[name]}" for key in relay.order_keys for name in key.names if own.get(name))
    size = len(form.encode(own)) + sum(len(part.data) for part in call.files.values())
    return shared, [Item(json_text.dumps(own), keys[0].rpartition(":")[2], keys, size)]


@functools.lru_cache(maxsize=64)
def _shared(fields: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """Return the shared parameters as JSON, and the shop."""
    shared = dict(fields)
    return json_text.dumps(shared), shared.get("shop_id") or shared.get("sunmi_shop_no", "")


def _digest(*parts: bytes) -> bytes:
    framed = b"".join([len(part).to_bytes(8) + part for part in parts])
    return hashlib.blake2b(framed, digest_size=_DIGEST_BYTES).digest()


def same(one: str, other: str) -> bool:
    """Tell whether two items have the same content, whatever the order of their members."""
    return one == other or bool(one and json_text.loads(one) == json_text.loads(other))


def content_digest(call: Call) -> bytes:
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
    return _DIGEST_MADE + _digest(*parts)


def contradict(one: bytes, other: bytes) -> bool:
    """Tell whether two digests prove different contents. Digests of different versions prove nothing."""
    return one != other and one[:-_DIGEST_BYTES] == other[:-_DIGEST_BYTES]


def parameters(endpoint: Endpoint, shared: str, text: str) -> dict[str, Any]:
    """Return the parameters of a call with a single item, as JSON values."""
    relay = policy(endpoint)
    own = json_text.loads(text)
    return {**json_text.loads(shared), **({relay.list_parameter: [own]} if relay.list_parameter else own)}


def merged(older: str, newer: str) -> str:
    """Merge two items field by field. The newer value wins unless it is empty (NOTES: Empty values)."""
    given = {name: value for name, value in json_text.loads(newer).items() if value is not None and value != ""}
    return json_text.dumps({**json_text.loads(older), **given})


def merge(endpoint: Endpoint) -> bool:
    """Tell whether waiting items with the same order key are merged."""
    relay = endpoint.relay
    return relay is not None and relay.on_newer == "merge"


def combine(endpoint: Endpoint, shared: str, texts: Sequence[str], files: Mapping[str, FilePart] | None = None) -> Call:
    """Return one call for items that have the same shared parameters."""
    relay = policy(endpoint)
    fields: dict[str, str] = json_text.loads(shared)
    if relay.list_parameter:
        return Call(endpoint, {**fields, relay.list_parameter: f"[{','.join(texts)}]"})
    return Call(endpoint, {**fields, **json_text.loads(texts[0])}, files or {})


def named(endpoint: Endpoint, document: Any) -> dict[str, str]:
    """Return the items that a response names: the list, by the item's reference."""
    relay = policy(endpoint)
    data = document.get("data") if isinstance(document, dict) else None
    found: dict[str, str] = {}
    for name in relay.result_lists:
        entries = data.get(name) if isinstance(data, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            # An identifier is text or a number, an object starts with its own (NOTES: Identifiers).
            key = next(iter(entry.values()), "") if isinstance(entry, dict) else entry
            found.setdefault(str(key), name)
    return found


def fates(endpoint: Endpoint, answer: VendorResponse, items: Sequence[tuple[str, str]]) -> list[Fate]:
    """Return the outcome of each item from a response with code 0. Items are pairs of reference and text."""
    relay = policy(endpoint)
    meaning = endpoint.describe_code(0)
    if not relay.list_parameter:
        return [Fate("delivered", 0, meaning, answer=answer.raw.decode("utf-8", "replace"))]
    lists = named(endpoint, answer.document)
    good = Fate("delivered", 0, meaning)
    if not lists:
        return [good] * len(items)
    return [_fate(endpoint, relay, lists[name], text) if name in lists else good for name, text in items]


def _fate(endpoint: Endpoint, relay: RelayPolicy, listed: str, text: str) -> Fate:
    verdict = relay.result_lists[listed]
    if verdict == "redirected":
        return Fate("waiting", listed=listed, instead=relay.redirect_to)
    if (
        verdict == "refused"
        and relay.creating_member
        and listed != "invalid_list"
        and json_text.loads(text).get(relay.creating_member)
    ):
        verdict = "delivered"  # (NOTES: Product updates)
    if verdict == "delivered":
        return Fate("delivered", 0, endpoint.describe_code(0), listed)
    return Fate("refused", 0, f"the vendor names it in {listed}", listed)


def refused(code: int, meaning: str, document: Any) -> Fate:
    """Return the outcome of an item that a return code refused."""
    return Fate("refused", code, meaning, answer=json_text.dumps(document))


def aggregate(states: Sequence[State]) -> State:
    """Return the state of a submission from those of its items."""
    for open_state in ("sending", "waiting"):
        if open_state in states:
            return open_state
    kinds = set(states)
    return next(state for state in ("delivered", "refused", "expired", "superseded") if state in kinds)


def rebuilt(endpoint: Endpoint, members: Sequence[Member]) -> str:
    """Return the response to a submission, as JSON in the vendor's shape, from the outcomes of its items."""
    relay = policy(endpoint)
    if len(members) == 1 and members[0].fate.answer:
        return members[0].fate.answer
    lists: dict[str, list[str]] = {name: [] for name in relay.result_lists}
    for member in members:
        listed = member.fate.listed or ("invalid_list" if member.fate.state == "refused" else "")
        if listed:
            lists.setdefault(listed, []).append(member.reference)
    data = {name: list(dict.fromkeys(references)) for name, references in lists.items()}
    return json_text.dumps({"code": 0, "msg": "succeed", "data": data})
