"""Which items of a call the lists of a response name."""

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Any, NamedTuple

from gateway.protocol.relay_policy import RelayPolicy


class NamedItems(NamedTuple):
    """The items that a response names."""

    lists: dict[str, str]
    """The list that names it, by the item's reference."""
    unmatched_list: str | None
    """The first list with an entry that names none of the items, or that could name several; None if there is none."""


def find_named_items(relay: RelayPolicy, references: Collection[str], document: Any) -> NamedItems:
    """Return the items that the result lists of a response name.

    An entry is an identifier as text or as a number, or an object that has it (NOTES: Identifiers). The cloud may write
    a number without its leading zeros, or a text without blanks around it.
    """
    data = document.get("data") if isinstance(document, dict) else None
    matcher = _Matcher(references, relay.order_keys[0].names)
    lists: dict[str, str] = {}
    unmatched_list: str | None = None
    for name in relay.result_lists:
        for entry in _entries(data.get(name) if isinstance(data, dict) else None):
            reference = matcher.match(entry)
            if reference is not None:
                lists.setdefault(reference, name)
            elif unmatched_list is None:
                unmatched_list = name
    return NamedItems(lists, unmatched_list)


def _entries(value: Any) -> list[Any]:
    """Return the entries of a result list, also of one that is not written as a list. Null and "" name nothing.

    An empty object may be an item whose number the cloud left out, so it stays: it names an unknown item.
    """
    entries = value if isinstance(value, list) else [value] if value else []
    return [entry for entry in entries if entry not in (None, "")]


class _Matcher:
    """Finds the item that an entry of a result list means."""

    def __init__(self, references: Collection[str], names: Collection[str]) -> None:
        """Take the references of the items, and the names of the member that holds the reference."""
        self._exact = set(references)
        self._names = names
        self._by_value: defaultdict[str, list[str]] | None = None

    def match(self, entry: Any) -> str | None:
        """Return the reference of the one item that an entry can mean, or None."""
        if not isinstance(entry, dict):
            return self._match_value(entry)
        for name in self._names:
            if name in entry:
                return self._match_value(entry[name])
        found = {self._match_value(value) for value in entry.values()} - {None}
        return found.pop() if len(found) == 1 else None

    def _match_value(self, value: Any) -> str | None:
        if isinstance(value, str) and value in self._exact:
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            return None
        if self._by_value is None:
            self._by_value = defaultdict(list)
            for reference in self._exact:
                self._by_value[_normalize(reference)].append(reference)
        found = self._by_value.get(_normalize(value), ())
        return found[0] if len(found) == 1 else None


def _normalize(value: str | int | Decimal) -> str:
    """Return what two writings of one identifier have in common."""
    if isinstance(value, Decimal):
        value = str(value).removesuffix(".0")
    text = str(value).strip().casefold()
    return (text.lstrip("0") or "0") if text.isascii() and text.isdigit() else text
