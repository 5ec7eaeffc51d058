"""The relay policy of an endpoint: whether its calls may wait for the cloud, and by which rules they wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["flash", "order", "product", "label"]
Mode = Literal["every", "merge", "latest"]
Verdict = Literal["refused", "delivered", "instead"]

PRIORITIES: Final[Mapping[Kind, int]] = {"flash": 0, "order": 1, "product": 2, "label": 2}
"""What is sent first, by what it changes: the lowest number. Kinds that one call can change together share a number,
so that what is sent in the order of these and of acceptance is in order for each key."""


@dataclass(frozen=True, slots=True)
class OrderKey:
    """What a call changes: calls that change the same thing are sent one after the other.

    `names` are the parameters, or the members of a list's elements, that tell which; each that is given makes a key.
    None of them means that the element itself does.
    """

    kind: Kind
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPolicy:
    """How calls of an endpoint wait in the outbox. An endpoint without one is never queued: its calls go directly.

    `each` is the list parameter of which every element is an item; without one the whole call is the item.
    `keys` is what an item changes. The first is its order key; the vendor's answers name an item by it.
    `mode` tells what becomes of an item that still waits when a newer one of the same order key and path comes: `every`
    one is sent, they are sent as one by `merge` (the vendor's updates are partial: field by field, the newest wins), or
    only the `latest` is sent (whole values). A `barrier` is never passed by this.
    `most` is how many items go into one call. `expires_after_s` is the running time after which an item is worthless.
    `identified` says that an item with the same order key and content is the same item, handed over again.
    `named` tells what it means for an item to be named in a list of the answer: `refused`, `delivered` (its effect is
    there already) or `instead`, which sends it to the endpoint `instead`. One that has the member `made_by` counts as
    delivered where the list means refused, but for `invalid_list`. `done` are the codes of refusals that say of a whole
    call that its effect is there already: its answer was lost, and it was sent again.
    """

    keys: tuple[OrderKey, ...]
    each: str = ""
    mode: Mode = "every"
    barrier: bool = False
    most: int = 1
    expires_after_s: int | None = None
    identified: bool = False
    named: Mapping[str, Verdict] = field(default_factory=dict, hash=False)
    instead: str = ""
    made_by: str = ""
    done: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        problems = [
            (not self.keys, "without an order key"),
            (len({PRIORITIES[key.kind] for key in self.keys}) > 1, "keys of different priorities"),
            ((self.most > 1 or bool(self.named)) and not self.each, "only elements of a list travel together"),
            (any(not key.names for key in self.keys) and not self.each, "a whole call is no key"),
            (self.most < 1, "at most none at once"),
            (("instead" in self.named.values()) != bool(self.instead), "instead of what"),
            (self.barrier and self.mode != "every", "a barrier that others pass"),
            (bool(self.done) and self.most > 1, "a code that says of several items that they are done"),
            (self.mode == "merge" and not self.each, "only elements of a list merge"),
        ]
        for wrong, reason in problems:
            if wrong:
                raise ValueError(f"relay policy: {reason}")

    @property
    def priority(self) -> int:
        """When its items are sent, the lowest number first."""
        return PRIORITIES[self.keys[0].kind]

    def describe(self) -> dict[str, Any]:
        """Return the policy as JSON, as the catalogue shows it."""
        return {
            "queued": True,
            "each": self.each or None,
            "order_key": [{"kind": key.kind, "names": list(key.names)} for key in self.keys],
            "waiting": self.mode,
            "barrier": self.barrier,
            "priority": self.priority,
            "items_per_call": self.most,
            "expires_after_s": self.expires_after_s,
        }
