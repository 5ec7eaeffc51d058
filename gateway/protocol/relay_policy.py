"""The relay policy of an endpoint: whether its calls may wait in the outbox, and by which rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

ResourceKind = Literal["flash", "order", "product", "label"]
NewerItemRule = Literal["keep", "merge", "replace"]
ListedOutcome = Literal["refused", "delivered", "redirected"]

PRIORITIES: Final[Mapping[ResourceKind, int]] = {"flash": 0, "order": 1, "product": 2, "label": 2}
"""Priority by what an item changes; the lowest number is sent first. Kinds that one call can change together share a
number, so that sending by priority and then by acceptance keeps the order within each key."""

_JSON_NAMES: Final[Mapping[NewerItemRule, str]] = {"keep": "every", "merge": "merge", "replace": "latest"}
"""The rules as the catalogue's JSON names them."""


@dataclass(frozen=True, slots=True)
class OrderKey:
    """What a call changes. Calls that change the same thing are sent one after the other."""

    kind: ResourceKind
    """The kind of thing."""
    names: tuple[str, ...] = ()
    """Parameters, or members of a list's elements, that identify the thing. Each one given makes a key.

    If there are none, the element itself is the identifier.
    """


@dataclass(frozen=True, slots=True)
class ResultList:
    """A list of the vendor's response that names items."""

    outcome: ListedOutcome
    """What becomes of an item that it names: `refused`, `delivered` (its effect is there already), or `redirected`."""
    meaning: str
    """What it says about such an item, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPolicy:
    """How calls of an endpoint wait in the outbox. An endpoint without a policy is never queued."""

    order_keys: tuple[OrderKey, ...]
    """What an item changes. The first is its order key, and the vendor's responses name the item by it."""
    list_parameter: str = ""
    """The list parameter whose elements are the items. If empty, the whole call is one item."""
    on_newer: NewerItemRule = "keep"
    """What happens to a waiting item when a newer one with the same order key and path arrives.

    `keep`: both are sent. `merge`: they become one, field by field, the newest value wins, because the vendor's
    updates are partial. `replace`: only the newer one is sent, because it carries whole values.
    """
    barrier: bool = False
    """Whether nothing is merged or replaced across an item of this endpoint."""
    max_batch_size: int = 1
    """Largest number of items in one call."""
    expires_after_s: int | None = None
    """Seconds of uptime after which an item expires; None for never."""
    deduplicated: bool = False
    """Whether an item with the same order key and content is the same item, submitted again."""
    result_lists: Mapping[str, ResultList] = field(default_factory=dict, hash=False)
    """The lists of the response that name items, by name."""
    redirect_to: str = ""
    """The endpoint that receives the items whose outcome is `redirected`."""
    creating_member: str = ""
    """A member that makes the vendor create an unknown object (NOTES: Product updates).

    An item that has it counts as delivered where a list means refused, except in `invalid_list`.
    """
    done_codes: tuple[int, ...] = ()
    """Codes that mean, for a whole call, that its effect is there already: it was sent again after a lost response."""

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        problems = [
            (not self.order_keys, "it needs an order key"),
            (len({PRIORITIES[key.kind] for key in self.order_keys}) > 1, "its keys have different priorities"),
            (
                (self.max_batch_size > 1 or bool(self.result_lists)) and not self.list_parameter,
                "only elements of a list travel together",
            ),
            (
                any(not key.names for key in self.order_keys) and not self.list_parameter,
                "the key of a whole call needs parameters",
            ),
            (self.max_batch_size < 1, "a batch has at least one item"),
            (
                any(one.outcome == "redirected" for one in self.result_lists.values()) != bool(self.redirect_to),
                "redirected items need an endpoint to go to",
            ),
            (self.barrier and self.on_newer != "keep", "a barrier is never merged or replaced"),
            (bool(self.done_codes) and self.max_batch_size > 1, "done codes are for batches of one"),
            (self.on_newer == "merge" and not self.list_parameter, "only elements of a list merge"),
        ]
        for wrong, reason in problems:
            if wrong:
                raise ValueError(f"relay policy: {reason}")

    @property
    def priority(self) -> int:
        """The priority of the items; the lowest number is sent first."""
        return PRIORITIES[self.order_keys[0].kind]

    def has_items_of(self, other: "RelayPolicy") -> bool:
        """Tell whether the items of another policy can be items of this one."""
        return (self.list_parameter, self.order_keys) == (other.list_parameter, other.order_keys)

    def describe(self) -> dict[str, Any]:
        """Return the policy as JSON for the catalogue."""
        return {
            "queued": True,
            "each": self.list_parameter or None,
            "order_key": [{"kind": key.kind, "names": list(key.names)} for key in self.order_keys],
            "waiting": _JSON_NAMES[self.on_newer],
            "barrier": self.barrier,
            "priority": self.priority,
            "items_per_call": self.max_batch_size,
            "expires_after_s": self.expires_after_s,
        }
