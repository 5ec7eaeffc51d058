"""Renders the pages of the API reference from the OpenAPI document; each is rendered once for each language."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from firmware_tools.language import Language, translate
from gateway.api.compression import CompressedContent
from gateway.api.docs.code_examples import ADDRESS, make_signature_examples
from gateway.api.docs.example_values import ExampleMaker
from gateway.api.docs.field_tree import FieldNode, Schema, SchemaReader
from gateway.api.docs.operations import SECTION_ORDER, OperationPage, OperationReader
from gateway.api.event_schemas import EVENT, OTHER_EVENT
from gateway.api.model_schemas import refer
from gateway.errors import list_problem_types
from gateway.runtime.templates import load_templates

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_CACHED_PAGES: Final = 24
_FIRST_CALL: Final = "list_cameras"
_TEMPLATES: Final = {"": "index.html", "event-types": "events.html", "problems": "problems.html"}
"""The templates of the pages that are no sections."""
_CODE: Final = "What kind of failure it is, for programs. A later version may have more."
_OTHER_EVENT: Final = "other"
"""Stands for the types that are not declared."""


class EventDescription(NamedTuple):
    """A type of event as the pages show it."""

    type: str
    """Its name."""
    description: str
    """What has happened."""
    members: tuple[FieldNode, ...]
    """The members of its data."""
    example: str
    """An event of the type, as JSON."""


class ProblemDescription(NamedTuple):
    """A code of problems as the pages show it."""

    code: str
    """The code."""
    status: int
    """The HTTP status."""
    title: str
    """What kind of failure it is, in a few words."""
    meaning: str
    """What it means."""
    advice: str
    """What the caller, or a person, can do about it."""


class ApiReference:
    """The pages of one OpenAPI document. Nothing is made before somebody reads it."""

    def __init__(self, build_document: Callable[[], Mapping[str, Any]]) -> None:
        """Take what makes the document."""
        self._build_document = build_document
        self._render = lru_cache(MAX_CACHED_PAGES)(self._render_page)
        self._compress = lru_cache(MAX_CACHED_PAGES)(self._compress_page)

    @cached_property
    def sections(self) -> Mapping[str, list[OperationPage]]:
        """All calls by the key of their section."""
        sections: dict[str, list[OperationPage]] = {}
        for operation in self._reader.read_all():
            sections.setdefault(operation.section, []).append(operation)
        order = {key: place for place, key in enumerate(SECTION_ORDER)}
        return dict(sorted(sections.items(), key=lambda one: order.get(one[0], len(order))))

    @cached_property
    def problem_members(self) -> list[FieldNode]:
        """The members of a problem. The codes are not listed: the page is about them."""
        members = self._reader.schemas.list_members(refer("Problem"))
        return [replace(one, choices=(), description=_CODE) if one.name == "code" else one for one in members]

    @cached_property
    def webhooks(self) -> list[OperationPage]:
        """The calls that the gateway makes at tills."""
        return list(self._reader.read_webhooks())

    @cached_property
    def events(self) -> list[EventDescription]:
        """All types of events."""
        schemas = self._reader.schemas
        examples = ExampleMaker(schemas)
        return [_describe_event(one, schemas, examples) for one in schemas.list_alternatives(refer(EVENT))]

    def has_page(self, name: str) -> bool:
        """Tell whether there is a page of this name."""
        return name in _TEMPLATES or name in self.sections

    def render(self, page: str, language: Language, address: str, *, lang: str = "", query: str = "") -> str:
        """Return a page as HTML.

        `page` is the key of a section, `event-types`, `problems`, or empty for the index. `address` is that of the
        gateway as the caller named it, `lang` the language if the caller chose one, and `query` what the index is
        searched for.
        """
        text = self._render_page(page, language, lang, query) if query else self._render(page, language, lang, "")
        return text.replace(ADDRESS, escape(address))

    def render_compressed(
        self, page: str, language: Language, address: str, *, lang: str = "", query: str = ""
    ) -> CompressedContent:
        """Return a page as `render` does, compressed; that of a search is made anew each time."""
        make = self._compress_page if query else self._compress
        return make(page, language, address, lang, query)

    def _compress_page(self, page: str, language: Language, address: str, lang: str, query: str) -> CompressedContent:
        return CompressedContent.compress(self.render(page, language, address, lang=lang, query=query).encode())

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return self._build_document()

    @cached_property
    def _reader(self) -> OperationReader:
        return OperationReader(self._document)

    def _render_page(self, page: str, language: Language, lang: str, query: str) -> str:
        template = _TEMPLATES.get(page, "section.html")
        words = query.lower().split()
        problems = list_problems()
        first = next((one for group in self.sections.values() for one in group if one.id == _FIRST_CALL), None)
        return _get_environment(language).get_template(template).render(
            page=page,
            sections=self.sections,
            info=self._document["info"],
            language=language,
            lang=lang,
            query=query,
            address=ADDRESS,
            first=first,
            matches=lambda text: all(word in text.lower() for word in words),
            events=self.events,
            webhooks=self.webhooks,
            problem_members=self.problem_members,
            signature_examples=make_signature_examples(),
            event_members=self._reader.schemas.list_members(refer(OTHER_EVENT)),
            problems=problems,
            codes={str(one.status): one.code for one in reversed(problems)},
        )  # fmt: skip


def list_problems() -> list[ProblemDescription]:
    """Return all codes of problems, by status."""
    return [
        ProblemDescription(one.code, one.status, one.title, " ".join((inspect.getdoc(one) or "").split()), one.advice)
        for one in list_problem_types()
    ]


def _describe_event(schema: Schema, schemas: SchemaReader, examples: ExampleMaker) -> EventDescription:
    properties = schema.get("properties", {})
    name = properties.get("type", {}).get("const") or _OTHER_EVENT
    event: dict[str, Any] = {
        "id": "5f3a9c70b2d84e16-1042",
        "time": "2026-11-21T14:03:07Z",
        "type": name,
        "source": "camera",
        "camera": "FM020A2300001",
        "data": {},
    }
    made = examples.make_response(schema)
    example = {**event, **(made if isinstance(made, dict) else {}), "type": name}
    members = schemas.list_members(properties.get("data", {}))
    return EventDescription(
        name, schema.get("description", ""), members, json.dumps(example, ensure_ascii=False, indent=2)
    )


@lru_cache
def _get_environment(language: Language) -> "Environment":
    from gateway.api.docs.text_format import format_line, format_text

    environment = load_templates(Path(__file__).with_name("templates"), language)
    environment.filters["text"] = lambda text: format_text(text, lambda unit: translate(unit, language))
    environment.filters["line"] = lambda text: format_line(translate(text, language))
    return environment
