"""The relay policy in a page, written from the contract alone: what becomes of calls, and what the cloud holds then."""

from dataclasses import dataclass, field
from typing import Any, Final

DAY_S: Final = 86400
UPDATE: Final = "product/update"
LATEST: Final = ("product/updateTemplate", "device/esl/pushImage")
BARRIERS: Final = ("product/create", "product/delete", "product/bindEsl", "product/unbindEsl")


@dataclass
class Item:
    number: int
    path: str
    keys: tuple[str, ...]
    value: Any
    submission: int
    token: str
    expires_s: float | None = None
    finished_s: float = 0.0
    state: str = "waiting"


@dataclass
class Submission:
    own: list[int]
    members: list[int]
    accepted_s: float
    key: tuple[str, str] | None
    call: Any


@dataclass
class Shop:
    """What the cloud holds, and the rules of the vendor by which it takes a call or refuses it."""

    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, tuple[str, str]] = field(default_factory=dict)
    request_paths: dict[str, list[Any]] = field(default_factory=dict)
    """Orders and pictures by their key, as they came."""

    def take(self, path: str, keys: tuple[str, ...], value: Any) -> bool:
        products, name = self.products, keys[0].partition(":")[2]
        match path:
            case "product/create" | "product/update":
                older = products.get(name, {})
                named = value.get("name") or older.get("name")
                if not named:
                    return False
                product = {**older, **value, "name": named}  # empty text takes a value away, but a name
                products[name] = {one: text for one, text in product.items() if text != ""}
            case "product/delete":
                products.pop(name, None)
            case "product/bindEsl" if value["product_id"] not in products:
                return False
            case "product/bindEsl":
                self.labels[name] = (value["product_id"], value["template_id"])
            case "product/unbindEsl":
                self.labels.pop(name, None)
            case "product/updateTemplate" if name not in products:
                return False
            case "product/updateTemplate":
                shown = [one for one, (product, _) in self.labels.items() if product == name]
                self.labels.update(dict.fromkeys(shown, (name, value["template_id"])))
            case _:
                self.request_paths.setdefault(keys[0], []).append(value)
        return True


class Policy:
    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.submissions: dict[int, Submission] = {}
        self.shop = Shop()

    def waiting(self) -> list[Item]:
        return sorted((one for one in self.items.values() if one.state == "waiting"), key=lambda one: one.number)

    def repeated(self, token: str, key: str | None, call: Any) -> Submission | bool | None:
        """Return the submission with this idempotency key; False where that is another call."""
        known = next((one for one in self.submissions.values() if key and one.key == (token, key)), None)
        return known if known is None or known.call == call else False

    def known(self, path: str, key: str, value: Any) -> Item | None:
        """Return the order that this is, handed over again: the newest of its number, with the same content."""
        if path != "order/update":
            return None
        newest = max(
            (one for one in self.items.values() if one.keys[0] == key), key=lambda one: one.number, default=None
        )
        return newest if newest is not None and newest.value == value else None

    def add(self, item: Item, now_s: float) -> None:
        if item.path in LATEST:
            older = [one for one in self.waiting() if one.keys[0] == item.keys[0]]
            barrier = max((one.number for one in older if one.path in BARRIERS), default=0)
            self._end([one for one in older if one.path == item.path and one.number > barrier], "superseded", now_s)
        self.items[item.number] = item

    def _end(self, items: list[Item], state: str, now_s: float) -> None:
        for one in items:
            one.state, one.finished_s = state, now_s

    def expire(self, now_s: float) -> None:
        old = [one for one in self.waiting() if one.expires_s is not None and one.expires_s <= now_s]
        self._end(old, "expired", now_s)

    def drain(self, now_s: float, *, merging: bool = True, refusing: str = "") -> None:
        """Let everything arrive: things that have no key in common know nothing of each other's order."""
        queue = self.waiting()
        while queue:
            parcel = [queue.pop(0)]
            first = parcel[0]
            whole: Any = first.value
            exists = first.path == "product/create" and first.keys[0].partition(":")[2] in self.shop.products
            if merging and (first.path == UPDATE or exists):
                for one in [one for one in queue if set(one.keys) & set(first.keys)]:
                    if one.path != UPDATE or any(text == "" and whole.get(name) for name, text in one.value.items()):
                        break
                    queue.remove(one)
                    parcel.append(one)
                    whole = {**whole, **one.value}
            if first.path != refusing and self.shop.take(first.path, first.keys, whole):
                self._end(parcel, "delivered", now_s)
                continue
            for one in parcel:  # what was refused together is told apart
                good = len(parcel) > 1 and self.shop.take(one.path, one.keys, one.value)
                self._end([one], "delivered" if good else "refused", now_s)

    def undone(self, item: Item) -> bool:
        """Tell whether sending this again would undo what a newer one did."""
        newer = [one for one in self.items.values() if one.number > item.number and one.state == "delivered"]
        return any(
            one.keys[0] == item.keys[0] and (one.path == item.path or one.path in BARRIERS or item.path in BARRIERS)
            for one in newer
        )

    def remove(self, item: Item) -> None:
        del self.items[item.number]
        owner = self.submissions[item.submission]
        if owner.own == owner.members and not any(one in self.items for one in owner.own):
            del self.submissions[item.submission]

    def prune(self, now_s: float) -> None:
        for item in list(self.items.values()):
            if item.state in ("delivered", "superseded", "expired") and item.finished_s < now_s - 8 * DAY_S:
                del self.items[item.number]
        for number, one in list(self.submissions.items()):
            if one.accepted_s < now_s - 8 * DAY_S and not any(own in self.items for own in one.own):
                del self.submissions[number]
