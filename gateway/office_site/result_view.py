"""What a shop returned to a command, as pages show it: lists and tables that follow from the model of the result.

A shop may send anything. What the model does not name is shown by its own name, and everything is bounded.
"""

import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import TypeAliasType

from firmware_tools.language import Language, message, translate
from gateway.fleet.command_results import FileContent
from gateway.office.shop_facts import clean_text
from gateway.office_site.result_texts import FIELD_TEXTS, RESULTS, VALUE_TEXTS, BadgeKind
from gateway.protocol import json_text

MAX_VALUES: Final = 3000
"""How many values a page shows, of all shops together."""
MAX_ENTRIES: Final = 200
"""How many members of an object, or entries of a list, it shows."""
MAX_TEXT: Final = 2000
"""How many characters it shows of a text."""
MAX_DEPTH: Final = 6
"""How deep objects and lists are shown as such; what is below is JSON."""
MAX_COLUMNS: Final = 7
"""How many columns a table has at most: what has more, or longer texts, is shown as entries."""
MAX_CELL: Final = 200
"""How many characters a cell of a table has at most."""
MAX_NAME: Final = 40
"""How many characters the name of a member has at most, and a text that is part of a title."""
MAX_LINE: Final = 120
"""How many characters the texts of a list have together that stand in one line."""
_TITLE_PARTS: Final = 2
_MAX_BITS: Final = 256
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")


class ShownMember(NamedTuple):
    """A member of an object."""

    label: str
    """What it is called."""
    is_known: bool
    """Whether the model has it; else the label is its name."""
    value: "ShownValue"
    """What it holds."""


class ShownEntry(NamedTuple):
    """An object in a list."""

    title: Sequence["ShownValue"]
    """What tells it from the others."""
    members: Sequence[ShownMember]
    """What it holds."""
    left_out: int
    """How many more members it has."""
    is_open: bool
    """Whether it is shown at once, since it needs somebody."""


class ShownValue(NamedTuple):
    """A value of a result."""

    kind: Literal["nothing", "text", "flag", "time", "badge", "file", "members", "table", "entries", "list"]
    """How it is shown."""
    text: str = ""
    """A text, a time in UTC, or how large a file is."""
    colour: BadgeKind = ""
    """The colour of a badge."""
    members: Sequence[ShownMember] = ()
    """The members of an object."""
    entries: Sequence[ShownEntry] = ()
    """The objects in a list; those of a table have all the same members."""
    values: Sequence["ShownValue"] = ()
    """Other values in a list."""
    left_out: int = 0
    """How many more there are that are not shown."""


