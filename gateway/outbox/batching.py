"""The items of a queued call: splitting it, merging, combining items into calls, and reading what became of each.

Pure rules; `gateway.outbox` keeps the items and `gateway.outbox.worker` sends them.
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from gateway.protocol import form, json_text
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.envelope import VendorResponse
from gateway.protocol.list_body import Part
from gateway.protocol.parameters import FilePart
from gateway.protocol.relay_policy import RelayPolicy

State = Literal["waiting", "sending", "delivered", "superseded", "expired", "refused"]
STATES: Final[tuple[State, ...]] = ("waiting", "sending", "delivered", "superseded", "expired", "refused")

CALL_BYTES: Final = 1024 * 1024 - 1024
"""How large the items of one call may be as a form: the vendor takes 1 MB, and the other parameters need some room."""

_DIGEST_BYTES: Final = 16
_DIGEST_MADE: Final = b"\x01"
"""The way in which `content_digest` makes digests: another byte for each change of it, because they are stored."""

_SHOP: Final = ("shop_id", "sunmi_shop_no")


class Item(NamedTuple):
    """One item of a call.

    `text` is JSON: the element of the list, or an object of the whole call's parameters but for the shop. `reference`
    is by what the vendor names it. `keys` is what it changes, the order key first. `size` is its length in a form.
    `digest` stands for `text` where the content identifies the item.
    """

    text: str
    reference: str
    keys: tuple[str, ...]
    size: int
    digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an item that was sent.

    `listed` is the list of the answer that names it. `code` and `meaning` are the vendor's, `answer` its whole answer
    where that concerns this item alone. `instead` is the endpoint to which a waiting one goes now.
    """

    state: State
    code: int | None = None
    meaning: str = ""
    listed: str = ""
    answer: str = ""
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """An item of a submission as its answer needs it."""

    reference: str
    fate: Fate


def policy(endpoint: Endpoint) -> RelayPolicy:
    """Return the relay policy of an endpoint that has one."""
    if endpoint.relay is None:
        raise ValueError(f"{endpoint.path} is never queued")
    return endpoint.relay


def split(call: Call) -> tuple[str, list[Item]]:
    """Split a call into what its items share, as JSON, and its items."""
    relay = policy(call.endpoint)
    if not relay.each:
        return _whole(call, relay)
    shared, shop = _shared(tuple([field for field in call.fields.items() if field[0] != relay.each]))
    kind = relay.keys[0].kind
    items: list[Item] = []
    for reference, text in call.parts or _parts(call, relay):
        raw = text.encode()
        digest = hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).digest() if relay.identified else None
        items.append(Item(text, reference, (f"{kind}:{shop}:{reference}",), form.length(raw) + 3, digest))
    return shared, items


def _parts(call: Call, relay: RelayPolicy) -> list[Part]:
    names = relay.keys[0].names
    elements = json_text.loads(call.fields[relay.each])
    return [Part(str(element[names[0]] if names else element), json_text.dumps(element)) for element in elements]


def _whole(call: Call, relay: RelayPolicy) -> tuple[str, list[Item]]:
    shared, shop = _shared(tuple((name, value) for name, value in call.fields.items() if name in _SHOP))
    own = {name: value for name, value in call.fields.items() if name not in _SHOP}
    keys = tuple(f"{key.kind}:{shop}:{own[name]}" for key in relay.keys for name in key.names if own.get(name))
    size = len(form.encode(own)) + sum(len(part.data) for part in call.files.values())
    return shared, [Item(json_text.dumps(own), keys[0].rpartition(":")[2], keys, size)]


