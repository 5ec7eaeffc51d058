"""The texts of the API reference that come from declarations and are translated, for the catalogues."""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.api.docs.field_tree import FieldNode
from gateway.api.docs.operations import OperationPage, StatusDescription
from gateway.api.docs.reference import ApiReference, list_problems
from gateway.api.docs.text_format import list_units
from gateway.api.openapi import build_document
from gateway.api.route_table import list_routes
from gateway.api.validation import RequestModel, list_required_fields
from gateway.errors import VendorRefused

_FILLED_IN: Final = ("shop_id", "sunmi_shop_no")
"""Parameters of the vendor that the gateway fills in."""


def list_reference_texts() -> set[str | tuple[str, str]]:
    """Return the texts about the gateway's own calls, events and problems. What is the vendor's stays as it is."""
    document = build_document(list_routes())
    reference = ApiReference(lambda: document)
    texts: set[str | tuple[str, str]] = set(list_units(document["info"]["description"]))
    texts.add(document["info"]["title"])
    for section, operations in reference.sections.items():
        is_own = section != "camera" and not section.startswith("cloud-")
        for operation in operations:
            texts.update(list_operation_texts(operation) if is_own else _list_queueing_texts(operation))
    for webhook in reference.webhooks:
        texts.update(list_operation_texts(webhook))
    for event in reference.events:
        texts.update([*list_units(event.description), *_list_field_texts(event.members)])
    texts.update(_list_field_texts(reference.problem_members))
    for model in _list_models(RequestModel):
        texts.update(meaning.template for meaning in list_required_fields(model).values())
    for problem in list_problems():
        texts.update((problem.title, problem.meaning, problem.advice))
    return texts


def _list_models(base: type[RequestModel]) -> Iterator[type[RequestModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _list_models(model)


def list_operation_texts(operation: OperationPage) -> Iterator[str]:
    """Yield the texts of a call that pages show."""
    yield operation.summary
    yield from list_units(operation.description)
    yield from _list_field_texts((*operation.parameters, *operation.body))
    for response in operation.responses:
        yield from _list_response_texts(response)
        yield from _list_field_texts(response.members)


def _list_queueing_texts(operation: OperationPage) -> Iterator[str]:
    """Yield what the gateway adds to an endpoint of the vendor."""
    yield from _list_field_texts(operation.parameters)
    for field in operation.body:
        if field.name in _FILLED_IN:
            yield from list_units(field.description)
    for response in operation.responses:
        if response.status != str(VendorRefused.status):
            yield from _list_response_texts(response)
            for field in response.members:  # what is below them is the vendor's
                yield from list_units(field.description)


def _list_response_texts(response: StatusDescription) -> Iterator[str]:
    yield from list_units(response.description)
    for description in response.headers.values():
        yield from list_units(description)


def _list_field_texts(fields: Iterable[FieldNode]) -> Iterator[str]:
    for field in fields:
        yield from list_units(field.description)
        yield from _list_field_texts(field.members)