class ResultView:
    """Makes what one page shows of results."""

    def __init__(self, language: Language, recognise: Callable[[str], str]) -> None:
        """`recognise` returns a text that a shop has rendered in English as the message that it was made as."""
        self._language = language
        self._recognise = recognise
        self._left = MAX_VALUES

    @property
    def is_full(self) -> bool:
        """Whether the page shows no further values."""
        return self._left <= 0

    def leave_out(self) -> ShownValue:
        """Return what stands in place of a result that the page has no room for."""
        return ShownValue("members", left_out=1)

    def read(self, command: str, result: Mapping[str, Any]) -> ShownValue:
        """Return what is shown of the result of a command."""
        model = next((one for name, one in RESULTS.items() if name == command), None)
        return self._show(result, model, MAX_DEPTH)

    def _show(self, value: Any, declared: Any, depth: int) -> ShownValue:
        self._left -= 1
        declared, is_file = _resolve(declared)
        if value is None or (isinstance(value, str | Mapping | list) and not value):
            return ShownValue("nothing")
        if isinstance(value, str):
            return ShownValue("file", str(len(value) * 3 // 4)) if is_file else self._show_text(value, declared)
        if isinstance(value, bool):
            return ShownValue("flag", self._translate(message("yes") if value else message("no")))
        if not isinstance(value, Mapping | list):
            return ShownValue("text", _write_number(value))
        if depth == 0:
            return ShownValue("text", _cut(json_text.dumps(json_text.make_encodable(value))))
        if isinstance(value, Mapping):
            members = self._list_members(value, declared, depth)
            return ShownValue("members", members=members, left_out=len(value) - len(members))
        return self._show_list(value, _find_element(declared), depth)

    def _show_text(self, text: str, declared: Any) -> ShownValue:
        known = VALUE_TEXTS.get(declared, {}).get(text)
        if known is not None:
            colour, words = known
            return ShownValue("badge" if colour else "text", self._translate(words), colour)
        if _TIME.fullmatch(text):
            return ShownValue("time", text)
        shown = _cut(text)
        # A name is one word, or is in no catalogue; a sentence has blanks.
        return ShownValue("text", self._translate(self._recognise(shown)) if " " in shown else shown)

    def _list_members(self, value: Mapping[Any, Any], declared: Any, depth: int) -> list[ShownMember]:
        fields = declared.model_fields if isinstance(declared, type) and issubclass(declared, BaseModel) else {}
        names = [*(name for name in fields if name in value), *(name for name in value if name not in fields)]
        members: list[ShownMember] = []
        for name in names[:MAX_ENTRIES]:
            if self.is_full:
                break
            is_known = name in fields
            label = self._translate(FIELD_TEXTS.get(name, name)) if is_known else clean_text(name, MAX_NAME)
            inner = fields[name].rebuild_annotation() if is_known else _find_element(declared)
            members.append(ShownMember(label, is_known, self._show(value[name], inner, depth - 1)))
        return members

    def _show_list(self, values: Sequence[Any], declared: Any, depth: int) -> ShownValue:
        if not all(isinstance(one, Mapping) for one in values):
            return self._show_values(values, declared, depth)
        entries: list[ShownEntry] = []
        for one in values[:MAX_ENTRIES]:
            if self.is_full:
                break
            members = self._list_members(one, _resolve(declared)[0], depth - 1)
            entries.append(_make_entry(members, len(one) - len(members), is_only=len(values) == 1))
        left_out = len(values) - len(entries)
        return ShownValue("table" if _is_table(entries) else "entries", entries=entries, left_out=left_out)

    def _show_values(self, values: Sequence[Any], declared: Any, depth: int) -> ShownValue:
        shown: list[ShownValue] = []
        for one in values[:MAX_ENTRIES]:
            if self.is_full:
                break
            shown.append(self._show(one, declared, depth - 1))
        left_out = len(values) - len(shown)
        if not left_out and all(one.kind == "text" for one in shown) and sum(len(one.text) for one in shown) < MAX_LINE:
            return ShownValue("text", ", ".join(one.text for one in shown))
        return ShownValue("list", values=shown, left_out=left_out)

    def _translate(self, text: str) -> str:
        return translate(text, self._language)


def _make_entry(members: Sequence[ShownMember], left_out: int, *, is_only: bool) -> ShownEntry:
    values = [one.value for one in members]
    texts = [one for one in values if one.kind == "text" and len(one.text) <= MAX_NAME]
    badges = [one for one in values if one.kind == "badge"]
    is_open = is_only or any(one.colour in ("failed", "warning") for one in badges)
    return ShownEntry([*texts[:_TITLE_PARTS], *badges], members, left_out, is_open)


def _is_table(entries: Sequence[ShownEntry]) -> bool:
    """Return whether objects fit into a table: they have the same few members, and all of them are short."""
    heads = {tuple(one.label for one in entry.members) for entry in entries}
    return (
        len(heads) == 1
        and len(*heads) <= MAX_COLUMNS
        and not any(entry.left_out for entry in entries)
        and all(
            one.value.kind in ("nothing", "text", "flag", "time", "badge") and len(one.value.text) <= MAX_CELL
            for entry in entries
            for one in entry.members
        )
    )


def _resolve(declared: Any) -> tuple[Any, bool]:
    """Return a type without what only describes it and without None; and whether it is the content of a file."""
    is_file = False
    while True:
        if isinstance(declared, TypeAliasType):
            declared = declared.__value__
        elif get_origin(declared) is Annotated:
            is_file = is_file or FileContent in get_args(declared)
            declared = get_args(declared)[0]
        elif get_origin(declared) in (Union, types.UnionType):
            kinds = [one for one in get_args(declared) if one is not type(None)]
            if len(kinds) != 1:
                return None, is_file
            declared = kinds[0]
        else:
            return declared, is_file


def _find_element(declared: Any) -> Any:
    """Return the type of the elements of a list, or of the members of an object, if it is declared."""
    return get_args(declared)[-1] if get_origin(declared) in (list, dict) else None


def _cut(text: str) -> str:
    return clean_text(text, MAX_TEXT) + ("…" if len(text) > MAX_TEXT else "")


def _write_number(value: Any) -> str:
    # Python takes long to write large numbers, and refuses to write very large ones.
    return "…" if isinstance(value, int) and value.bit_length() > _MAX_BITS else _cut(str(value))