@functools.lru_cache(maxsize=64)
def _shared(fields: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """Return as JSON what the items of a call share, and the shop."""
    shared = dict(fields)
    return json_text.dumps(shared), shared.get("shop_id") or shared.get("sunmi_shop_no", "")


def _digest(*parts: bytes) -> bytes:
    framed = b"".join([len(part).to_bytes(8) + part for part in parts])
    return hashlib.blake2b(framed, digest_size=_DIGEST_BYTES).digest()


def same(one: str, other: str) -> bool:
    """Tell whether two items have the same content: the order of an object's members has no meaning."""
    return one == other or bool(one and json_text.loads(one) == json_text.loads(other))


def content_digest(call: Call) -> bytes:
    """Return what stands for a call's whole content, in whatever order the members of its objects are.

    It begins with the way in which it was made, for `contradict`.
    """
    structures = {known.name for known in call.endpoint.parameters if known.type in ("array", "object")}
    parts = [call.endpoint.path.encode()]
    for name, value in sorted(call.fields.items()):
        content = json_text.canonical(json_text.loads(value)) if name in structures else value.encode()
        parts += [name.encode(), content]
    for name, part in sorted(call.files.items()):
        parts += [name.encode(), part.data]
    return _DIGEST_MADE + _digest(*parts)


def contradict(one: bytes, other: bytes) -> bool:
    """Tell whether two digests stand for different contents: those that were made in different ways do not tell."""
    return one != other and one[:-_DIGEST_BYTES] == other[:-_DIGEST_BYTES]


def parameters(endpoint: Endpoint, shared: str, text: str) -> dict[str, Any]:
    """Return the parameters of a call with one item alone, as JSON values."""
    relay = policy(endpoint)
    own = json_text.loads(text)
    return {**json_text.loads(shared), **({relay.each: [own]} if relay.each else own)}


def merged(older: str, newer: str) -> str:
    """Merge two items field by field, the newest wins; an empty value stands for none (NOTES: Empty values)."""
    given = {name: value for name, value in json_text.loads(newer).items() if value is not None and value != ""}
    return json_text.dumps({**json_text.loads(older), **given})


def merge(endpoint: Endpoint) -> bool:
    """Tell whether waiting items of one order key are sent as one."""
    relay = endpoint.relay
    return relay is not None and relay.mode == "merge"


def combine(endpoint: Endpoint, shared: str, texts: Sequence[str], files: Mapping[str, FilePart] | None = None) -> Call:
    """Make one call of items that share everything but their elements."""
    relay = policy(endpoint)
    fields: dict[str, str] = json_text.loads(shared)
    if relay.each:
        return Call(endpoint, {**fields, relay.each: f"[{','.join(texts)}]"})
    return Call(endpoint, {**fields, **json_text.loads(texts[0])}, files or {})


def named(endpoint: Endpoint, document: Any) -> dict[str, str]:
    """Return the items that an answer names, each with the list that does."""
    relay = policy(endpoint)
    data = document.get("data") if isinstance(document, dict) else None
    found: dict[str, str] = {}
    for name in relay.named:
        entries = data.get(name) if isinstance(data, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            # Identifiers are text or numbers; an object is meant by its own identifier (NOTES: Identifiers).
            key = next(iter(entry.values()), "") if isinstance(entry, dict) else entry
            found.setdefault(str(key), name)
    return found


def fates(endpoint: Endpoint, answer: VendorResponse, items: Sequence[tuple[str, str]]) -> list[Fate]:
    """Read from an answer with code 0 what became of each item; they are given as reference and text."""
    relay = policy(endpoint)
    meaning = endpoint.meaning(0)
    if not relay.each:
        return [Fate("delivered", 0, meaning, answer=answer.raw.decode("utf-8", "replace"))]
    lists = named(endpoint, answer.document)
    good = Fate("delivered", 0, meaning)
    if not lists:
        return [good] * len(items)
    return [_fate(endpoint, relay, lists[name], text) if name in lists else good for name, text in items]


def _fate(endpoint: Endpoint, relay: RelayPolicy, listed: str, text: str) -> Fate:
    verdict = relay.named[listed]
    if verdict == "instead":
        return Fate("waiting", listed=listed, instead=relay.instead)
    if verdict == "refused" and relay.made_by and listed != "invalid_list" and json_text.loads(text).get(relay.made_by):
        verdict = "delivered"  # (NOTES: Product updates)
    if verdict == "delivered":
        return Fate("delivered", 0, endpoint.meaning(0), listed)
    return Fate("refused", 0, f"the vendor names it in {listed}", listed)


def refused(code: int, meaning: str, document: Any) -> Fate:
    """Return the fate of an item that was refused by a code."""
    return Fate("refused", code, meaning, answer=json_text.dumps(document))


def aggregate(states: Sequence[State]) -> State:
    """Return the state of a submission from those of its items."""
    for open_state in ("sending", "waiting"):
        if open_state in states:
            return open_state
    kinds = set(states)
    return next(state for state in ("delivered", "refused", "expired", "superseded") if state in kinds)


def rebuilt(endpoint: Endpoint, members: Sequence[Member]) -> str:
    """Return the answer to a call, as JSON in the vendor's shape, from what became of its own items."""
    relay = policy(endpoint)
    if len(members) == 1 and members[0].fate.answer:
        return members[0].fate.answer
    lists: dict[str, list[str]] = {name: [] for name in relay.named}
    for member in members:
        listed = member.fate.listed or ("invalid_list" if member.fate.state == "refused" else "")
        if listed:
            lists.setdefault(listed, []).append(member.reference)
    data = {name: list(dict.fromkeys(references)) for name, references in lists.items()}
    return json_text.dumps({"code": 0, "msg": "succeed", "data": data})
