"""What the head office wants of its shops: the documents of the bucket `desired`, read and changed part by part.

The value of a part is JSON; None means that the document does not have it.
"""

import json  # numbers stay what models make of them: json_text would have fractions as Decimal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from firmware_tools.language import describe_error, message
from gateway.desired_settings import find_push_refusal
from gateway.errors import FieldError, InvalidRequest
from gateway.fleet.documents import MAX_DOCUMENT_BYTES, DesiredState
from gateway.fleet.part_names import PRODUCTS, SETTINGS, TEMPLATES, VERSION
from gateway.fleet.subjects import CHAIN_KEY, DESIRED, group_key
from gateway.list_settings import show_list_example
from gateway.office.bucket import Bucket, DamagedEntry, Entry
from gateway.office.office import Office
from gateway.protocol import json_text
from gateway.settings import Settings, describe_errors
from gateway.validation_texts import describe_validation_error

Parts = Mapping[str, Any]
"""Values by part."""


class DesiredDocument(NamedTuple):
    """A document of the bucket."""

    key: str
    """Its key."""
    document: Mapping[str, Any]
    """What it holds; what a newer head office has put there is kept."""
    revision: int
    """Its revision; 0 if it was never there."""
    is_damaged: bool = False
    """Whether it cannot be read: it counts as empty."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of the shop whose document it is, the last one wins."""
        groups = self.document.get("groups", ())
        return tuple(groups) if isinstance(groups, list) else ()

    def read(self, parts: Iterable[str]) -> dict[str, Any]:
        """Return the present values of parts."""
        return {part: read_part(self.document, part) for part in parts}


class Wanted(NamedTuple):
    """What is wanted of a shop in one part."""

    value: Any
    """The value, as JSON."""
    key: str
    """The document that it comes from."""

    @property
    def text(self) -> str:
        """The value in few words: of a file its name."""
        name = self.value.get("name", "") if isinstance(self.value, dict) else self.value
        return name if isinstance(name, str) else json_text.dumps(name)


class DesiredBucket:
    """The bucket. Every method raises `HeadOfficeUnavailable`, and `DamagedEntry` for a document that is damaged."""

    def __init__(self, office: Office) -> None:
        """Take the connection."""
        self._bucket = Bucket(office, DESIRED)

    async def get(self, key: str) -> DesiredDocument:
        """Return a document."""
        entry = await self._bucket.get(key)
        return DesiredDocument(key, _load(key, entry.value), entry.revision)

    async def read(self, keys: Sequence[str]) -> dict[str, DesiredDocument]:
        """Return documents by key; empty ones for those that there are not, or that are damaged."""
        found = await self._bucket.read(keys)
        return {key: read_entry(key, found.get(key)) for key in keys}

    async def rewrite(self, key: str, decide: Callable[["DesiredDocument"], Awaitable[Parts | None]]) -> int:
        """Set the parts that `decide` returns for a document as it is, and return the new revision.

        It is written even if it stays as it is; not if that returns None. `decide` is called again if somebody else
        changes the document meanwhile. Raises `Conflict` and `InvalidRequest`.
        """

        async def work() -> int:
            document = await self.get(key)
            parts = await decide(document)
            if parts is None:
                return document.revision
            return await self._bucket.put(key, _dump(key, apply_parts(document.document, parts)), document.revision)

        return await self._bucket.retry_on_conflict(key, work)

    async def change(self, key: str, parts: Parts) -> tuple[DesiredDocument, int]:
        """Set parts of a document; return it as it was before, and the new revision.

        Raises `Conflict` and `InvalidRequest`.
        """

        def edit(value: bytes | None) -> bytes | None:
            before = _load(key, value)
            changed = apply_parts(before, parts)
            return value if changed == before else _dump(key, changed)

        entry, revision = await self._bucket.change(key, edit)
        return DesiredDocument(key, _load(key, entry.value), entry.revision), revision

    async def change_groups(self, key: str, groups: tuple[str, ...]) -> None:
        """Set the groups of a shop in its document, if they differ. Raises `Conflict` and `InvalidRequest`."""

        def edit(value: bytes | None) -> bytes | None:
            before = _load(key, value)
            is_same = before.get("groups", []) == [*groups]
            return value if is_same else _dump(key, {**before, "groups": [*groups]})

        await self._bucket.change(key, edit)

    async def empty(self, key: str, groups: tuple[str, ...] = ()) -> int:
        """Take out all that a document holds, also if it is damaged, and return its new revision.

        `groups` are those of the shop whose document it is. Raises `Conflict`.
        """
        value = _dump(key, {"groups": list(groups)} if groups else {})
        return (await self._bucket.change(key, lambda _: value))[1]

    async def read_all(self, keys: str = ">") -> AsyncIterator[DesiredDocument]:
        """Yield the documents whose keys fit. Damaged ones count as empty: shops take nothing of them, either."""
        async for entry in self._bucket.entries(keys):
            if entry.value is not None:
                yield read_entry(entry.key, entry)


