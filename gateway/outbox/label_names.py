"""The names of shelf labels: one label goes by `esl_id` and by `esl_code`, and its items must keep their order.

Which names belong together is learned from calls and responses that hold both. An item whose label has an unknown
second name waits for all items that name their label by the other name alone, since it may be the same one.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.outbox.model import NewItem
from gateway.protocol.endpoint import Endpoint

_NAMES: Final = ("esl_id", "esl_code")
_KIND: Final = "label"
_ANY: Final = {f"{_KIND} by {name} alone:": f"{_KIND} by {other} alone:" for name, other in (_NAMES, _NAMES[::-1])}
"""Beginnings of the keys that items have whose label has an unknown second name, with those for which they wait."""
_MAX_NAMES: Final = 50_000
_MAX_LENGTH: Final = 64
"""How many names are remembered, and how long they may be: they come from the cloud."""


class LabelNames:
    """Which names belong to one label."""

    def __init__(self) -> None:
        self._others: dict[str, str] = {}
        """The other name of each."""

    def learn(self, fields: Mapping[str, str], document: Any) -> None:
        """Learn from a call that the cloud accepted, and from its response."""
        data = document.get("data") if isinstance(document, dict) else None
        found = {**fields, **data} if isinstance(data, dict) else fields
        self._learn_pair(found)
        for value in data.values() if isinstance(data, dict) else ():
            for element in value if isinstance(value, list) else ():
                if isinstance(element, dict):
                    self._learn_pair(element)

    def complete(self, item: NewItem, fields: Mapping[str, str]) -> NewItem:
        """Return an item with the keys of all names of its label. `fields` are those of its call."""
        given = [name for name in _NAMES if fields.get(name)]
        if len(given) != 1 or not item.keys[0].startswith(f"{_KIND}:"):
            return item
        prefix = item.keys[0].removesuffix(item.reference)
        other = self._others.get(item.reference)
        shop = prefix.removeprefix(f"{_KIND}:")
        added = f"{_KIND} by {given[0]} alone:{shop}" if other is None else f"{prefix}{other}"
        return item._replace(keys=(*item.keys, added))

    def _learn_pair(self, found: Mapping[str, Any]) -> None:
        pair = [str(found[name]) for name in _NAMES if isinstance(found.get(name), str | int)]
        if len(pair) != len(_NAMES) or not all(0 < len(name) <= _MAX_LENGTH for name in pair):
            return
        for name, other in (pair, pair[::-1]):
            self._others.pop(name, None)
            self._others[name] = other
        while len(self._others) > _MAX_NAMES:
            del self._others[next(iter(self._others))]


@functools.cache
def names_labels(endpoint: Endpoint) -> bool:
    """Tell whether calls of an endpoint, or its responses, hold names of labels."""
    parameters = {parameter.name for parameter in endpoint.parameters}
    fields = {field.path.rpartition(".")[2] for field in endpoint.response_fields}
    return not parameters.union(fields).isdisjoint(_NAMES)


def is_any(key: str) -> bool:
    """Tell whether a key stands for any label of a shop with an unknown second name."""
    return key.startswith(tuple(_ANY))


def conflicting(key: str) -> str:
    """Return the key that another item must not have that is sent at the same time: this one, with few exceptions."""
    return next((other + key.removeprefix(own) for own, other in _ANY.items() if key.startswith(own)), key)


def find_label_keys(keys: tuple[str, ...]) -> Iterator[str]:
    """Return the keys that another item for the same label can have."""
    return (conflicting(key) for key in keys if key.startswith(_KIND))