def list_parts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a document by part."""
    settings = document.get(SETTINGS) or {}
    parts = {f"{SETTINGS}.{section}.{key}": value for section, keys in settings.items() for key, value in keys.items()}
    parts |= {part: document[part] for part in (PRODUCTS, VERSION) if document.get(part) is not None}
    return parts | {f"{TEMPLATES}.{name}": value for name, value in (document.get(TEMPLATES) or {}).items()}


def find_wanted(documents: Mapping[str, Mapping[str, Any]], groups: Sequence[str], own_key: str) -> dict[str, Wanted]:
    """Return by part what is wanted of a shop, of documents by key: that of the narrowest circle wins."""
    wanted: dict[str, Wanted] = {}
    for key in (CHAIN_KEY, *map(group_key, groups), own_key):
        wanted |= {part: Wanted(value, key) for part, value in list_parts(documents.get(key, {})).items()}
    return wanted


def read_part(document: Mapping[str, Any], part: str) -> Any:
    """Return the value of a part; None if there is none."""
    kind, _, name = part.partition(".")
    if kind == SETTINGS:
        section, _, key = name.partition(".")
        values = document.get(SETTINGS, {}).get(section, {})
        return values.get(key)
    return document.get(TEMPLATES, {}).get(name) if kind == TEMPLATES else document.get(kind)


def apply_parts(document: Mapping[str, Any], parts: Parts) -> dict[str, Any]:
    """Return a document with other values of parts."""
    changed = {**document}
    for part, value in parts.items():
        kind, _, name = part.partition(".")
        path = (kind, *name.split(".", 1)) if kind == SETTINGS else (kind, name) if kind == TEMPLATES else (kind,)
        _set(changed, path, value)
    return changed


def _set(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value in nested tables, which are copied. Tables that get empty are left out."""
    first, *rest = path
    if rest:
        inner = {**table.get(first, {})}
        _set(inner, tuple(rest), value)
        value = inner or None
    if value is None:
        table.pop(first, None)
    else:
        table[first] = value


def parse_setting(name: str, text: str) -> Any:
    """Return the value of a setting that a person has typed: a list as JSON, anything else as it is.

    Raises `InvalidRequest` as `check_settings` does.
    """
    field = find_field(name)
    annotation: Any = get_args(field.annotation)[0] if get_origin(field.annotation) is Annotated else field.annotation
    try:
        is_list = get_origin(annotation) is list
        value = json.loads(text) if is_list else TypeAdapter(annotation).validate_python(text)
    except ValidationError as exc:
        raise InvalidRequest([FieldError(name, describe_validation_error(exc.errors()[0]))]) from exc
    except (ValueError, RecursionError) as exc:
        reason = message(
            "must be a JSON array such as {example}: {reason}",
            example=show_list_example(field),
            reason=describe_error(exc),
        )
        raise InvalidRequest([FieldError(name, reason)]) from exc
    check_settings({name: value})
    return value


def check_settings(settings: Parts) -> None:
    """Check values of settings by `SECTION.KEY`, by the models that shops check them with.

    What depends on other settings of a shop is checked there. Raises `InvalidRequest`, which names each that is not
    valid, or may not be set from here, and why.
    """
    faults: list[FieldError] = []
    for name, value in settings.items():
        if (refusal := find_push_refusal(name)) is not None:
            faults.append(FieldError(name, refusal))
            continue
        section, _, key = name.partition(".")
        try:
            _encode(value)
            Settings.model_validate({section: {key: value}})
        except ValidationError as exc:
            wrong = [one for one in exc.errors() if one["loc"][1:2] == (key,)]
            faults += [FieldError(name, describe_validation_error(one)) for one in wrong[:1]]
        except ValueError as exc:
            faults.append(FieldError(name, describe_error(exc)))
    if faults:
        raise InvalidRequest(faults)


def find_missing(documents: Iterable[DesiredDocument], parts: Iterable[str]) -> list[str]:
    """Return which of some parts none of the documents has."""
    present = {part for one in documents for part in list_parts(one.document)}
    return [part for part in parts if part not in present]


def check_removals(documents: Iterable[DesiredDocument], parts: Parts) -> None:
    """Check which settings are to be taken back from documents: one that is set may be, though nobody knows it here.

    Raises `InvalidRequest`, which names each setting that is neither set nor known.
    """
    missing = find_missing(documents, [part for part, value in parts.items() if value is None])
    names = [name for kind, _, name in (part.partition(".") for part in missing) if kind == SETTINGS]
    faults = [FieldError(name, refusal) for name in names if (refusal := find_push_refusal(name)) is not None]
    if faults:
        raise InvalidRequest(faults)


def find_field(name: str) -> FieldInfo:
    """Return the declaration of a setting. Raises `InvalidRequest` if it may not be set from here."""
    if (refusal := find_push_refusal(name)) is not None:
        raise InvalidRequest([FieldError(name, refusal)])
    section, _, key = name.partition(".")
    model: type[BaseModel] = type(getattr(Settings(), section))
    return model.model_fields[key]


def read_entry(key: str, entry: Entry | None) -> DesiredDocument:
    """Return the document of an entry; an empty one if there is none, or if it is damaged."""
    if entry is None:
        return DesiredDocument(key, {}, 0)
    try:
        return DesiredDocument(key, _load(key, entry.value), entry.revision)
    except DamagedEntry:
        return DesiredDocument(key, {}, entry.revision, is_damaged=True)


def _load(key: str, value: bytes | None) -> Mapping[str, Any]:
    """Read a document. Raises `DamagedEntry`."""
    try:
        DesiredState.model_validate_json(value or b"{}")
        document: dict[str, Any] = json.loads(value or b"{}")
    except ValueError as exc:
        reason = describe_errors(exc) if isinstance(exc, ValidationError) else describe_error(exc)
        raise DamagedEntry(_describe_damage(key, reason)) from exc
    return document


def _encode(value: Any) -> bytes:
    """Return JSON that every shop reads. Raises `ValueError` with the reason for what JSON does not have."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as exc:
        raise ValueError(message("must be valid Unicode")) from exc
    except ValueError as exc:
        raise ValueError(message("must be a valid number")) from exc


def _describe_damage(key: str, reason: str) -> str:
    """Return what to do about a damaged document, and whose it is."""
    kind, _, name = key.partition(".")
    match kind:
        case "group":
            whose, option = message("the group {name}", name=name), f"--group {name}"
        case "shop":
            whose, option = message("the shop {name}", name=name), f"--shop {name}"
        case _:
            whose, option = message("all shops"), "--all"
    return message(
        "the document with what is desired of {whose} is damaged, so no shop follows it: somebody has written it who "
        "is not this program. Empty it, and set anew what is to hold: sunmi-gateway office unset document {option} "
        "({reason})",
        whose=whose,
        option=option,
        reason=reason,
    )


def _dump(key: str, document: Mapping[str, Any]) -> bytes:
    """Return a document as it is stored. Raises `InvalidRequest` for one that no shop would read."""
    try:
        value = _encode(document)
    except ValueError as exc:
        raise InvalidRequest([FieldError(key, describe_error(exc))]) from exc
    if len(value) > MAX_DOCUMENT_BYTES:
        reason = message("is larger than {limit} bytes with that", limit=MAX_DOCUMENT_BYTES)
        raise InvalidRequest([FieldError(key, reason)])
    try:
        DesiredState.model_validate_json(value)
    except ValidationError as exc:
        raise InvalidRequest([FieldError(key, describe_errors(exc))]) from exc
    return value
